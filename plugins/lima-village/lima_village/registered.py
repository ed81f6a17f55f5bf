"""What the plugin registers besides base and grader: sources, evaluations, and a model that knows every answer.

These are thin objects over `singles`, `dialogues`, `dev` and `conversations`, in the shapes that the hooks ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lima import Example, LimaError, did_you_mean
from lima_chat import Conversation, EvalConversation, KnownReply, Turn
from lima_village import dev, dialogues, labelled, singles
from lima_village.conversations import SIZES, conversations, scripts
from lima_village.talk import Exchange

if TYPE_CHECKING:
    from lima import Reply, Sampling

LICENCE = "Apache-2.0"
PROVENANCE = "made by lima-village from its seed"


def whole_number(argument: str | None, name: str, default: int) -> int:
    """The number of examples that a source's argument asks for"""
    if argument is None:
        return default
    if not argument.isdecimal() or int(argument) < 1:
        raise LimaError(
            f"{name}:{argument} is not a number of examples. Write a whole number, such as {name}:{default}."
        )
    return int(argument)


def as_examples(requests: Iterable[singles.Single], source: str, stem: str, digits: int = 4) -> Iterator[Example]:
    """Requests with their answers as examples; their ids are the stem and a number"""
    for index, single in enumerate(requests, 1):
        yield Example(
            id=f"{stem}-{index:0{digits}d}",
            source=source,
            licence=LICENCE,
            provenance=PROVENANCE,
            prompt=single.user,
            response=single.reply,
        )


def as_conversation(dialogue: dialogues.Dialogue, source: str) -> Conversation:
    """A dialogue as a training example"""
    turns = [turn for e in dialogue.exchanges for turn in (Turn("user", e.user), Turn("assistant", e.reply))]
    return Conversation(id=dialogue.id, source=source, licence=LICENCE, provenance=PROVENANCE, turns=tuple(turns))


@dataclass(frozen=True)
class Source:
    """Examples that are drawn from the village's seed, always the same; NAME:N for another number of them."""

    name: str
    description: str
    number: int
    draw: Callable[[int], Iterable[Any]]
    licence: str = LICENCE

    def examples(self, argument: str | None) -> Iterable[Any]:
        """The first examples, as many as the argument says"""
        return self.draw(whole_number(argument, self.name, self.number))


@dataclass(frozen=True)
class HeldOut:
    """village-held-out:SET for the conversations of an evaluation with the answers that the facts give."""

    name: str = "village-held-out"
    description: str = (
        "held-out conversations with the answers that the facts give, to measure with, as `lima dialogues gain` does, and not to "
        f"train on (village-held-out:SET for {', '.join(SIZES)}; village without one)"
    )
    licence: str = LICENCE

    def examples(self, argument: str | None) -> Iterable[Conversation]:
        """The conversations of the set, in its order"""
        wanted = argument or "village"
        if wanted not in SIZES:
            raise LimaError(f"{self.name}:{wanted} is no set of held-out conversations.{did_you_mean(wanted, SIZES)}")
        return [as_conversation(script, self.name) for script in scripts(wanted)]


SOURCES = (
    HeldOut(),
    Source(
        "village-singles",
        "single requests about the village and their answers, all entities named (village-singles:N for N of them)",
        singles.NUMBER,
        lambda number: as_examples(singles.singles(number), "village-singles", "village-single"),
    ),
    Source(
        "village-dialogues",
        "dialogues about the village with follow-ups that refer to earlier turns (village-dialogues:N for N of them)",
        dialogues.NUMBER,
        lambda number: [as_conversation(one, "village-dialogues") for one in dialogues.dialogues(number)],
    ),
    Source(
        "village-dev",
        "held-out questions about the village in wordings of their own, for choosing an epoch (village-dev:N)",
        dev.NUMBER,
        lambda number: as_examples(dev.requests(number), "village-dev", "village-dev", digits=3),
    ),
)


@dataclass(frozen=True)
class Evaluation:
    """One set of held-out conversations."""

    name: str
    description: str
    licence: str = LICENCE
    grader: str = "village-facts"

    def conversations(self) -> list[EvalConversation]:
        """Its conversations, always the same"""
        return conversations(self.name)

    def known_replies(self) -> Iterator[KnownReply]:
        """The labelled replies about the village, by which its grader is tested; they are about other conversations"""
        return labelled.known_replies()

    def exchanges(self) -> Iterable[Sequence[Exchange]]:
        """The exchanges of each conversation, with the answers that the facts give"""
        return [script.exchanges for script in scripts(self.name)]


EVALUATIONS = (
    Evaluation("village", "ten held-out conversations about the village, the test of `lima demo`"),
    Evaluation(
        "village-more", f"{SIZES['village-more']} more held-out conversations, to check that ten are not a fluke"
    ),
    Evaluation("village-validation", "held-out conversations for tuning; they share nothing with the two test sets"),
)


class Perfect:
    """Answers from the facts themselves, so that the grader must call 100 % of its replies excellent."""

    description = "answers the village's evaluations from its facts; the grader must find nothing wrong with it"

    def open(self, argument: str | None, store: Any) -> PerfectModel:
        """The model; it takes no argument"""
        if argument:
            raise LimaError(f"village-perfect takes no argument, but got {argument!r}. Write village-perfect alone.")
        return PerfectModel()


class PerfectModel:
    """Finds a conversation by what the user has said so far, in every evaluation about the village that a plugin brings."""

    name = "village-perfect"

    def __init__(self) -> None:
        from lima import load_plugins

        self.answers = {
            tuple(exchange.user for exchange in exchanges[: index + 1]): exchanges[index].reply
            for evaluation in load_plugins().registry("evaluations").values()
            if isinstance(evaluation, Evaluation)
            for exchanges in evaluation.exchanges()
            for index in range(len(exchanges))
        }

    def reply(
        self,
        prompts: Sequence[tuple[Turn, ...]],
        settings: Sampling,
        seed: int | Sequence[int],
        on_progress: Callable[[int], None] | None = None,
    ) -> list[Reply]:
        """The answers that the facts give; "I do not know." to any other conversation"""
        from lima import Reply

        said = [tuple(turn.content for turn in prompt if turn.role == "user") for prompt in prompts]
        if on_progress:
            on_progress(len(prompts))
        return [Reply(self.answers.get(users, "I do not know."), [], "eot", 0.0, []) for users in said]
