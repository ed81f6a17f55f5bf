"""Start a fine-tune, or go on with an interrupted one: what is decided and recorded before the first step.

Knows nothing of how a step is made; that is `lima.train.loop`.
"""

import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from accelerate import Accelerator, PartialState
from accelerate.utils import InitProcessGroupKwargs, broadcast_object_list

from lima.contract.runs import Run
from lima.data.dataset import Prepared, prepare
from lima.errors import Interrupted, LimaError
from lima.model.folder import folder_hash, pick_device
from lima.model.saving import check_new
from lima.model.shard import raise_together
from lima.plugins import Plugins, load_plugins
from lima.recipe import Recipe
from lima.record.lock import exclusive
from lima.record.runs import RunLog, check_own, environment, lock_of, new_run_id
from lima.record.store import Store
from lima.train.budget import Budget
from lima.train.dev_answers import OnDev
from lima.train.loop import train
from lima.train.plan import matrix_speed
from lima.train.reporter import OnStep, Reporter
from lima.train.resume_state import State, claim, newest_state, owner_of, states_folder

ROUNDING = ("micro_batch_tokens", "gradient_checkpointing", "compile")
"Keys that decide what fits and how fast it is; of the result the order of its sums, and which dropout is drawn"

CHANGEABLE = (*ROUNDING, "shard", "save_every", "out", "trust_remote_code")
"Keys of a recipe that a resumed run may have another value of"

PATIENCE = timedelta(hours=6)
"How long one of several processes waits for the others"


def fine_tune(
    recipe: Recipe,
    store: Store,
    plugins: Plugins | None = None,
    on_step: OnStep | None = None,
    on_dev: OnDev | None = None,
) -> Run:
    """Fine-tune as the recipe says; the run, whose folder then holds a complete Hugging Face model

    LimaError for anything wrong with recipe, examples, base or disk, before the first step where it can be known. On any
    error and on Ctrl-C the run's row says how far it came; `resume` goes on from there."""
    plugins = plugins or load_plugins()
    accelerator = _accelerator(recipe)  # a GPU that is not there is said before anything is read
    _advise(recipe, accelerator.device.type)
    run_id = broadcast_object_list([new_run_id()])[0]  # of several processes, the main one's
    folder = Path(recipe.out or f"lima-runs/{run_id}").expanduser().resolve()
    check_new(folder)
    with _alone(folder, accelerator, lambda: check_new(folder)):
        ready = prepare(recipe, plugins)
        run = _record(run_id, recipe, folder, ready, store, plugins)
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
) -> Run:
    """Go on with an interrupted run from its newest whole state, to the same weights as if it had never stopped

    `changes` may be of the recipe's keys in CHANGEABLE, which decide what fits and how fast it is; `dev` may be left out.
    LimaError for any other, when the run is done, or when base or data are no longer what they were.

    A database may come from anywhere. It writes only to a folder beside which this run's own states lie, or that `changes` name
    as `out`; and only `changes` let the base's own code run."""
    plugins = plugins or load_plugins()
    row = store.run(name)
    recipe = _changed(row, changes or {})
    named = "out" in (changes or {})
    folder = Path(recipe.out).expanduser().resolve() if named else Path(row["folder"])
    _check_resumable(store, row["id"], folder, named)
    accelerator = _accelerator(recipe)
    with _alone(folder, accelerator, lambda: _check_resumable(store, row["id"], folder, named)):
        return _resume(store.run(row["id"]), recipe, folder, store, plugins, on_step, on_dev, accelerator)


def _resume(
    row: dict[str, Any],
    recipe: Recipe,
    folder: Path,
    store: Store,
    plugins: Plugins,
    on_step: OnStep | None,
    on_dev: OnDev | None,
    accelerator: Accelerator,
) -> Run:
    """Go on with a run whose folder nobody else writes to"""
    try:
        ready = prepare(recipe, plugins)
    except LimaError as e:
        directory = row["environment"].get("directory", str(Path.cwd()))
        if directory == str(Path.cwd()):
            raise
        raise LimaError(f"{e} The run was started in {directory}: its relative paths begin there.") from e
    run = _record(row["id"], recipe, folder, ready, store, plugins)
    if run.base_hash != row["base_hash"]:
        raise LimaError(
            f"The base model {run.base} is not what run {run.id} was started from. Restore it, or start a new run."
        )
    hashes = {
        r["source"]: r["hash"] for r in store.rows("select source, hash from run_sources where run = ?", [run.id])
    }
    changed = [s["source"] for s in run.sources if hashes.get(s["source"]) != s["hash"]]
    if changed:
        raise LimaError(
            f"The source {changed[0]!r} has changed since run {run.id} was started. Restore it, or start a new run."
        )
    known = store.rows("select source, hash from dev_prompts where run = ? order by position", [run.id])
    if ready.dev and known != [{"source": d.source, "hash": d.record.content_hash} for d in ready.dev]:
        raise LimaError(
            f"The dev examples of run {run.id} ({', '.join(recipe.dev)}) have changed since it was started, so its epochs "
            "could not be compared. Restore them, or start a new run."
        )
    _warn_of_other_code(run, row["environment"], store)
    reporter = _reporter(run, store, plugins, on_step, accelerator)
    # The main process decides, for all must resume from the same one.
    with raise_together():
        found = newest_state(states_folder(run.folder, run.id)) if reporter.main else None
    state: State | None = broadcast_object_list([found])[0]
    with _true_to_the_end(reporter):
        if reporter.main:
            reporter.log.reopen(state.step if state else 0, row["folder"])
        train(run, ready, reporter, accelerator, state, on_dev)
    return run


def _check_resumable(store: Store, run: str, folder: Path, named: bool) -> None:
    """Raise LimaError unless the run is not done and may write to the folder, which is `named` by the user or else by its row"""
    row = store.run(run)
    if row["status"] == "done":
        raise LimaError(f"Run {run} is done: its model is in {row['folder']}. There is nothing to resume.")
    states = states_folder(folder, run)
    if not named and owner_of(states) != _owner(run, Recipe().with_values(row["recipe"])):
        raise LimaError(
            f"{states} does not say that run {run} began here with this recipe, so it is not resumed into {folder}, where only "
            f"the database would have it. Say where it shall go on, and its states if you have them: --out FOLDER."
        )
    others = store.rows("select run from checkpoints where folder = ? and run != ?", [str(folder), run])
    if others and (folder / "config.json").is_file():
        raise LimaError(f"{folder} holds the model of run {others[0]['run']} by now. Move it away, then resume.")
    check_own(folder, run)
    if not states.is_dir():
        check_new(folder)


def _owner(run: str, recipe: Recipe) -> dict[str, Any]:
    """What stands beside the states of a run: its id, and the part of its recipe that stays"""
    fixed = {key: value for key, value in recipe.as_dict().items() if key not in CHANGEABLE}
    owner: dict[str, Any] = json.loads(json.dumps({"run": run, "recipe": fixed}))
    return owner


def _changed(row: dict[str, Any], changes: dict[str, Any]) -> Recipe:
    """The recipe of a run with what changes on resuming; LimaError for a key that must not"""
    recipe = Recipe().with_values(row["recipe"] | {"trust_remote_code": False})  # which no database can ask for
    asked = recipe.with_values(changes)
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
            "Run %s goes on with another %s: sums are made in another order and other dropout is drawn, so it does not end in "
            "the same bits as if it had never stopped.",
            row["id"],
            ", ".join(k for k in different if k in ROUNDING),
        )
    return asked


def _warn_of_other_code(run: Run, environment: dict[str, str], store: Store) -> None:
    """Say so where the code that goes on is not the code that began: the result is then not that of a run that never stopped"""
    apart = ("processes", "directory")  # which decide no result
    before = {k: v for k, v in environment.items() if k not in apart}
    before |= {
        r["plugin"]: r["hash"] for r in store.rows("select plugin, hash from run_plugins where run = ?", [run.id])
    }
    here = {k: v for k, v in run.environment.items() if k not in apart} | {p["plugin"]: p["hash"] for p in run.plugins}
    changed = sorted(name for name in before | here if before.get(name) != here.get(name))
    if changed:
        logging.getLogger("lima").warning(
            "Since run %s was started these have changed: %s. It goes on, but may not end in the same bits as if it had never "
            "stopped.",
            run.id,
            ", ".join(changed),
        )


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
    )


def _reporter(run: Run, store: Store, plugins: Plugins, on_step: OnStep | None, accelerator: Accelerator) -> Reporter:
    return Reporter(run, RunLog(store, run), plugins, Budget(run.recipe), on_step, accelerator.is_main_process)


@contextmanager
def _true_to_the_end(reporter: Reporter) -> Iterator[None]:
    """Whatever happens inside, the run's row says what it was; its states say whose they are"""
    run = reporter.run
    with raise_together():
        if reporter.main:
            claim(states_folder(run.folder, run.id), _owner(run.id, run.recipe))
    try:
        yield
    except BaseException as e:
        status = "interrupted" if isinstance(e, KeyboardInterrupt) else "failed"
        message = str(e) or type(e).__name__
        try:
            if reporter.finished:  # a plugin's after_train: the model is there all the same
                reporter.log.note(message)
            else:
                reporter.end(status, message)
        except Exception as worse:  # a full disk, say: what stopped the run must stay what is reported
            e.add_note(str(worse))
        if isinstance(e, KeyboardInterrupt):
            raise Interrupted(run.id, reporter.step) from e
        raise


def _accelerator(recipe: Recipe) -> Accelerator:
    """This process's place among those that train; LimaError where they cannot do what the recipe asks"""
    for variable in ("ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED"):
        if os.environ.get(variable, "false").lower() == "true":
            raise LimaError(
                f"{variable} is set: accelerate was told to shard the model in a way of its own. Launch it without, and set "
                "shard=true in the recipe, which divides the model with torch's FSDP2."
            )
    # The others wait while the main process saves, and answers the dev prompts.
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
    """Say so where bfloat16 was asked for and this processor multiplies it slower than float32: seen, not looked up"""
    if device != "cpu" or recipe.precision != "bfloat16":
        return
    half, full = (matrix_speed("cpu", bfloat16, 256, 256, 0.05, quick=True) for bfloat16 in (True, False))
    if half < full:
        logging.getLogger("lima").warning(
            "precision = bfloat16, which this processor multiplies %.1f times slower than float32: precision=float32 is faster "
            "here, and more exact.",
            full / half,
        )


@contextmanager
def _alone(folder: Path, accelerator: Accelerator, check: Callable[[], None]) -> Iterator[None]:
    """Only one process at a time may train into a folder; what is checked before is checked once more when none else can

    Of several processes that train together the main one has the lock."""
    with ExitStack() as held:
        with raise_together():
            if accelerator.is_main_process:
                held.enter_context(_lock(folder))
                check()
        yield


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    made = [above for above in folder.parents if not above.exists()]
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(lock_of(folder), f"training into {folder}"):
            yield
    finally:
        for above in made:  # of a run that never began: they are empty
            with suppress(OSError):
                above.rmdir()
