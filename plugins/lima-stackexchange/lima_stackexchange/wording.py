"""Whether a text stands alone as an assistant's answer: word lists for the first person, the thread around it, what is gone.

English, over prose: code and quotations are somebody else's words. The lists are ours; LIMA §2 names the kinds and not the words.
Knows nothing of posts.
"""

import re
from collections.abc import Sequence

_NOT_PROSE = (
    re.compile(r"^ *(`{3,}).*?(?:^ *\1`*$|\Z)", re.S | re.M),
    re.compile(r"^ *>.*$", re.M),
    re.compile(r"``[^\n]*?``|`[^`\n]*`"),
    re.compile(r"\"[^\"\n]{1,400}\"|“[^”\n]{1,400}”|«[^»\n]{1,400}»"),
)
"Blocks of code, quoted paragraphs, code in a line, and what stands between quotation marks"

_I = re.compile(r"I(?:['’](?:m|d|ll|ve))?(?![\w/&'’-]|\.\w)")
_INSIDE = "_.'’/&-"
"Before I, what makes it part of something else: R&I, A.I, Henry-I"
_NUMBERED = frozenset(
    [
        "War",
        "Part",
        "Type",
        "Class",
        "Phase",
        "Chapter",
        "Volume",
        "Vol.",
        "Act",
        "Book",
        "Level",
        "Stage",
        "Group",
        "Section",
        "Table",
        "Figure",
        "Grade",
        "Category",
        "Elizabeth",
        "Charles",
        "James",
        "Henry",
        "Napoleon",
        "Wilhelm",
        "William",
        "Nicholas",
        "Alexander",
        "Francis",
        "Franz",
        "Frederick",
        "Leopold",
        "Peter",
        "Mary",
        "Justinian",
        "Constantine",
        "Philip",
        "Ferdinand",
        "Basil",
        "Otto",
        "Edward",
        "George",
        "Richard",
        "Ramesses",
        "Darius",
        "Xerxes",
        "Seti",
        "Joseph",
        "Pedro",
        "Maximilian",
        "Carol",
        "Christian",
    ]
)
"Before which words I is a number: World War I, Type I, Charles I"
_ME = re.compile(
    r"\b(?<![.'’-])(?:[Mm](?:e|y|yself)|i['’](?:m|d|ll|ve)|IMH?O|imh?o|AFAIK|afaik|IIRC|iirc"
    r"|[Hh]ope (?:this|that|it) helps?)\b(?!['’-])"
)


class _Words:
    """Expressions, none of which is tried where the text has none of the needles, which are found much sooner"""

    def __init__(self, needles: Sequence[str], *expressions: str) -> None:
        self.needles, self.expression = tuple(needles), re.compile("|".join(expressions), re.M | re.X)

    def search(self, text: str) -> str:
        """The first words that are found; '' if none are"""
        found = any(needle in text for needle in self.needles) and self.expression.search(text)
        return found[0].strip() if found else ""


_POSTS = r"(?:[Aa]nswers?|comments?|posts?|replies|reply|responses?)"
_PERSON = r"""(?:@\w+ | (?:the\ )?OP | (?:an|every|some)(?:one|body)(?:\ else)? | others?
    | (?:the\ )?(?:other|previous|first|second)\ (?:poster|answerer|user|commenter)s?)"""
_ANY = "(?:[Aa]ll|[Bb]oth|[Mm]ost|[Ss]ome|[Nn]one|[Mm]any|[Ee]ach|[Oo]ne|[Ss]everal)"
_SAYS = r"""(?:(?:has|have|had)\ (?:already\ |also\ )?|already\ |also\ )?
    (?:said|says|mentioned|mentions?|noted|notes?|pointed\ out|points?\ out|suggested|suggests?|stated|states?|posted|written
    |answered|commented)"""
_REFERS = (
    _Words(
        ("answer", "Answer", "comment", "Comment", "post", "repl", "respon"),
        rf"\b(?:[Oo]ther|[Aa]nother|previous|earlier|existing|accepted|upvoted|original|former|linked)\ {_POSTS}\b",
        rf"\b(?:[Tt]op|[Hh]ighest)(?:[ -]voted|[ -]rated)?\ {_POSTS}\b",
        rf"\b{_ANY}\ of\ (?:the|these|those)\ (?:other\ )?{_POSTS}\b",
        rf"\b{_POSTS}\ (?:above|below|here|so\ far|already\ given|already\ posted|on\ this\ (?:page|site|question))\b",
        rf"\b(?:[Aa]bove|[Bb]elow)\ {_POSTS}\b",
        rf"\b(?:[Tt]his|[Hh]is|[Hh]er|[Tt]heir|[Yy]our|[Tt]hese|[Tt]hose)\ (?:other\ )?{_POSTS}\b",
        r"\b[Tt]hat\ (?:answer|comment|reply|response)\b",
        r"\b(?:[Tt]he|[Aa]n)\ (?:answer|comment|reply|response)\ (?:by|from|of)\ (?:@?[A-Z]\w+|another)",
        r"\b@?[A-Z]\w+['’]s\ (?:excellent\ |great\ |good\ |fine\ |nice\ |own\ )?(?:answer|comment|reply)s?\b",
        r"\b(?:[Ii]n|to|[Ff]rom|[Ss]ee|under|[Rr]ead)\ the\ comments?\b(?!\ section\ of)",
    ),
    _Words(("as ", "As "), rf"\b[Aa]s\ {_PERSON}\ {_SAYS}\b"),
    _Words(
        ("answered", "addressed", "covered", "already"),
        r"\b(?:has|have|was|been)\ (?:already\ )?(?:answered|addressed|covered)\ (?:already|before|elsewhere|above|here)\b",
        r"\balready\ (?:been\ )?(?:answered|said|mentioned|posted)\b",
    ),
    _Words("@", r"(?<![\w.])@[A-Za-z]\w*"),
    _Words(("OP", "O.P"), r"(?<![\w/])(?:the\ )?O\.?P\b(?:['’]s)?(?!\w)"),
    _Words(
        ("vot", "Vot"),
        r"\b[Uu]p-?vot(?:e|es|ed|ing)\b",
        r"\b[Dd]own-?vot(?:e|es|ed|ing)\b",
        r"\bvot(?:e|ed|ing)\ to\ (?:re)?(?:close|open)\b",
    ),
    _Words(("+1", "-1"), r"(?<![\w+])[+-]1(?=\ for\b)"),
    _Words(("uplicate", "closed", "topic"), r"\bduplicate\ of\b", r"\bclosed\ as\b", r"\b(?:off|on)-topic\b"),
    _Words(
        ("dit", "DIT", "pdate", "PDATE", "ddend", "DDEND", "PS", "P.S", "Ps", "P.s"),
        r"^\W*(?:E(?:dit|DIT)(?:ed|ED)?|U(?:pdate|PDATE)[dD]?|A(?:ddendum|DDENDUM)|P\.?[Ss]\b\.?)\ ?\d*[^\w\n]{0,3}(?:[:–—-]|$)",
    ),
    _Words(
        ("elcome", ".SE", "tack"),
        r"\b[Ww]elcome\ to\ (?:the\ site|\w+(?:\.SE|\ ?Stack\ ?Exchange|\ SE|\ ?Overflow))\b",
        r"\b\w+\.SE\b",
        r"\b[Ss]tack\ ?(?:[Ee]xchange|[Oo]verflow)\b",
    ),
    _Words(
        ("question",),
        r"\b(?:[Tt]he|[Tt]his|[Yy]our)\ (?:questioner\b|question(?:['’]s\ author|\ as\ (?:asked|posed|stated|written)))",
        r"\b(?:[Tt]he|[Tt]his|[Yy]our)\ (?:original\ )?question\ (?:asks|asked|says|states|mentions|is\ about)\b",
    ),
    _Words(("hank",), r"\b[Tt]hank(?:s|\ you),?\ @?[A-Z]\w+"),
)

_PICTURE = r"""(?:image|picture|photo|photograph|pic|screenshot|screen\ shot|diagram|chart|graph|map|video|illustration
    |link|article|page)s?"""
_GONE = (
    _Words(
        (
            "image",
            "picture",
            "photo",
            "pic",
            "screen",
            "diagram",
            "chart",
            "graph",
            "map",
            "video",
            "illustration",
            "link",
            "article",
            "page",
        ),
        rf"\b(?:this|these|following|above|below|attached|linked)\ {_PICTURE}\b(?!\ of\ contents)",
        rf"\b{_PICTURE}\ (?:above|below|here|to\ the\ (?:left|right))\b",
        r"\b(?:see|from|follow)\ (?:the|these|those)\ links?\b",
    ),
    _Words(
        (" here", "shown", "pictured", "depicted", "seen", "figure"),
        r"\b(?:pictured|shown|depicted|seen)\ (?:here|above|below)\b",
        r"\b(?:found|read|described|explained|available|listed|discussed|click|clicking|see)\ here\b",
        r"\bhere:\ ",
        r"\bfigures?\ (?:above|below)\b",
    ),
    _Words(("see also:", "see below:", "see this:", "source:"), r"\bsee\ (?:also|below|this):", r"\bsource:"),
    _Words("[", r"\[\d{1,2}\]"),
)
"In small letters"

_TITLE = re.compile(
    r"\b(?:this(?! (?:week(?:end)?|month|year|morning|afternoon|evening|decade|century)\b)|these"
    r"|those(?! (?:who|with|of|that|in|without)\b)|that one|the (?:above|below|following)|here|below|above"
    r"|aforementioned)\b|\.{3}|…",
    re.I,
)
FEWEST_WORDS = 4
"Of a title that stands alone"


def prose(text: str) -> str:
    """The author's own sentences: without code, quoted paragraphs and what stands between quotation marks"""
    for what in _NOT_PROSE:
        text = what.sub(" … ", text)
    return text


def first_person(text: str) -> str:
    """The first words by which prose speaks of its author; '' if it does not

    `I`, `me`, `my` and what stands for them. We and us are mostly anybody, and stay."""
    for found in _I.finditer(text):
        before = text[max(0, found.start() - 20) : found.start()]
        word = before.split()[-1] if before[-1:].isspace() and before.strip() else ""
        apart = not before or not (before[-1] in _INSIDE or before[-1].isalnum())
        if apart and word not in _NUMBERED:
            return found[0]
    me = _ME.search(text)
    return me[0] if me else ""


def refers(text: str) -> str:
    """The first words by which prose speaks of other answers, comments, votes or its own history; '' if it does not"""
    return next((found for words in _REFERS if (found := words.search(text))), "")


def points_to_what_is_gone(text: str) -> str:
    """The first words by which prose points to a link, a picture or a note that was taken out; '' if it does not"""
    low = text.lower()
    return next((found for words in _GONE if (found := words.search(low))), "")


def stands_alone(title: str) -> bool:
    """Whether a title can be understood without the question under it: enough words, none of which points there"""
    return len(title.split()) >= FEWEST_WORDS and not _TITLE.search(title)
