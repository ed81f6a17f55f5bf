"""What a grader takes and returns, and the built-in grader 'requirements', which ticks off a turn's requirements.

Fail: a requirement that must hold does not. Excellent: all hold. Pass: the rest (LIMA §6). Knows nothing of how the reply
was made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lima import GRADER_FAILED, UNDECIDED, LimaError, Verdict
from lima_dialogue_eval.checks import Undecided, missed, verify

if TYPE_CHECKING:
    from lima_chat import EvalConversation, Turn

ENDED = frozenset({"eot", "eos", "stop", "end_turn", "stop_sequence"})
"Stop reasons that mean that the model ended its turn"


@dataclass(frozen=True)
class GradedTurn:
    """One reply and what a grader may know about it"""

    conversation: "EvalConversation"
    index: int
    "Which exchange of the conversation, counted from 0"
    history: "tuple[Turn, ...]"
    "Everything said before the reply; the user's turn is the last"
    reply: str
    stop: str
    "Why the reply ended: 'eot' or another of ENDED, 'length', or what a server said"
    checks_decide: bool = False
    "Whether the evaluation declares that its checks decide all: then a reply that meets them needs no reader"


class Requirements:
    """Ticks off the requirements of a turn that carry a check"""

    description = "each turn's requirements by their checks: a missed must is Fail, all met is Excellent, else Pass"

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
        """Excellent, Pass or Fail; undecided when no requirement of the turn has a check"""
        requirements = turn.conversation.turns[turn.index].requirements
        checked = [r for r in requirements if r.get("check")]
        left = [r["text"] for r in requirements if not r.get("check")]
        to_person = f"Left to a person: {'; '.join(left)}." if left else ""
        if not checked:
            return Verdict(None, to_person or "This turn has no requirement.", UNDECIDED)
        try:
            failures = [(r, why) for r in checked if (why := missed(r["check"], turn.reply, turn.history))]
        except Undecided as e:
            return Verdict(None, f"Not decided: {e}", GRADER_FAILED)
        ended = turn.stop in ENDED
        if any(r.get("must", True) for r, _ in failures):
            grade = "fail"
        elif failures or not ended:
            grade = "pass"
        else:
            grade = "excellent"
        parts = [f"Missed{' (must)' * r.get('must', True)}: {r['text']} ({'; '.join(why)})." for r, why in failures]
        if not failures:
            parts.append(
                f"All {len(checked)} checked requirements met."
                if len(checked) > 1
                else "The checked requirement is met."
            )
        if not ended:
            parts.append(f"The model did not end the reply (stop: {turn.stop}).")
        return Verdict(grade, " ".join([*parts, to_person]).strip())


def _shape(requirement: Any) -> None:
    if not isinstance(requirement, dict) or not isinstance(requirement.get("text"), str):
        raise LimaError(
            f"a requirement is {requirement!r}; expected an object with 'text', and optionally 'check' and 'must'."
        )
    if not isinstance(requirement.get("must", True), bool):
        raise LimaError(f"'must' of {requirement['text']!r} is {requirement['must']!r}; expected true or false.")
