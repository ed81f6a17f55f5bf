"""Whether a text can stand alone as an assistant's answer: word lists for the first person, the thread around it, and what is gone.

English, over prose: code and quotations are somebody else's words. The lists are ours; LIMA §2 names the kinds and not the words.
Knows nothing of posts.
"""

import re

_FENCE = re.compile(r"^ *(`{3,}).*?^ *\1`*$", re.S | re.M)
_QUOTE = re.compile(r"^ *>.*$", re.M)
_CODE = re.compile(r"``[^\n]*?``|`[^`\n]*`")
_SAID = re.compile(r"\"[^\"\n]{1,400}\"|“[^”\n]{1,400}”|«[^»\n]{1,400}»")

_NUMERAL = (
    r"(?<!World War )(?<!War )(?<!Part )(?<!Type )(?<!Class )(?<!Phase )(?<!Chapter )(?<!Volume )(?<!Vol\. )(?<!Act )(?<!Book )"
    r"(?<!Level )(?<!Stage )(?<!Group )(?<!Elizabeth )(?<!Charles )(?<!James )(?<!Henry )(?<!Napoleon )(?<!Wilhelm )(?<!William )"
    r"(?<!Nicholas )(?<!Alexander )(?<!Francis )(?<!Franz )(?<!Frederick )(?<!Leopold )(?<!Peter )(?<!Mary )(?<!Justinian )"
    r"(?<!Constantine )(?<!Philip )(?<!Ferdinand )(?<!Basil )(?<!Otto )(?<!Edward )(?<!George )(?<!Richard )(?<!Ramesses )"
)
"Before which words I is a number: World War I, Type I, Charles I"
_FIRST = re.compile(
    _NUMERAL + r"(?<![\w.'’/&-])I(?:['’](?:m|d|ll|ve))?(?![\w/&'’-]|\.[\w])"
    r"|(?<![\w.'’-])(?:i['’](?:m|d|ll|ve)|[Mm]e|[Mm]y|[Mm]yself|IMH?O|imh?o|AFAIK|afaik|IIRC|iirc)(?![\w'’-])"
)

_PERSON = r"(?:@\w+|[A-Z]\w+|(?:the )?OP|(?:an|every|some)(?:one|body)(?: else)?|others?|(?:the )?(?:other|previous|first|second) (?:poster|answerer|user|commenter)s?)"
_SAYS = r"(?:said|says|(?:has|have|had|already|also)? ?(?:mentioned|mentions?|noted|notes?|pointed out|points? out|suggested|suggests?|stated|states?|posted|written|answered|commented))"
_POSTS = r"(?:answers?|comments?|posts?|replies|reply|responses?)"
_THREAD = (
    rf"\b(?:other|another|previous|earlier|existing|accepted|top|top-voted|highest-voted|upvoted|original|current|former|linked) {_POSTS}\b",
    rf"\b(?:all|both|most|some|none|many|each|one|several) of (?:the|these|those) (?:other )?{_POSTS}\b",
    rf"\b{_POSTS} (?:above|below|here|so far|already given|already posted|on this (?:page|site|question))\b",
    rf"\b(?:above|below) {_POSTS}\b",
    rf"\b(?:this|that|his|her|their|your|these|those) (?:other )?(?:answer|comment|reply|response)s?\b",
    rf"\b(?:the|an) (?:answer|comment|reply|response) (?:by|from|of) (?:@?[A-Z]\w+|another)",
    rf"\b(?!(?:Short|Long|Simple|Today|Let)\b)@?[A-Z]\w+['’]s (?:excellent |great |good |fine |nice |own )?(?:answer|comment|reply|response|suggestion)s?\b",
    rf"\b[Aa]s {_PERSON} {_SAYS}",
    rf"\b(?:in|to|from|see|under|read) the comments?\b(?! section of)",
    r"\b(?:has|have|was|were|been) (?:already )?(?:answered|addressed|covered) (?:already|before|elsewhere|above|here|by)\b",
    r"\balready (?:been )?(?:answered|said|mentioned|posted)\b",
    r"(?<![\w.])@[A-Za-z]\w*",
    r"(?<![\w/])(?:the )?O\.?P\b(?:['’]s)?(?!\w)",
    r"\b(?:up|down)-?vot(?:e|es|ed|ing)\b|(?<![\w+])[+-]1(?![\w.,]*\d)(?= (?:for|to)\b)",
    r"\b(?:possible |exact )?duplicate of\b|\b(?:voted?|voting) to (?:close|reopen)\b|\bclosed as\b|\b(?:off|on)-topic\b",
    r"(?i:^\W*(?:edit|update|edited|updated|addendum|p\.?s)\b ?\d*[^\w\n]{0,3}(?::|-|–|—|$))",
    r"\b[Ww]elcome to (?:the site|\w+(?:\.SE| Stack Exchange| SE|Overflow| Overflow))\b|\b\w+\.SE\b|\bStack ?(?:Exchange|Overflow)\b",
    r"\b(?:the|this|your) question(?:er|['’]s author| as (?:asked|posed|stated|written))|\b(?:the|this|your) (?:original )?question (?:asks|asked|says|states|mentions|is about)\b",
)
_REFERS = re.compile("|".join(_THREAD), re.M)

_PICTURE = r"(?:image|picture|photo|photograph|pic|screenshot|screen shot|diagram|figure|chart|graph|map|video|plot|illustration|table|list|link|article|page)s?"
_GONE = re.compile(
    rf"\b(?:(?:this|these|that|following|above|below|attached|linked) {_PICTURE}\b(?! of contents)"
    rf"|{_PICTURE} (?:above|below|here|to the (?:left|right))\b|(?:see|from|follow) (?:the|these|those) links?\b"
    r"|(?:pictured|shown|depicted|seen) (?:here|above|below)\b|click(?:ing)? (?:here|on)\b|[Ss]ee (?:here|also:|below:|this:)|source:)",
    re.I,
)
_NOTES = re.compile(r"(?<=[\w.,;:!?)\"”]) ?\[\d{1,2}\]")

_TITLE = re.compile(
    r"\b(?:this|these|those(?! (?:who|with|of|that|in|without)\b)|that one|the (?:above|below|following)|here|below|above|aforementioned)\b"
    r"|\.{3}|…",
    re.I,
)
FEWEST_WORDS = 4
"Of a title that stands alone"


def prose(text: str) -> str:
    """The author's own sentences: without code, quoted paragraphs and what stands between quotation marks"""
    for what in (_FENCE, _QUOTE, _CODE, _SAID):
        text = what.sub(" … ", text)
    return text


def first_person(text: str) -> str:
    """The first words by which prose speaks of its author; '' if it does not

    `I`, `me`, `my` and what stands for them. We and us are mostly anybody, and stay."""
    return _said(_FIRST, text)


def refers(text: str) -> str:
    """The first words by which prose speaks of other answers, comments, votes or its own history; '' if it does not"""
    return _said(_REFERS, text)


def points_to_what_is_gone(text: str) -> str:
    """The first words by which prose points to a link, a picture or a note that was taken out; '' if it does not"""
    return _said(_GONE, text) or _said(_NOTES, text)


def stands_alone(title: str) -> bool:
    """Whether a title can be understood without the question under it: enough words, none of which points there"""
    return len(title.split()) >= FEWEST_WORDS and not _TITLE.search(title)


def _said(words: "re.Pattern[str]", text: str) -> str:
    found = words.search(text)
    return found[0].strip() if found else ""
