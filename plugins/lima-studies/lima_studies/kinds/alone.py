"""What studies share that show replies alone: the cases, and the bars and tables of labels. Knows no study."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from lima_studies.figures.labels import Labeller, Shares, shares, together
from lima_studies.figures.panels import Panel
from lima_studies.kind import Replies
from lima_studies.prompts.prompt import StudyPrompt
from lima_studies.questions import Question
from lima_studies.record.cases import Case, Key
from lima_studies.report.document import Bar, Number, Part, share

PAPER = "LIMA 65B in the paper"


def cases_alone(prompts: Sequence[StudyPrompt], systems: Sequence[str], replies: Replies) -> list[Case]:
    """Each reply by itself"""
    return [
        Case(Key(prompt.id, system, "", 0), prompt.text, (replies[system, prompt.id, 0],))
        for system in systems
        for prompt in prompts
        if (system, prompt.id, 0) in replies
    ]


@dataclass(frozen=True)
class Group:
    """Some of the prompts, and the paper's shares for such, in whole per cent by label"""

    name: str
    prompts: frozenset[str]
    paper: Mapping[str, float] = field(default_factory=dict)


def group(name: str, prompts: Collection[StudyPrompt], paper: Mapping[str, float] | None = None) -> Group:
    """These prompts as a group"""
    return Group(name, frozenset(p.id for p in prompts), paper or {})


def found_in(
    panel: Panel[Labeller], question: Question, systems: Sequence[str], groups: Sequence[Group]
) -> list[tuple[str, Group, Shares]]:
    """The labels of each system's replies in each group, where there are any"""
    results = together(panel.raters, question.labels)
    every = [
        (system, one, shares(results, question.labels, system, one.prompts)) for one in groups for system in systems
    ]
    return [(system, one, some) for system, one, some in every if some.n]


def bars_of(
    found: Sequence[tuple[str, Group, Shares]], labels: Sequence[str]
) -> tuple[tuple[str, tuple[Bar, ...]], ...]:
    """A group of bars for each group of prompts: each system's, and the paper's"""
    named: dict[str, list[Bar]] = {}
    for system, one, some in found:
        bars = named.setdefault(one.name, [])
        bars.append(_bar(system, {label: some.share(label) for label in labels}))
    for _, one, _ in found:
        if one.paper and not any(bar.paper for bar in named[one.name]):
            named[one.name].append(_bar(PAPER, {label: one.paper[label] / 100 for label in labels}, paper=True))
    return tuple((name, tuple(bars)) for name, bars in named.items())


def rows_of(
    found: Sequence[tuple[str, Group, Shares]], labels: Sequence[str], who: str
) -> tuple[tuple[str | Number, ...], ...]:
    """A row for each system and group: the share of each label"""
    rows: list[tuple[str | Number, ...]] = []
    for system, one, some in found:
        what = f"{system}, {one.name}"
        numbers = (
            share(f"{label}: {what}, {who}", some.counts[label], some.n, "label", some.interval(label))
            for label in labels
        )
        rows.append((what, *numbers))
    return tuple(rows)


def _bar(name: str, split: Mapping[str, float], paper: bool = False) -> Bar:
    parts = tuple(Part(label, value) for label, value in split.items())
    text = " / ".join(f"{100 * value:.0f}" for value in split.values())
    return Bar(name, parts, f"{text} %", paper)
