"""Evaluations that a recipe asks for in its table `[plugins.lima-dialogue-eval]`, held on the checkpoint as it is made.

Keys: after_epoch and after_train name an evaluation; seeds, temperature, max_new_tokens, grader and arm say how. All of it is
checked before the first step. Knows nothing of the training loop.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lima.errors import LimaError, did_you_mean
from lima.generate import Sampling

if TYPE_CHECKING:
    from lima.recipe import Recipe
    from lima.run import Run

TABLE = "lima-dialogue-eval"
_TEXT, _NUMBER, _WHOLE = "text", "a number", "a whole number of 1 or more"
KEYS = {
    "after_epoch": _TEXT,
    "after_train": _TEXT,
    "grader": _TEXT,
    "arm": _TEXT,
    "seeds": _WHOLE,
    "max_new_tokens": _WHOLE,
    "temperature": _NUMBER,
}
"What the table may hold"


def check(recipe: "Recipe") -> None:
    """LimaError for a key, value, evaluation or grader of the table that does not exist"""
    from lima.plugins import load_plugins

    table = recipe.plugins.get(TABLE, {})
    for key, value in table.items():
        if key not in KEYS:
            raise LimaError(f"Recipe: {key!r} is no key of [plugins.{TABLE}].{did_you_mean(key, KEYS)}")
        number = isinstance(value, int | float) and not isinstance(value, bool)
        right = {
            _TEXT: isinstance(value, str),
            _NUMBER: number and value >= 0,
            _WHOLE: number and isinstance(value, int) and value >= 1,
        }
        if not right[KEYS[key]]:
            raise LimaError(f"Recipe: {key} of [plugins.{TABLE}] is {value!r}; expected {KEYS[key]}.")
    plugins = load_plugins()
    for key in ("after_epoch", "after_train"):
        if key in table:
            plugins.registry("evaluations").find(table[key])
    if "grader" in table:
        plugins.registry("graders").find(table["grader"])
    if table.keys() & {"after_epoch", "after_train"}:
        renderer = plugins.registry("renderers").find(recipe.renderer)
        if not hasattr(renderer, "chat_prompt"):
            raise LimaError(
                f"Recipe: [plugins.{TABLE}] asks for an evaluation, but the renderer {recipe.renderer!r} cannot prompt with "
                "a conversation. Choose one that can, such as those of lima-chat (`lima renderers`)."
            )
    if "after_epoch" in table and not recipe.keep_epochs:
        raise LimaError(
            f"Recipe: after_epoch of [plugins.{TABLE}] needs a checkpoint of every epoch: set keep_epochs = true."
        )
    if _sampling(table).temperature == 0 and table.get("seeds", 1) > 1:
        raise LimaError(
            f"Recipe: [plugins.{TABLE}] has {table['seeds']} seeds at temperature 0, which all reply the same."
        )


def evaluate(run: "Run", when: str, checkpoint: Path | None, label: str) -> str | None:
    """Hold the evaluation that the recipe names for this moment; the dialogue run's id, or None when it names none"""
    from lima.generate import CheckpointModel
    from lima.plugins import load_plugins
    from lima.store import Store
    from lima_dialogue_eval.evaluate import run_evaluation

    table = run.recipe.plugins.get(TABLE, {})
    if when not in table or checkpoint is None:
        return None
    renderer = load_plugins().registry("renderers").find(run.renderer)
    with Store(run.database) as store:
        return run_evaluation(
            store,
            table[when],
            CheckpointModel(checkpoint, renderer),
            arm=", ".join(part for part in (table.get("arm", run.folder.name), label) if part),
            seeds=range(table.get("seeds", 1)),
            sampling=_sampling(table),
            run_id=run.id,
            grader=table.get("grader"),
        )


def _sampling(table: dict[str, Any]) -> Sampling:
    return Sampling(**{key: table[key] for key in ("temperature", "max_new_tokens") if key in table})
