"""Which label each rater gave to each reply that was shown alone, and the shares of labels over prompts.

The unit is the prompt; of several raters the median decides, and of two between which it lies the worse. Knows nothing of what
labels mean, but which is worse.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from lima_dialogue_eval import wilson
from lima_studies.questions import Question
from lima_studies.record.study import JUDGES, Study

Interval = tuple[float, float] | None

DEFINITIONS = {
    "label": "Prompts whose reply has the label, of all that were labelled; of several raters the median decides, and of two "
    "between which it lies the worse. 95 % Wilson interval over prompts.",
}


class Shown(NamedTuple):
    """One reply"""

    system: str
    prompt: str


@dataclass
class Labeller:
    """A judge or a person, and the label of each reply"""

    name: str
    team: str
    results: dict[Shown, str] = field(default_factory=dict)
    unread: int = 0
    errors: int = 0

    @property
    def person(self) -> bool:
        return self.team != JUDGES


def labellers(study: Study, question: Question) -> list[Labeller]:
    """All who have labelled, in the order in which they came to the study; the newest label of a person counts"""
    found = {r["rater"]: Labeller(r["rater"], r["team"]) for r in study.raters()}
    status: dict[tuple[str, Shown], str] = {}
    for row in study.verdicts(question.name):
        rater, shown = found[row["rater"]], Shown(row["first"], row["prompt"])
        if status.get((rater.name, shown)) == "parsed":
            continue
        status[rater.name, shown] = row["status"]
        if row["label"] is not None:
            rater.results[shown] = row["label"]
    for (name, _), one in status.items():
        found[name].unread += one == "unparsed"
        found[name].errors += one == "error"
    return [one for one in found.values() if one.results]


def together(some: Sequence[Labeller], labels: Sequence[str]) -> dict[Shown, str]:
    """The label of each reply by several raters"""
    places: dict[Shown, list[int]] = defaultdict(list)
    for one in some:
        for shown, label in one.results.items():
            places[shown].append(labels.index(label))
    return {shown: labels[sorted(found)[(len(found) - 1) // 2]] for shown, found in places.items()}


@dataclass(frozen=True)
class Shares:
    """How many replies have which label"""

    counts: dict[str, int]

    @property
    def n(self) -> int:
        return sum(self.counts.values())

    def share(self, label: str) -> float:
        return self.counts[label] / self.n

    def interval(self, label: str) -> Interval:
        """95 % Wilson"""
        return wilson(self.counts[label], self.n)


def shares(
    results: dict[Shown, str], labels: Sequence[str], system: str, prompts: Collection[str] | None = None
) -> Shares:
    """The labels of a system's replies, to some of the prompts"""
    given = [
        label
        for shown, label in results.items()
        if shown.system == system and (prompts is None or shown.prompt in prompts)
    ]
    return Shares({label: given.count(label) for label in labels})
