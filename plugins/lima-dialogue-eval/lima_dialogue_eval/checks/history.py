"""A reply beside what was said before it: shorter than reply 1, its items those of reply 1, reply 2 again with another name.

Replies are counted from 1, and -1 is the last; "user 1" is what the user said first. Where what was said is not there, or is not
as a check expects it (no list, no number), the check holds. Knows nothing of what was meant.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import regex

from lima_dialogue_eval.checks.reading.lists import list_items, top_items
from lima_dialogue_eval.checks.reading.numbers import Number, numbers
from lima_dialogue_eval.checks.reading.text import Text, alike, fold, plain, texts
from lima_dialogue_eval.checks.reading.times import moments
from lima_dialogue_eval.checks.reading.words import MARKER, Count, lines, paragraphs, sentences, without_asides, words
from lima_dialogue_eval.checks.values import Value, beside, denied, fits, is_marker, said, value, within_moment

if TYPE_CHECKING:
    from lima_chat import Turn

REFERENCE = regex.compile(r"user (-?[1-9]\d?)")
"How a user's turn is named; a reply is a number"
LONG_ENOUGH = 8
"Words from which on the same reply again is a repetition, and not the same short answer"

_PART_OF = regex.compile(
    r"n't\b|\b(?:of|each|per|every|first|second|last|rest|remaining|others?|another|more|extra|further|half|instead|not|was|were|had"
    r"|from|than|original\w*|old|previous\w*|earlier|former|and|plus|set|row|batch|van)\b",
    regex.IGNORECASE,
)
"Words with which a number may be a part of another, or what it was"
_WORD = regex.compile(r"[\p{L}\p{N}]+(?:['.,:][\p{L}\p{N}]+)*")
_SENTENCE = regex.compile(r"(?<=[.!?…])[\"')\]]*\s+|\n+")
_EMPTY = frozenset(
    _WORD.findall(
        "a an the and or but of to in on at by for from with as is are was were be been it its this that these those you your i "
        "my me we our he she him her his they them their do does did don't have has had will would can could should may not no "
        "so if then than all any some one two also just only very more most out up down off over about into get make sure"
    )
)
MEASURES: dict[str, Callable[[Text], Count | frozenset[int]]] = {
    "words": words,
    "sentences": sentences,
    "lines": lines,
    "paragraphs": paragraphs,
    "items": list_items,
}
"What two texts can be compared in"


def earlier(reference: int | str, before: "Sequence[Turn]") -> Text | None:
    """What a reference names, or None where it was not said"""
    role, number = "assistant", reference
    if isinstance(reference, str):
        found = REFERENCE.fullmatch(reference)
        role, number = "user", int(found[1]) if found else 0
    turns = [turn.content for turn in before if turn.role == role and isinstance(turn.content, str)]
    place = int(number) - 1 if int(number) > 0 else len(turns) + int(number)
    return Text(turns[place]) if 0 <= place < len(turns) else None


def _named(reference: int | str) -> str:
    if isinstance(reference, str):
        return f"the {reference} turn"
    return "the last reply" if reference == -1 else f"reply {reference}"


def shorter_than(options: dict[str, Any], text: Text) -> str:
    """Whether the text is shorter, or at most a factor as long, however both are counted"""
    counts, factor = _both(options, text), options.get("factor", 0)
    if not counts or (counts[0][0] <= counts[1][1] * factor if factor else counts[0][0] < counts[1][1]):
        return ""
    return _compared(options, counts, f"at most {factor:g} of " if factor else "fewer than ")


def longer_than(options: dict[str, Any], text: Text) -> str:
    """Whether the text is longer, or at least a factor as long, however both are counted"""
    counts, factor = _both(options, text), options.get("factor", 0)
    if not counts or (counts[0][1] >= counts[1][0] * factor if factor else counts[0][1] > counts[1][0]):
        return ""
    return _compared(options, counts, f"at least {factor:g} of " if factor else "more than ")


def as_many_as(options: dict[str, Any], text: Text) -> str:
    """Whether the text may have as many words, sentences, lines, paragraphs or items"""
    counts = _both(options, text)
    if not counts or (counts[0][0] <= counts[1][1] and counts[1][0] <= counts[0][1]):
        return ""
    return _compared(options, counts, "as many as ")


def _both(options: dict[str, Any], text: Text) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """The fewest and the most of the text, and of the earlier one"""
    other, measure = earlier(options["reply"], text.before), MEASURES[options.get("in", "words")]
    if other is None or max(theirs := measure(other)) < 1:
        return None
    mine = measure(text)
    return (min(mine), max(mine)), (min(theirs), max(theirs))


def _compared(options: dict[str, Any], counts: tuple[tuple[int, int], tuple[int, int]], how: str) -> str:
    (mine, _), (theirs, _) = counts
    return f"{mine} {options.get('in', 'words')}, {how}the {theirs} of {_named(options['reply'])} wanted"


def items_from(options: dict[str, Any], text: Text) -> str:
    """Which items share no word with any item of the earlier list"""
    other = earlier(options["reply"], text.before)
    if other is None or len(theirs := top_items(other)) < 2 or len(mine := top_items(text)) < 2:
        return ""
    known = {stem for item in theirs for stem in _stems(item.whole)}
    new = [item.text for item in mine if (stems := _stems(item.whole)) and not stems & known]
    if len(new) <= options.get("new", 0):
        return ""
    return f"{len(new)} of the items not from {_named(options['reply'])}: {'; '.join(one[:60] for one in new[:3])}"


def keeps(options: dict[str, Any], text: Text) -> str:
    """Which items, lines or numbers of an earlier text are gone"""
    other, excepted = earlier(options["reply"], text.before), texts(options.get("except", []))
    if other is None:
        return ""
    if options["what"] == "numbers":
        left = {key for one in (text, Text("\n".join(map(str, excepted)))) for keys, _ in _amounts(one) for key in keys}
        theirs = _amounts(Text(MARKER.sub("", other.plain)))
        gone = list(dict.fromkeys(written for keys, written in theirs if written and not left.intersection(keys)))
    else:
        gone = list(_units_gone(_units_of(other, options["what"]), text, [value(one) for one in excepted]))
    if not gone:
        return ""
    return f"without {', '.join(repr(one[:60]) for one in gone[:3])} of {_named(options['reply'])}"


def _units_of(other: Text, what: str) -> list[str]:
    if what == "items":
        return [item.whole for item in top_items(other)]
    return [line for line in other.raw.splitlines() if _WORD.search(line)]


def _units_gone(units: list[str], text: Text, excepted: list[Value]) -> Iterator[str]:
    """Those of which fewer than a third of the words are left, the first words counted by themselves as well"""
    left = _stems(text.raw)
    for unit in units:
        head = regex.split(r"[:–—.;]", unit.strip("*_ "), maxsplit=1)[0]
        kept = any(stems and 3 * len(stems & left) >= len(stems) for stems in (_stems(unit), _stems(head)))
        if _stems(unit) and not kept and not any(said(one, Text(unit)) for one in excepted):
            yield unit.strip()


def _amounts(text: Text) -> Iterator[tuple[list[str], str]]:
    """Numbers, times and dates: keys that are the same in all forms, and how it is written, '' where it is only perhaps one"""
    for moment in moments(text.folded):
        keys = [f"at {minute}" for minute in moment.times]
        keys += [f"on {month or ''}-{day}" for _, month, day in moment.dates]
        yield keys, text.folded[moment.start : moment.end] if moment.sure else ""
    for number in text.once(numbers):
        counts = number.sure and not number.ordinal and not within_moment(number, text)
        keys = [f"{reading:.9g}" for reading in number.readings]
        keys += [f"{number.readings[0] * factor:.9g} {dimension}" for dimension, factor in number.units]
        yield keys, text.folded[number.start : number.end] if counts else ""


def repeats(options: dict[str, Any], text: Text) -> str:
    """How much of earlier texts is gone, after the replacements that were asked for; titles and talk around them may be"""
    found = [earlier(reference, text.before) for reference in texts(options["reply"])]
    whole = " ".join(plain(without_asides(one)) for one in found if one)
    if None in found or not _WORD.search(whole):
        return ""
    if replacing := {alike(old).casefold(): new for old, new in options.get("replacing", {}).items()}:
        olds = "|".join(regex.escape(old) for old in sorted(replacing, key=len, reverse=True))
        pattern = rf"(?<![\p{{L}}\p{{N}}])(?:{olds})(?![\p{{L}}\p{{N}}])"
        whole = regex.sub(pattern, lambda old: replacing.get(old[0].casefold(), old[0]), whole, flags=regex.IGNORECASE)
    theirs, mine = _bag(whole), _bag(text.plain)
    kept, share = (theirs & mine).total() / theirs.total(), options.get("share", 0.8)
    if kept >= share:
        return _changed(whole, text) if options.get("exact") else ""
    of = " and ".join(_named(reference) for reference in texts(options["reply"]))
    return f"{kept:.0%} of the words of {of}, {share:.0%} wanted"


def _changed(whole: str, text: Text) -> str:
    """A sentence of what was to be repeated, or of the repetition, some of whose words surely changed; '' where there is none

    One of which less than three quarters are on the other side is another sentence, such as an introduction."""
    for these, others in ((whole, _bag(text.plain)), (text.plain, _bag(whole))):
        for sentence in _SENTENCE.split(these):
            words_there = _bag(sentence)
            lost = words_there - others
            if 0 < lost.total() <= words_there.total() / 4:
                return f"changes {', '.join(map(repr, sorted(lost)))} in {' '.join(sentence.split())[:60]!r}"
    return ""


def differs_from(reference: int | str, text: Text) -> str:
    """Whether it says the same again; a short answer may"""
    replies = sum(turn.role == "assistant" for turn in text.before)
    every = range(1, replies + 1) if reference == "every reply" else [reference]
    mine = _bag(text.plain)
    for one in every:
        other = earlier(one, text.before)
        theirs = _bag(other.plain) if other else Counter()
        most = max(mine.total(), theirs.total())
        if most >= LONG_ENOUGH and (mine & theirs).total() >= 0.95 * most:
            return f"says {_named(one)} again"
    return ""


def agrees(wanted: dict[str, Any], text: Text) -> str:
    """Which numbers beside a word are not the one that was given

    Where that is there as well, another may be a part of it, or what it was: then only one that is plainly neither counts."""
    wrong = []
    for noun, given in wanted.items():
        right, near = value(given), _numbers_beside(noun, text)
        others = [number for number in near if not fits(right, number)]
        if any(fits(right, number) for number in text.once(numbers)):
            parts = sum(number.readings[0] for number in others)
            whole = right.number.readings[0] if right.number else parts
            others = [n for n in others if parts != whole and not _PART_OF.search(_around(text.folded, n.start))]
        if others:
            wrong.append(f"{_written(others[0], text)} beside {noun!r}, {given} was given")
    return "; ".join(wrong)


def _around(text: str, place: int) -> str:
    """The sentence of a place, as far as a hundred characters off"""
    before, after = text[max(0, place - 100) : place], text[place : place + 100]
    return _SENTENCE.split(before)[-1] + _SENTENCE.split(after)[0]


def _written(number: Number, text: Text) -> str:
    return text.folded[number.start : number.end]


def _numbers_beside(noun: str, text: Text) -> list[Number]:
    """The numbers that surely count a noun or are its measure"""
    found = []
    for number in text.once(numbers):
        counted = number.sure and not number.ordinal and beside(noun, number, text.folded)
        apart = within_moment(number, text) or is_marker(number, text.folded) or denied(text.folded, number.start)
        if counted and not apart:
            found.append(number)
    return found


def agrees_with(options: dict[str, Any], text: Text) -> str:
    """Whether the numbers beside some words are those of an earlier text, where both have just one"""
    other = earlier(options["reply"], text.before)
    if other is None:
        return ""
    given = {}
    for noun in texts(options["on"]):
        theirs = _numbers_beside(noun, other)
        if len({number.readings[0] for number in theirs}) == 1:
            given[noun] = _written(theirs[0], other)
    return agrees(given, text)


def _stems(text: str) -> set[str]:
    """The beginnings of its words, those left out that any sentence has"""
    found = (word.lower() for word in _WORD.findall(fold(alike(text))))
    return {
        word[:5] if len(word) > 5 else word.removesuffix("s")
        for word in found
        if word not in _EMPTY and not word.isdigit()
    }


def _bag(text: str) -> Counter[str]:
    return Counter(_WORD.findall(fold(text).casefold()))
