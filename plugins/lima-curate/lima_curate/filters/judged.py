"""The filter `judged`: examples whose every answer a grader of `lima graders` finds good enough, such as a judge.

The grader sees each answer of a dialogue after all that was said before it, and no answer of the file as the right one. A
grader of replies to dev prompts alone sees the last answer with the example. What it cannot decide, and where it fails,
stays or goes by option, and lima says how many there were. Knows nothing of what the grader goes by.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from lima import (
    GRADED,
    GRADER_FAILED,
    SCORES,
    UNDECIDED,
    Excluded,
    GradesReplies,
    GradesTurns,
    LimaError,
    PluginStopped,
    Record,
    Verdict,
    load_plugins,
    options_of,
    storable,
)
from lima_chat import EvalConversation, EvalTurn
from lima_curate.texts import messages_of
from lima_dialogue_eval import GradedTurn, GradesMany

_STOP = "eot"
Doubt = Literal["keep", "leave out"]


@dataclass(frozen=True)
class Judged:
    """Keeps examples with answers that a grader finds good"""

    grader: str = ""
    "NAME or NAME:ARGUMENT of `lima graders`"
    least: Literal["pass", "excellent"] = "pass"
    undecided: Doubt = "keep"
    failed: Doubt = "keep"
    "What happens to an example on which the grader fails"
    store: Any = None
    "The open database, a `lima.Store`; without it a judge keeps no votes"

    description = (
        "keeps what `grader` (of `lima graders`, such as judge:MODEL) grades `least` or better: pass or excellent"
    )
    options = ("grader", "least", "undecided", "failed")

    def with_options(self, values: dict[str, Any]) -> "Judged":
        """The same with what the mix says"""
        if unknown := next((key for key in values if key not in self.options), None):
            raise LimaError(f"{unknown!r} is not an option of 'judged'. Known: {', '.join(self.options)}.")
        return replace(options_of(Judged, "judged", values), store=self.store)

    def with_store(self, store: Any) -> "Judged":
        """The same with the database in which a judge keeps its votes"""
        return replace(self, store=store)

    def excludes(self, examples: Sequence[Record]) -> Iterator[Excluded]:
        """The worst answer of a dialogue decides; all are graded before the first is left out"""
        if not examples:
            return
        if not self.grader:
            raise LimaError("The filter 'judged' needs a grader: grader = 'judge:MODEL', or --set grader=judge:MODEL.")
        graders = load_plugins().registry("graders")
        grader = graders.open(self.grader, self.store)
        counts = {UNDECIDED: 0, GRADER_FAILED: 0}
        outcomes = list(_outcomes(grader, self.grader, examples))
        for place, found in enumerate(outcomes):
            status, grade, why = _worst(found)
            if status != GRADED:
                counts[status] += 1
            keeps = self.failed if status == GRADER_FAILED else self.undecided
            if status == GRADED and SCORES[grade] < SCORES[self.least]:
                yield Excluded(place, storable(f"{self.grader} grades an answer {grade}: {why}"))
            elif status != GRADED and keeps == "leave out":
                what = "fails on an answer" if status == GRADER_FAILED else "cannot decide on an answer"
                yield Excluded(place, storable(f"{self.grader} {what}: {why}"))
        self._say(counts, len(examples))

    def _say(self, counts: dict[str, int], total: int) -> None:
        for status, does, keeps in (
            (UNDECIDED, "did not decide on", self.undecided),
            (GRADER_FAILED, "failed on", self.failed),
        ):
            if counts[status]:
                then = "they stay" if keeps == "keep" else "they are left out"
                logging.getLogger("lima").warning(
                    "judged: %s %s %s of %s examples; %s.", self.grader, does, f"{counts[status]:,}", f"{total:,}", then
                )


def _outcomes(grader: Any, name: str, examples: Sequence[Record]) -> "Iterator[list[Verdict | Exception]]":
    """What a grader says of each example's answers"""
    if isinstance(grader, GradesMany):
        yield from _all_at_once(grader, examples)
    elif isinstance(grader, GradesTurns):
        for one in examples:
            yield [_tried(lambda turn=turn: grader.grade(turn)) for turn in graded_turns(one)]
    elif isinstance(grader, GradesReplies):
        for one in examples:
            answer = messages_of(one)[-1].content
            yield [_tried(lambda one=one, answer=answer: grader.grade_reply(one, answer, _STOP))]
    else:
        raise LimaError(f"The grader {name!r} grades neither replies nor turns.")


def _all_at_once(grader: GradesMany, examples: Sequence[Record]) -> "Iterator[list[Verdict | Exception]]":
    turns = [graded_turns(one) for one in examples]
    flat = [turn for group in turns for turn in group]
    found = dict[int, Any]()
    rest = grader.grade_all(flat, found.__setitem__)
    for place, verdict in enumerate(rest or ()):
        found.setdefault(place, verdict)
    silent = LimaError("it gave no verdict.")
    at = 0
    for group in turns:
        yield [found.get(place, silent) for place in range(at, at + len(group))]
        at += len(group)


def _tried(grade: Any) -> "Verdict | Exception":
    try:
        found: Verdict = grade()
    except PluginStopped:
        raise
    except Exception as e:  # this answer's failure and no other's
        return e
    return found


def graded_turns(record: Record) -> list[GradedTurn]:
    """The answers of an example as a grader takes them, without requirements or facts"""
    said = messages_of(record)
    system = said[0].content if said[0].role == "system" else ""
    users = tuple(EvalTurn(turn.content) for turn in said if turn.role == "user" and turn.content.strip())
    conversation = EvalConversation(id=record.id, topic="", turns=users or (EvalTurn("…"),), system=system)
    found, asked = list[GradedTurn](), 0
    for at, turn in enumerate(said):
        if turn.role == "user" and turn.content.strip():
            asked += 1
        if turn.role == "assistant" and turn.content:
            history = tuple(one for one in said[:at] if one.role != "system")
            found.append(GradedTurn(conversation, max(0, asked - 1), history, turn.content, _STOP))
    return found


def _worst(outcomes: "Sequence[Verdict | Exception]") -> tuple[str, str, str]:
    """(status, grade, why) of the worst grade; where none is a Fail, of what was not decided before what was graded"""
    graded = [one for one in outcomes if isinstance(one, Verdict) and one.status == GRADED and one.grade in SCORES]
    worst = min(graded, key=lambda one: SCORES[str(one.grade)], default=None)
    others = [one for one in outcomes if one not in graded]
    if worst is not None and (not others or worst.grade == "fail"):
        return GRADED, str(worst.grade), worst.reason
    for one in others:
        if isinstance(one, Verdict) and one.status == UNDECIDED:
            return UNDECIDED, "", one.reason
    first = others[0] if others else LimaError("it has no answer.")
    return GRADER_FAILED, "", first.reason if isinstance(first, Verdict) else str(first) or type(first).__name__
