"""The contracts of a grader and of an evaluation: verdicts that mean what they say, whatever a reply is.

Knows nothing of what is graded besides replies to an example: plugins that collect replies of their own say what a turn is.
"""

import copy
from collections.abc import Sequence
from typing import Any, ClassVar

from lima.contract.examples import Example, Record
from lima.contract.grades import GRADED, GRADER_FAILED, GRADES, SCORES, UNDECIDED, Verdict
from lima.contract.kinds import GradesReplies, GradesTurns
from lima.testing.contract import Contract, check, kept, within
from lima.testing.texts import EMPTY, HOSTILE, LONG, PLAIN, WORLD
from lima.text import blank


class GraderContract(Contract):
    """A grader of replies; one that grades turns says what a turn with a reply is"""

    kind = "graders"
    argument: ClassVar[str | None] = None
    "What it is opened with, as in NAME:ARGUMENT (`lima.Opens`)"
    example: ClassVar[Record] = Example(id="1", source="contract", prompt=PLAIN[0].prompt, response=PLAIN[0].answer)
    "What the replies answer"
    good: ClassVar[Sequence[str]] = ()
    "Replies to it that must not fail"
    bad: ClassVar[Sequence[str]] = ()
    "Replies to it that must fail"

    def turn(self, reply: str, stop: str) -> Any:
        """A reply as the plugin that collects replies hands it to `grade()`"""
        raise NotImplementedError("give turn(reply, stop): what the grader's grade() takes")

    @kept
    def grader(self) -> Any:
        """The grader, opened if it must be"""
        return self.opened()

    def opened(self) -> Any:
        """The grader, opened once more if it must be opened"""
        spec = self.name if self.argument is None else f"{self.name}:{self.argument}"
        return self._plugins.registry(self.kind).open(spec, self.store)

    def verdicts(self, reply: str, stop: str = "eot", grader: Any = None) -> list[Verdict]:
        """The verdict on a reply, from each way that it has to grade one"""
        grader, found = grader or self.grader, []
        if isinstance(grader, GradesReplies):
            found.append(grader.grade_reply(self.example, reply, stop))
        if isinstance(grader, GradesTurns):
            found.append(grader.grade(self.turn(reply, stop)))
        return found

    def use(self) -> None:
        for reply in (PLAIN[0].answer, WORLD[1].answer):
            self.verdicts(reply, grader=self.bare(self.grader))

    @check("test_is_registered")
    def test_works(self) -> None:
        """It grades a reply, in each way that it has: with a Verdict"""
        assert self.verdicts(PLAIN[0].answer), "it has neither grade_reply() nor grade()"

    @check("test_works")
    def test_verdicts_are_complete(self) -> None:
        """A verdict is graded, with a grade; or undecided or failed, without one; and always has a reason"""
        for one in (*PLAIN, *WORLD):
            self._complete(one.answer)

    def _complete(self, reply: str) -> None:
        for verdict in self.verdicts(reply):
            found = f"to {reply[:40]!r} it says {verdict}"
            assert verdict.status in (GRADED, UNDECIDED, GRADER_FAILED), f"{found}: its status is not one of lima's"
            assert verdict.grade in (GRADES if verdict.status == GRADED else (None,)), (
                f"{found}: grade and status differ"
            )
            assert not blank(verdict.reason), f"{found}: it gives no reason"

    @check("test_works")
    def test_same_twice(self) -> None:
        """The same reply has the same verdict, whatever was graded in between"""
        replies = [one.answer for one in PLAIN]
        first, again = ([self.verdicts(reply) for reply in order] for order in (replies, replies[::-1]))
        assert first == again[::-1], "graded again, a reply has another verdict"

    @check("test_works")
    def test_changes_nothing_that_it_grades(self) -> None:
        """It changes nothing of the example, or of the turn"""
        grader = self.bare(self.grader)
        for call, given in self._calls(grader, PLAIN[0].answer):
            before = copy.deepcopy(given)
            call(given)
            assert given == before, "it changes what it is given: work on a copy"

    def _calls(self, grader: Any, reply: str) -> list[tuple[Any, Any]]:
        calls: list[tuple[Any, Any]] = []
        if isinstance(grader, GradesReplies):
            calls.append((lambda example: grader.grade_reply(example, reply, "eot"), copy.deepcopy(self.example)))
        if isinstance(grader, GradesTurns):
            calls.append((grader.grade, self.turn(reply, "eot")))
        return calls

    @check("test_verdicts_are_complete")
    def test_empty_reply_fails(self) -> None:
        """A reply that shows nothing fails: also white space, and characters that nobody sees"""
        for reply in EMPTY:
            for verdict in self.verdicts(reply):
                assert verdict.grade == "fail", (
                    f"the reply {reply!r} is {verdict.grade or verdict.status}; expected fail"
                )

    @check("test_verdicts_are_complete")
    def test_hostile_replies(self) -> None:
        """Whatever a reply is, there is a verdict, and soon"""
        for reply in HOSTILE:
            with within(self.seconds, f"the reply {reply[:20]!r} … of {len(reply):,} characters"):
                self._complete(reply)

    @check("test_verdicts_are_complete")
    def test_long_replies(self) -> None:
        """A reply of 100,000 characters has a verdict, and soon"""
        with within(self.seconds, "a reply of 100,000 characters"):
            self._complete(LONG.answer)

    @check("test_same_twice", "test_verdicts_are_complete")
    def test_cut_off_replies_are_no_better(self) -> None:
        """A reply that was cut off is not graded better than one that the model ended"""
        for reply in (PLAIN[0].answer, *self.good):
            for ended, cut in zip(self.verdicts(reply), self.verdicts(reply, "length"), strict=True):
                both = ended.grade is not None and cut.grade is not None
                better = both and SCORES[str(cut.grade)] > SCORES[str(ended.grade)]
                assert not better, f"{reply!r} is {ended.grade}, and {cut.grade} when it is cut off"

    @check("test_verdicts_are_complete", needs=("good",))
    def test_good_replies_do_not_fail(self) -> None:
        """The replies in `good` are not failed"""
        for reply in self.good:
            for verdict in self.verdicts(reply):
                assert verdict.grade != "fail", f"{reply!r} fails: {verdict.reason}"

    @check("test_verdicts_are_complete", needs=("bad",))
    def test_bad_replies_fail(self) -> None:
        """The replies in `bad` fail"""
        for reply in self.bad:
            for verdict in self.verdicts(reply):
                assert verdict.grade == "fail", f"{reply!r} is {verdict.grade or verdict.status}: {verdict.reason}"


class EvaluationContract(Contract):
    """What lima asks of any evaluation; the plugin that runs it has a contract for what it asks besides"""

    kind = "evaluations"

    def use(self) -> None:
        _ = self.own.description, self.own.licence, self.own.grader

    @check("test_is_registered")
    def test_works(self) -> None:
        """It can be read"""
        self.use()

    @check("test_works")
    def test_licence_is_named(self) -> None:
        """It names the licence of its texts"""
        assert self.thing.licence.strip(), "its licence is empty"

    @check("test_works")
    def test_grader_is_registered(self) -> None:
        """The grader that it names is one of its plugin, or of those that `requires` names"""
        graders = self._plugins.registry("graders")
        name = graders.split(self.thing.grader)[0]
        assert name in graders, f"there is no grader {name!r}, only {sorted(graders)}: name its plugin in `requires`"
