"""What of an article's text is left out: links, pictures, marks of sources and what the page says about itself (LIMA §2).

Knows nothing of steps or sections.
"""

import html
import json
import re

SECTIONS = frozenset(
    (
        "ad",
        "ads",
        "advertisement",
        "related wikihows",
        "related articles",
        "related",
        "sources and citations",
        "sources",
        "references",
        "citations",
        "video",
        "videos",
        "community q&a",
        "q&a",
        "questions and answers",
        "expert q&a",
        "unanswered questions",
        "about this article",
        "article info",
        "quick summary",
        "article summary",
        "you might also like",
        "did you try these steps?",
        "reader success stories",
        "photo gallery",
        "quiz",
        "test your knowledge",
        "categories",
        "ask a question",
        "expert interview",
        "co-authors",
        "edit history",
    )
)
"Labels of sections that are not part of the answer, in lower case"
_LINE = re.compile(
    r"(?:ads?|advertisements?|download article|explore this article|article downloaded [\d,]+ times?|parts|steps?|edit"
    r"|submit a tip"
    r"|(?:this|the) (?:article|page|wikihow) (?:has been|was) (?:viewed|read|downloaded|accessed) [\d,]+ times?\.?"
    r"|(?:views|updated|last updated|co-authors|references|categories|image credit|video credit)\s*:.*"
    r"|thanks! ?(?:yes|no|helpful|not helpful|[\d,\s])*|(?:yes|no) ?(?:no)?|did this (?:summary|article) help(?: you)?\?.*"
    r"|(?:co-)?(?:authored|written) by[ :].*|thanks to all authors for .*|log ?in|sign up|click to (?:play|enlarge).*"
    r"|(?:x )?(?:research|trustworthy|expert) source\b.*|go to source)",
    re.I,
)
"Whole lines that a page has around its text"
_CITED = re.compile(
    r"(?<=[.!?,;:)\"”’'\s])(?:\[\d{1,3}\])+(?P<named>\s*X\s+(?:Research|Trustworthy"
    r"|Expert) source\b[^\n]*(?:\n[ \t]*(?=\S))?)?"
    r"|(?P<alone>\bX\s+(?:Research|Trustworthy|Expert) source\b[^\n]*(?:\n[ \t]*(?=\S))?)",
    re.I,
)
"The number of a source, and its name where the page shows it in the middle of a paragraph"
_PICTURE = re.compile(
    r"!\[[^\[\]\n]*\]\([^()\s]*\)|\[\[(?:Image|File):[^\[\]]*\]\]|\bImage:\S+\.(?:jpe?g|png|gif)\b", re.I
)
_LINK = re.compile(
    r"\[([^\[\]\n]{1,400})\]\((?:[^\s()]|\([^\s()]*\)){1,2000}\)|\[\[(?:[^\[\]|\n]*\|)?([^\[\]|\n]{1,400})\]\]"
)
_ADDRESS = re.compile(r"https?://(?:www\.)?([\w.-]+\w)(?:[/?#][^\s<>\"')\],]*[^\s<>\"')\],.;:!?])?/?", re.I)
_SHOWN = re.compile(
    r",? ?\(?\b(?:as (?:shown|seen|pictured)|see(?: also)?|like) (?:in |on )?(?:the |this )?(?:image|picture|photo"
    r"|video|figure|illustration|diagram)s?"
    r"(?: (?:above|below|here|on the (?:left|right)))?\)?(?=[.,;:!?)]|$)",
    re.I,
)
_POINTS = re.compile(
    r"\brelated wikihows?\b|\bclick here (?:for|to)\b|\b(?:click|follow|use|visit|see) (?:on )?(?:the|this"
    r"|these) links? (?:above|below|here)\b"
    r"|\b(?:see|watch|check(?: out)?) (?:the|this) (?:video|image|picture|photo|figure|diagram|illustration)\b|\b(?:see"
    r"|check) the (?:tips|warnings|sources|things you'll need)\b"
    r"|\b(?:article|wikihow)['’]s (?:tips|warnings|sources|video)\b|\bsee (?:our|the|this|another) (?:wikihow"
    r"|article)s?\b|\blinks? (?:is|are) (?:below|in the (?:sources|references))",
    re.I,
)
"Of a sentence that only sends elsewhere on the page"
_SENTENCE = re.compile(r"(?<=[.!?])[ ]+")
_ARTICLE = re.compile(
    r"\b(this|the) (?:wikihow(?: article| guide)?|article)\b(?!\s+(?:of|about the|on the news)\b|'s? author)(?! (?:page"
    r"|website|site|community|editor|account)\b)",
    re.I,
)
_BLOB = '{"smallUrl"'
_DECODER = json.JSONDecoder()


def pruned(text: str) -> str:
    """A text without what belongs to the page only"""
    text = _without_blobs(text.replace("\r\n", "\n").replace("\r", "\n"))
    text = html.unescape(text) if "&" in text else text
    text = _PICTURE.sub("", text)
    text = _LINK.sub(lambda found: found[1] or found[2], text)
    text = _ADDRESS.sub(r"\1", text)
    text = _CITED.sub(lambda found: " " if found["named"] or found["alone"] else "", text)
    text = _SHOWN.sub("", text)
    return "\n".join(_kept(line) for line in text.split("\n") if not _LINE.fullmatch(line.strip()))


def _kept(line: str) -> str:
    """A line without the sentences that only send elsewhere"""
    if not _POINTS.search(line):
        return line
    return " ".join(one for one in _SENTENCE.split(line) if len(one) > 200 or not _POINTS.search(one))


def _without_blobs(text: str) -> str:
    """Without the JSON of pictures that exports of pages have among the text"""
    while (at := text.find(_BLOB)) >= 0:
        try:
            end = _DECODER.raw_decode(text, at)[1]
        except (ValueError, RecursionError):
            end = text.find("\n", at) if "\n" in text[at:] else len(text)
        text = text[:at].rstrip(" ") + text[end:]
    return text


def reworded(text: str, opening: bool = False) -> str:
    """A text that speaks of itself as an answer, not as an article; in the opening of the answer that follows"""
    answer = "the following answer" if opening else "this answer"

    def said(found: re.Match[str]) -> str:
        if found[1].lower() == "the" and "wikihow" not in found[0].lower():
            return found[0]  # another article, such as one in a newspaper
        return answer[0].upper() + answer[1:] if found[1][0].isupper() else answer

    return _ARTICLE.sub(said, text)
