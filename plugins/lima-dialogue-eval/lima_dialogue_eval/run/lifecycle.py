"""Evaluations that a recipe asks for in its table `[plugins.lima-dialogue-eval]`, run on each checkpoint as it is saved.

Keys: after_epoch and after_train name an evaluation; seeds, temperature, max_new_tokens, grader and arm say how. All of it is
checked before the first step. Knows nothing of the training loop.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lima import ChatPrompts, LimaError, Sampling, TakesVariables, did_you_mean
from lima_dialogue_eval.evaluation.file_evaluation import SourceEvaluation
from lima_dialogue_eval.evaluation.kinds import checks_decide, find_evaluation, script_of, turn_grader

if TYPE_CHECKING:
    from lima import Plugins, Recipe, Run, Store

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
    from lima import load_plugins

    table = recipe.plugins.get(TABLE, {})
    for key, value in table.items():
        if key not in KEYS:
            raise LimaError(f"Recipe: {key!r} is not a key of [plugins.{TABLE}].{did_you_mean(key, KEYS)}")
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
            found = find_evaluation(plugins, table[key], _reading(recipe))
            script_of(table[key], found)
            checks_decide(found, table[key])
            _check_grader(plugins, table.get("grader") or found.grader)
    if "grader" in table:
        _check_grader(plugins, table["grader"])
    if table.keys() & {"after_epoch", "after_train"}:
        renderer = plugins.registry("renderers").find(recipe.renderer)
        if not isinstance(renderer, ChatPrompts):
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


def _check_grader(plugins: "Plugins", spec: str) -> None:
    """LimaError for a grader that does not exist or, where it need not be opened, cannot be told by a hash"""
    from lima_dialogue_eval.evaluation.identity import grader_hash

    graders = plugins.registry("graders")
    found = graders.find(graders.split(spec)[0])
    if not graders.opens(spec):
        grader_hash(found)


def evaluate(run: "Run", when: str, checkpoint: Path | None, label: str) -> str | None:
    """Run the evaluation that the recipe names for this moment; the dialogue run's id, or None if it names none

    One that was started with this checkpoint, grader and evaluation, before the training was interrupted, is resumed."""
    from lima import CheckpointModel, Store, load_plugins
    from lima_dialogue_eval.evaluation.identity import checkpoint_hash, grader_hash, script_hash
    from lima_dialogue_eval.evaluation.part import Part
    from lima_dialogue_eval.record.log import begun_since
    from lima_dialogue_eval.run.evaluate import resume_evaluation, run_evaluation

    table = run.recipe.plugins.get(TABLE, {})
    if when not in table or checkpoint is None:
        return None
    arm = ", ".join(part for part in (table.get("arm", run.folder.name), label) if part)
    seeds, sampling = range(table.get("seeds", 1)), _sampling(table)
    plugins = load_plugins()
    evaluation = find_evaluation(plugins, table[when], _reading(run.recipe))
    grader = table.get("grader") or evaluation.grader
    with Store(run.database) as store:
        begun = begun_since(
            store,
            _written(store, run.id, checkpoint),
            run=run.id,
            model=str(checkpoint.resolve()),
            arm=arm,
            seeds=json.dumps(list(seeds)),
            sampling=json.dumps(asdict(sampling)),
            grader=grader,
            evaluation_hash=script_hash(list(script_of(table[when], evaluation).values())),
            checks_decide=int(checks_decide(evaluation, table[when])),
            grader_hash=grader_hash(turn_grader(plugins, grader, store)),
            model_hash=checkpoint_hash(checkpoint),
        )
        if begun and begun["status"] == "done":
            return str(begun["id"])
        renderer = plugins.registry("renderers").find(run.renderer)
        if isinstance(renderer, TakesVariables):
            renderer = renderer.with_variables(run.recipe.template, run.date)
        model = CheckpointModel(checkpoint, renderer, trust_remote_code=run.recipe.trust_remote_code)
        if begun:
            return resume_evaluation(store, begun["id"], model, grader=grader, evaluation=table[when])
        return run_evaluation(
            store,
            table[when],
            model,
            arm=arm,
            seeds=seeds,
            sampling=sampling,
            run_id=run.id,
            grader=grader,
            part=Part(tables=_reading(run.recipe) if isinstance(evaluation, SourceEvaluation) else {}),
        )


def check_errors(run: "Run") -> None:
    """LimaError where an evaluation of this training had errors, with the commands that try again what failed"""
    from lima import Store
    from lima_dialogue_eval.evaluation.provenance import resume_command
    from lima_dialogue_eval.record.log import dialogue_runs

    if not run.recipe.plugins.get(TABLE, {}).keys() & {"after_epoch", "after_train"}:
        return
    with Store(run.database) as store:
        broken = [row for row in dialogue_runs(store) if row["run"] == run.id and row["errors"]]
    if broken:
        again = [resume_command(row) for row in broken]
        raise LimaError(
            f"The training is done and its model is complete, but {sum(row['errors'] for row in broken)} errors happened in its "
            "evaluations. Try again what failed:\n" + "\n".join(again)
        )


def _reading(recipe: "Recipe") -> dict[str, dict[str, Any]]:
    """The recipe's tables that say how files are read, of its sources and of an evaluation alike"""
    return {name: table for name, table in recipe.plugins.items() if name != TABLE}


def _written(store: "Store", run: str, checkpoint: Path) -> str | None:
    """When a checkpoint was written: earlier evaluations were of another model"""
    rows = store.checkpoints(run=run, folder=str(checkpoint))
    return rows[0]["created"] if rows else None


def _sampling(table: dict[str, Any]) -> Sampling:
    return Sampling(**{key: table[key] for key in ("temperature", "max_new_tokens") if key in table})
