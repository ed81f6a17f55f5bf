"""What a recipe leaves to lima until the base is known: the renderer, by its tokenizer, and the learning rates, by its width.

What was chosen stands in the settled recipe, which is what a run records. Knows nothing of examples.
"""

from typing import Any

from lima.contract.kinds import SuitsBase
from lima.data.rendering import PlainRenderer
from lima.errors import LimaError
from lima.recipe import AUTO, WIDTH, Recipe
from lima.registry import Registry


def settle(recipe: Recipe, tokenizer: Any, config: Any, renderers: Registry) -> Recipe:
    """The recipe with a name and numbers in place of 'auto'; what the recipe names stays. LimaError where nothing suits"""
    name = recipe.renderer
    if name == AUTO:
        name = suiting(
            tokenizer, renderers, f"The base model {recipe.base}", "or train in lima's own: --renderer plain"
        )
    first, last = recipe.rates(getattr(config.get_text_config(), "hidden_size", None) or WIDTH)
    return recipe.with_values({"renderer": name, "learning_rate": first, "final_learning_rate": last})


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
    return f"Chosen: {', '.join(parts)}." if parts else ""
