"""From two arms' arrays of grades to one number a conversation and arm, and what else is counted in them.

A conversation's number is its mean over turns and replicates of one of two outcomes: the grade, or whether a reply is not failed.
Pure arithmetic on the arrays of `grid.py`. Knows nothing of databases, or of how anything is shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lima_dialogue_eval.comparison.grid import ABSENT, EXCELLENT, FAIL, PASS, UNDECIDED, UNREACHED
from lima_dialogue_eval.statistics import Tally

GRADE, NOT_FAILED = "grade", "not failed"
EARLY = 3
"A conversation fails early when a reply within this many interactions is a Fail (LIMA §6)"

_SCALES = {
    GRADE: {FAIL: 0.0, PASS: 1.0, EXCELLENT: 2.0, UNREACHED: 0.0},
    NOT_FAILED: {FAIL: 0.0, PASS: 1.0, EXCELLENT: 1.0, UNREACHED: 0.0, UNDECIDED: 1.0},
    "excellent": {FAIL: 0.0, PASS: 0.0, EXCELLENT: 1.0, UNREACHED: 0.0},
    "fail": {FAIL: 1.0, PASS: 0.0, EXCELLENT: 0.0, UNREACHED: 1.0},
}
"What each code counts in a mean; what is missing does not count"
_BOUNDS = {GRADE: (0.0, 2.0), "fail": (0.0, 1.0)}
"What an undecided reply may yet become"


def values(codes: np.ndarray, scale: str, undecided: float | None = None) -> np.ndarray:
    """What each reply counts, NaN for what does not; `undecided` overrides what an undecided reply counts"""
    table = np.full(8, np.nan)
    for code, value in _SCALES[scale].items():
        table[code] = value
    if undecided is not None:
        table[UNDECIDED] = undecided
    found: np.ndarray = table[codes]  # ABSENT is -1, the last place, and stays NaN
    return found


def only_fails(kinds: Sequence[bool | None], arms: Sequence[np.ndarray]) -> bool:
    """Whether the grader can only fail a reply, so that the test is on failed / not failed

    The grader's kind decides, where it is known (`kinds`: True, False or None, of each run): it is fixed before the runs.
    Elsewhere the replies of both arms together decide: some are undecided and none is Pass or Excellent. To look at these is
    not to peek. Which arm a reply is of is not looked at, so the answer is the same for every sign flip of a conversation,
    and a test that is chosen by something that no flip changes keeps its level."""
    known = [kind for kind in kinds if kind is not None]
    if known:
        return any(known)
    praised = any(np.isin(codes, (PASS, EXCELLENT)).any() for codes in arms)
    return not praised and any((codes == UNDECIDED).any() for codes in arms)


def balanced(before: Sequence[int], after: Sequence[int]) -> tuple[list[int], list[int]]:
    """The places of as many replicates of both arms, by their seeds: those that both have first

    With more replicates on one side its means scatter less, so that under the null a difference and its negative are not
    equally likely: where one reply in twenty fails, fifty seeds against one would be 'worse' in nine conversations of ten."""
    k = min(len(before), len(after))
    if len(before) == len(after):
        return list(range(k)), list(range(k))
    return _first(before, after, k), _first(after, before, k)


def _first(seeds: Sequence[int], others: Sequence[int], k: int) -> list[int]:
    """The places of k seeds, those first that the other side has as well; each of its seeds once"""
    left, shared = list(others), []
    for place, seed in enumerate(seeds):
        if seed in left:
            left.remove(seed)
            shared.append(place)
    rest = [place for place in range(len(seeds)) if place not in shared]
    return sorted([*shared, *rest][:k])


def counted(before: np.ndarray, after: np.ndarray, outcome: str, reached: bool = False) -> np.ndarray:
    """(conversations, replicates, turns): whether a turn counts, which it does on both sides or on neither

    For the grade both replies must be decided; with `reached` both sides must have come that far."""
    good = np.ones(before.shape, dtype=bool)
    for codes in (before, after):
        good &= codes != ABSENT
        if outcome == GRADE:
            good &= codes != UNDECIDED
        if reached:
            good &= codes != UNREACHED
    return good


def means(codes: np.ndarray, good: np.ndarray, scale: str, undecided: float | None = None) -> np.ndarray:
    """One mean a conversation, over the turns that count and their replicates; NaN without one"""
    of_turns = np.where(good, values(codes, scale, undecided), 0.0)
    with np.errstate(invalid="ignore"):
        found: np.ndarray = of_turns.sum(axis=(1, 2)) / good.sum(axis=(1, 2))
    return found


@dataclass(frozen=True)
class Bounds:
    """Between what a mean over conversations lies, whatever the undecided replies become"""

    before: tuple[float, float]
    after: tuple[float, float]
    difference: tuple[float, float]
    "After − before: from the one extreme of either side to the other"


def bounds(before: np.ndarray, after: np.ndarray) -> dict[str, Bounds]:
    """The bounds of the mean grade and of the share of Fail, with all undecided replies failing, and with all Excellent"""
    everything = [codes != ABSENT for codes in (before, after)]
    found = {}
    for scale, extremes in _BOUNDS.items():
        sides = [
            tuple(sorted(float(means(codes, good, scale, extreme).mean()) for extreme in extremes))
            for codes, good in zip((before, after), everything, strict=True)
        ]
        (b_low, b_high), (a_low, a_high) = sides
        found[scale] = Bounds((b_low, b_high), (a_low, a_high), (a_low - b_high, a_high - b_low))
    return found


@dataclass(frozen=True)
class Reliability:
    """How much the replicates of a conversation differ"""

    aptitude: float
    "Mean over conversations of the 90th percentile of the replicates' means"
    unreliability: float
    "Mean over conversations of the 90th percentile less the 10th"
    all_pass: int
    "Conversations all of whose replicates are at least Pass in every turn (pass^k)"
    conversations: int
    replicates: int


def reliability(codes: np.ndarray, outcome: str) -> Reliability | None:
    """Of one arm; None with a single replicate, or if no conversation has a grade in each

    An undecided reply is left out of the means; it is not known to be a Pass, unless the grader can only fail."""
    replicates = codes.shape[1]
    if replicates < 2:
        return None
    of_turns = values(codes, outcome)
    there = (~np.isnan(of_turns)).sum(axis=2)
    whole = (there > 0).all(axis=1)
    if not whole.any():
        return None
    of_seeds = np.nansum(of_turns[whole], axis=2) / there[whole]  # (conversations, replicates)
    low, high = np.percentile(of_seeds, [10, 90], axis=1)
    good = (PASS, EXCELLENT, ABSENT, *([UNDECIDED] if outcome == NOT_FAILED else []))
    return Reliability(
        aptitude=float(high.mean()),
        unreliability=float((high - low).mean()),
        all_pass=int(np.isin(codes, good).all(axis=(1, 2)).sum()),
        conversations=len(codes),
        replicates=replicates,
    )


def tally_of(codes: np.ndarray) -> Tally:
    """How many replies got which grade; a turn that was not reached is a Fail"""
    n = {code: int((codes == code).sum()) for code in (EXCELLENT, PASS, FAIL, UNREACHED, UNDECIDED)}
    return Tally(n[EXCELLENT], n[PASS], n[FAIL] + n[UNREACHED], n[UNDECIDED])


def early_fails(codes: np.ndarray) -> int:
    """Conversations, once a replicate, with a Fail among their first three replies"""
    return int(np.isin(codes[:, :, :EARLY], (FAIL, UNREACHED)).any(axis=2).sum())


def dialogues(codes: np.ndarray) -> int:
    """Conversations times replicates"""
    return int((codes != ABSENT).any(axis=2).sum())


def by_turn(before: np.ndarray, after: np.ndarray) -> tuple[tuple[int, Tally, Tally], ...]:
    """Tallies by the place of the turn, counted from 1"""
    return tuple((t + 1, tally_of(before[:, :, t]), tally_of(after[:, :, t])) for t in range(before.shape[2]))


def by_kind(before: np.ndarray, after: np.ndarray, kinds: np.ndarray) -> tuple[tuple[str, Tally, Tally], ...]:
    """Tallies by what the user's turn tries; `kinds` is (conversations, turns)"""
    there = (before != ABSENT).any(axis=1)
    found = []
    for kind in sorted(set(kinds[there].tolist())):
        which = (kinds == kind) & there
        sides = (codes.transpose(0, 2, 1)[which] for codes in (before, after))
        found.append((kind, *map(tally_of, sides)))
    return tuple((kind, b, a) for kind, b, a in found)
