"""Whether a title can be asked by itself: word lists for English, tested with sentences of both kinds.

Knows nothing of posts.
"""

import re

TAG = re.compile(r"\s*[\[({]\s*([A-Za-z]{2,12})\s*[\])}]\s*[:\-–—]*\s*")
"What a title begins with: [WP], (SP), {EU}"
_SERIOUS = re.compile(r"\s*[\[({]\s*(?:serious|nsfw|\d+ ?upvotes?)(?: replies only)?\s*[\])}]\s*[:\-–—]*\s*", re.I)
_POINTS = re.compile(
    r"\b(?:see|read|details?|more|explained|context|story|info(?:rmation)?|question|text|description|examples?) (?:is "
    r"|are )?(?:below|inside|within|in (?:the )?"
    r"(?:comments?|text|post|body|description|link))\b|\b(?:this|the (?:following|above|attached|linked)) (?:picture"
    r"|photo|image|video|link|article|post|thread|gif|"
    r"screenshot|clip|song|comment|question|story|list|poll)\b|\b(?:see|look at|watch|check out) (?:the|this|my|these) "
    r"(?:picture|photo|image|video|link|gif|comment|text)s?\b|https?://|\bwww\.|\b(?:title|headline) says\b"
    r"|\bnot sure if\b.{0,30}\bright (?:place|sub)\b|\.\.\.$|…$"
    r"|\((?:more|details?|text|explanation)?\s*(?:inside|below|in (?:text|comments?|post))\)|\bedit:|\bupdate:?\b.{0,20}$",
    re.I,
)
"Words that send to what is not in the title"
_SITE = re.compile(
    r"\breddit\w*\b|(?<!\w)/?[ru]/\w+|\b(?:sub-?reddits?|this sub|up-?vote\w*|down-?vote\w*|karma|throwaway|mods?|AMA"
    r"|lurkers?|OP|cake ?day|front ?page|ask ?reddit|"
    r"frequent flye?rs of)\b",
    re.I,
)
"Words that speak of the site or to its people"


def untagged(title: str) -> tuple[str, str]:
    """(the tag that a title begins with, in capitals, or '', the title without it)"""
    found = TAG.match(title)
    return (found[1].upper(), title[found.end() :].strip()) if found else ("", title.strip())


def asked(title: str) -> str:
    """A title of AskReddit without marks such as [Serious]"""
    return _SERIOUS.sub(" ", title).strip()


def stands_alone(title: str) -> bool:
    """Whether all that is asked is in the title"""
    return not _POINTS.search(title)


def speaks_of_the_site(title: str) -> bool:
    """Whether a title speaks of Reddit, or to those who read there"""
    return bool(_SITE.search(title))
