"""Reddit's Markdown as plain Markdown: entities read, links without addresses, edits, greetings and advertisements left out.

What is left out are whole paragraphs: those that begin with `Edit:` anywhere, and at the beginning and the end of a text those
that speak about it. Knows nothing of posts.
"""

import html
import re
from functools import lru_cache

_LINK = re.compile(r"!?\[([^\[\]\n]{0,400})\]\(\s*(?:[^\s()]|\([^\s()]*\)){0,2000}(?:\s+\"[^\"\n]*\")?\s*\)")
_ADDRESS = re.compile(
    r"<?\b(?:https?://(?:www\.)?|www\.)([\w-]{1,100}(?:\.[\w-]{1,100}){1,8})(?::\d{1,5})?(?:[/?#](?:[^\s<>()\"'\]]"
    r"|\([^\s()]*\))*(?<![.,;:!?]))?>?",
    re.I,
)
_TALK = re.compile(r"(?<![\w/])/?[ru]/[\w-]{2,30}\b")
"The name of a subreddit or of a user"
_ESCAPED = re.compile(r"\\([\\`*_{}\[\]()#+.!~>^|<-])")
_RAISED = re.compile(r"\^+\(([^()\n]{1,400})\)|(?<![\w\\])\^+(?=[A-Za-z(])")
_STRUCK, _SPOILER = re.compile(r"~~[^~\n]{1,2000}~~ ?"), re.compile(r">!((?:(?!>!|!<).){1,5000})!<", re.S)
_RULE = re.compile(r"[ \t]*(?:(?:\\?[*_~=#•-][ \t]*){1,60}|&?x?200B;?|&nbsp;|\u200b|\ufeff|\xa0)[ \t]*")
_EDIT = re.compile(
    r"[*_#>(\[~ ]{0,20}(?:\bedit(?:ed)?|\bETA|\bupdate)\b[ \t]*[*_]*(?:\(?[#\d]{1,3}\)?|one|two|three"
    r"|\d+/\d+(?:/\d+)?)?[ \t]*[*_)\]]*[ \t]*(?:[:;,\-–—=!.]|$|to (?:add|fix)|for )",
    re.I,
)
_MAY_EDIT = re.compile(r"edit|update|\beta\b", re.I)
_ABOUT = re.compile(
    r"\bmy (?:sub|subreddit|blog|website|patreon|wattpad|profile|first (?:\w+ )?(?:time|prompt|story|attempt|post"
    r"|response|wp|submission))\b"
    r"|\bfirst (?:time|prompt|attempt|response|post|wp|story)\b.{0,60}\b(?:here|poster|posting|writing|responding"
    r"|response|criticism|gentle|feedback)\b"
    r"|\bfirst (?:time (?:here|posting|poster|writing)|attempt at)\b"
    r"|\b(?:thanks?|thank you)\b.{0,40}\b(?:read(?:ing)?|gold|silver|platinum|award|feedback|prompt|upvotes?|comments?"
    r"|kind words|stranger)\b"
    r"|\b(?:constructive )?(?:criticism|critiques?|feedback|cc)\b.{0,40}\b(?:welcome|appreciated|wanted|encouraged)\b"
    r"|\b(?:sorry|apolog(?:ies|ize|ise))\b.{0,60}\b(?:mobile|phone|formatting|typos?|spelling|grammar|english|mistakes?"
    r"|errors?)\b"
    r"|\b(?:on|from) (?:my )?(?:mobile|phone)\b|\b(?:let me know|tell me) (?:what you think|if you)\b"
    r"|\bhope you (?:like|enjoy|liked|enjoyed)\b"
    r"|\bif you (?:like|enjoy|liked|enjoyed|want)\b.{0,80}\b(?:more|subscribe|check|follow|stories|part|this|it|read)\b"
    r"|\b(?:patreon|wattpad|subscribe|subreddit|upvotes?|downvotes?)\b"
    r"|\bobligatory\b|\btl;? ?dr\b|\b(?:great|nice|awesome|love(?:ly)?|fun|good|cool|interesting) (?:the "
    r"|this )?prompt\b|\bOP\b|\bnot proofread\b|\bbe gentle\b"
    r"|\bword ?count\b|^\W*\d[\d,]* words\W*$|^\W*(?:WC|part (?:1|one|i)|chapter 1)\W*$|\bn?sfw\b|\btrigger warning\b"
    r"|\bcriticism\b.{0,20}$",
    re.I,
)
"Of a short paragraph that speaks about the text instead of being part of it"
_CONTINUES = re.compile(
    r"\b(?:part|chapter) (?:2|two|ii)\b.{0,60}\b(?:below|here|comments?|reply|replies|coming|soon|posted|up)\b"
    r"|\b(?:continued|cont(?:'?d)?)\b.{0,30}\b(?:below|comments?|reply|replies|here)\b"
    r"|\bto be continued\b|\b(?:more|rest|continuation)\b.{0,20}\b(?:in (?:the )?(?:comments?|repl(?:y|ies))|below)\b"
    r"|^\W*(?:cont(?:inued|'?d|\.)?|tbc|1/[2-9]|\(?part 1\)?)\W*$",
    re.I,
)
_SECOND = re.compile(r"\W{0,9}(?:part|chapter) (?:2|two|ii)\W{0,9}", re.I)
_MARKED = re.compile(r"[\[\]~^\\]|>!|https?:|www\.", re.I)
"What a paragraph has that is not plain yet"
_LONGEST = 320
"Characters of a paragraph that speaks about the text"
_EDGE = 4
"Paragraphs at each end of a text that may do so"


def cleaned(text: str) -> str:
    """The text of a post without what is about it"""
    paragraphs = list(_paragraphs(text))
    for edge in (0, -1):
        for _ in range(_EDGE):
            if not paragraphs or not _is_about(paragraphs[edge]):
                break
            paragraphs.pop(edge)
    return "\n\n".join(paragraphs)


def plain(title: str) -> str:
    """A title without marks of Markdown, on one line"""
    return _inline(
        html.unescape(html.unescape(title)).replace("\u200b", "").replace("\xa0", " ").replace("\n", " ")
    ).strip()


def continues(text: str) -> bool:
    """Whether a post says that it continues elsewhere"""
    paragraphs = _paragraphs(text)
    if any(_SECOND.fullmatch(one) for one in paragraphs):
        return False  # it is all there
    return any(_CONTINUES.search(one[:_LONGEST]) for one in (*paragraphs[:1], *paragraphs[-3:]) if len(one) <= _LONGEST)


def _is_about(paragraph: str) -> bool:
    if paragraph == "***":
        return True
    plain = paragraph.strip("*_()[] \n>#^")
    spoken = plain.startswith(('"', "“", "'", "‘"))  # somebody in the story
    return (
        len(plain) <= _LONGEST
        and not spoken
        and bool(_TALK.search(plain) or _ABOUT.search(plain) or _CONTINUES.search(plain))
    )


@lru_cache(maxsize=1)
def _paragraphs(text: str) -> tuple[str, ...]:
    """The paragraphs that are left: without edits and bare addresses, and with one mark for every break between scenes"""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    for _ in range(2):  # dumps have some entities escaped twice: &amp;#x200B;
        text = html.unescape(text) if "&" in text else text
    text = text.replace("\u200b", "").replace("\ufeff", "").replace("\xa0", " ")
    found, edits = list[str](), bool(_MAY_EDIT.search(text))
    for block in re.split(r"\n(?:[ \t]*\n)+", text):
        lines = [line.rstrip() for line in block.split("\n")]
        edit = next((at for at, line in enumerate(lines) if edits and _EDIT.match(line.lstrip()[:100])), len(lines))
        block = "\n".join(lines[:edit]).strip("\n")
        if block.strip() and len(block) <= 200 and _RULE.fullmatch(block):
            if found and found[-1] != "***":
                found.append("***")
            continue
        if made := _inline(block):
            found.append(made)
    while found and found[-1] == "***":
        found.pop()
    return tuple(found)


def _inline(block: str) -> str:
    """A paragraph with links, raised and struck text and escapes made plain; '' where nothing is left"""
    if not _MARKED.search(block):
        return block.strip("\n").rstrip() if block.strip() else ""
    linked = _LINK.sub(r"\1", _SPOILER.sub(r"\1", _STRUCK.sub("", block)))
    if len(re.findall(r"\w+", _ADDRESS.sub("", linked))) < 3 and _ADDRESS.search(linked):
        return ""  # an address and little else
    made = _RAISED.sub(lambda found: found[1] or "", _ADDRESS.sub(r"\1", linked))
    made = _ESCAPED.sub(r"\1", made)
    return made.strip("\n").rstrip() if made.strip() else ""
