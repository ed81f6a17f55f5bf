"""Two arms side by side: the conversations that count on both, and which of their turns and replicates.

Knows nothing of tests or figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lima import LimaError, Store
from lima_dialogue_eval.comparison import outcomes
from lima_dialogue_eval.comparison.comparable import (
    can_only_fail,
    check_grader,
    check_pooled,
    check_runs,
    find_arm,
    turns_pair,
)
from lima_dialogue_eval.comparison.grid import ABSENT, Grid, read_grid

Names = str | Sequence[str]
"Ids of dialogue runs or the starts of them, or arms"


@dataclass(frozen=True)
class Side:
    """One arm: its runs and their replies"""

    runs: tuple[dict[str, Any], ...]
    grid: Grid
    grader: str
    version: str | None
    "The grader's hash"


def read_sides(store: Store, arms: Sequence[Names], grader: str | None, pool_anyway: bool) -> list[Side]:
    """The arms that are named, once it is sure that they belong together; else LimaError"""
    runs = [find_arm(store, names) for names in arms]
    grader = check_runs(runs, grader)
    for of_arm in runs:
        if not pool_anyway:
            check_pooled(of_arm)
    grids = [read_grid(store, of_arm, grader) for of_arm in runs]
    version = check_grader([run for of_arm in runs for run in of_arm], grids, grader)
    return [Side(tuple(of_arm), grid, grader, version) for of_arm, grid in zip(runs, grids, strict=True)]


@dataclass(frozen=True)
class Pair:
    """Two arms' replies to the conversations that count on both"""

    sides: tuple[Side, Side]
    names: tuple[str, ...]
    "The conversations"
    codes: tuple[np.ndarray, np.ndarray]
    "(conversations, replicates, turns): all replicates"
    picks: tuple[list[int], list[int]]
    "The places of the replicates that the tests are on, as many on both sides"
    outcome: str
    goods: tuple[np.ndarray, np.ndarray]
    "(conversations, replicates, turns), of the paired ones: whether a turn counts in the tests, on both sides or on neither; "
    "where turns do not pair, each side on its own"
    kinds: np.ndarray
    "(conversations, turns): what the user's turn tries"
    left_out: tuple[dict[str, str], ...]
    "Conversations that leave both arms, and those that leave only the tests as no turn of them is decided on both sides"

    @property
    def reached(self) -> tuple[np.ndarray, np.ndarray]:
        """The turns that count, without those that a full context left out on their side or, where turns pair, on either"""
        return _counted(self.paired, self.outcome, self.goods[0] is self.goods[1], reached=True)

    @property
    def tested(self) -> np.ndarray:
        """(conversations): whether the tests are on it"""
        return np.asarray(self.goods[0].any(axis=(1, 2)) & self.goods[1].any(axis=(1, 2)))

    @property
    def paired(self) -> tuple[np.ndarray, np.ndarray]:
        """The replies of as many replicates on both sides: what the tests are on"""
        return self.codes[0][:, self.picks[0]], self.codes[1][:, self.picks[1]]

    @property
    def waiting(self) -> int:
        """How many turns of the first side do not count"""
        return int(((self.paired[0] != ABSENT) & ~self.goods[0]).sum())

    def means(self, scale: str) -> tuple[np.ndarray, np.ndarray]:
        """One mean a conversation that is tested, before and after"""
        sides = zip(self.paired, self.goods, strict=True)
        before, after = (outcomes.means(codes, good, scale)[self.tested] for codes, good in sides)
        return before, after


def pair(before: Side, after: Side) -> Pair:
    """What counts of two arms; LimaError if no conversation can be compared"""
    grids = (before.grid, after.grid)
    left_out = _unusable(*grids)
    gone = {row["conversation"] for row in left_out}
    names = [name for name in grids[0].topics if name not in gone]
    turns = max(grid.codes.shape[2] for grid in grids)
    codes = [_picked(grid, names, grid.codes, turns, ABSENT) for grid in grids]
    kinds = [_picked(grid, names, grid.kinds, turns, "") for grid in grids]
    outcome = outcomes.NOT_FAILED if leaves_praise((before, after), codes) else outcomes.GRADE
    picks = outcomes.balanced(*(grid.seeds for grid in grids))
    paired = codes[0][:, picks[0]], codes[1][:, picks[1]]
    goods = _counted(paired, outcome, turns_pair(before.runs, after.runs))
    kept = goods[0].any(axis=(1, 2)) & goods[1].any(axis=(1, 2))
    left_out += [
        {"conversation": names[i], "arm": "both", "reason": "no turn of it has a grade on both sides"}
        for i in np.flatnonzero(~kept)
    ]
    if not kept.any():
        reasons = "; ".join(dict.fromkeys(f"{row['conversation']}: {row['reason']}" for row in left_out[:3]))
        raise LimaError(f"No conversation can be compared. {reasons}")
    return Pair(
        sides=(before, after),
        names=tuple(names),
        codes=(codes[0], codes[1]),
        picks=picks,
        outcome=outcome,
        goods=goods,
        kinds=np.where(kinds[0] == "", kinds[1], kinds[0]),
        left_out=tuple(left_out),
    )


def _counted(
    paired: tuple[np.ndarray, np.ndarray], outcome: str, together: bool, reached: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Which turns count on either side: the same array twice where turns pair (`together`)"""
    if together:
        both = outcomes.counted(*paired, outcome, reached)
        return both, both
    before, after = (outcomes.counted(codes, codes, outcome, reached) for codes in paired)
    return before, after


def leaves_praise(sides: Sequence[Side], codes: Sequence[np.ndarray]) -> bool:
    """Whether the grader can only fail a reply, by its kind or else by what it gave all arms together"""
    kinds = [can_only_fail(run, side.grader) for side in sides for run in side.runs]
    return outcomes.only_fails(kinds, codes)


def _unusable(before: Grid, after: Grid) -> list[dict[str, str]]:
    """The conversations that leave both arms, with the arm that is why"""
    found = []
    for arm, grid, other in (("before", before, after), ("after", after, before)):
        reasons = grid.unusable | {n: "its runs did not hold it" for n in other.topics if n not in grid.topics}
        found += [{"conversation": name, "arm": arm, "reason": reason} for name, reason in reasons.items()]
    return found


def _picked(grid: Grid, names: Sequence[str], array: np.ndarray, turns: int, missing: Any) -> np.ndarray:
    """The rows of these conversations, filled up to as many turns as the other side has"""
    place = {name: i for i, name in enumerate(grid.topics)}
    found = array[[place[name] for name in names]]
    more = [(0, 0)] * (found.ndim - 1) + [(0, turns - found.shape[-1])]
    return np.pad(found, more, constant_values=missing)
