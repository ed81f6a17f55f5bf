"""Fits the constants of lima-dialogues' measure of dependence, and measures it on dialogues that were used for it and on others.

    python benchmarks/dialogue_dependence.py > benchmarks/results/dialogue_dependence.json

Where LIMA_SHARED_DATA names a folder with mt_bench_101_gr_cm.jsonl and oasst_trees.json, also on those. Knows nothing of what the
linter does with it.
"""

import json
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lima_dialogues.files import TRAIN, our_folder, read
from lima_dialogues.measures import dependence
from lima_dialogues.measures.dependence import Evidence, evidence
from lima_dialogues.measures.talks import Talk, talks
from lima_dialogues.measures.turns import background, elsewhere, measure_turns

sys.path.insert(0, str(Path(__file__).parents[1] / "plugins" / "lima-dialogues" / "tests"))
NAMES = ("COVERED", "RECENT", "OWN", "TOPICAL", "ANSWERS", "MISSES", "SIZE")
SHARES = {"own": 1.0, "swapped": 0.7, "opening": 0.3}
"What each kind of row weighs together; the last two are the wrong histories"
STEPS, RATE, SHRINK = 4000, 1.0, 0.01
"Of the gradient descent, on standardised evidence"


def rows(odd: list[Talk], everything: list[Talk]) -> Iterator[tuple[str, Evidence]]:
    """Later turns behind their own history and behind all others', and openings behind all others'"""
    for talk in odd:
        own = list(talk.later())
        for other in everything:
            theirs, others = list(other.later()), background().without([talk.opening, other.opening])
            for position, (_, text, history) in enumerate(own):
                before = history if other is talk else theirs[min(position, len(theirs) - 1)][2]
                yield "own" if other is talk else "swapped", evidence(text, before, others)
            if other is not talk:
                yield from (("opening", evidence(talk.opening, history, others)) for _, _, history in theirs)


def values(found: Evidence) -> list[float]:
    """In the order of NAMES"""
    pieces = (found.coverage, found.recent, found.own, found.topical, found.answers, found.misses)
    return [*map(float, pieces), math.log(1 + found.size)]


def fit(found: list[tuple[str, Evidence]]) -> dict[str, float]:
    """The weights by logistic regression"""
    import numpy as np

    x, kinds = np.array([values(one) for _, one in found]), np.array([kind for kind, _ in found])
    mean, spread = x.mean(0), x.std(0) + 1e-9
    z, right = (x - mean) / spread, kinds == "own"
    weight = sum(np.where(kinds == kind, share / (kinds == kind).sum(), 0) for kind, share in SHARES.items())
    w, b = np.zeros(len(NAMES)), 0.0
    for _ in range(STEPS):
        error = weight * (1 / (1 + np.exp(-(z @ w + b))) - right)
        w, b = w - RATE * (z.T @ error + SHRINK * w), b - RATE * error.sum()
    return {name: round(float(value), 2) for name, value in zip(NAMES, w / spread, strict=True)}


def share(said: list[Talk], among: list[Talk] | None = None) -> dict[str, Any]:
    """Of one set: turns, and the shares on their own and on all other histories of the set or of those among which it is"""
    found = measure_turns(said, 0).as_dict()
    names = {talk.name for talk in said}
    behind = [verdict for talk, _, verdict in elsewhere(among or said) if talk.name in names]
    wrong = round(sum(verdict != dependence.ALONE for verdict in behind) / len(behind), 4)
    return {name: found[name] for name in ("later_turns", "leaning", "share")} | {
        "elsewhere": wrong,
        "tried": len(behind),
    }


def main() -> None:
    """Prints JSON: the weights fitted and used, and the shares"""
    shipped = talks(read(our_folder()))
    sides = {side: [talk for talk in shipped if talk.side == side] for side in dict.fromkeys(t.side for t in shipped)}
    train = sides.pop(TRAIN)
    halves = [[talk for talk in train if int(Path(talk.name).name[:2]) % 2 == odd] for odd in (1, 0)]
    used = {name: getattr(dependence, name) for name in (*NAMES, "CONSTANT")}
    thirty = {"odd": share(halves[0], train), "even": share(halves[1], train)}
    measured = {**thirty, **{side: share(said) for side, said in sides.items()}}
    if folder := os.environ.get("LIMA_SHARED_DATA"):
        from test_dialogues_dependence import conversations, talks_of

        measured |= {name: share(talks_of(found)) for name, found in conversations(Path(folder))}
    print(json.dumps({"fitted": fit(list(rows(halves[0], train))), "used": used, "measured": measured}, indent=1))


if __name__ == "__main__":
    main()
