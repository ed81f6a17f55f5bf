"""The vocabulary of checks: what a requirement can ask of a reply, the value that each check takes, and an example.

A check says that a reply misses it only where that is certain; where it cannot tell, it holds. Knows nothing of grades.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lima_dialogue_eval.checks import consistency, history, pairs, records, shapes, sums, values, wording
from lima_dialogue_eval.checks.reading import lists, tables, words
from lima_dialogue_eval.checks.reading.text import Text, Undecided, texts

if TYPE_CHECKING:
    from lima_chat import Turn

Test = Callable[[Any, Text], str]
"What says how a text misses a check, '' when it holds"

MOST_ITEMS = 200
"Items of a list that `each_item` looks at"


@dataclass(frozen=True)
class Check:
    """One check"""

    takes: shapes.Shape
    example: Any
    about: str
    "Holds when the reply …"
    test: Test


def missed(check: dict[str, Any], reply: str, history: "Sequence[Turn]" = ()) -> list[str]:
    """What the reply misses of a check for certain, in words; empty when it holds. `history` is all that was said before it

    Raises Undecided when a pattern runs out of time and nothing else is missed."""
    return _missed(check, Text(reply, history))


def _missed(check: dict[str, Any], text: Text) -> list[str]:
    whys: list[str] = []
    undecided: Undecided | None = None
    for key, wanted in check.items():
        try:
            why = CHECKS[key].test(wanted, text)
        except Undecided as e:
            undecided = e
        else:
            whys += [why] if why else []
    if undecided and not whys:
        raise undecided
    return whys


def _count(measure: Callable[[Text], Collection[int]], noun: str, least: bool = False, most: bool = False) -> Test:
    """A check of a count: at least, at most, or exactly; missed only when no way of counting is right"""

    def test(wanted: int, text: Text) -> str:
        ways = measure(text)
        low, high = min(ways, default=0), max(ways, default=0)
        exactly = low <= wanted <= high if isinstance(ways, words.Count) else wanted in ways
        if high >= wanted if least else low <= wanted if most else exactly:
            return ""
        n = f"{low}" if low == high else f"{low} to {high}"
        how = "at least " if least else "at most " if most else ""
        return f"{n} {noun}{'s' * (n != '1')}, {how}{wanted} wanted"

    return test


def _is(surely: Callable[[Text], bool], perhaps: Callable[[Text], bool], what: str) -> Test:
    """A check of a property: wanted, it must perhaps be there; not wanted, it must not be there for sure"""

    def test(wanted: bool, text: Text) -> str:
        if wanted:
            return "" if perhaps(text) else f"no {what}"
        return what if surely(text) else ""

    return test


def _listed(test: Test) -> Test:
    """A check of several values, of which one alone may be given"""
    return lambda wanted, text: test(texts(wanted), text)


def _about_reply(test: Callable[[dict[str, Any], Text], str]) -> Test:
    return lambda wanted, text: test(shapes.with_options(wanted), text)


def _talk(wanted: bool, text: Text) -> str:
    talk = lists.talk_around(text)
    return f"has beside the list {talk[:60]!r}" if talk else ""


def _no_list(wanted: bool, text: Text) -> str:
    """Whether there is a list though none is wanted, or no list though one is"""
    if wanted:
        return "" if max(lists.list_items(text)) else "no list"
    n = lists.certain_items(text).low
    return f"a list of {n} items" if n else ""


def _each_item(wanted: dict[str, Any], text: Text) -> str:
    items = lists.top_items(text)[:MOST_ITEMS]
    for number, item in enumerate(items if len(items) > 1 else [], 1):
        if why := _missed(wanted, Text(item.whole, text.before)):
            return f"item {number}: {'; '.join(why)}"
    return ""


CHECKS: dict[str, Check] = {
    "max_words": Check(
        shapes.NUMBER,
        50,
        'has at most N words; "don\'t" and "well-known" are one each',
        _count(words.words, "word", most=True),
    ),
    "min_words": Check(shapes.NUMBER, 20, "has at least N words", _count(words.words, "word", least=True)),
    "sentences": Check(
        shapes.NUMBER,
        3,
        'has exactly N sentences; "Mr. Okafor", "3.5", "…" and quoted speech end none',
        _count(words.sentences, "sentence"),
    ),
    "max_sentences": Check(shapes.NUMBER, 2, "has at most N sentences", _count(words.sentences, "sentence", most=True)),
    "min_sentences": Check(
        shapes.NUMBER, 2, "has at least N sentences", _count(words.sentences, "sentence", least=True)
    ),
    "max_lines": Check(shapes.NUMBER, 1, "has at most N lines with text", _count(words.lines, "line", most=True)),
    "paragraphs": Check(
        shapes.NUMBER,
        2,
        "has exactly N paragraphs; a title may count or not",
        _count(words.paragraphs, "paragraph"),
    ),
    "max_paragraphs": Check(
        shapes.NUMBER, 1, "has at most N paragraphs", _count(words.paragraphs, "paragraph", most=True)
    ),
    "questions": Check(shapes.NUMBER, 3, "asks exactly N questions", _count(words.questions, "question")),
    "min_brackets": Check(
        shapes.NUMBER,
        3,
        "has at least N brackets with words in them",
        _count(words.brackets, "bracket", least=True),
    ),
    "ends_with_question": Check(
        shapes.BOOLEAN,
        True,
        "ends with a question (with `false`: does not)",
        _is(wording.asks_at_the_end, wording.asks_at_the_end, "question at the end"),
    ),
    "contains_all": Check(
        shapes.TEXTS,
        ["van", "box*"],
        "has all these texts, as whole words in any case; `box*` allows any ending, `/vans?/` is a pattern",
        wording.contains_all,
    ),
    "contains_any": Check(shapes.TEXTS, ["cat", "cats"], "has one of these texts", wording.contains_any),
    "contains_none": Check(shapes.TEXTS, ["unfortunately"], "has none of these texts", wording.contains_none),
    "starts_with": Check(shapes.TEXTS, ["Yes", "No"], "begins with one of these texts", wording.starts_with),
    "regex": Check(
        shapes.PATTERNS,
        "^Dear M[rs]",
        "matches each of these patterns, in any case; `^` and `$` match at lines",
        wording.matches,
    ),
    "not_regex": Check(shapes.PATTERNS, "^#+ ", "matches none of these patterns", wording.not_regex),
    "only": Check(
        shapes.VALUES,
        ["Lima"],
        "is one of these answers and no sentence; at most four more words",
        _listed(values.only),
    ),
    "says": Check(
        shapes.VALUES,
        ["£54", "3 x 2.5 l"],
        'says all these values in any form, such as "fifty-four pounds", "3 pm", "June 7th"; "not £54" does not say it',
        _listed(values.says),
    ),
    "says_any": Check(
        shapes.VALUES, [971, "about 970"], 'says one of these values; "about" is within 1 %', _listed(values.says_any)
    ),
    "says_none": Check(
        shapes.VALUES,
        ["31 May", "30 chairs"],
        "does not say any of these values; denying one is allowed",
        _listed(values.says_none),
    ),
    "pairs": Check(
        shapes.PAIRS,
        {"Peru": "Lima", "Chile": {"any": ["Santiago", "Santiago de Chile"]}},
        "has each value, and beside its label no other label's: in prose, a list, a table or JSON; a list wants several values",
        pairs.pairs,
    ),
    "order": Check(shapes.LABELS, ["Minka", "Rex"], "names these in this order", records.order),
    "agrees": Check(
        shapes.AMOUNTS, {"chairs": 40}, "gives no other number beside the word than this one", history.agrees
    ),
    "beside": Check(
        shapes.PAIRS,
        {"/Nairobi|\\bher\\b/": "13:00"},
        "has no sentence with a label and, in place of its own value, another of the kind (number in that unit, time, date)",
        consistency.beside,
    ),
    "concludes": Check(
        shapes.VALUES,
        {"any": ["32 m²", "35 m²"]},
        'does not conclude ("So …") with another value of the kind, once it has said one of these',
        _listed(consistency.concludes),
    ),
    "sums": Check(shapes.TRUE, True, "works out no sum wrongly, such as `35 − 3 = 31`", sums.wrong_sums),
    "clock_24": Check(shapes.TRUE, True, 'has no time with am, pm or "in the evening"', wording.twelve_hours),
    "list_items": Check(
        shapes.NUMBER,
        8,
        "has a list of exactly N items, however written; of a nested list the top level or the innermost items count",
        _count(lists.list_items, "list item"),
    ),
    "min_list_items": Check(
        shapes.NUMBER, 3, "has a list of at least N items", _count(lists.list_items, "list item", least=True)
    ),
    "max_list_items": Check(
        shapes.NUMBER, 5, "has no list of more than N items", _count(lists.list_items, "list item", most=True)
    ),
    "no_list": Check(
        shapes.BOOLEAN,
        True,
        "has no two lines that are list items (with `false`: has a list)",
        lambda wanted, text: _no_list(not wanted, text),
    ),
    "numbered": Check(
        shapes.TRUE,
        True,
        "has numbers before the items of its list",
        _is(lists.is_numbered, lists.is_numbered, "numbers before the items"),
    ),
    "list_only": Check(shapes.TRUE, True, "has no sentence before or after its list", _talk),
    "each_item": Check(shapes.CHECK, {"max_words": 12}, "has no list item that misses this check", _each_item),
    "table": Check(
        shapes.BOOLEAN,
        True,
        "has a table: Markdown, drawn, HTML, set in columns (with `false`: has none)",
        _is(tables.certain_table, tables.has_table, "table"),
    ),
    "table_rows": Check(shapes.NUMBER, 3, "has a table of N rows below the header", _count(tables.row_counts, "row")),
    "table_columns": Check(shapes.NUMBER, 3, "has a table of N columns", _count(tables.column_counts, "column")),
    "table_header": Check(
        shapes.TEXTS,
        ["start", "end"],
        "has a table with these texts in its first row, or column",
        _listed(tables.header_lacks),
    ),
    "table_cells": Check(
        shapes.PAIRS,
        {"Dubai": ["14:00", "15:00"]},
        "has a table with a row (or column) for each label and these values in it, in this order",
        records.table_cells,
    ),
    "json": Check(
        shapes.BOOLEAN,
        True,
        "is JSON and nothing else; a code fence is forgiven (with `false`: is not)",
        _is(tables.is_json, tables.is_json, "JSON"),
    ),
    "json_equals": Check(
        shapes.JSON_EQUALS,
        {"value": [{"name": "Rex", "age": 4}], "any_order": True},
        "has this JSON; keys in any order. `any_order` of lists, `extra_keys`; `exact` minds capitals, and numbers as texts",
        tables.json_equals,
    ),
    "json_keys": Check(
        shapes.TEXTS,
        ["pet", "age"],
        "has JSON whose objects have these keys and no others",
        _listed(tables.keys_differ),
    ),
    "shorter_than": Check(
        shapes.COMPARED,
        {"reply": -1, "factor": 0.6},
        "is shorter than an earlier reply (the number alone), or at most `factor` as long; `in` words, sentences, lines, items",
        _about_reply(history.shorter_than),
    ),
    "longer_than": Check(
        shapes.COMPARED,
        {"reply": 1, "in": "sentences"},
        "is longer than an earlier reply, or at least a factor as long",
        _about_reply(history.longer_than),
    ),
    "as_many_as": Check(
        shapes.AS_MANY,
        {"reply": -1, "in": "items"},
        "has as many words, sentences, lines, paragraphs or items as an earlier reply",
        _about_reply(history.as_many_as),
    ),
    "items_from": Check(
        shapes.ITEMS_FROM,
        1,
        'has only items that share a word with the list in an earlier reply; `{"reply": 1, "new": 2}` allows two others',
        _about_reply(history.items_from),
    ),
    "keeps": Check(
        shapes.KEEPS,
        {"reply": -1, "what": "numbers", "except": [30]},
        "still has the items, lines or numbers of an earlier reply, but for exceptions",
        history.keeps,
    ),
    "repeats": Check(
        shapes.REPEATS,
        {"reply": [1, 2], "replacing": {"Marit": "Ilse"}, "share": 0.9},
        "repeats earlier replies, with other words in place of some; of the words a share (0.8); `exact`: no sentence changed",
        _about_reply(history.repeats),
    ),
    "differs_from": Check(
        shapes.DIFFERS,
        -1,
        'is not the same again as an earlier reply, `"every reply"` or `"user -1"`; under eight words it may be',
        history.differs_from,
    ),
    "agrees_with": Check(
        shapes.AGREES_WITH,
        {"reply": "user 1", "on": ["chairs"]},
        "gives beside these words no other number than an earlier reply did",
        history.agrees_with,
    ),
}
"All of them; the order is that of the pages"
