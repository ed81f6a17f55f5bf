"""What a kind of study is: which cases its raters look at, and what its report says. Knows no kind."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from lima_studies.prompts.prompt import StudyPrompt
from lima_studies.questions import Question
from lima_studies.record.cases import Case
from lima_studies.record.study import Study
from lima_studies.report.document import Document

Replies = Mapping[tuple[str, str, int], str]
"The text of each reply, by system, prompt and sample"


class StudyKind(Protocol):
    """One kind of study; it is listed in `lima_studies.known`"""

    name: str

    @property
    def questions(self) -> tuple[Question, ...]:
        """What raters are asked"""

    def cases(
        self, question: Question, prompts: Sequence[StudyPrompt], systems: Sequence[str], replies: Replies
    ) -> list[Case]:
        """What a judge looks at: every prompt with its replies, two of them in both orders"""

    def document(self, study: Study) -> Document:
        """The report, of what there is so far"""
