"""The contracts of evaluations whose conversations are held, and of graders of their turns, for tests of plugins.

They add to those of `lima.testing`. Knows nothing of pytest.
"""

import copy
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, ClassVar

from lima import SCORES
from lima.testing import EvaluationContract as CoreEvaluation
from lima.testing import GraderContract as CoreGrader
from lima.testing import check, kept
from lima_chat import EvalConversation, EvalTurn, Turn
from lima_dialogue_eval.audit.measure import grade_each
from lima_dialogue_eval.audit.null_models import findings, null_replies
from lima_dialogue_eval.conversation.grade import GradedTurn
from lima_dialogue_eval.evaluation.kinds import (
    GradesMany,
    Identifies,
    TurnGrader,
    Verifies,
    check_gradable,
    turn_grader,
)
from lima_dialogue_eval.evaluation.known import AuditSet, KnowsReplies, opened


class GraderContract(CoreGrader):
    """A grader of the turns of a conversation"""

    asked: ClassVar[EvalTurn] = EvalTurn("How do I boil an egg?", ({"text": "says how long"},), "opening")
    "The turn to which the replies are: what the user says, its requirements and facts"

    def turn(self, reply: str, stop: str) -> GradedTurn:
        """A reply to `asked`, the only turn of a conversation"""
        conversation = EvalConversation("contract", "a contract", (self.asked,))
        return GradedTurn(conversation, 0, (Turn("user", self.asked.user),), reply, stop)

    @check("test_works")
    def test_accepts_its_conversation(self) -> None:
        """Where it looks at conversations before anything is asked, it accepts one that it grades"""
        if isinstance(self.grader, Verifies):
            self.grader.verify([self.turn("So.", "eot").conversation])

    @check("test_same_twice")
    def test_identity_is_the_same_twice(self) -> None:
        """What it says that it is, is text, and the same when it is asked or opened again: a run is resumed by its hash"""
        if isinstance(self.grader, Identifies):
            said = [one.identity() for one in (self.grader, self.grader, self.opened())]
            assert len({*said}) == 1, f"its identity() differs: {said}"
            assert said[0].strip(), "its identity() is empty"

    @check("test_same_twice")
    def test_graded_together_as_alone(self) -> None:
        """A reply among several has the verdict that it has alone, at its place; replies that come back late are its own"""
        if isinstance(self.grader, GradesMany) and isinstance(self.grader, TurnGrader):
            replies = [*self.good[:2], *self.bad[:2], "So.", "It is as it is."]
            turns = [self.turn(reply, "eot") for reply in replies]
            found: dict[int, Any] = {}
            grade_each(self.grader, turns, found.update)
            for place, turn in enumerate(turns):
                alone = self.grader.grade(turn)
                assert found.get(place) == alone, (
                    f"{turn.reply!r} alone is {alone}, and among others {found.get(place)}"
                )


class EvaluationContract(CoreEvaluation):
    """An evaluation with conversations; `requires` names the plugin of its grader"""

    known: ClassVar[bool] = False
    "Whether it has replies with known grades (`known_replies()`)"
    mistaken: ClassVar[int] = 0
    "At how many known replies its grader may be mistaken, as `lima graders audit` counts them"
    grades: ClassVar[bool] = True
    "Whether its grader can be asked in a test; of a judge behind a server it cannot"

    def use(self) -> None:
        super().use()
        list(self.own.conversations())

    @kept
    def tested(self) -> AuditSet:
        """Its conversations and known replies"""
        return opened(self._plugins, self.name)

    @check("test_is_registered")
    def test_works(self) -> None:
        """It has conversations, each with an id of its own, and known replies to turns that there are"""
        assert all(isinstance(one, EvalConversation) for one in self.tested.script.values())

    @check("test_works")
    def test_same_twice(self) -> None:
        """Conversations and known replies are the same, in the same order, when asked for again; nobody else can change them"""
        one = copy.deepcopy(list(self.own.conversations()))
        given = self.own.conversations()
        if isinstance(given, list):
            given.clear()
        assert list(self.own.conversations()) == one, "asked again, it has other conversations: sort, and give copies"
        if isinstance(self.own, KnowsReplies):
            known, again = (list(self.own.known_replies()) for _ in range(2))
            assert known == again, "asked again, it has other known replies: sort, and draw from a generator of its own"

    @check("test_same_twice")
    def test_texts_can_be_stored(self) -> None:
        """What is asked, with requirements and facts, is JSON that a database holds; a requirement has a text"""
        for conversation in self.tested.script.values():
            for requirement in (one for turn in conversation.turns for one in turn.requirements):
                text = requirement.get("text") if isinstance(requirement, dict) else None
                assert isinstance(text, str), f'{requirement!r} is no requirement: expected {{"text": …}}'
            try:
                json.dumps(asdict(conversation), ensure_ascii=False).encode()
            except (TypeError, ValueError) as e:
                raise AssertionError(f"conversation {conversation.id!r} cannot be stored: {e}") from None

    @check("test_same_twice", "test_grader_is_registered", needs=("grades",))
    def test_requirements_can_be_graded(self) -> None:
        """Its grader accepts the requirements of all turns"""
        scripts = [*self.tested.script.values(), *(one.script for one in self.tested.known if one.script)]
        check_gradable(self._plugins, self.thing.grader, self._grader(), scripts)

    @check("test_requirements_can_be_graded", needs=("grades",))
    def test_nothing_passes_unearned(self) -> None:
        """A reply that needs no model (none, an echo, an apology …) fails at every turn that does not say why it may not"""
        nulls = list(null_replies(self.tested))
        graded = [(null, verdict) for null, verdict in zip(nulls, self._graded([n.turn for n in nulls]), strict=True)]
        found = findings(graded)
        assert not found, f"{len(found)} such replies do not fail; the first: {found[0]}"

    @check("test_same_twice")
    def test_known_replies_are_there(self) -> None:
        """It has known replies, good ones and ones that fail, where the contract says so"""
        good = {one.good for one in self.tested.known}
        assert good == ({True, False} if self.known else set()), (
            "`known` says otherwise, or all known replies have one grade"
        )

    @check("test_known_replies_are_there", "test_requirements_can_be_graded", needs=("known", "grades"))
    def test_known_replies_have_their_grades(self) -> None:
        """Its grader fails no reply that is known to be good, and praises none that is not, but for `mistaken`"""
        verdicts = self._graded([self.tested.turn(one) for one in self.tested.known])
        wrong = [
            f"to {one.conversation!r}, turn {one.turn}, {one.reply[:60]!r}, known as {one.grade}, it says {verdict.grade}: "
            f"{verdict.reason}"
            for one, verdict in zip(self.tested.known, verdicts, strict=True)
            if _is_mistaken(one.grade, verdict.grade)
        ]
        assert len(wrong) <= self.mistaken, (
            f"its grader is mistaken at {len(wrong)} known replies, more than `mistaken`, {self.mistaken}; the first: {wrong[0]}"
        )

    def _grader(self) -> Any:
        return turn_grader(self._plugins, self.thing.grader, self.store)

    def _graded(self, turns: Sequence[GradedTurn]) -> list[Any]:
        """The verdicts on these turns"""
        found: dict[int, Any] = {}
        grade_each(self._grader(), turns, found.update)
        return [found[at] for at in range(len(turns))]


def _is_mistaken(known: str, grade: str | None) -> bool:
    """Whether a grade is better than the known one, or a Fail where that is good; undecided is no mistake"""
    if grade is None:
        return False
    return SCORES[grade] > SCORES[known] or (grade == "fail") != (known == "fail")
