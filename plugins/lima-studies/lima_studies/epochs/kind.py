"""Helpfulness of every checkpoint of a run, and how much is reported too much if the best of them is chosen by the same prompts.

LIMA §3 and App. B. Knows nothing of how anything is asked.
"""

from dataclasses import replace

from lima_studies.likert.kind import Likert
from lima_studies.likert.reading import scores_by_rater
from lima_studies.record.study import Study
from lima_studies.report.document import Document, Number, Section, Table
from lima_studies.scores import choosing
from lima_studies.scores.choosing import Choice, choice


class Epochs(Likert):
    """The kind `epochs`"""

    name = "epochs"

    def document(self, study: Study) -> Document:
        """The report"""
        names = [system.name for system in study.systems()]
        found = super().document(study)
        sections, more = list(found.sections), dict(found.more)
        for rater, scores in scores_by_rater(study, {name: [name] for name in names}).items():
            if one := choice({arm.arm: arm.by_unit() for arm in scores}):
                sections.append(_section(one, rater))
                more[rater] = {**more.get(rater, {}), "choice": vars(one)}
        title = f"Choosing one of {len(names)} checkpoints"
        definitions = {**found.definitions, **choosing.DEFINITIONS}
        return replace(found, title=title, sections=tuple(sections), definitions=definitions, more=more)


def _section(one: Choice, rater: str) -> Section:
    text = f"{one.optimism:+.3f}  (middle 95 %: {one.spread[0]:+.3f} to {one.spread[1]:+.3f})"
    rows = (
        ("best on the test prompts themselves", f"{one.naive:.2f}"),
        ("best on other prompts", f"{one.honest:.2f}"),
        ("the last one, without choosing", f"{one.last:.2f}"),
        ("too much, if chosen by the test", Number(f"optimism, {rater}", text, one.units, "optimism", one.optimism)),
    )
    chosen = tuple(
        (name, Number(f"{name}, {rater}", f"{count}", choosing.SPLITS, "chosen", count / choosing.SPLITS))
        for name, count in one.chosen.items()
    )
    tables = (
        Table(f"Mean on the test half, by {rater}", ("checkpoint", "helpfulness, 1 to 6"), rows),
        Table(f"How often each is chosen, by {rater}", ("checkpoint", "halvings"), chosen),
    )
    return Section(f"What choosing does, by {rater}", tables=tables)
