"""What a recipe leaves to lima until base and machine are known: the renderer, by the tokenizer; the learning rates, by the
width; precision and tokens of a micro-batch, by the device.

What was chosen stands in the settled recipe, which is what a run records. Knows nothing of examples.
"""

from typing import Any

from lima.contract.kinds import SuitsBase
from lima.data.rendering import PlainRenderer
from lima.errors import LimaError
from lima.recipe import AUTO, LEFT_TO_LIMA, WIDTH, Recipe, left_to_lima
from lima.registry import Registry


def settle(recipe: Recipe, tokenizer: Any, config: Any, renderers: Registry) -> Recipe:
    """The recipe with names and numbers in place of 'auto' and 0; what the recipe names stays. LimaError where nothing suits"""
    import torch

    on_gpu = recipe.device == "cuda" or (recipe.device == AUTO and torch.cuda.is_available())
    device = "cuda" if on_gpu else "cpu"
    name = recipe.renderer
    if name == AUTO:
        name = suiting(
            tokenizer, renderers, f"The base model {recipe.base}", "or train in lima's own: --renderer plain"
        )
    width = getattr(config.get_text_config(), "hidden_size", None) or WIDTH
    first, last = recipe.rates(width)
    values = {"renderer": name, "learning_rate": first, "final_learning_rate": last}
    values |= {"precision": precision(recipe, device), "micro_batch_tokens": at_once(recipe, device, width)}
    return recipe.with_values(values)


def precision(recipe: Recipe, device: str) -> str:
    """'bfloat16' or 'float32': what the recipe names, else what that type of device, 'cpu' or 'cuda', multiplies fast

    By the features of the processor and never by timing, so that two runs on one machine compute the same."""
    from lima.model.processor import bfloat16_is_native

    # A divided model's norms cannot be computed in bfloat16 on a CPU.
    half = device == "cuda" or (bfloat16_is_native() and not recipe.shard)
    return recipe.precision if recipe.precision != AUTO else "bfloat16" if half else "float32"


def at_once(recipe: Recipe, device: str, width: int = WIDTH) -> int:
    """Tokens of a micro-batch: what the recipe names, else as many as keep that type of device busy with a model that wide

    On a CPU larger micro-batches take as long a token, and a gigabyte of memory or more for each thousand tokens."""
    return recipe.micro_batch_tokens or (8192 if device == "cuda" else 512 if width >= 512 else 1024)


def as_settled(recipe: Recipe, settled: Recipe) -> Recipe:
    """A recipe with what was chosen for another one where it leaves the choice to lima, too"""
    left = [key for key in LEFT_TO_LIMA if left_to_lima(key, getattr(recipe, key))]
    return recipe.with_values({key: getattr(settled, key) for key in left})


def suiting(tokenizer: Any, renderers: Registry, subject: str, otherwise: str) -> str:
    """The name of the renderer for a model with this tokenizer: one that suits it, or plain where it has no template of its own

    LimaError, about the `subject`, where it has a template that no renderer takes; it ends in what to do `otherwise`."""
    able = [name for name, one in renderers.items() if isinstance(one, SuitsBase) and one.suits(tokenizer)]
    if len(able) > 1:
        raise LimaError(f"{subject} suits several renderers, {', '.join(able)}: name one with --renderer {able[0]}.")
    if able:
        return able[0]
    plain = PlainRenderer()
    if not tokenizer.chat_template or tokenizer.chat_template == plain.chat_template(
        tokenizer, plain.end_of_turn(tokenizer)
    ):
        return plain.name
    raise LimaError(
        f"{subject} has a chat_template, the format that it was tuned for, and no plugin that is loaded can render with it. "
        f"Install one that can, `pip install lima-chat` (`lima plugins` says why an installed one is not loaded), {otherwise}."
    )


def chosen(asked: Recipe, settled: Recipe) -> str:
    """What was chosen in place of 'auto', as a sentence; empty where the recipe left nothing to lima"""
    parts = [f"renderer {settled.renderer}"] if asked.renderer == AUTO else []
    if AUTO in (asked.learning_rate, asked.final_learning_rate):
        first, last = settled.rates()
        parts.append(f"learning rate {first:g} to {last:g}")
    if asked.precision == AUTO and settled.precision == "bfloat16":
        parts.append("precision bfloat16")
    return f"Chosen: {', '.join(parts)}." if parts else ""
