"""What an evaluation, its judge, or a comparison of two runs would ask: calls, tokens and price, without asking anything.

Replies that nobody has given yet are taken to have a number of tokens. Knows nothing of the command line.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from lima_chat import Turn
from lima_judges.judge import Judge, prompt_for
from lima_judges.match import Pair, PreferenceJudge, Showing
from lima_judges.quoting import new_code
from lima_judges.spending import BYTES_PER_TOKEN, Estimate, estimated

if TYPE_CHECKING:
    from lima_chat import EvalConversation

A_TICK, AN_ANSWER = 60, 120
"Tokens that a judge is taken to write about one requirement, and besides"


@runtime_checkable
class Estimates(Protocol):
    """A model that knows what a batch would take"""

    def estimate(self, prompts: Sequence[Any], completion_tokens: int) -> Estimate: ...


def of_batch(model: Any, prompts: Sequence[Any], completion_tokens: int) -> Estimate:
    """What these prompts take; of a model on this machine the price is not known, because it has none"""
    if isinstance(model, Estimates):
        return model.estimate(prompts, completion_tokens)
    return estimated(prompts, completion_tokens, None)


def of_replies(model: Any, conversations: "Sequence[EvalConversation]", seeds: int, reply_tokens: int) -> Estimate:
    """What it takes to hold the conversations of an evaluation"""
    prompts = [history for c in conversations for history in _histories(c, reply_tokens)]
    return of_batch(model, prompts * seeds, reply_tokens)


def of_verdicts(judge: Judge, conversations: "Sequence[EvalConversation]", seeds: int, reply_tokens: int) -> Estimate:
    """What it takes to judge their replies, if every vote can be read at once"""
    from lima_dialogue_eval import GradedTurn

    total = of_batch(judge.model, [], 0)
    for conversation in conversations:
        for index, history in enumerate(_histories(conversation, reply_tokens)):
            turn = GradedTurn(conversation, index, history, "x" * reply_tokens * BYTES_PER_TOKEN, "eot")
            prompt = prompt_for(judge.template, turn, new_code([]))
            written = AN_ANSWER + A_TICK * len(conversation.turns[index].requirements)
            total += of_batch(judge.model, [prompt] * judge.votes * seeds, written)
    return total


def of_preferences(judge: PreferenceJudge, pairs: Sequence[Pair]) -> Estimate:
    """What it takes to judge these pairs in both orders, if every answer can be read at once"""
    showings = [Showing(pair, first) for pair in pairs for first in ("A", "B")]
    prompts = [judge.prompt(showing, new_code([])) for showing in showings]
    return of_batch(judge.model, prompts, AN_ANSWER + A_TICK)


def _histories(conversation: "EvalConversation", reply_tokens: int) -> "list[tuple[Turn, ...]]":
    """The prompt of each turn, with replies of this length"""
    said = [Turn("system", conversation.system)] if conversation.system else []
    found = []
    for turn in conversation.turns:
        said.append(Turn("user", turn.user))
        found.append(tuple(said))
        said.append(Turn("assistant", "x" * reply_tokens * BYTES_PER_TOKEN))
    return found
