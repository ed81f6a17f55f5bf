"""One person's part of a study: their cases in their order, what they said, and taking what they say.

Knows nothing of pages.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lima import LimaError, storable
from lima_studies.known import kind_of
from lima_studies.questions import Question
from lima_studies.record.cases import Case, Key
from lima_studies.record.study import Study

LONGEST = 5_000
"Characters of a comment"


@dataclass(frozen=True)
class Said:
    """What a person said of a case"""

    label: str
    comment: str


class Desk:
    """One person's work"""

    def __init__(self, study: Study, rater: str) -> None:
        self.study, self.rater = study, rater

    @cached_property
    def items(self) -> list[tuple[Question, Key]]:
        """Questions with their cases, in the person's order"""
        rows = [row for row in self.study.assignments() if row["rater"] == self.rater]
        questions = {question.name: question for question in kind_of(self.study).questions}
        return [
            (questions[row["question"]], Key(row["prompt"], row["first"], row["second"], row["sample"])) for row in rows
        ]

    def said(self) -> dict[tuple[str, Key], Said]:
        """The newest answer to each question about a case"""
        found: dict[tuple[str, Key], Said] = {}
        for row in self.study.verdicts():
            if row["rater"] == self.rater:
                key = Key(row["prompt"], row["first"], row["second"], row["sample"])
                found[row["question"], key] = Said(row["label"], row["answer"])
        return found

    def open_places(self) -> list[int]:
        """Places, from 1, of what has no answer yet"""
        said = self.said()
        return [place for place, (question, key) in enumerate(self.items, 1) if (question.name, key) not in said]

    def at(self, place: int) -> tuple[Question, Case]:
        """What is at a place; LimaError for a place that is not there"""
        if not 1 <= place <= len(self.items):
            raise LimaError(f"There is nothing at place {place} of {len(self.items)}.")
        question, key = self.items[place - 1]
        texts, prompts = self.study.texts(), {prompt.id: prompt.text for prompt in self.study.prompts()}
        shown = [texts[name, key.prompt, key.sample] for name in (key.first, key.second) if name]
        return question, Case(key, prompts[key.prompt], tuple(shown))

    def take(self, place: int, label: str, comment: str, event: str) -> None:
        """Keep an answer; the same event again changes nothing. LimaError for what is not an answer of the question"""
        if not 1 <= place <= len(self.items):
            raise LimaError(f"There is nothing at place {place} of {len(self.items)}.")
        question, key = self.items[place - 1]
        if label not in question.labels:
            raise LimaError(f"{label!r} is not an answer; expected one of {', '.join(question.labels)}.")
        if not event or len(event) > 64:
            raise LimaError("The page sent no event. Reload it.")
        row: dict[str, Any] = {"question": question.name, **key._asdict(), "rater": self.rater, "attempt": 1}
        row |= {"label": label, "status": "given", "code": "", "answer": storable(comment[:LONGEST]), "event": event}
        with self.study.store.write() as db:
            known = db.execute("select 1 from study_verdicts where study = ? and event = ?", [self.study.id, event])
            if known.fetchone() is None:
                self.study.keep_verdict(db, row)
