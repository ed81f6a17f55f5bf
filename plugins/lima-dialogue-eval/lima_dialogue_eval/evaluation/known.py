"""What a grader is tested on: an evaluation's conversations, and its replies with known grades as the turns that are graded.

Knows nothing of graders.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from lima import LimaError, plugin_code
from lima_chat import KnownReply as KnownReply
from lima_chat import Turn
from lima_dialogue_eval.conversation.grade import GradedTurn
from lima_dialogue_eval.evaluation.kinds import checks_decide, find_evaluation, script_of

if TYPE_CHECKING:
    from lima import Plugins
    from lima_chat import EvalConversation


@runtime_checkable
class KnowsReplies(Protocol):
    """An evaluation with replies whose grade is known, by which a grader is tested"""

    def known_replies(self) -> Iterable[KnownReply]:
        """Replies with their grades, good ones and bad ones

        By `lima graders audit` and `lima evaluations check`."""


@dataclass(frozen=True)
class AuditSet:
    """An evaluation, with what a grader is tested on"""

    name: str
    grader: str
    "The name of its default grader"
    script: "dict[str, EvalConversation]"
    known: tuple[KnownReply, ...]
    checks_decide: bool
    "Whether it declares that its checks need no reader"

    def turn(self, known: KnownReply) -> GradedTurn:
        """A known reply as it is graded: after the replies that came before it"""
        conversation = known.script or self.script[known.conversation]
        history = history_of(conversation, known.after)
        return GradedTurn(conversation, known.turn - 1, history, known.reply, known.stop, self.checks_decide)


def opened(plugins: "Plugins", name: str) -> AuditSet:
    """The evaluation of that name; LimaError for a known reply to a turn that it does not have"""
    found: Any = find_evaluation(plugins, name)
    script = script_of(name, found)
    with plugin_code(f"the evaluation {name!r}"):
        known = tuple(found.known_replies()) if isinstance(found, KnowsReplies) else ()
    for reply in known:
        conversation = reply.script or script.get(reply.conversation)
        if conversation is None or reply.turn > len(conversation.turns):
            what = "turn" if conversation else "conversation"
            raise LimaError(
                f"The evaluation {name!r} has a known reply to {reply.conversation!r}, turn {reply.turn}, a {what} that it does "
                "not have. `lima dialogues-lint FOLDER` checks files of known replies."
            )
    return AuditSet(name, found.grader, script, known, checks_decide(found, name))


def history_of(conversation: "EvalConversation", replies: Sequence[str]) -> tuple[Turn, ...]:
    """Everything said before the reply that follows these: the system's turn, then user and assistant; the user's is the last"""
    said = [Turn("system", conversation.system)] if conversation.system else []
    for turn, reply in zip(conversation.turns, replies, strict=False):
        said += [Turn("user", turn.user), Turn("assistant", reply)]
    return (*said, Turn("user", conversation.turns[len(replies)].user))
