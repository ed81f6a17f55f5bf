"""What a set of dialogues looks like: lengths, questions, forms, countries, languages, spelling, openings, names from nowhere.

All of it is counted, nothing judged: a name that an answer brings up may be invented or be the capital of Peru. Knows nothing
of follow-ups; `turns` does.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import mean, median
from typing import Any

from lima_dialogues.measures.references import asks
from lima_dialogues.measures.talks import Talk
from lima_dialogues.measures.vocabulary import DATES, countries, language, spelling
from lima_dialogues.schema import words

LONG, VERY_LONG = 300, 600
"Words from which an answer is counted as long and as very long"
REPEATED = 3
"Answers that begin with the same two words before it counts as a repeat"

_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_ITEM = re.compile(r"^\s*(?:[-*+•]|\d+[.)]) ", re.MULTILINE)
_NAME = re.compile(r"(?<=[a-z,;] )[A-ZÀ-Þ][^\W\d_]+(?:['’-][^\W\d_]+)*(?: [A-ZÀ-Þ][^\W\d_]+)*")
"Words with a capital after a word without one, so that no sentence begins there"


@dataclass(frozen=True)
class Figures:
    """Counts and shares of one set; shares are 0 to 1 and rounded to three digits, None where there is nothing to count"""

    dialogues: int
    answers: int
    exchanges_mean: float | None
    dialogue_words_mean: float | None
    dialogue_words_most: int | None
    answer_words_mean: float | None
    answer_words_median: float | None
    first_answer_words_mean: float | None
    later_answer_words_mean: float | None
    answers_long: float | None
    "Share of answers of at least 300 words"
    answers_very_long: float | None
    "Share of at least 600"
    asked_back: int
    "Dialogues with the tag asked-back"
    answers_asking: float | None
    "Share of answers that ask something at their end"
    headings: float | None
    lists: float | None
    tables: float | None
    code: float | None
    "Shares of answers that have them"
    semicolons: float | None
    "Share of answers with a semicolon outside of code"
    repeated_openings: float | None
    "Share of answers whose first two words begin three or more"
    openings: dict[str, int]
    "The most frequent of them"
    countries: dict[str, int]
    "Dialogues that name each country"
    no_country: int
    "Dialogues that name none"
    languages: dict[str, int]
    "Dialogues with a paragraph in each language"
    spelling: dict[str, int]
    "Dialogues by their spelling: British, American, both, neither"
    names: tuple[tuple[str, int, tuple[str, ...]], ...]
    "(file, turn, names): with a capital in an answer, and nowhere before in the dialogue"

    def as_dict(self) -> dict[str, Any]:
        """For --json"""
        return asdict(self) | {"names": [{"file": f, "turn": n, "names": list(found)} for f, n, found in self.names]}


def measure_figures(talks: Sequence[Talk]) -> Figures:
    """The figures of those dialogues that have answers"""
    own = [talk for talk in talks if talk.answers]
    answers = [[text for _, text in talk.answers] for talk in own]
    flat = [text for texts in answers for text in texts]
    counts = [words(text) for text in flat]
    openings = Counter(_opening(text) for text in flat)
    common = {opening: n for opening, n in openings.most_common() if n >= REPEATED}
    lengths = [words(str(talk)) for talk in own]
    named = [countries(str(talk)) for talk in own]
    return Figures(
        dialogues=len(own),
        answers=len(flat),
        exchanges_mean=_mean([len(texts) for texts in answers]),
        dialogue_words_mean=_mean(lengths),
        dialogue_words_most=max(lengths, default=None),
        answer_words_mean=_mean(counts),
        answer_words_median=median(counts) if counts else None,
        first_answer_words_mean=_mean([words(texts[0]) for texts in answers]),
        later_answer_words_mean=_mean([words(text) for texts in answers for text in texts[1:]]),
        answers_long=_share(n >= LONG for n in counts),
        answers_very_long=_share(n >= VERY_LONG for n in counts),
        asked_back=sum("asked-back" in talk.tags for talk in own),
        answers_asking=_share(asks(text) for text in flat),
        headings=_share(re.search(r"^#{1,6} ", _FENCE.sub("", text), re.MULTILINE) for text in flat),
        lists=_share(len(_ITEM.findall(_FENCE.sub("", text))) > 1 for text in flat),
        tables=_share(re.search(r"^\s*\|.*\|\s*$", text, re.MULTILINE) for text in flat),
        code=_share(_FENCE.search(text) for text in flat),
        semicolons=_share(";" in re.sub(r"`[^`\n]*`", "", _FENCE.sub("", text)) for text in flat),
        repeated_openings=_share(_opening(text) in common for text in flat),
        openings=dict(list(common.items())[:5]),
        countries=_counted(named),
        no_country=sum(not found for found in named),
        languages=_counted([_languages(talk) for talk in own]),
        spelling=_counted([{_spelled(talk)} for talk in own]),
        names=tuple((talk.name, number, found) for talk in own for number, found in _new_names(talk)),
    )


def as_rows(figures: dict[str, Any]) -> list[tuple[str, str]]:
    """(what, figure) of the figures as a dict, in words, for a table"""
    return [(what, _shown(figures, name)) for name, what in LABELS.items()]


LABELS = {
    "dialogues": "dialogues",
    "exchanges_mean": "exchanges a dialogue, mean",
    "dialogue_words_mean": "words a dialogue, mean",
    "dialogue_words_most": "words of the longest dialogue",
    "answer_words_mean": "words an answer, mean",
    "answer_words_median": "words an answer, median",
    "first_answer_words_mean": "words of the first answers, mean",
    "later_answer_words_mean": "words of the later answers, mean",
    "answers_long": f"answers of {LONG} words or more",
    "answers_very_long": f"answers of {VERY_LONG} words or more",
    "asked_back": "dialogues in which the user answers what was asked back",
    "answers_asking": "answers that end by asking something",
    "headings": "answers with headings",
    "lists": "answers with a list",
    "tables": "answers with a table",
    "code": "answers with a block of code",
    "semicolons": "answers with a semicolon",
    "repeated_openings": f"answers whose first two words begin {REPEATED} or more answers",
    "openings": "the most frequent of these openings",
    "countries": "dialogues that name a country",
    "no_country": "dialogues that name no country",
    "languages": "dialogues with a paragraph in",
    "spelling": "dialogues by spelling",
    "names": "answers with a name that occurs nowhere before",
}
"What each figure is called in a table; `answers` is left out, for it is exchanges by dialogues"
_SHARED = "answers_long answers_very_long answers_asking headings lists tables code semicolons repeated_openings"
_SHARES = frozenset(_SHARED.split())


def _shown(figures: dict[str, Any], name: str) -> str:
    value = figures[name]
    if value is None:
        return "none"
    if isinstance(value, dict):
        return ", ".join(f"{key} {n}" for key, n in value.items()) or "none"
    if name in _SHARES:
        return f"{value:.0%}"
    if name == "names":
        return str(len(value))
    return f"{value:,.1f}" if name == "exchanges_mean" else f"{value:,.0f}"


def _opening(text: str) -> str:
    return " ".join(re.findall(r"[\w'’]+", text)[:2]).replace("’", "'")


def _languages(talk: Talk) -> set[str]:
    return {language(part) for _, _, text in talk.turns for part in re.split(r"\n\s*\n", _FENCE.sub("", text))} - {""}


def _spelled(talk: Talk) -> str:
    found = spelling("\n".join(text for _, text in talk.answers))
    return "both" if len(found) > 1 else next(iter(found), "neither")


def _new_names(talk: Talk) -> list[tuple[int, tuple[str, ...]]]:
    """(turn, names) for answers in English with a name that was not there before in any case of its letters"""
    found, before = [], ""
    for number, role, text in talk.turns:
        if role == "assistant":
            parts = [part for part in re.split(r"\n\s*\n", _FENCE.sub("", text)) if language(part) in ("", "English")]
            names = dict.fromkeys(name for part in parts for name in _NAME.findall(part))
            new = tuple(name for name in names if name.lower() not in before and name not in DATES)
            found += [(number, new)] if new else []
        before += text.lower() + "\n"
    return found


def _counted(sets: Sequence[set[str]]) -> dict[str, int]:
    """How many sets have each, the most frequent first"""
    counts = Counter(name for found in sets for name in sorted(found))
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _mean(values: Sequence[float]) -> float | None:
    return round(mean(values), 1) if values else None


def _share(values: Any) -> float | None:
    found = [bool(value) for value in values]
    return round(mean(found), 3) if found else None
