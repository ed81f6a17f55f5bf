"""Start a fine-tune or resume one: what is decided and recorded before the first step.

Knows nothing of how a step is made; that is `lima.train.loop`.
"""

import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import InitProcessGroupKwargs, broadcast_object_list

from lima.contract.runs import Run
from lima.data.dataset import Prepared, prepare
from lima.data.reader import OnExample
from lima.errors import Interrupted, LimaError
from lima.model.folder import folder_hash, pick_device
from lima.model.onednn import use_onednn
from lima.model.shard import raise_together
from lima.paths import absolute, is_file, is_folder
from lima.plugins import Plugins, load_plugins
from lima.recipe import AUTO, Recipe, left_to_lima
from lima.record.runs import RunLog, check_own, environment, new_run_id
from lima.record.store import Store
from lima.train.budget import Budget
from lima.train.dev_answers import OnDev
from lima.train.loop import train
from lima.train.place import check_place, only_here, resuming
from lima.train.reporter import OnStep, Reporter
from lima.train.resume_state import State, claim, newest_state, owner_of, states_folder
from lima.train.same_run import check_same
from lima.train.unfinished import check_free, continued, mention, warn_of_lost_epochs

ROUNDING = ("micro_batch_tokens", "gradient_checkpointing", "compile")
"Keys for speed and memory; results differ only by rounding and in the dropout drawn"

CHANGEABLE = (*ROUNDING, "shard", "save_every", "out", "trust_remote_code")
"Keys of a recipe that may change when a run is resumed"

PATIENCE = timedelta(hours=6)
"How long one of several processes waits for the others"


def fine_tune(
    recipe: Recipe,
    store: Store,
    plugins: Plugins | None = None,
    on_step: OnStep | None = None,
    on_dev: OnDev | None = None,
    on_example: OnExample | None = None,
) -> Run:
    """Fine-tune as the recipe says; the run, whose folder then holds a complete Hugging Face model

    LimaError for anything wrong with recipe, examples, base or disk, before the first step if possible. On any
    error and on Ctrl-C the run's row says how far it came; `resume` continues from there."""
    plugins = plugins or load_plugins()
    accelerator = _accelerator(recipe)  # a missing GPU is reported before anything is read
    _advise(recipe, accelerator.device.type)
    # Of several processes, the main one's.
    run_id, date = broadcast_object_list([new_run_id(), datetime.now().isoformat(timespec="seconds")])
    folder = absolute(recipe.out or f"lima-runs/{run_id}")
    check_free(folder, store)
    if accelerator.is_main_process:
        mention(folder, store)
    with only_here(folder, accelerator, lambda: check_free(folder, store)):
        ready = prepare(recipe, plugins, date=date, on_example=on_example)
        run = _record(run_id, ready.recipe, folder, ready, store, plugins)
        _say(recipe, ready, accelerator)
        reporter = _reporter(run, store, plugins, on_step, accelerator)
        with _true_to_the_end(reporter):
            if reporter.main:
                reporter.log.start(ready.examples, [d.row() for d in ready.dev])
            train(run, ready, reporter, accelerator, None, on_dev)
        return run


def resume(
    name: str,
    store: Store,
    plugins: Plugins | None = None,
    on_step: OnStep | None = None,
    changes: dict[str, Any] | None = None,
    on_dev: OnDev | None = None,
    on_example: OnExample | None = None,
) -> Run:
    """Resume an interrupted run from its newest complete state, to the same weights as if it had never stopped

    `changes` may have the recipe's keys in CHANGEABLE, which decide speed and memory; `dev` may be left out.
    LimaError for any other key, if the run is done, or if base or data have changed.

    A database may come from anywhere. So this writes only to a folder next to this run's own states, or to the `out` of
    `changes`; and only `changes` can allow the base's own code to run."""
    plugins = plugins or load_plugins()
    row = store.run(name)
    recipe = _changed(row, changes or {})
    named = "out" in (changes or {})
    folder = absolute(recipe.out if named else row["folder"])
    _check_resumable(store, row["id"], folder, named)
    accelerator = _accelerator(recipe)
    with only_here(
        folder, accelerator, lambda: _check_resumable(store, row["id"], folder, named), resuming(store, row["id"])
    ):
        ready = _prepared(store.run(row["id"]), recipe, plugins, on_example)
        return _resume(store.run(row["id"]), ready, folder, store, plugins, on_step, on_dev, accelerator)


def _prepared(row: dict[str, Any], recipe: Recipe, plugins: Plugins, on_example: OnExample | None) -> Prepared:
    """The examples of a run that is resumed"""
    try:
        return prepare(recipe, plugins, date=row["date"] or "", on_example=on_example)
    except LimaError as e:
        directory = row["environment"].get("directory", str(Path.cwd()))
        if directory == str(Path.cwd()):
            raise
        raise LimaError(f"{e} The run was started in {directory}: its relative paths begin there.") from e


def _resume(
    row: dict[str, Any],
    ready: Prepared,
    folder: Path,
    store: Store,
    plugins: Plugins,
    on_step: OnStep | None,
    on_dev: OnDev | None,
    accelerator: Accelerator,
) -> Run:
    """Resume a run while this process has the lock of its folder"""
    run = _record(row["id"], ready.recipe, folder, ready, store, plugins)
    check_same(run, row, ready, store)
    reporter = _reporter(run, store, plugins, on_step, accelerator)
    # The main process decides, because all must resume from the same one.
    with raise_together():
        found = newest_state(states_folder(run.folder, run.id)) if reporter.main else None
    state: State | None = broadcast_object_list([found])[0]
    with _true_to_the_end(reporter):
        if reporter.main:
            reporter.log.reopen(state.step if state else 0, row["folder"])
            warn_of_lost_epochs(run, store, state.step if state else 0)
        train(run, ready, reporter, accelerator, state, on_dev)
    return run


def _check_resumable(store: Store, run: str, folder: Path, named: bool) -> None:
    """Raise LimaError if the run is done or may not write to the folder, which the user has `named`, or else its row"""
    row = store.run(run)
    if row["status"] == "done":
        raise LimaError(f"Run {run} is done: its model is in {row['folder']}. There is nothing to resume.")
    states = states_folder(folder, run)
    if not named and _known_owner(states) != _owner(run, Recipe.recorded(row["recipe"])):
        raise LimaError(
            f"{states} does not record that run {run} was started here with this recipe, so it is not resumed into "
            f"{folder}, which only the database names. Name a folder, with its states if you have them: --out FOLDER."
        )
    others = [row["run"] for row in store.checkpoints(folder=str(folder)) if row["run"] != run]
    if others and is_file(folder / "config.json"):
        raise LimaError(f"{folder} now has the model of run {others[-1]}. Move it away, then resume.")
    check_own(folder, run)
    if not is_folder(states):
        check_place(folder)


def _owner(run: str, recipe: Recipe) -> dict[str, Any]:
    """What is recorded next to the states of a run: its id, and the part of its recipe that cannot change"""
    fixed = {key: value for key, value in recipe.as_dict().items() if key not in CHANGEABLE}
    owner: dict[str, Any] = json.loads(json.dumps({"run": run, "recipe": fixed}))
    return owner


def _known_owner(states: Path) -> dict[str, Any]:
    """`_owner` as a folder of states records it, perhaps by an older lima; empty where it records nothing that can be read"""
    found = owner_of(states)
    try:
        return _owner(found["run"], Recipe.recorded(found["recipe"]))
    except (KeyError, TypeError, ValueError, LimaError):
        return {}


def _changed(row: dict[str, Any], changes: dict[str, Any]) -> Recipe:
    """The recipe of a run with the changes of a resumption; LimaError for a key that must not change"""
    recipe = Recipe.recorded(row["recipe"] | {"trust_remote_code": False})  # a database must not ask for it
    if recipe.precision == AUTO:  # of a lima that took it for bfloat16 on a GPU and float32 on any CPU
        recipe = recipe.with_values({"precision": "bfloat16" if pick_device(recipe.device) == "cuda" else "float32"})
    asked = recipe.with_values({k: v for k, v in changes.items() if not left_to_lima(k, v)})
    before, after = recipe.as_dict(), asked.as_dict()
    different = [k for k in after if after[k] != before[k]]
    fixed = [k for k in different if k not in CHANGEABLE and not (k == "dev" and not asked.dev)]
    if fixed:
        raise LimaError(
            f"Run {row['id']} was started with {fixed[0]} = {before[fixed[0]]!r}; it cannot be resumed with {after[fixed[0]]!r}. "
            f"Start a new run for another recipe; {', '.join(CHANGEABLE)} may change."
        )
    if any(k in ROUNDING for k in different):
        logging.getLogger("lima").warning(
            "Run %s is resumed with another %s: sums are rounded differently and other dropout is drawn, so it does not end in "
            "the same bits as if it had never stopped.",
            row["id"],
            ", ".join(k for k in different if k in ROUNDING),
        )
    return asked


def _record(run_id: str, recipe: Recipe, folder: Path, ready: Prepared, store: Store, plugins: Plugins) -> Run:
    return Run(
        id=run_id,
        recipe=recipe,
        base=ready.base,
        base_hash=folder_hash(ready.base),
        renderer=recipe.renderer,
        eot=ready.eot,
        seed=recipe.seed,
        folder=folder,
        database=store.path,
        sources=tuple(ready.sources),
        plugins=plugins.rows(),
        environment=environment(PartialState().num_processes),
        date=ready.date,
        rows_hash=ready.rows_hash,
    )


def _say(recipe: Recipe, ready: Prepared, accelerator: Accelerator) -> None:
    """Tell the user, before the first step, what was chosen and what was cut"""
    if accelerator.is_main_process:
        for sentence in ready.remarks(recipe):
            logging.getLogger("lima").info("%s", sentence)


def _reporter(run: Run, store: Store, plugins: Plugins, on_step: OnStep | None, accelerator: Accelerator) -> Reporter:
    return Reporter(run, RunLog(store, run), plugins, Budget(run.recipe), on_step, accelerator.is_main_process)


@contextmanager
def _true_to_the_end(reporter: Reporter) -> Iterator[None]:
    """Record what happens inside this block in the run's row; its states say which run they belong to"""
    run = reporter.run
    with raise_together():
        if reporter.main:
            claim(states_folder(run.folder, run.id), _owner(run.id, run.recipe))
    try:
        yield
        reporter.account()
    except BaseException as e:
        status = "interrupted" if isinstance(e, KeyboardInterrupt) else "failed"
        message = str(e) or type(e).__name__
        try:
            if reporter.finished:  # in a plugin's after_train: the model is complete all the same
                reporter.log.note(message)
            else:
                reporter.end(status, message)
            reporter.account()
        except Exception as worse:  # a full disk, for example: report what stopped the run, not this
            e.add_note(str(worse))
        if isinstance(e, KeyboardInterrupt):
            raise Interrupted(run.id, reporter.step) from e
        if not reporter.finished:
            continued(e, run, reporter.step)
        raise


def _accelerator(recipe: Recipe) -> Accelerator:
    """The accelerator of this process; LimaError if the processes cannot do what the recipe asks"""
    for variable in ("ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED"):
        if os.environ.get(variable, "false").lower() == "true":
            raise LimaError(
                f"{variable} is set: accelerate was told to shard the model in a way of its own. Launch it without, and set "
                "shard=true in the recipe, which divides the model with torch's FSDP2."
            )
    # The other processes wait while the main one saves and answers the dev prompts.
    patience = InitProcessGroupKwargs(timeout=PATIENCE)
    # Precision is the recipe's, whatever accelerate was configured to.
    cpu = pick_device(recipe.device) == "cpu"
    accelerator = Accelerator(cpu=cpu, mixed_precision="no", kwargs_handlers=[patience])
    if recipe.shard and accelerator.num_processes == 1:
        raise LimaError(
            "The recipe has shard = true, but there is one process, and nothing to divide the model over. Start one for each "
            "GPU, `torchrun --nproc-per-node N -m lima train …`, or set shard=false."
        )
    return accelerator


def _advise(recipe: Recipe, device: str) -> None:
    """Warn if the recipe asks for bfloat16 and this processor multiplies it slower than float32, which is measured"""
    if device != "cpu" or recipe.precision != "bfloat16":
        return
    half, full = (product_seconds(dtype) for dtype in (torch.bfloat16, torch.float32))
    if half > full:
        logging.getLogger("lima").warning(
            "precision = bfloat16, which this processor multiplies %.1f times slower than float32: precision=float32 is faster "
            "here, and more exact.",
            half / full,
        )


def product_seconds(dtype: torch.dtype) -> float:
    """Seconds that a linear layer of 256 × 256 takes over 256 rows on this processor: the best within a twentieth of a second"""
    layer = torch.nn.Linear(256, 256, bias=False, dtype=dtype)
    use_onednn(layer)
    rows = torch.randn(256, 256, dtype=dtype)
    layer(rows)
    best, end = float("inf"), time.perf_counter() + 0.05
    while best == float("inf") or time.perf_counter() < end:
        started = time.perf_counter()
        layer(rows)
        best = min(best, time.perf_counter() - started)
    return best
