"""What the plugin registers besides base and grader: sources, evaluations, and a model that knows everything.

Thin objects over `singles`, `dialogues` and `conversations`; the shapes are those that the hooks ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lima.errors import LimaError
from lima.example import Example
from lima_village import dialogues as written
from lima_village import singles as asked
from lima_village.conversations import SIZES, conversations, scripts

if TYPE_CHECKING:
    from lima.generate import Reply, Sampling
    from lima_chat import Conversation, EvalConversation, Turn
    from lima_village.talk import Exchange

LICENCE = "Apache-2.0"
PROVENANCE = "made by lima-village from its seed"


def whole_number(argument: str | None, name: str, default: int) -> int:
    """How many examples the argument of a source asks for; LimaError for what is no number"""
    if argument is None:
        return default
    if not argument.isdecimal() or int(argument) < 1:
        raise LimaError(f"{name}:{argument}: expected how many, a whole number such as {name}:{default}.")
    return int(argument)


class Singles:
    """1,000 requests with their answers; village-singles:N for another number."""

    description = (
        "single requests about the village and their answers, all entities named (village-singles:N for N of them)"
    )
    licence = LICENCE

    def examples(self, argument: str | None) -> Iterable[Example]:
        """The examples, always the same ones"""
        number = whole_number(argument, "village-singles", asked.NUMBER)
        for index, single in enumerate(asked.singles(number), 1):
            yield Example(
                id=f"village-single-{index:04d}",
                source="village-singles",
                licence=LICENCE,
                provenance=PROVENANCE,
                prompt=single.user,
                response=single.reply,
            )


class Dialogues:
    """30 dialogues; village-dialogues:N for another number."""

    description = (
        "dialogues about the village whose follow-ups lean on what was said (village-dialogues:N for N of them)"
    )
    licence = LICENCE

    def examples(self, argument: str | None) -> Iterable[Conversation]:
        """The dialogues, always the same ones"""
        for dialogue in written.dialogues(whole_number(argument, "village-dialogues", written.NUMBER)):
            yield as_conversation(dialogue, "village-dialogues")


def as_conversation(dialogue: written.Dialogue, source: str) -> Conversation:
    """A dialogue as what is trained on"""
    from lima_chat import Conversation, Turn

    turns = [
        turn
        for exchange in dialogue.exchanges
        for turn in (Turn("user", exchange.user), Turn("assistant", exchange.reply))
    ]
    return Conversation(id=dialogue.id, source=source, licence=LICENCE, provenance=PROVENANCE, turns=tuple(turns))


@dataclass(frozen=True)
class Evaluation:
    """One set of held-out conversations."""

    name: str
    description: str
    licence: str = LICENCE
    grader: str = "village-facts"

    def conversations(self) -> list[EvalConversation]:
        """Its conversations, always the same ones"""
        return conversations(self.name)

    def exchanges(self) -> Iterable[Sequence[Exchange]]:
        """The same with the answers that the facts give, a conversation at a time"""
        return [script.exchanges for script in scripts(self.name)]


EVALUATIONS = (
    Evaluation("village", "ten held-out conversations about the village, the test of `lima demo`"),
    Evaluation(
        "village-more", f"{SIZES['village-more']} further held-out conversations, so that ten are seen not to be luck"
    ),
    Evaluation("village-validation", "held-out conversations for tuning; they share nothing with the two test sets"),
)


class Perfect:
    """Answers from the facts themselves: what a grade of 100 % excellent looks like."""

    description = "answers the village's evaluations from its facts; the grader must find nothing wrong with it"

    def open(self, argument: str | None, store: Any) -> PerfectModel:
        """It takes no argument"""
        if argument:
            raise LimaError(f"village-perfect takes no argument, but got {argument!r}.")
        return PerfectModel()


class PerfectModel:
    """Looks a conversation up by what the user has said so far, in every evaluation about the village that a plugin brings."""

    name = "village-perfect"

    def __init__(self) -> None:
        from lima.plugins import load_plugins

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
        """The facts' own answers; a conversation that is not the village's is not known"""
        from lima.generate import Reply

        found = []
        for prompt in prompts:
            said = tuple(turn.content for turn in prompt if turn.role == "user")
            found.append(Reply(self.answers.get(said, "I do not know."), [], "eot", 0.0, []))
        if on_progress:
            on_progress(len(prompts))
        return found
