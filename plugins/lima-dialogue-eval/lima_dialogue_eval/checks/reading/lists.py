"""The items of a list, however it is written: dashes, numbers, bold numbers, steps, emoji, nested, in a quote, a fence or HTML.

A list that can be read in several ways has several counts; a check is missed only when none of them is what was wanted. Knows
nothing of what the items say.
"""

from dataclasses import dataclass, field

import regex

from lima_dialogue_eval.checks.reading.text import Text
from lima_dialogue_eval.checks.reading.words import FENCED, Count, in_line, words

_GLYPHS = "•·▪▫◦‣⁃●○■□◆◇➤➢➔→►▶✓✔✅☑☐✗✘★☆❖∙"
_NUMERAL = (
    r"(?:one|two|three|four|five|six|seven|eight|nine|ten|first(?:ly)?|second(?:ly)?|third(?:ly)?|fourth|fifth|sixth|seventh"
    r"|eighth|ninth|tenth|finally|lastly|last)"
)
_WORDS = (
    r"(?:step|point|tip|rule|day|week|item|task|part|question|reason|idea|thing|no\.?|number|nr\.?|q|\#)[ \t]{0,2}\#?"
    rf"(?:\d{{1,3}}|{_NUMERAL})"
)
_ITEM = regex.compile(
    rf"""
    (?P<indent>[ \t]*+)(?:\#{{1,6}}[ \t]+)?[*_]{{0,3}}(?:
      (?P<box>[-*+•][ \t]+\[[ xX✓✔]?\])(?=[ \t])
    | (?P<bullet>\\?[-*+](?=[ \t])|[{_GLYPHS}]\ufe0f?)
    | (?P<key>[0-9]{{1,2}}\ufe0f?\u20e3|🔟|[①-⑳❶-❿➀-➓⓵-⓾])
    | (?P<number>\(\d{{1,3}}\)|\d{{1,3}}(?:\\?\.|\)))(?=[ \t*_]|$)
    | (?P<loose>\d{{1,3}}(?::|[ \t][-–—:]|\])(?=[ \t*_]+(?!\d)))
    | (?P<word>(?i:{_WORDS})[*_]{{0,3}}(?:[.:)–—-]|[ \t]+[-–—])|(?i:{_NUMERAL})[*_]{{0,3}}[,:.](?=[ \t*_]))
    | (?P<letter>\(?[a-zA-Z]\)|[a-zA-Z]\.|(?i:[ivx]{{2,4}})[.)])(?=[ \t*_])
    | (?P<dash>[–—])(?=[ \t])
    )[*_]{{0,3}}:?[ \t]*(?P<rest>.*)
    """,
    regex.VERBOSE,
)
_NUMBERED = frozenset(("key", "number", "loose", "word", "letter"))
_SURE = frozenset(("box", "bullet", "key", "number"))
_LETTER = regex.compile(r"[\p{L}\p{N}]")
_PICTURE = regex.compile(r"[ \t]*[*_]{0,2}(?!\d)\p{Extended_Pictographic}")
_HEAD = regex.compile(r"[ \t]*(?:\*\*|__)[^*_\n]{1,80}(?:\*\*|__)")
_HEADING = regex.compile(r"[ \t]*#{1,6}[ \t]+\S")
_TAG = regex.compile(r"<(/?)(ul|ol|li)\b[^<>]{0,200}>", regex.IGNORECASE)
_QUOTE = regex.compile(r"^[ \t]{0,3}(?:>[ ]?)++", regex.MULTILINE)


@dataclass
class Item:
    """One item of a list"""

    indent: int
    kind: str
    "box, bullet, key, number, loose, word, letter or dash"
    text: str
    line: int
    "Which line of the text it begins in"
    more: list[str] = field(default_factory=list)
    "The lines below it that belong to it, nested items included"

    @property
    def whole(self) -> str:
        """All of it"""
        return "\n".join([self.text, *self.more])


def items(text: Text) -> list[Item]:
    """The items with a marker, in their order, nested ones included"""
    found = []
    for number, line in enumerate(_lines(text)):
        match = _ITEM.match(line)
        if match and _LETTER.search(match["rest"]):
            kind = next(kind for kind, group in match.groupdict().items() if group and kind not in ("indent", "rest"))
            found.append(Item(len(match["indent"].expandtabs(4)), kind, match["rest"], number))
    return found


def top_items(text: Text) -> list[Item]:
    """The items of the uppermost level, each with what is below it; the numbered ones where both kinds stand side by side"""
    found = items(text)
    top = _top(found)
    numbered = [item for item in top if item.kind in _NUMBERED]
    if len(numbered) > 1 and top[0].kind in _NUMBERED:
        top = numbered
    lines = _lines(text)
    for item, follower in _pairs(top):
        below = lines[item.line + 1 : follower.line if follower else None]
        item.more = _belonging(below)
    return top


def _belonging(below: list[str]) -> list[str]:
    """The lines below an item that are part of it: until an empty line has a paragraph of its own below it"""
    kept, gap = [], False
    for line in below:
        if gap and line.strip() and not line[0].isspace() and not _ITEM.match(line):
            break
        gap = not line.strip()
        if not gap:
            kept.append(line)
    return kept


def list_items(text: Text) -> frozenset[int]:
    """How many items the list may be said to have"""
    found = items(text)
    sure = [item for item in found if item.kind in _SURE]
    if len(found) < 2:
        return frozenset({max(1, len(in_line(text.plain)))} if sure else _unmarked(text))
    top = _top(found)
    numbered = sum(item.kind in _NUMBERED for item in top)
    leaves = sum(follower is None or follower.indent <= item.indent + 1 for item, follower in _pairs(found))
    counts = {
        len(top),
        leaves,
        *(n for n in (numbered, len(top) - numbered) if n > 1 or len(top) == 1),
        _longest(text, top),
    }
    if sure:
        counts.add(sum(item.kind in _SURE for item in top))
    else:
        counts |= {0} if 2 * len(found) > sum(1 for line in _lines(text) if line.strip()) else _unmarked(text)
    return frozenset(counts - {0} if sure else counts)


def certain_items(text: Text) -> Count:
    """How many lines nobody could take for anything but list items; code is left out. One alone is not a list"""
    outside = FENCED.sub("\n", text.raw)
    n = sum(item.kind in _SURE for item in items(Text(outside)))
    return Count(n if n > 1 else 0, n)


def is_numbered(text: Text) -> bool:
    """Whether an item has a number, a letter or a word that counts; True where there is no list to look at"""
    found = items(text)
    return len(found) < 2 or any(item.kind in _NUMBERED for item in found)


def talk_around(text: Text) -> str:
    """A sentence before or after the list, '' without one; titles do not count"""
    found, lines = items(text), _lines(text)
    if len(found) < 2:
        return ""
    top = top_items(text)
    last = top[-1].line + len(top[-1].more)
    for line in [*lines[: found[0].line], *lines[last + 1 :]]:
        titled = _HEADING.match(line) or _HEAD.fullmatch(line.rstrip(": "))
        if not titled and words(Text(line)).low > 4 and not _ITEM.match(line):
            return line.strip()
    return ""


def _lines(text: Text) -> list[str]:
    """Its lines, with HTML lists as Markdown ones, and without fences and the marks of a quote"""
    raw = text.raw
    if "<li" in raw or "<LI" in raw:
        raw = _from_html(raw)
    return [line for line in _QUOTE.sub("", raw).splitlines() if not line.lstrip().startswith(("```", "~~~"))]


def _from_html(raw: str) -> str:
    open_lists: list[str] = []

    def shown(tag: "regex.Match[str]") -> str:
        name = tag[2].lower()
        if name == "li":
            marker = "1." if open_lists[-1:] == ["ol"] else "-"
            return "" if tag[1] else f"\n{'  ' * max(0, len(open_lists) - 1)}{marker} "
        if tag[1]:
            del open_lists[-1:]
        elif len(open_lists) < 20:
            open_lists.append(name)
        return "\n"

    return _TAG.sub(shown, raw)


def _top(found: list[Item]) -> list[Item]:
    """The items of the uppermost level"""
    edge = min((item.indent for item in found), default=0)
    return [item for item in found if item.indent <= edge + 1]


def _pairs(found: list[Item]) -> list[tuple[Item, Item | None]]:
    return list(zip(found, [*found[1:], None], strict=True)) if found else []


def _longest(text: Text, top: list[Item]) -> int:
    """Items of the longest list, where text without a marker divides them into several"""
    lines, longest, n = _lines(text), 1, 1
    for one, two in zip(top, top[1:], strict=False):
        between = lines[one.line + 1 : two.line]
        divided = any(line.strip() and not line[0].isspace() and not _ITEM.match(line) for line in between)
        restarts = two.kind not in _NUMBERED or one.kind not in _NUMBERED or _begins(lines[two.line])
        n = 1 if divided and restarts else n + 1
        longest = max(longest, n)
    return longest


def _begins(line: str) -> bool:
    """Whether a numbered line has the number 1"""
    digits = regex.search(r"\d+", line[:20])
    return bool(digits and digits[0] == "1")


def _unmarked(text: Text) -> set[int]:
    """Counts of what may be a list without markers: lines, bold heads, headings, emoji, numbers within a paragraph"""
    lines = [line for line in _lines(text) if _LETTER.search(line)]
    blocks = [block.splitlines() for block in regex.split(r"\n[ \t]*(?=\n)", "\n".join(_lines(text))) if block.strip()]
    alone = [len(block) < 3 for block in blocks]  # the line break before it is a line, too
    counts = {0, len(lines)} if len(lines) > 1 else {0}
    if len(lines) > 2:
        intro = lines[0].rstrip("* ").endswith(":") or bool(_HEADING.match(lines[0])) or (alone[0] and not all(alone))
        outro = len(blocks) > 1 and alone[-1] and not all(alone)
        counts |= {len(lines) - intro, len(lines) - intro - outro}
    counts |= {sum(bool(kind.match(line)) for line in lines) for kind in (_PICTURE, _HEAD, _HEADING)}
    rows = sum(line.count("|") > 1 for line in lines)
    counts |= {rows, max(0, rows - 1)}
    return counts | {len(in_line(text.plain))}
