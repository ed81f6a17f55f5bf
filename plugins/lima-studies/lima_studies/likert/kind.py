"""Helpfulness from 1 to 6, of one system or of several: five replies a prompt, each graded once, with the judge's reasons kept.

LIMA §5. Knows nothing of how anything is asked.
"""

from collections.abc import Sequence

from lima_dialogue_eval import count_of
from lima_studies.kind import Replies
from lima_studies.likert.question import HELPFULNESS, LIKERT
from lima_studies.likert.reading import scores_by_rater
from lima_studies.prompts.prompt import StudyPrompt
from lima_studies.questions import Question
from lima_studies.record.cases import Case, Key
from lima_studies.record.study import Study
from lima_studies.report.document import Document, Section
from lima_studies.report.making import made
from lima_studies.report.raters import about_answers
from lima_studies.scores.comparing import compared
from lima_studies.scores.scores import mean_of
from lima_studies.scores.sections import DEFINITIONS, sections_of

NOT_SHOWN = (
    "Whether the replies are right: a judge gives a number for what it reads, and may be fooled by length, form or tone.",
    "What another judge would say: a number of one judge is compared with other numbers of the same judge only.",
    "How the systems do in a second turn: every prompt is answered alone.",
    "Whether it holds for other prompts than these. The intervals are over prompts like these.",
)
NOTHING = Section("Results", "No rater has said anything yet.")


class Likert:
    """The kind `likert`"""

    name = "likert"
    questions = (LIKERT,)

    def cases(
        self, question: Question, prompts: Sequence[StudyPrompt], systems: Sequence[str], replies: Replies
    ) -> list[Case]:
        """Each sample of each system's reply"""
        samples = range(1 + max((sample for _, _, sample in replies), default=-1))
        return [
            Case(Key(prompt.id, system, "", sample), prompt.text, (replies[system, prompt.id, sample],))
            for system in systems
            for prompt in prompts
            for sample in samples
            if (system, prompt.id, sample) in replies
        ]

    def document(self, study: Study) -> Document:
        """The report"""
        names = [system.name for system in study.systems()]
        sections: list[Section] = []
        more = {}
        for rater, scores in scores_by_rater(study, {name: [name] for name in names}).items():
            comparisons = compared(scores, names[0])
            sections += sections_of(rater, scores, HELPFULNESS, comparisons)
            more[rater] = {
                "means": [vars(mean) for one in scores if (mean := mean_of(one, HELPFULNESS))],
                "comparisons": [{**vars(one), "verdict": one.verdict} for one in comparisons],
            }
        samples = study.row["settings"].get("samples", 1)
        return Document(
            study=study.id,
            kind=self.name,
            title=f"How helpful: {', '.join(names)}",
            lead=f"{count_of(len(study.prompts()), 'prompt')}, {count_of(samples, 'reply', 'replies')} to each, graded "
            "from 1 to 6; a judge gives its reasons first.",
            sections=(*sections, *about_answers(study)) or (NOTHING,),
            definitions=DEFINITIONS,
            made=made(study),
            not_shown=NOT_SHOWN,
            more=more,
        )
