"""Ask any model of lima's a batch, and hear each reply when it comes, or all at the end where the model does not hand them over.

Knows nothing of what is asked.
"""

from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any, Protocol, runtime_checkable

from lima import PluginStopped, Reply, Sampling
from lima_judges.quoting import new_code

Heard = Callable[[int, Reply | Exception], None]
Keep = Callable[[Any, int, Reply], None]
"Gets the database, inside the transaction that notes what a call cost, the prompt's place, and the reply"


@runtime_checkable
class Identified(Protocol):
    """A model that says what decides its answers"""

    def identity(self) -> str: ...


@runtime_checkable
class Charges(Protocol):
    """A model, or a grader, whose calls cost something, and are written down for a run and a purpose"""

    def charge_to(self, run: str, purpose: str) -> None: ...


@runtime_checkable
class KnowsCodes(Protocol):
    """A model whose answers were recorded, with the codes that they were asked for"""

    def code(self, key: tuple[str, int, int]) -> str: ...


def identity_of(model: Any) -> str:
    """What decides a model's answers: what it says itself, else the hash of a checkpoint's files, else its name"""
    from lima_dialogue_eval import model_hash

    return model.identity() if isinstance(model, Identified) else model_hash(model)


def code_for(model: Any, key: tuple[str, int, int], shown: Sequence[str]) -> str:
    """A code that none of the texts has that a judge is shown: that of a recorded answer, or a new one"""
    recorded = model.code(key) if isinstance(model, KnowsCodes) else ""
    return recorded if recorded and recorded.upper() not in "\n".join(shown).upper() else new_code(shown)


def hear_all(
    model: Any,
    prompts: Sequence[Any],
    sampling: Sampling,
    seeds: Sequence[int],
    keys: Sequence[tuple[str, int, int]],
    heard: Heard,
    keep: Keep | None = None,
) -> None:
    """Call `heard` once for each prompt, with the reply or the exception that is its failure

    Before that, `keep` is given each reply of a model that notes what its calls cost, in the same transaction.
    Ctrl-C, a plugin that ends lima, and what `heard` raises go through; what else the model raises is every prompt's failure."""
    done: set[int] = set()
    raised: list[BaseException] = []

    def hear(index: int, reply: Reply) -> None:
        done.add(index)
        try:
            heard(index, reply)
        except BaseException as e:
            raised.append(e)
            raise

    takes = signature(model.reply).parameters
    more: dict[str, Any] = {"on_reply": hear} if "on_reply" in takes else {}
    more |= {"keys": list(keys)} if "keys" in takes else {}
    more |= {"keep": keep} if keep and "keep" in takes else {}
    try:
        found: list[Any] = list(model.reply(list(prompts), sampling, list(seeds), **more))
        if len(found) != len(prompts):
            raise ValueError(f"{model.name} gave {len(found)} replies to {len(prompts)} prompts")
    except Exception as e:
        if isinstance(e, PluginStopped) or raised:
            raise
        found = [e] * len(prompts)
    for index, one in enumerate(found):
        if index not in done:
            heard(index, one if isinstance(one, Reply | Exception) else TypeError(f"{model.name} gave {one!r}"))
