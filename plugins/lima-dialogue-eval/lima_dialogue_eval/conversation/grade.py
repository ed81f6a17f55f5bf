"""What a grader takes and returns, and the built-in grader 'requirements', which ticks off a turn's requirements.

Fail: a requirement that must hold does not. A program may fail a reply, and only a reader may praise it: where the checks hold,
the reply is undecided, unless the evaluation declares that they decide. Then all met is Excellent, and the rest Pass (LIMA §6).
Knows nothing of how the reply was made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lima import GRADED, GRADER_FAILED, UNDECIDED, LimaError, Tick, Verdict
from lima_dialogue_eval.checks import Undecided, missed, verify
from lima_dialogue_eval.conversation.nothing import says_nothing

if TYPE_CHECKING:
    from lima_chat import EvalConversation, Turn

ENDED = frozenset({"eot", "eos", "stop", "end_turn", "stop_sequence"})
"Stop reasons that mean that the model ended its turn"
PEOPLE = "people"
"The grader of every grade that a person gives; of `compare --grader people`, the grade of several people that counts"


@dataclass(frozen=True)
class GradedTurn:
    """One reply and what a grader may know about it"""

    conversation: "EvalConversation"
    "What is asked is `conversation.turns[index]`: its `user`, `requirements`, `facts` and `kind`"
    index: int
    "Which exchange of the conversation, counted from 0"
    history: "tuple[Turn, ...]"
    "Everything said before the reply; the user's turn is the last"
    reply: str
    stop: str
    "Why the reply ended: 'eot' or another of ENDED, 'length', or what a server said"
    checks_decide: bool = False
    "Whether the evaluation declares that its checks decide all: then a reply that meets them needs no reader"


@dataclass(frozen=True)
class _Finding:
    """What the checks found of one requirement"""

    text: str
    must: bool
    checked: bool
    met: bool | None
    "None without a check, and where it could not be decided"
    why: str = ""
    "What is missed, or why it could not be decided"


class Requirements:
    """Ticks off the requirements of a turn that carry a check"""

    description = (
        "each turn's requirements by their checks: a missed must is Fail; the rest waits for a reader, unless the evaluation "
        "says that its checks decide"
    )

    def verify(self, conversations: "Sequence[EvalConversation]") -> None:
        """LimaError for a check that cannot be read, before anything is asked"""
        for conversation in conversations:
            for number, turn in enumerate(conversation.turns, 1):
                for requirement in turn.requirements:
                    try:
                        _shape(requirement)
                        verify(requirement.get("check") or {}, number - 1)
                    except LimaError as e:
                        raise LimaError(f"Conversation {conversation.id!r}, turn {number}: {e}") from None

    def grade(self, turn: GradedTurn) -> Verdict:
        """Fail, or undecided; Pass and Excellent only where the evaluation says that its checks decide, and each must has one"""
        asked = turn.conversation.turns[turn.index]
        if nothing := says_nothing(asked, turn.reply, turn.history):
            return Verdict("fail", nothing)
        found = [_examined(r, turn) for r in asked.requirements]
        ticks = tuple(Tick(one.text, one.met) for one in found)
        checked = [one for one in found if one.checked]
        missed_ones = [one for one in found if one.met is False]
        grade, status = None, UNDECIDED
        if any(one.must for one in missed_ones):
            grade, status = "fail", GRADED
        elif open_ones := [one for one in checked if one.met is None]:
            return Verdict(None, f"Not decided: {open_ones[0].why}", GRADER_FAILED, ticks)
        elif turn.checks_decide and checked and all(one.checked for one in found if one.must):
            grade, status = "excellent" if not missed_ones and turn.stop in ENDED else "pass", GRADED
        return Verdict(grade, _reason(found, turn.stop, status), status, ticks)


def _examined(requirement: dict[str, Any], turn: GradedTurn) -> _Finding:
    """What a requirement's check finds in the reply"""
    text, must, check = requirement["text"], requirement.get("must", True), requirement.get("check")
    if not check:
        return _Finding(text, must, False, None)
    try:
        why = missed(check, turn.reply, turn.history)
    except Undecided as e:
        return _Finding(text, must, True, None, str(e))
    return _Finding(text, must, True, not why, "; ".join(why))


def _reason(found: Sequence[_Finding], stop: str, status: str) -> str:
    """What was missed, what held, how the reply ended, and what is left to a reader"""
    parts = [f"Missed{' (must)' * one.must}: {one.text} ({one.why})." for one in found if one.met is False]
    checked, left = [one for one in found if one.checked], [one.text for one in found if not one.checked]
    if not found:
        parts.append("This turn has no requirement.")
    elif checked and not parts:
        parts.append(
            f"All {len(checked)} checked requirements met." if len(checked) > 1 else "The checked requirement is met."
        )
    if checked and stop not in ENDED:
        parts.append(f"The model did not end the reply (stop: {stop}).")
    if status == UNDECIDED and not left:
        left = ["whether the reply is good"]
    return " ".join([*parts, f"Left to a reader: {'; '.join(left)}." if left else ""]).strip()


def _shape(requirement: Any) -> None:
    if not isinstance(requirement, dict) or not isinstance(requirement.get("text"), str):
        raise LimaError(
            f"a requirement is {requirement!r}; expected an object with 'text', and optionally 'check' and 'must'."
        )
    if not isinstance(requirement.get("must", True), bool):
        raise LimaError(f"'must' of {requirement['text']!r} is {requirement['must']!r}; expected true or false.")
