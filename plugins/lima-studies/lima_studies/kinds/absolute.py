"""Replies graded alone, Fail / Pass / Excellent (LIMA §4.3), and those to the prompts farthest from the training data.

Knows nothing of how anything is asked.
"""

from collections.abc import Sequence

from lima_dialogue_eval import count_of
from lima_studies import paper
from lima_studies.figures import agreement
from lima_studies.figures.labels import DEFINITIONS, Labeller, labellers
from lima_studies.figures.panels import Panel, panels
from lima_studies.kind import Replies
from lima_studies.kinds.alone import Group, bars_of, cases_alone, found_in, group, rows_of
from lima_studies.prompts import distance
from lima_studies.prompts.prompt import StudyPrompt
from lima_studies.questions import ABSOLUTE, Question
from lima_studies.record.cases import Case
from lima_studies.record.study import Study
from lima_studies.report.document import Bars, Document, Section, Table
from lima_studies.report.making import made
from lima_studies.report.raters import about_agreement, about_answers

LABELS = ("fail", "pass", "excellent")
LEGEND = (("fail", "fail"), ("pass", "pass"), ("excellent", "excellent"))
NOT_SHOWN = (
    "Whether the replies are right, beyond what a reader or a judge notices.",
    "Whether far prompts are of another kind: the distance compares words, and says nothing of what a base model knew before.",
    "Whether it holds for other prompts than these. The intervals are over prompts like these, with one reply each.",
)
BACKDROP = "Paler bars are the paper's, as its authors graded LIMA 65B on other prompts: a backdrop, not a baseline."


class Absolute:
    """The kind `absolute`"""

    name = "absolute"
    questions: tuple[Question, ...] = (ABSOLUTE,)

    def cases(
        self, question: Question, prompts: Sequence[StudyPrompt], systems: Sequence[str], replies: Replies
    ) -> list[Case]:
        """Each reply alone"""
        return cases_alone(prompts, systems, replies)

    def document(self, study: Study) -> Document:
        """The report"""
        systems, prompts = [system.name for system in study.systems()], study.prompts()
        raters, groups = labellers(study, ABSOLUTE), _groups(study, prompts)
        sections = [_graded(panel, systems, groups) for panel in panels(raters)]
        sections += [*about_agreement(raters, LABELS, ordinal=True), *about_answers(study)]
        if study.distances():
            sections.append(_distances(study, prompts))
        return Document(
            study=study.id,
            kind=self.name,
            title=f"{', '.join(systems)}, graded alone",
            lead=f"{count_of(len(prompts), 'prompt')}, one reply each, labelled fail (does not do what was "
            "asked), pass (does) or excellent.",
            sections=tuple(sections) or (Section("Results", "No rater has said anything yet."),),
            definitions={
                **DEFINITIONS,
                **agreement.definitions(ordinal=True, tie=None),
                "distance": distance.DEFINITION,
            },
            made={**made(study), **_trained(study)},
            not_shown=NOT_SHOWN,
        )


def _groups(study: Study, prompts: Sequence[StudyPrompt]) -> list[Group]:
    """All prompts; and where distances were measured, the farthest ones and the others"""
    found = [group("all prompts", prompts, paper.ABSOLUTE)]
    far = farthest(study)
    if far:
        outside = [p for p in prompts if p.id in far]
        least = min(study.distances()[p.id] for p in outside)
        found.append(group(f"out of distribution: distance from {least:.2f}", outside, paper.OUT_OF_DISTRIBUTION))
        if others := [p for p in prompts if p.id not in far]:
            found.append(group("nearer prompts", others))
    return found


def farthest(study: Study) -> set[str]:
    """The prompts that count as out of distribution: as many as the settings say, the farthest first"""
    distances, count = study.distances(), study.row["settings"].get("far", 0)
    return set(sorted(distances, key=lambda prompt: (-distances[prompt], prompt))[:count])


def _graded(panel: Panel[Labeller], systems: Sequence[str], groups: Sequence[Group]) -> Section:
    found = found_in(panel, ABSOLUTE, systems, groups)
    drawn = Bars("Fail / pass / excellent", bars_of(found, LABELS), LEGEND, BACKDROP)
    table = Table(f"By {panel.name}", ("replies", *LABELS), rows_of(found, LABELS, panel.name))
    return Section(f"By {panel.name}", bars=(drawn,), tables=(table,))


def _distances(study: Study, prompts: Sequence[StudyPrompt]) -> Section:
    distances, far = study.distances(), farthest(study)
    ordered = sorted(prompts, key=lambda p: -distances.get(p.id, 0.0))
    rows = [
        (_short(p.text), f"{distances[p.id]:.2f}", "far" if p.id in far else "near")
        for p in ordered
        if p.id in distances
    ]
    table = Table("From far to near", ("prompt", "distance", "counted as"), tuple(rows), folded=True)
    return Section("Distance to the training data", distance.DEFINITION, tables=(table,))


def _short(text: str) -> str:
    return text if len(text) <= 90 else f"{text[:90]} …"


def _trained(study: Study) -> dict[str, str]:
    sources = study.row["settings"].get("trained_on")
    if not sources:
        return {"training data": "not known: name it with --trained-on SOURCE, or study a run of this database"}
    return {"training data": ", ".join(f"{name} (sha256 {digest[:12]})" for name, digest in sources)}
