"""How often the primary test of a comparison finds a difference where there is none, nominally in 5 % of experiments.

    python benchmarks/false_positives.py --out benchmarks/results/false_positives.json

Both arms draw their grades from one distribution, with effects of the conversation, of conversation × arm, of the seed and of
the turn; what makes an experiment awkward (undecided replies, ties, unequal seeds, few conversations, a full context) differs by
scenario. The grades go through the same pairing and test as `lima dialogues compare`. Ends with 1 when a rate is out of bounds.
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import numpy as np

from lima import LimaError
from lima_dialogue_eval.comparison.grid import ABSENT, EXCELLENT, FAIL, PASS, UNDECIDED, UNREACHED, Counts, Grid
from lima_dialogue_eval.comparison.pairs import Side, pair
from lima_dialogue_eval.statistics import LEVEL, sign_flip

HIGHEST, LOWEST = 0.06, 0.04
"The bounds of every scenario, and of those in which differences do not tie"
NOTHING = Counts(0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True)
class Scenario:
    """What an experiment is like"""

    name: str
    conversations: int = 10
    seeds: tuple[int, int] = (3, 3)
    cuts: tuple[float, float] = (-0.4, 0.4)
    "Below the first a reply fails, above the second it is Excellent"
    undecided: float = 0.0
    "Share of replies that a reader leaves undecided, whatever they are like"
    hard: float = 0.0
    "Replies so near to a cut are undecided"
    only_fails: bool = False
    "Whatever does not fail is undecided"
    full: float = 0.0
    "Share of conversations whose context fills before the end"
    ties: bool = True
    "Whether differences of conversations may tie, which lowers the rate"

    @property
    def lowest(self) -> float:
        """What the rate must reach"""
        return 0.0 if self.ties or self.conversations != 10 else LOWEST


SCENARIOS = (
    Scenario("ten conversations", ties=False),
    Scenario("ten conversations, five seeds", seeds=(5, 5), ties=False),
    Scenario("one seed", seeds=(1, 1)),
    Scenario("thirty conversations", conversations=30),
    Scenario("a fifth undecided", undecided=0.2),
    Scenario("half undecided, one seed", undecided=0.5, seeds=(1, 1)),
    Scenario("hard replies undecided", hard=0.3),
    Scenario("grader that can only fail", only_fails=True),
    Scenario("grader that can only fail, one seed", only_fails=True, seeds=(1, 1)),
    Scenario("most conversations tie", cuts=(-2.0, 2.4), seeds=(1, 1)),
    Scenario("one against three seeds", seeds=(1, 3)),
    Scenario("one against fifty seeds, few fails", seeds=(1, 50), cuts=(-2.2, -2.1)),
    Scenario("three against five seeds, a fifth undecided", seeds=(3, 5), undecided=0.2),
    Scenario("five conversations", conversations=5),
    Scenario("six conversations", conversations=6),
    Scenario("seven conversations, one seed, a fifth undecided", conversations=7, seeds=(1, 1), undecided=0.2),
    Scenario("context full in a fifth", full=0.2),
)


def experiment(scenario: Scenario, draw: np.random.Generator) -> float:
    """The p of the primary test in one experiment without a difference"""
    n = scenario.conversations
    turns, effect = draw.integers(3, 7, n), draw.normal(0, 0.7, (n, 1, 1))
    sides = [side(scenario, seeds, turns, effect, draw) for seeds in scenario.seeds]
    try:
        found = pair(*sides)
    except LimaError:  # every reply is undecided: nothing is found
        return 1.0
    before, after = found.means(found.outcome)
    return sign_flip(after - before).p_value


def side(scenario: Scenario, seeds: int, turns: np.ndarray, effect: np.ndarray, draw: np.random.Generator) -> Side:
    """One arm: its grades, as if read from a database"""
    n = len(turns)
    scale = (
        effect + draw.normal(0, 0.4, (n, 1, 1)) + draw.normal(0, 0.3, (n, seeds, 1)) + draw.normal(0, 1, (n, seeds, 6))
    )
    low, high = scenario.cuts
    codes = np.where(scale < low, FAIL, np.where(scale > high, EXCELLENT, PASS)).astype(np.int8)
    if scenario.only_fails:
        codes[codes != FAIL] = UNDECIDED
    near = np.minimum(np.abs(scale - low), np.abs(scale - high)) < scenario.hard
    codes[near | (draw.random(codes.shape) < scenario.undecided)] = UNDECIDED
    filled = (draw.random((n, seeds, 1)) < scenario.full) & (np.arange(6) >= draw.integers(1, 6, (n, seeds, 1)))
    codes[filled] = UNREACHED
    codes[np.broadcast_to(np.arange(6) >= turns[:, None, None], codes.shape)] = ABSENT
    names = {str(i): "" for i in range(n)}
    kinds = np.full((n, 6), "", dtype=object)
    grid = Grid(codes, names, kinds, tuple(range(seeds)), NOTHING, {}, (), {})
    return Side(({"checks_decide": None},), grid, "reader", None)


def rate(scenario: Scenario, experiments: int, seed: int = 0) -> float:
    """The share of experiments in which the test finds a difference"""
    draw = np.random.default_rng(seed)
    return sum(experiment(scenario, draw) <= LEVEL for _ in range(experiments)) / experiments


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = []
    for scenario in SCENARIOS:
        found = rate(scenario, options.experiments, options.seed)
        rows.append({**asdict(scenario), "false_positives": found})
        print(f"{100 * found:5.2f} %  {scenario.name}", flush=True)
    good = all(
        scenario.lowest <= row["false_positives"] <= HIGHEST for scenario, row in zip(SCENARIOS, rows, strict=True)
    )
    if options.out:
        found = {"date": str(date.today()), "experiments": options.experiments, "seed": options.seed, "rates": rows}
        options.out.write_text(json.dumps({**found, "within_bounds": good}, indent=2) + "\n")
    sys.exit(not good)


if __name__ == "__main__":
    main()
