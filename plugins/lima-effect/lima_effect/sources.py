"""The data of the experiment as a source, so that any command can look at it, train on it or measure with it.

Knows nothing of models or of what was run.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lima import LimaError
from lima_effect.folds import conversations_of, divide

if TYPE_CHECKING:
    from lima_chat import Conversation

TEST = "test"
FORM = "effect:ARM/FOLD/FOLDS/SEED/SOURCE, such as effect:fake/1/3/0/dialogues"


def spec(arm: str, fold: int, folds: int, seed: int, source: str) -> str:
    """The name of an arm's examples in a fold (from 1), or of what it is tested on"""
    return f"effect:{arm}/{fold}/{folds}/{seed}/{source}"


class Effect:
    """What an arm of `lima effect` is trained or tested on in a fold"""

    description = f"what `lima effect` trains on (arms singles, dialogues, fake) and tests with (arm test): {FORM}"
    licence = "as its source"

    def examples(self, argument: str | None) -> "Iterator[Conversation]":
        """The conversations of the fold, or what an arm makes of all others"""
        from lima import load_plugins, open_source
        from lima_effect.arms import TRAINED, examples

        arm, fold, folds, seed, source = _parsed(argument or "", (*TRAINED, TEST))
        read = open_source(source, load_plugins())
        conversations = conversations_of(read.records, source)
        tested = divide(conversations, folds)[fold - 1]
        if arm == TEST:
            yield from tested
            return
        held = {conversation.id for conversation in tested}
        yield from examples(arm, [c for c in conversations if c.id not in held], seed)


def _parsed(argument: str, arms: tuple[str, ...]) -> tuple[str, int, int, int, str]:
    parts = argument.split("/", 4)
    if len(parts) == 5 and parts[0] in arms and all(part.isdecimal() for part in parts[1:4]) and parts[4]:
        fold, folds, seed = map(int, parts[1:4])
        if 1 <= fold <= folds:
            return parts[0], fold, folds, seed, parts[4]
    raise LimaError(f"The source effect:{argument} is not of the form {FORM}; ARM is {', '.join(arms)}.")
