"""Wins, ties and losses against each system: shares with intervals, tests with Holm over the systems, flips.

The unit is the prompt (statistics: showings or raters as independent rows find differences that are not there). Knows nothing of
how verdicts were given.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lima_dialogue_eval import holm, sign_test, t_interval, wilson
from lima_studies.figures.choices import LOSE, POINTS, TIE, WIN, Chooser, together
from lima_studies.figures.panels import Panel

Interval = tuple[float, float] | None

DEFINITIONS = {
    "wins, ties, losses": "Prompts on which the study's system is preferred, neither is, the other is. A judge must say so in "
    "both orders, else it is a tie; of several raters the mean of 1, ½ and 0 decides.",
    "(W + T) / N": "Prompts that are not lost, of all (LIMA §4.2). 95 % Wilson interval over prompts.",
    "(W + T/2) / N": "Mean of 1 for a win, ½ for a tie and 0 for a loss, over prompts; 50 % is as good as the other. 95 % t "
    "interval over prompts (N − 1 degrees of freedom); undefined where all came out the same.",
    "p": "Two-sided exact sign test of wins against losses, without the ties; adjusted by Holm over the systems of the same "
    "raters.",
    "flips": "Of the prompts that a judge read in both orders, those on which the orders differ; they count as ties. 95 % Wilson "
    "interval.",
    "first preferred": "How often the reply that was shown first was preferred, of all answers that preferred one; 50 % is no "
    "preference for a place. 95 % Wilson interval, showings treated as independent.",
}


@dataclass(frozen=True)
class Outcome:
    """How the study's system fares against another, by some raters"""

    against: str
    raters: str
    wins: int
    ties: int
    losses: int
    win_or_tie: float
    win_or_tie_interval: Interval
    score: float
    score_interval: Interval
    p_value: float
    adjusted: float
    "By Holm over the systems"

    @property
    def n(self) -> int:
        """Prompts"""
        return self.wins + self.ties + self.losses


def outcomes(panel: Panel[Chooser], against: Sequence[str]) -> list[Outcome]:
    """The figures of some raters against each system that they looked at"""
    results = together(panel.raters)
    split = {other: [r for item, r in results.items() if item.against == other] for other in against}
    split = {other: some for other, some in split.items() if some}
    raw = {other: sign_test(some.count(WIN), some.count(LOSE)) for other, some in split.items()}
    adjusted = holm(raw)
    return [_outcome(other, panel.name, some, raw[other], adjusted[other]) for other, some in split.items()]


def _outcome(against: str, raters: str, results: Sequence[str], p: float, adjusted: float) -> Outcome:
    wins, ties, losses = (results.count(one) for one in (WIN, TIE, LOSE))
    n, points = len(results), [POINTS[one] for one in results]
    interval = t_interval(points)
    return Outcome(
        against=against,
        raters=raters,
        wins=wins,
        ties=ties,
        losses=losses,
        win_or_tie=(wins + ties) / n,
        win_or_tie_interval=wilson(wins + ties, n),
        score=sum(points) / n,
        score_interval=(max(0.0, interval[0]), min(1.0, interval[1])) if interval and len({*points}) > 1 else None,
        p_value=p,
        adjusted=adjusted,
    )


def flips(judge: Chooser) -> tuple[int, int, Interval]:
    """(items whose orders differ, items that were read in both, interval)"""
    count, n = len(judge.flipped), len(judge.results)
    return count, n, wilson(count, n)
