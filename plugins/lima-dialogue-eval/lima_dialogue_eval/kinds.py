"""What this plugin needs of evaluations and graders: declared to lima, which checks it when they are registered, and found.

Knows nothing of how a conversation is held.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from lima import Evaluation, LimaError

if TYPE_CHECKING:
    from lima import Plugins, Store, Verdict
    from lima_chat import EvalConversation
    from lima_dialogue_eval.grade import GradedTurn


@runtime_checkable
class HoldsConversations(Protocol):
    """An evaluation whose conversations can be held with a model"""

    def conversations(self) -> "Iterable[EvalConversation]": ...


class HeldEvaluation(Evaluation, HoldsConversations, Protocol):
    """What lima asks of an evaluation, and its conversations"""


@runtime_checkable
class TurnGrader(Protocol):
    """A grader of one reply within a conversation"""

    def grade(self, turn: "GradedTurn") -> "Verdict": ...


@runtime_checkable
class Verifies(Protocol):
    """A grader that checks what it is to grade by before anything is asked; LimaError for what it cannot read"""

    def verify(self, conversations: "Sequence[EvalConversation]") -> None: ...


def find_evaluation(plugins: "Plugins", name: str) -> HeldEvaluation:
    """The evaluation of that name; LimaError when it has no conversations to hold"""
    evaluations = plugins.registry("evaluations")
    found: Any = evaluations.find(name)
    if not isinstance(found, HoldsConversations):
        raise LimaError(evaluations.lacking(name, HoldsConversations, "be held with a model"))
    return found


def turn_grader(plugins: "Plugins", spec: str, store: "Store") -> TurnGrader:
    """The grader NAME or NAME:ARGUMENT; LimaError when it does not grade the turns of a conversation"""
    graders = plugins.registry("graders")
    found = graders.open(spec, store)
    if not isinstance(found, TurnGrader):
        raise LimaError(graders.lacking(spec, TurnGrader, "grade the replies of a conversation"))
    return found
