"""What a text says: values such as £54, 6.4 litres, 15:00, 7 June, 3 x 2.5 l or a word, in any form, and not denied.

A value is mentioned for sure, or perhaps: only the first counts against a reply, either counts for it. Knows nothing of what a
value belongs to.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

import regex

from lima_dialogue_eval.checks.reading.numbers import Number, numbers
from lima_dialogue_eval.checks.reading.text import (
    SECONDS,
    Text,
    Undecided,
    alike,
    as_pattern,
    compiled,
    fold,
    is_pattern,
    without_any,
)
from lima_dialogue_eval.checks.reading.times import Date, Moment, dates, same_date, times
from lima_dialogue_eval.checks.reading.words import words

MOST = 5_000
"Mentions of one value that are looked at"
_ABOUT = regex.compile(r"(?:about|around|roughly|~|≈)[ ]*", regex.IGNORECASE)
_COUNT = regex.compile(r"(\d{1,4})[ ]*[x×][ ]*(\S.*)")
_DENIED = regex.compile(
    r"(?:(?<!\b(?:or|if|why) )\bnot|n't|\bcannot|\bnever|\bno longer|\brather than|\binstead of)[ ]"
    r"(?:(?:be|at|in|on|the|a|an|called|named)[ ]){0,3}[\"'(*]?$",
    regex.IGNORECASE,
)
_WORD_ENDS = r"(?![\p{L}\p{N}])"
_STOP = regex.compile(r"[.!?;\n]\s|\n")
_VERB = regex.compile(
    r"\b(?:is|are|was|were|be|has|have|had|would|will|can|(?:it|that|this|there|here|he|she|what|answer)'s|\p{L}'re)\b",
    regex.IGNORECASE,
)
_MARKED = regex.compile(r"[ \t>(]*\d{1,3}[.):](?=\s)")


@dataclass(frozen=True)
class Value:
    """A value that a check wants to be said, or not"""

    kind: str
    "number, time, date, count (of another value) or text"
    text: str
    number: Number | None = None
    about: bool = False
    "Whether a number within 1 % will do"
    noun: str = ""
    "What is counted: the chairs of 40 chairs"
    minutes: int = 0
    date: Date = (None, None, 0)
    times: int = 1
    of: "Value | None" = None
    "What there is `times` of"


@dataclass(frozen=True)
class Mention:
    """A place where a text has a value"""

    start: int
    end: int
    sure: bool
    denied: bool = False
    "Whether a 'not' stands before it"


@lru_cache(maxsize=4096)
def value(given: str | int | float) -> Value:
    """A number, or what a text stands for: a number with its unit or noun, a time, a date, a count of a value, or its words"""
    text = str(given).strip()
    if is_pattern(text):
        return Value("text", text)
    bare = _ABOUT.sub("", fold(text), count=1) if _ABOUT.match(text) else fold(text)
    whole = [m for m in (*times(bare), *dates(bare)) if (m.start, m.end) == (0, len(bare))]
    if count := _COUNT.fullmatch(bare):
        return Value("count", text, times=int(count[1]), of=value(count[2]))
    if whole and whole[0].times and (whole[0].sure or ":" in bare):
        return Value("time", text, minutes=whole[0].times[0])
    if whole and whole[0].dates and (whole[0].sure or whole[0].dates[0][1] is None) and not bare.startswith("the "):
        return Value("date", text, date=whole[0].dates[0])
    first = next((n for n in numbers(bare) if n.start == 0), None)
    if first and not first.ordinal and (first.end == len(bare) or (bare[first.end] == " " and bare[0].isdigit())):
        return Value("number", text, first, bool(_ABOUT.match(text)), bare[first.end :].strip())
    return Value("text", text)


def mentions(wanted: Value, text: Text) -> list[Mention]:
    """Where a text has a value, in any form"""
    folded = text.folded
    found = [
        Mention(start, end, sure, denied(folded, start)) for start, end, sure in islice(_places(wanted, text), MOST)
    ]
    return sorted(found, key=lambda mention: mention.start)


def denied(text: str, start: int) -> bool:
    """Whether a 'not' stands before what begins there"""
    return bool(_DENIED.search(text, max(0, start - 40), start))


def said(wanted: Value, text: Text) -> bool:
    """Whether a text has a value, sure or not, and does not only deny it"""
    return any(not mention.denied for mention in mentions(wanted, text))


def surely_said(wanted: Value, text: Text) -> bool:
    """Whether a text has a value for sure"""
    return any(mention.sure and not mention.denied for mention in mentions(wanted, text))


def kin(wanted: Value, text: Text) -> list[Mention]:
    """Where a text surely has another value of the same kind: another number, time or date; never for words"""
    if wanted.kind == "number" and wanted.number:
        units = {dimension for dimension, _ in wanted.number.units}
        # "pounds" may be money or a weight: one reading of a unit is enough.
        same = [n for n in text.once(numbers) if n.sure and not n.ordinal and _alike(units, {d for d, _ in n.units})]
        return [Mention(n.start, n.end, True) for n in same if not fits(wanted, n) and not within_moment(n, text)]
    if wanted.kind == "time":
        return [Mention(m.start, m.end, True) for m in text.once(times) if m.sure and wanted.minutes not in m.times]
    if wanted.kind == "date":
        full = [m for m in text.once(dates) if m.sure]
        return [Mention(m.start, m.end, True) for m in full if not any(same_date(wanted.date, d) for d in m.dates)]
    return []


def _alike(units: set[str], others: set[str]) -> bool:
    return bool(units & others) or not (units or others)


def _places(wanted: Value, text: Text) -> Iterator[tuple[int, int, bool]]:
    """(start, end, sure) of every mention"""
    if wanted.kind == "number":
        for number in text.once(numbers):
            if fit := fits(wanted, number):
                sure = fit == "sure" and not within_moment(number, text) and not is_marker(number, text.folded)
                if wanted.noun:
                    if not (near := beside(wanted.noun, number, text.folded)) and number.units:
                        continue
                    sure = sure and near
                yield number.start, number.end, sure
    elif wanted.kind == "time":
        for moment in text.once(times):
            if wanted.minutes in moment.times:
                yield moment.start, moment.end, moment.sure and len(moment.times) == 1
    elif wanted.kind == "date":
        for moment in text.once(dates):
            if any(same_date(wanted.date, date) for date in moment.dates):
                yield moment.start, moment.end, moment.sure and same_date(wanted.date, moment.dates[0])
        if wanted.date[1] is None:  # the 1st is also "first"
            nths = (n for n in text.once(numbers) if n.ordinal and n.readings[0] == wanted.date[2])
            yield from ((number.start, number.end, False) for number in nths)
    elif wanted.kind == "count" and wanted.of:
        yield from _counts(wanted, text)
    else:
        yield from _words(wanted.text, text)


def fits(wanted: Value, number: Number) -> str:
    """'sure', 'perhaps' or '' for a number that is, may be, or is not the one that is wanted"""
    given, target = number.readings, wanted.number.readings[0] if wanted.number else math.nan
    near = 0.01 if wanted.about else 1e-6
    units = wanted.number.units if wanted.number else ()
    if units and number.units:
        factors = [(f, g) for dimension, f in units for other, g in number.units if dimension == other]
        hits = [i for i, r in enumerate(given) for f, g in factors if math.isclose(r * g, target * f, rel_tol=near)]
    else:
        hits = [i for i, r in enumerate(given) if math.isclose(r, target, rel_tol=near, abs_tol=1e-12)]
    if not hits and not units:  # 6400 ml are 6.4
        small = [g for _, g in number.units if g != 1]
        hits = [1 for g in small if math.isclose(given[0] * g, target, rel_tol=near)]
    if not hits:
        return ""
    sure = min(hits) == 0 and number.sure and not number.ordinal and bool(units) <= bool(number.units)
    return "sure" if sure else "perhaps"


def beside(noun: str, number: Number, text: str) -> bool:
    """Whether a noun, in any ending, stands beside a number: 40 oak chairs, chairs: 40"""
    stem = regex.escape(fold(noun.lower())[: max(3, len(noun) - 2)])
    after = regex.compile(rf"[ -]?(?:[\p{{L}}-]{{1,20}} ){{0,2}}(?<!\p{{L}}){stem}", regex.IGNORECASE)
    before = regex.compile(rf"(?<!\p{{L}}){stem}\p{{L}}{{0,4}}(?: is| are| of)?[ ]?[:=–(-]?[ ]?$", regex.IGNORECASE)
    return bool(after.match(text, number.plain_end) or before.search(text, max(0, number.start - 40), number.start))


def is_marker(number: Number, text: str) -> bool:
    """Whether a number only numbers an item of a list"""
    line = text.rfind("\n", max(0, number.start - 10), number.start) + 1
    return number.start - line < 10 and bool(_MARKED.match(text, line, number.plain_end + 1))


def within_moment(number: Number, text: Text) -> bool:
    """Whether a number is a part of a time or a date"""
    spans = text.once(_spans)
    place = bisect_right(spans, (number.start, math.inf)) - 1
    return place >= 0 and number.plain_end <= spans[place][1]


def _spans(text: str) -> list[tuple[int, float]]:
    found: list[Moment] = [m for m in (*times(text), *dates(text)) if m.sure]
    return sorted((moment.start, float(moment.end)) for moment in found)


def _counts(wanted: Value, text: Text) -> Iterator[tuple[int, int, bool]]:
    """A count of a value: 3x2.5 l, three tins of 2.5 l, 2.5 l (3 of them), or 2.5 l named three times"""
    many = mentions(value(wanted.times), text)
    of = mentions(wanted.of, text) if wanted.of else []
    for one in of:
        place = bisect_right(many, one.start, key=lambda mention: mention.start)
        for number in many[max(0, place - 3) : place + 3]:
            gap = (min(one.end, number.end), max(one.start, number.start))
            if number.start != one.start and gap[1] - gap[0] <= 40 and not _STOP.search(text.folded, *gap):
                yield min(one.start, number.start), max(one.end, number.end), False
                break
    if len(of) >= wanted.times > 1:
        yield of[0].start, of[-1].end, False


def _words(wanted: str, text: Text) -> Iterator[tuple[int, int, bool]]:
    """The words of a text value; an ending such as the s of a plural makes them uncertain"""
    pattern = as_pattern(wanted) if is_pattern(wanted) else fold(as_pattern(wanted))
    if not is_pattern(wanted) and wanted[-1].isalpha():
        pattern = pattern.removesuffix(_WORD_ENDS) + rf"(?:'?s|es)?{_WORD_ENDS}"
    try:
        for found in compiled(pattern).finditer(text.folded, timeout=SECONDS):
            exact = is_pattern(wanted) or len(text.plain) != len(text.folded)
            as_written = text.plain[found.start() : found.end()]
            yield found.start(), found.end(), exact or wanted.endswith("*") or _same(as_written, wanted)
    except TimeoutError:
        raise Undecided(f"the pattern {wanted!r} took longer than {SECONDS} s on this reply") from None


def _same(one: str, other: str) -> bool:
    return " ".join(one.casefold().split()) == " ".join(alike(other).casefold().split())


def alternatives(wanted: Any) -> tuple[Value, ...]:
    """The values of {"any": […]}, or one value alone"""
    given = wanted["any"] if isinstance(wanted, dict) else [wanted]
    return tuple(value(one) for one in given)


def shown(wanted: Any) -> str:
    """A value as a reason names it"""
    return " or ".join(map(repr, wanted["any"])) if isinstance(wanted, dict) else repr(wanted)


def says(wanted: list[Any], text: Text) -> str:
    """Which of the values are not said"""
    lacking = [one for one in wanted if not any(said(form, text) for form in alternatives(one))]
    denies = [one for one in lacking if any(mentions(form, text) for form in alternatives(one))]
    absent = [shown(one) for one in lacking if one not in denies]
    whys = [f"without {', '.join(absent)}"] if absent else []
    return "; ".join([*whys, *(f"says {shown(one)} only to deny it" for one in denies)])


def says_any(wanted: list[Any], text: Text) -> str:
    """What none of the values is said of"""
    found = any(said(form, text) for one in wanted for form in alternatives(one))
    return "" if found else without_any([shown(one) for one in wanted])


def says_none(unwanted: list[Any], text: Text) -> str:
    """Which of the values are said for sure"""
    there = [one for one in unwanted if any(surely_said(form, text) for form in alternatives(one))]
    return f"says {', '.join(map(shown, there))}" if there else ""


def only(wanted: list[Any], text: Text) -> str:
    """What a reply has beside the answer: a verb, or more than four words"""
    first = [m for one in wanted for form in alternatives(one) for m in mentions(form, text)[:1]]
    if not first:
        return f"without {' or '.join(map(shown, wanted))}"
    answer = max(first, key=lambda mention: mention.end - mention.start)
    rest = f"{text.folded[: answer.start]} {text.folded[answer.end :]}"
    if _VERB.search(rest):
        return "a sentence, only the answer wanted"
    n = words(Text(rest)).low
    return f"{n} words beside the answer" if n > 4 else ""
