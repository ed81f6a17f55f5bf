"""What each arm scored, by fine-tune and prompt, and its mean.

The unit is the prompt: samples, turns and fine-tunes of a prompt are averaged first (statistics: 1,500 samples treated as
independent cover 72 %, not 95 %). Knows nothing of who gave the scores or what the arms are.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lima_dialogue_eval import t_interval

Interval = tuple[float, float] | None
Value = tuple[str, str, float]
"A fine-tune, a prompt and the score of one sample"


@dataclass(frozen=True)
class Scale:
    """The scale of the scores"""

    name: str
    "As it stands before a number, such as 'helpfulness, 1 to 6'"
    low: float
    high: float
    values: tuple[tuple[float, str], ...]
    "Those that are counted, with their names"

    @property
    def margin(self) -> float:
        """A twentieth of the scale: differences within it are taken for none, where a plateau is looked for"""
        return (self.high - self.low) / 20

    def part(self, value: float) -> float:
        """Where a value lies on the scale, from 0 to 1"""
        return (value - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class Scores:
    """What one arm scored"""

    arm: str
    by_tune: Mapping[str, Mapping[str, float]]
    "Of each fine-tune, or of the one model, the mean over the samples of each prompt"
    counts: Mapping[float, int] = field(default_factory=dict)
    "How often each score was given, over all samples"
    without: int = 0
    "Samples that have no score"
    silent: int = 0
    "Fine-tunes that have none at all"

    @property
    def tunes(self) -> int:
        return len(self.by_tune)

    def by_unit(self) -> dict[str, float]:
        """The mean over fine-tunes of each prompt that all of them have"""
        tunes = list(self.by_tune.values())
        shared = [unit for unit in tunes[0] if all(unit in tune for tune in tunes)] if tunes else []
        return {unit: sum(tune[unit] for tune in tunes) / len(tunes) for unit in shared}


def scores_of(
    arm: str,
    values: Iterable[Value],
    without: int = 0,
    tunes: Sequence[str] = (),
    counted: Iterable[float] | None = None,
) -> Scores:
    """An arm's scores, from those of its samples; `tunes` are in their order, also those that have none

    `counted` are the scores that the distribution counts, where they are not those of the samples."""
    found: dict[str, dict[str, list[float]]] = {tune: defaultdict(list) for tune in tunes}
    given: list[float] = []
    for tune, unit, value in values:
        found.setdefault(tune, defaultdict(list))[unit].append(value)
        given.append(value)
    counts = Counter(given if counted is None else counted)
    # Sorted: drawn flips and resampled prompts must not depend on the order in which answers came.
    means = {
        tune: {unit: sum(sorted(some)) / len(some) for unit, some in sorted(units.items())}
        for tune, units in found.items()
        if units
    }
    return Scores(arm, means, dict(counts), without, len(found) - len(means))


@dataclass(frozen=True)
class Mean:
    """An arm's mean over prompts"""

    arm: str
    value: float
    interval: Interval
    units: int
    tunes: int
    by_tune: tuple[float, ...]
    "The mean of each fine-tune: the spread that the interval leaves out"


def mean_of(scores: Scores, scale: Scale) -> Mean | None:
    """The mean with its t interval over prompts; None where no prompt has a score"""
    units = scores.by_unit()
    if not units:
        return None
    values = list(units.values())
    interval = t_interval(values) if max(values) > min(values) else None
    if interval:
        interval = max(scale.low, interval[0]), min(scale.high, interval[1])
    each = tuple(sum(tune[unit] for unit in units) / len(units) for tune in scores.by_tune.values())
    return Mean(scores.arm, sum(values) / len(values), interval, len(units), scores.tunes, each)
