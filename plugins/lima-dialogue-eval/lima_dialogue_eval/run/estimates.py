"""What an evaluation would ask and cost, without asking anything, and a limit on what it may spend.

Replies that nobody has given yet are taken to have a number of tokens. Models and graders that cost something know their prices,
and keep to a limit themselves. Knows nothing of the command line.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from lima import LimaError, contained
from lima_dialogue_eval.conversation.grade import GradedTurn

if TYPE_CHECKING:
    from lima_chat import EvalConversation, Turn

BYTES_PER_TOKEN = 4
"How many bytes of English count as a token until somebody counts them"
REPLY_TOKENS = 300
"Tokens of a reply, as a guess"


@dataclass(frozen=True)
class Estimate:
    """What a batch would take; nothing is asked for it"""

    calls: int
    prompt_tokens: int
    completion_tokens: int
    usd: float | None
    "None where the price is not known"

    def __add__(self, other: "Estimate") -> "Estimate":
        known = self.usd is not None and other.usd is not None
        return Estimate(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            (self.usd or 0.0) + (other.usd or 0.0) if known else None,
        )


@runtime_checkable
class Estimates(Protocol):
    """A model that knows what a batch would take"""

    def estimate(self, prompts: Sequence[Any], completion_tokens: int) -> Estimate: ...


@runtime_checkable
class EstimatesVerdicts(Protocol):
    """A grader that asks a model, and knows what the verdicts on some turns would take"""

    def estimate_verdicts(self, turns: Sequence[GradedTurn]) -> Estimate: ...


@runtime_checkable
class TakesLimit(Protocol):
    """A model or grader that may spend, and is told how much all of a command may: dollars ('5') or tokens ('200000tokens')

    Whether it spends anything, which a judge with a model on this machine does not; LimaError for what is not a budget."""

    def limit_to(self, budget: str) -> bool: ...


def limit(budget: str | None, things: Sequence[Any]) -> None:
    """Tell what spends how much all of it may; LimaError where nothing does, or for what is not a budget"""
    if budget is None:
        return
    with contained("the budget"):
        spending = [thing.limit_to(budget) for thing in things if isinstance(thing, TakesLimit)]
    if not any(spending):
        raise LimaError(
            f"The budget {budget!r} limits nothing: nothing that is asked here counts what it spends. Leave --budget out."
        )


def tokens_about(text: str) -> int:
    """About how many tokens a text has: a quarter of its bytes"""
    return math.ceil(len(text.encode("utf-8", "surrogatepass")) / BYTES_PER_TOKEN)


def of_batch(model: Any, prompts: Sequence[Any], completion_tokens: int) -> Estimate:
    """What these prompts take; of a model on this machine the price is not known, because it has none"""
    if isinstance(model, Estimates):
        return model.estimate(prompts, completion_tokens)
    said = sum(tokens_about("\n".join(turn.content for turn in prompt)) for prompt in prompts)
    return Estimate(len(prompts), said, completion_tokens * len(prompts), None)


def of_replies(model: Any, conversations: "Sequence[EvalConversation]", seeds: int, reply_tokens: int) -> Estimate:
    """What it takes to hold the conversations of an evaluation"""
    prompts = [history for c in conversations for history in _histories(c, reply_tokens)]
    return of_batch(model, prompts * seeds, reply_tokens)


def of_verdicts(
    grader: EstimatesVerdicts, conversations: "Sequence[EvalConversation]", seeds: int, reply_tokens: int
) -> Estimate:
    """What it takes to grade their replies, if every verdict can be read at once"""
    reply = "x" * reply_tokens * BYTES_PER_TOKEN
    turns = [
        GradedTurn(conversation, index, history, reply, "eot")
        for conversation in conversations
        for index, history in enumerate(_histories(conversation, reply_tokens))
    ]
    return grader.estimate_verdicts(turns * seeds)


def _histories(conversation: "EvalConversation", reply_tokens: int) -> "list[tuple[Turn, ...]]":
    """The prompt of each turn, with replies of this length"""
    from lima_chat import Turn

    said = [Turn("system", conversation.system)] if conversation.system else []
    found = []
    for turn in conversation.turns:
        said.append(Turn("user", turn.user))
        found.append(tuple(said))
        said.append(Turn("assistant", "x" * reply_tokens * BYTES_PER_TOKEN))
    return found
