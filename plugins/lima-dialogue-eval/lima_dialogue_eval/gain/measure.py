"""History gain: how much likelier a model holds an answer after its own conversation than without it, or after another one.

For an answer a with history h before the user's turn u it is the mean over a's tokens of log p(a | h, u) − log p(a | u), in
nats, and the same against the history of another conversation. That is the pointwise conditional mutual information of answer
and history given the turn, per token (C-PMI, arXiv 2306.15245, there for replies that a model generated). No reply is generated
and no grader is asked; it says whether a model uses what was said, not whether its own replies are good. Knows nothing of
databases.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

from lima import CheckpointModel, LimaError, as_rows, log_likelihoods

if TYPE_CHECKING:
    from lima import Record
    from lima_chat import Conversation, Turn

GAIN_DEFINITION = (
    "Gain: nats per token by which a later answer of a conversation is likelier after its own history than after none, or "
    "than after the history of another conversation, cut to as many exchanges (pointwise conditional mutual information, "
    "arXiv 2306.15245). Means over conversations of the means over their answers. Likelihood of given answers is not the "
    "quality of the model's own."
)


@dataclass(frozen=True)
class Later:
    """One answer after at least one exchange, and how likely its tokens are: means in nats per token"""

    conversation: str
    tags: tuple[str, ...]
    exchange: int
    "Which one of its conversation, from 1; 2 is the first that has a history"
    tokens: int
    true: float
    "After its own history"
    none: float
    "After the system turn and the user's turn alone"
    other: float
    "After the history of others: the mean over `others` of them"
    others: int
    cut: int
    "Exchanges that were left out of the beginning of its own history, so that it fits the context"

    @property
    def over_none(self) -> float:
        return self.true - self.none

    @property
    def over_other(self) -> float:
        return self.true - self.other


@dataclass(frozen=True)
class _Question:
    """A later answer with what is before it"""

    conversation: "Conversation"
    system: "tuple[Turn, ...]"
    history: "tuple[tuple[Turn, ...], ...]"
    "Earlier exchanges, each from a user's turn to the answer"
    asked: "tuple[Turn, ...]"
    "The user's turn and the answer, with what tools said in between"

    def after(self, history: "Iterable[tuple[Turn, ...]]") -> "Conversation":
        """The conversation with another history, of which nothing but this answer is trained"""
        before = [replace(t, train=False) for exchange in history for t in exchange]
        turns = (*self.system, *before, *(replace(t, train=False) for t in self.asked[:-1]), self.asked[-1])
        return replace(self.conversation, turns=turns)


def gains(
    model: Any,
    conversations: Sequence["Conversation"],
    others: int = 0,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Later]:
    """The later answers of the conversations, in their order, as the model holds them likely

    Each is read after its own history, after none, and after the histories of `others` other conversations, drawn by `seed`; 0 is
    all of them. `on_progress` gets (answers read so far, all). LimaError for a model whose likelihoods cannot be read, and for
    conversations without a later answer or without another one to swap with."""
    if not isinstance(model, CheckpointModel):
        raise LimaError(f"{model.name} does not tell how likely it holds a given answer. Name a folder or a run.")
    questions = [q for c in conversations for q in _questions(c)]
    if len({q.conversation.id for q in questions}) < 2:
        raise LimaError(
            "Gain needs at least two conversations of two exchanges or more: one's history is swapped for the other's."
        )
    histories = {c.id: exchanges(c)[1][:-1] for c in conversations}
    asked, places = list[tuple[list[int], list[int]]](), list[tuple[int, list[int], int]]()
    for question in questions:
        own, cut = _fitted(model, question, question.history)
        swapped = [_fitted(model, question, h)[0] for h in _drawn(question, histories, others, seed)]
        places.append((len(asked), [len(asked) + 2 + i for i in range(len(swapped))], cut))
        asked += [own, _fitted(model, question, ())[0], *swapped]
    read = 0

    def heard(more: int) -> None:
        nonlocal read
        read += more
        if on_progress:
            on_progress(read, len(asked))

    means = [sum(scores) / len(scores) for scores in log_likelihoods(model.model, asked, heard)]
    return [
        Later(
            conversation=q.conversation.id,
            tags=q.conversation.tags,
            exchange=len(q.history) + 1,
            tokens=len(asked[own][1]),
            true=means[own],
            none=means[own + 1],
            other=sum(means[i] for i in swapped) / len(swapped),
            others=len(swapped),
            cut=cut,
        )
        for q, (own, swapped, cut) in zip(questions, places, strict=True)
    ]


def exchanges(conversation: "Conversation") -> "tuple[tuple[Turn, ...], list[tuple[Turn, ...]]]":
    """(the system turn if there is one, the exchanges: a user's turn and all that follows it until the next)"""
    system = tuple(t for t in conversation.turns[:1] if t.role == "system")
    found: list[list[Turn]] = []
    for turn in conversation.turns[len(system) :]:
        if turn.role == "user":
            found.append([])
        found[-1].append(turn)
    return system, [tuple(exchange) for exchange in found]


def _questions(conversation: "Conversation") -> list[_Question]:
    system, asked = exchanges(conversation)
    return [
        _Question(conversation, system, tuple(asked[:n]), exchange)
        for n, exchange in enumerate(asked)
        if n and exchange[-1].trained
    ]


def _drawn(
    question: _Question,
    histories: "dict[str, list[tuple[Turn, ...]]]",
    others: int,
    seed: int,
) -> "list[Sequence[tuple[Turn, ...]]]":
    """Histories of other conversations, cut to as many exchanges as the question's own; seed and question decide the draw"""
    names = sorted(name for name, history in histories.items() if name != question.conversation.id and history)
    if 0 < others < len(names):
        names = sorted(
            random.Random(f"{seed}/{question.conversation.id}/{len(question.history)}").sample(names, others)
        )
    return [histories[name][: len(question.history)] for name in names]


def _fitted(
    model: CheckpointModel, question: _Question, history: "Sequence[tuple[Turn, ...]]"
) -> tuple[tuple[list[int], list[int]], int]:
    """((prompt's ids, answer's ids), how many exchanges were left out of the beginning so that they fit the context)"""
    for cut in range(len(history) + 1):
        record = question.after(history[cut:])
        row = as_rows(model.renderer.render(record, model.tokenizer, model.eot))[-1]
        span = row.spans[-1]
        if span.stop <= model.context:
            return (row.ids[: span.start], row.ids[span.start : span.stop]), cut
    raise LimaError(
        f"Answer {len(question.history) + 1} of conversation {question.conversation.id!r} with its question has {span.stop} "
        f"tokens, and the context of {model.name} {model.context}. Leave the conversation out."
    )


def measured(model: Any, examples: "Iterable[Record]") -> dict[str, float]:
    """The gains of an epoch's model on the dev examples: `gain` over no history, `gain_over_other` over one other history

    Means over conversations; empty where fewer than two examples are conversations with a later answer."""
    from lima_chat import Conversation

    conversations = [e for e in examples if isinstance(e, Conversation) and _questions(e)]
    if len(conversations) < 2:
        return {}
    answers = gains(model, conversations, others=1)
    values = {"gain": lambda a: a.over_none, "gain_over_other": lambda a: a.over_other}
    return {name: fmean(by_conversation(answers, value).values()) for name, value in values.items()}


def by_conversation(answers: Iterable[Later], value: Callable[[Later], float]) -> dict[str, float]:
    """The mean of a value over each conversation's answers"""
    found: dict[str, list[float]] = {}
    for answer in answers:
        found.setdefault(answer.conversation, []).append(value(answer))
    return {name: sum(values) / len(values) for name, values in found.items()}
