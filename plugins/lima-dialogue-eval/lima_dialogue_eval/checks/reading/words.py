"""How many words, sentences, lines, paragraphs and questions a text has.

Where a reader may count in two ways (is "e.g." an end? is a heading a paragraph?), a count is the range from the fewest to the
most. Knows nothing of lists, and nothing of languages but English abbreviations.
"""

from collections.abc import Iterator
from typing import NamedTuple

import regex

from lima_dialogue_eval.checks.reading.text import Text, plain

MARKER = regex.compile(r"^[ \t]*(?:[-*+•–—]|\(?\d{1,3}[.):]|#{1,6}|>)[ \t]+", regex.MULTILINE)
FENCED = regex.compile(r"^[ \t]*(`{3,}|~{3,})[^\n]*\n(.*?)(?:^[ \t]*\1[^\n]*$|\Z)", regex.MULTILINE | regex.DOTALL)
_WORD = regex.compile(r"[\p{L}\p{N}\p{M}]++(?:['.,:/@_-][\p{L}\p{N}\p{M}]++)*+")
_PARTS = regex.compile(r"[\p{L}\p{N}\p{M}]++")
_NO_SPACES = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]")
_LIKE_A_TITLE = regex.compile(r"[ \t]*(?:#{1,6}[ \t]+\S.*|\*\*[^*\n]{1,80}\*\*:?[ \t]*|__[^_\n]{1,80}__:?[ \t]*)")
_TITLE = regex.compile(rf"^{_LIKE_A_TITLE.pattern}$", regex.MULTILINE)
_BLANK = regex.compile(r"\n[ \t]*(?=\n)")
_RULE = regex.compile(r"^[ \t]*(?:[-*_=][ \t]*+){3,}$", regex.MULTILINE)

_FULL = "。！？｡؟۔।"
_OPEN, _CLOSE = "([「『（【«", ")]」』）】»"
_MARK = regex.compile(rf'"|[{regex.escape(_OPEN + _CLOSE)}]|(?<![.!?…])[.!?…]++|[{_FULL}]++')
_CLOSERS = "\"')]}*_»」』”"
_AFTER = regex.compile(rf"[{regex.escape(_CLOSERS)}]*+(?=\s|$|\p{{Extended_Pictographic}})")
_NEXT = regex.compile(r"[\s\"'(\[{*_¿¡«「『–—-]*+(?:(?!\d)[\p{Extended_Pictographic}\ufe0f\u200d]\s*+)*+")
_END = regex.compile(rf"(?<![.!?…])[.!?…]++[\"')\]*_]*+(?=\s|$|\p{{Extended_Pictographic}})|[{_FULL}]++")
_PICTURE = regex.compile(r"(?<![\p{Emoji_Presentation}\ufe0f])[\p{Emoji_Presentation}\ufe0f]++\s++(?=[\p{Lu}\p{N}])")
_ABBREVIATION = regex.compile(
    r"(?<![\p{L}])(?:(?i:eg|ie|etc|vs|cf|approx|ca|drs?|mrs?|ms|mx|messrs|prof|st|jr|sr|rev|hon|capt|sgt|col|gen|gov|sen|rep|inc"
    r"|ltd|corp|dept|est|al|incl|excl|mt|ave|ph\.d|viz|resp|hrs?|mins?|secs?|lbs?|oz|sq|fig|vol)|(?:\p{L}\.)+\p{L}|\p{Lu})$"
)
_BEFORE_NUMBER = regex.compile(
    r"(?<!\p{L})(?i:no|nos|nr|pp?|c|art|ch|sec|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|tel|ext)$"
)
_ENUMERATOR = regex.compile(
    r"(?:^|[.!?:;]\s|(?:step|rule|point|part|tip|day)\s)\(?(?:\d{1,2}|[a-zA-Z])$", regex.IGNORECASE
)
_IN_LINE = regex.compile(r"(?<![\p{L}\p{N}.,])\(?(\d{1,2})[.)](?=[ \t*_]+[^\d\s])")
_OFFER = regex.compile(
    r"[\s*_(]*(?:would you like|do you want|shall i|should i|want me to|let me know|just let me know|i hope|feel free"
    r"|if you(?:'d| would)? (?:like|want)|i can also)\b[^\n]{0,250}|[*_]*\([^()\n]{1,250}\)[*_.]*",
    regex.IGNORECASE,
)
LONG = 5
"Words that a line without an end mark must have to count as a sentence for certain"


class Count(NamedTuple):
    """What may be counted, from the fewest to the most"""

    low: int
    high: int


def words(text: Text) -> Count:
    """Words; 'don't', '3.5' and 'well-known' are one each, or more; numbers of list items may count or not"""
    bare = MARKER.sub("", text.plain)
    ways = len(_WORD.findall(text.plain)), len(_WORD.findall(bare)), sum(1 for one in bare.split() if _WORD.search(one))
    parts = len(_PARTS.findall(text.plain))
    return Count(min(ways), max(*ways, parts, len(_NO_SPACES.findall(bare))))


def lines(text: Text) -> Count:
    """Lines that have a word"""
    n = sum(1 for line in text.plain.splitlines() if _WORD.search(line))
    return Count(n, n)


def paragraphs(text: Text) -> Count:
    """Blocks of text between blank lines; titles, an introduction that ends with a colon and an offer to go on may count"""
    blocks = [b for b in _BLANK.split(_RULE.sub("", text.raw)) if _WORD.search(b)]
    sizes = [len(_WORD.findall(block)) for block in blocks]
    aside = [_is_aside(block) for block in blocks]
    for edge in (0, -1) if blocks and max(sizes) >= 8 else ():
        aside[edge] = aside[edge] or sizes[edge] <= 3  # "Sure!"
    long = sum(1 for line in text.plain.splitlines() if len(_WORD.findall(line)) >= 12)
    return Count(max(min(len(blocks), 1), len(blocks) - sum(aside)), max(len(blocks), long))


def sentences(text: Text) -> Count:
    """Sentences: each ends with . ! ? or …, or with its paragraph

    For certain only where the next one begins with a capital, outside of quotes and brackets, and no abbreviation is before the
    mark; at most every mark and every line counts."""
    outside = plain(_TITLE.sub("\n", FENCED.sub("\n\n", text.raw)))
    body = outside if _WORD.search(outside) else text.plain
    low = sum(_certain(block) for block in _blocks(body))
    high = sum(_possible(line) for line in text.plain.splitlines())
    return Count(max(low, min(high, 1)), max(high, low))


def questions(text: Text) -> Count:
    """Questions; those in quotes or brackets, and a heading's, may count or not"""
    marks = regex.findall(r"[?？؟]++", text.plain)
    in_brackets = [b for b in brackets_of(text) if "?" in b]
    items = len(MARKER.findall(text.plain))
    answers = len(brackets_of(text)) - len(in_brackets)
    low = min([len(marks) - len(in_brackets), *(n for n in (items, answers) if n)])
    return Count(max(low, 0), max(len(marks), items, answers))


def brackets(text: Text) -> Count:
    """Brackets with words in them"""
    n = len(brackets_of(text))
    return Count(n, n)


def brackets_of(text: Text) -> list[str]:
    """What stands in round or square brackets, the innermost ones"""
    inside = regex.findall(r"[(\[（【]([^()\[\]（）【】]{1,500})[)\]）】]", text.plain)
    return [one for one in inside if _WORD.search(one)]


def in_line(text: str) -> list[int]:
    """Where the items of a list within a paragraph have their mark: 1) so, 2) and so; empty for fewer than two"""
    places: list[int] = []
    for number in _IN_LINE.finditer(text):
        if int(number[1]) == len(places) + 1:
            places.append(number.end() - 1)
    return places if len(places) > 1 else []


def without_asides(text: Text) -> str:
    """The text without titles, introductions and offers to go on; all of it where little else would be left"""
    body = "\n\n".join(block for block in _BLANK.split(text.raw) if not _is_aside(block))
    return body if 3 * len(_WORD.findall(body)) > len(_WORD.findall(text.raw)) else text.raw


def _is_aside(block: str) -> bool:
    """Whether a block is a title, an introduction to what follows, an offer to go on, a remark in brackets, or a short line"""
    block = block.strip()
    if "\n" in block:
        return False
    short = len(_WORD.findall(block)) <= 8
    if _LIKE_A_TITLE.fullmatch(block) or _OFFER.fullmatch(block) or block.endswith((":", ":**")):
        return True
    return short and not _END.search(block)


def _blocks(text: str) -> Iterator[str]:
    """Paragraphs and list items, each as one line; rows of tables and rules are left out"""
    block: list[str] = []
    for line in text.splitlines():
        item = MARKER.match(line)
        if item or not line.strip() or line.count("|") > 1 or _RULE.match(line):
            if block:
                yield "\n".join(block)
            block = []
        if item:
            block = [line[item.end() :]]
        elif line.strip() and line.count("|") < 2 and not _RULE.match(line):
            block.append(line.strip())
    if block:
        yield "\n".join(block)


def _certain(block: str) -> int:
    """The fewest sentences of a paragraph"""
    if block.count('"') == 2 and block.startswith('"') and block.rstrip().endswith('"'):
        block = block.strip()[1:-1]
    quotes, brackets = block.count('"') % 2 == 0, sum(map(block.count, _OPEN)) == sum(map(block.count, _CLOSE))
    quoted, depth, start, ends = False, 0, 0, 0
    begun, read, numbering = False, 0, set(in_line(block))
    for mark in _MARK.finditer(block):
        # No character is read twice: a hostile reply takes linear time.
        begun, read = begun or bool(_WORD.search(block, read, mark.start())), mark.start()
        if mark[0] == '"':
            quoted = quotes and not quoted
        elif mark[0] in _OPEN:
            depth += brackets
        elif mark[0] in _CLOSE:
            depth = max(0, depth - 1)
        elif begun and not quoted and not depth and _is_end(block, mark.start(), mark.end(), numbering):
            begun, ends, start = False, ends + 1, mark.end()
    rest = block[start:].lstrip(_CLOSERS).strip()
    n = len(_WORD.findall(rest))
    same_line = bool(ends and n and "\n" not in block[start:].rstrip() and not rest[0].islower())
    long = n >= LONG and not rest.endswith((":", ","))
    ended = bool(n and not ends and _END.search(rest))
    return ends + (same_line or long or ended)


def _is_end(block: str, start: int, end: int, numbering: set[int]) -> bool:
    """Whether a mark ends a sentence for certain; one behind the number of an item does not"""
    mark = block[start:end]
    if start in numbering:
        return False
    if mark[0] in _FULL:
        return block[end : end + 1] not in tuple("」』”’)）")
    after = _AFTER.match(block, end)
    if not after:
        return False
    follows = _NEXT.match(block, after.end()).end()
    if follows >= len(block):
        return True
    closed = any(c in block[end : after.end()] for c in "\"'»”)")
    if closed or block[follows].islower() or "…" in mark or ".." in mark:
        return False
    if mark != ".":
        return True
    last = max(0, start - 8), start
    if _ABBREVIATION.search(block, *last) or _ENUMERATOR.search(block, *last):
        return False
    return not (block[follows].isdigit() and _BEFORE_NUMBER.search(block, *last))


def _possible(line: str) -> int:
    """The most sentences of a line"""
    count, start = 0, 0
    for end in _END.finditer(line):
        goes_on = line[end.end() + 1 : end.end() + 2].islower()
        if not (goes_on and _ABBREVIATION.search(line, max(0, end.start() - 8), end.start())):
            count += bool(_WORD.search(line, start, end.start()))
        start = end.end()
    return count + bool(_WORD.search(line, start)) + len(_PICTURE.findall(line))
