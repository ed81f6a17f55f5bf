"""What anything that answers takes and gives: prompts, sampling, replies (design seam 6).

Knows nothing of checkpoints.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Prompt = Any
"Token ids (list[int]); or what a plugin's models and renderers take, such as the turns so far"


@dataclass(frozen=True)
class Sampling:
    """How to draw tokens; the defaults are LIMA §4.1's"""

    temperature: float = 0.7
    "0 is greedy"
    top_p: float = 0.9
    repetition_penalty: float = 1.2
    "Over the tokens of the current reply"
    max_new_tokens: int = 2048


@dataclass(frozen=True)
class Reply:
    """One answer"""

    text: str
    ids: list[int]
    "Without the token that stopped it"
    stop: str
    "'eot', 'length', 'context', or what a server said"
    seconds: float
    prompt_ids: list[int]
    "Empty when the model does not tell"


class Model(Protocol):
    """What `register_models` opens"""

    name: str

    def reply(
        self,
        prompts: Sequence[Prompt],
        settings: Sampling,
        seed: int | Sequence[int],
        on_progress: Callable[[int], None] | None = None,
    ) -> list[Reply]: ...
