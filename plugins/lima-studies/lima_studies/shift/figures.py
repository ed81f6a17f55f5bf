"""Shares of unshifted, marginal and shifted tokens, by place in the reply, with intervals over prompts.

The classes are those of URIAL (2312.01552). Knows nothing of models or reports.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from lima_dialogue_eval import t_interval
from lima_studies.scores.scores import Interval

UNSHIFTED, MARGINAL, SHIFTED = "unshifted", "marginal", "shifted"
CLASSES = (UNSHIFTED, MARGINAL, SHIFTED)
EDGES = (1, 2, 3, 5, 9, 17, 33, 65, 129, 257, 513, 1025)
"Where the ranges of positions begin"
Row = Mapping[str, Any]


def class_of(rank: int) -> str:
    """Unshifted is the base's first choice, marginal its second or third, shifted what it ranks lower"""
    return UNSHIFTED if rank == 1 else MARGINAL if rank <= 3 else SHIFTED


@dataclass(frozen=True)
class Share:
    """How often some tokens are of each class: means over prompts"""

    name: str
    prompts: int
    tokens: int
    shares: tuple[float, float, float]
    "In the order of CLASSES"
    intervals: tuple[Interval, Interval, Interval]


def shares(rows: Iterable[Row]) -> list[Share]:
    """All positions together, then by ranges of positions that double"""
    rows = list(rows)
    found = [_share("all positions", rows)]
    ranges = [*pairwise(EDGES), (EDGES[-1], 1 << 62)]
    for first, end in ranges:
        if some := [row for row in rows if first <= row["position"] < end]:
            last = max(row["position"] for row in some) if end > EDGES[-1] else end - 1
            found.append(_share(f"{first}" if last == first else f"{first} to {last}", some))
    return found


def _share(name: str, rows: Sequence[Row]) -> Share:
    by_prompt: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        by_prompt[row["prompt"]][class_of(row["rank"])] += 1
    values = {c: [counts[c] / counts.total() for counts in by_prompt.values()] for c in CLASSES}
    means = [sum(some) / len(some) for some in values.values()]
    return Share(name, len(by_prompt), len(rows), tuple(means), tuple(map(_interval, values.values())))  # type: ignore[arg-type]


def _interval(values: Sequence[float]) -> Interval:
    found = t_interval(values) if values and max(values) > min(values) else None
    return found and (max(0.0, found[0]), min(1.0, found[1]))


@dataclass(frozen=True)
class Word:
    """A token that is shifted"""

    text: str
    shifted: int
    count: int
    "How often it is written in all"
    instead: str
    "What the base ranks first there most often"


def most_shifted(rows: Iterable[Row], number: int = 20) -> list[Word]:
    """The tokens that are most often shifted"""
    counts: Counter[int] = Counter()
    shifted: Counter[int] = Counter()
    texts: dict[int, str] = {}
    instead: dict[int, Counter[str]] = defaultdict(Counter)
    for row in rows:
        token = row["token"]
        counts[token] += 1
        texts[token] = texts.get(token) or row["text"]
        if class_of(row["rank"]) == SHIFTED:
            shifted[token] += 1
            instead[token][row["first"]] += 1
    return [Word(texts[t], n, counts[t], instead[t].most_common(1)[0][0]) for t, n in shifted.most_common(number)]
