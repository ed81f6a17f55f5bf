"""The tests and intervals of a before / after comparison, fixed before any run.

A grade scores Fail 0, Pass 1, Excellent 2. The unit is the conversation: its turns share a topic and a history, so treating
them as independent finds differences that are not there in 7–13 % of null experiments instead of 5. Knows nothing of models,
databases or reports.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

PRIMARY = (
    "two-sided exact sign-flip test on conversation means (Fail 0, Pass 1, Excellent 2; turns and seeds averaged first); where "
    "the grader can only fail a reply, of failed / not failed instead of the grade"
)
"The test that decides; stored with every run before it starts"
LEVEL = 0.05
"What p must not exceed to be called significant"

EXACT_UP_TO = 20
"Up to this many conversations all 2^n flips are counted"
DRAWS, FEWER_DRAWS, MANY = 99_999, 9_999, 1_000
"Flips drawn above that, and above as many conversations as the last, where each flip takes long and p needs few"


@dataclass(frozen=True)
class Test:
    """The outcome of a significance test, with what is needed to repeat it"""

    p_value: float
    n: int
    "Number of conversations"
    method: str
    seed: int | None = None
    "Of the drawn flips; None when every flip was counted"

    # pytest collects classes by this name.
    __test__ = False

    @property
    def least(self) -> float:
        """The smallest p that a sign-flip test of this number of conversations can give, whatever they say"""
        return least_p(self.n)


@dataclass(frozen=True)
class Tally:
    """How many replies got which grade"""

    excellent: int = 0
    passed: int = 0
    fail: int = 0
    undecided: int = 0
    "Checks hold, and a reader has not looked yet"

    @property
    def turns(self) -> int:
        return self.excellent + self.passed + self.fail + self.undecided

    def count(self, grade: str) -> int:
        """The replies with that grade, or those that are 'undecided'"""
        return self.as_dict()[grade]

    def as_dict(self) -> dict[str, int]:
        """JSON-ready"""
        counts = {"excellent": self.excellent, "pass": self.passed, "fail": self.fail, "undecided": self.undecided}
        return {**counts, "turns": self.turns}


def tally(grades: Iterable[str]) -> Tally:
    """Count grades; 'undecided' is counted beside them"""
    found = list(grades)
    return Tally(*(found.count(grade) for grade in ("excellent", "pass", "fail", "undecided")))


def sign_flip(differences: Sequence[float], seed: int = 0) -> Test:
    """Two-sided sign-flip test of the mean difference being 0; one difference a conversation

    Exact up to 20 conversations; above that 99,999 drawn flips and the observed one, 9,999 above a thousand. The smallest p for
    ten is 2/1024."""
    return sign_flips([differences], seed)[0]


def sign_flips(outcomes: Sequence[Sequence[float]], seed: int = 0) -> list[Test]:
    """The same test of several outcomes of the same conversations, with the same flips"""
    d = np.asarray(outcomes, dtype=float)  # (outcomes, conversations)
    n = d.shape[1]
    if n == 0:
        return [Test(1.0, 0, "no conversation to compare") for _ in outcomes]
    # Different flips of the same sum may differ in the last bits.
    bars = np.abs(d.sum(axis=1)) - 1e-9 * np.maximum(1.0, np.abs(d).sum(axis=1))
    if n <= EXACT_UP_TO:
        return [
            Test(_exact(one, bar), n, f"exact, all 2^{n} = {2**n:,} sign flips")
            for one, bar in zip(d, bars, strict=True)
        ]
    draws = _draws(n)
    draw, extreme, left = np.random.default_rng(seed), np.zeros(len(d), dtype=int), draws
    while left:
        rows = min(left, max(1, 4_000_000 // n))
        signs = draw.integers(0, 2, size=(rows, n), dtype=np.int8) * 2 - 1  # (rows, conversations)
        extreme += (np.abs(signs @ d.T) >= bars).sum(axis=0)
        left -= rows
    method = f"Monte Carlo, {draws:,} sign flips drawn with seed {seed}"
    return [Test((int(count) + 1) / (draws + 1), n, method, seed) for count in extreme]


def _exact(d: np.ndarray, bar: float) -> float:
    """The share of all sign flips whose sum reaches the bar"""
    sums = np.zeros(1)
    for x in d:
        sums = np.concatenate([sums + x, sums - x])  # (2^n,) in the end
    return float((np.abs(sums) >= bar).mean())


def _draws(n: int) -> int:
    """How many flips are drawn for more conversations than all flips are counted of"""
    return DRAWS if n <= MANY else FEWER_DRAWS


def least_p(n: int) -> float:
    """The smallest p of a two-sided sign-flip test over n conversations: .0625 for five, .031 for six, .00195 for ten"""
    return min(1.0, 2.0 / 2**n) if n <= EXACT_UP_TO else 1 / (_draws(n) + 1)


def sign_test(better: int, worse: int) -> float:
    """Two-sided exact sign test; ties are left out by the caller, and printed"""
    from scipy.stats import binomtest

    return float(binomtest(better, better + worse).pvalue) if better + worse else 1.0


def wilson(count: int, n: int) -> tuple[float, float] | None:
    """95 % Wilson interval of a share, as two shares; it treats the n turns as independent. None without a turn"""
    from scipy.stats import binomtest

    if not n:
        return None
    interval = binomtest(count, n).proportion_ci(confidence_level=0.95, method="wilson")
    return float(interval.low), float(interval.high)


def t_interval(differences: Sequence[float]) -> tuple[float, float] | None:
    """95 % paired t interval of the mean difference (n − 1 degrees of freedom); None below two conversations"""
    from scipy.stats import t

    d = np.asarray(differences, dtype=float)
    if len(d) < 2:
        return None
    half = float(t.ppf(0.975, len(d) - 1)) * float(d.std(ddof=1)) / len(d) ** 0.5
    return float(d.mean()) - half, float(d.mean()) + half


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm-adjusted p-values of a family of tests, in the order given"""
    adjusted: dict[str, float] = {}
    highest = 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[name]))
        adjusted[name] = highest
    return {name: adjusted[name] for name in p_values}


def tie_discounted_accuracy(first: Sequence[str], second: Sequence[str], tie: str = "tie") -> float | None:
    """Agreement of two raters on the same items: 1 where they agree, ½ where exactly one says tie, else 0 (LIMA §4)

    None without an item."""
    points = [1.0 if a == b else 0.5 if tie in (a, b) else 0.0 for a, b in zip(first, second, strict=True)]
    return sum(points) / len(points) if points else None


def share_text(count: int, n: int) -> str:
    """'45.2 % = 19/42'"""
    return f"{100 * count / n:.1f} % = {count}/{n}" if n else "none"


def interval_text(interval: tuple[float, float] | None) -> str:
    """'31.2–60.1 %' for an interval of shares"""
    return f"{100 * interval[0]:.1f}–{100 * interval[1]:.1f} %" if interval else "undefined"


def p_text(p: float) -> str:
    """'.0156', '.00195', and '< .0001' for what is smaller still"""
    return "< .0001" if p < 0.0001 else f"{p:.3g}".removeprefix("0")
