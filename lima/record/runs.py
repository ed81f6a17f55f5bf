"""A run's rows in the store: what was trained on what, its steps, checkpoints and replies.

Knows nothing of torch; the loop tells it what happened.
"""

import json
import platform
import re
import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from lima.contract.runs import Run
from lima.data.cuts import losses
from lima.errors import LimaError
from lima.paths import entries, is_file, is_folder, is_there, resolved
from lima.record.lock import held
from lima.record.opening import connect_to_read
from lima.record.store import Store
from lima.text import storable


def now() -> str:
    """The time in UTC, ISO 8601, to the millisecond"""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def new_run_id() -> str:
    """Sorts by time and reads well: 20260102-150405-1f3a9c"""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def lock_of(folder: Path) -> Path:
    """The file that is locked while a process writes a model to a folder, the same for every way to spell its path"""
    folder = resolved(folder)
    return folder.parent / f".{folder.name}.lock"


def was_killed(store: Store, run: str) -> bool:
    """Whether a run's status is running although no process trains it

    A folder that cannot be seen from here may belong to another machine, where one does."""
    row = store.run(run)
    try:
        lock = lock_of(Path(row["environment"].get("directory", ""), row["folder"]))
        if row["status"] != "running" or not is_folder(lock.parent) or held(lock):
            return False
    except LimaError:
        return False
    return bool(store.run(run)["status"] == "running")  # it may have ended in between


def summaries(store: Store) -> list[dict[str, Any]]:
    """A row for each run, oldest first, with its sources and its last loss"""
    return store.rows("select * from run_summary order by created, id")


def finished_runs(database: Path) -> list[str]:
    """The ids of the runs that are done, newest first; none if the database is missing or cannot be read

    For listings of others: it neither makes nor changes a file, and loads no plugin."""
    if not is_file(database):
        return []
    try:
        with closing(connect_to_read(database)) as db:
            return [id for (id,) in db.execute("select id from runs where status = 'done' order by id desc")]
    except sqlite3.Error:
        return []


def sources_of(store: Store, run: str) -> list[dict[str, Any]]:
    """What a run was trained on, by the sources' names"""
    return store.rows("select * from run_sources where run = ? order by source", [run])


def plugins_of(store: Store, run: str) -> list[dict[str, Any]]:
    """Plugin, version and hash of what was loaded when a run was started, why it was set aside, and the seconds in its code"""
    return store.rows(
        "select plugin, version, hash, error, seconds from run_plugins where run = ? order by plugin", [run]
    )


def examples_by_status(store: Store, run: str) -> dict[str, int]:
    """How many of a run's examples were kept, cut and dropped"""
    rows = store.rows("select status, count(*) n from run_examples where run = ? group by status", [run])
    return {row["status"]: row["n"] for row in rows}


def left_out(store: Store, run: str) -> list[dict[str, Any]]:
    """The examples that were cut, dropped or refused, in their order, each with its reason"""
    what = "source, example, status, reason"
    return store.rows(f"select {what} from run_examples where run = ? and status != 'kept' order by position", [run])


def losses_of(store: Store, run: str) -> list[float]:
    """The loss of each step"""
    return [row["loss"] for row in store.rows("select loss from steps where run = ? order by step", [run])]


def dev_prompts_of(store: Store, run: str) -> list[dict[str, Any]]:
    """Source, example and hash of each dev prompt, in the order in which they are asked"""
    return store.rows("select source, example, hash from dev_prompts where run = ? order by position", [run])


def maker_of(store: Store, folder: Path) -> dict[str, Any] | None:
    """The newest run that made a model in this folder; None for one that no run here made"""
    sql = "select run from checkpoints join runs on runs.id = run where checkpoints.folder = ? order by runs.created desc limit 1"
    known = store.rows(sql, [str(resolved(folder))])
    return store.run(known[0]["run"]) if known else None


def environment(processes: int) -> dict[str, str]:
    """Python, platform, processes, the versions of the libraries that decide a result, and where relative paths begin"""
    found = {"python": platform.python_version(), "platform": platform.platform(), "machine": platform.machine()}
    found |= {"processes": str(processes), "directory": str(Path.cwd())}
    for name in ("lima-tune", "torch", "transformers", "tokenizers", "accelerate", "peft", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def check_own(folder: Path, run: str) -> None:
    """Raise LimaError where a folder holds anything that this run did not put there: its card says whose a model is

    A folder may also hold models of this run's epochs, what a killed process left of one that it was saving, and the adapter of
    one that was not saved. It may not be a link, which could lead anywhere."""
    if folder.is_symlink() or (is_there(folder) and not is_folder(folder)):
        raise LimaError(f"{folder} is not a folder but a link or a file. Choose another place with --out.")
    if not is_there(folder) or _is_made_by(folder, run):
        return
    strange = [
        entry.name
        for entry in entries(folder)
        if entry.is_symlink()
        or not (re.fullmatch(r"epoch-\d+", entry.name) and _is_made_by(entry, run))
        and not (re.fullmatch(r"\.epoch-\d+-saving-\w+", entry.name) and entry.is_dir())  # removed by `saving.beside`
        and not (entry.name == "adapter" and (entry / "adapter_config.json").is_file())
    ]
    if "config.json" in strange:
        raise LimaError(f"{folder} holds a model that run {run} did not make. Move it away, then try again.")
    if strange:
        raise LimaError(f"{folder} holds {strange[0]!r}, which run {run} did not put there. Choose another --out.")


def _is_made_by(folder: Path, run: str) -> bool:
    """Whether a folder's card says that this run made its model"""
    try:
        return _made_by(run) in (folder / "README.md").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def _made_by(run: str) -> str:
    return f"(run {run})"


def base_name(run: Run) -> str:
    """What the base model is called, not where it lies: as it was registered, as on the Hugging Face hub, or as its folder"""
    if cached := [part for part in run.base.parts if part.startswith("models--")]:
        return cached[-1].removeprefix("models--").replace("--", "/")
    name = Path(run.recipe.base).name
    return run.base.name if name in ("", "..") else name


def card(run: Run, steps: int) -> str:
    """The README.md of a checkpoint folder"""
    return (
        f"# {run.folder.name}\n\nFine-tuned with lima {run.environment['lima-tune']} {_made_by(run.id)} from {base_name(run)}, "
        f"sha256 {run.base_hash[:16]}, in {steps} steps.\n\nFormat: {run.renderer}; turns end with `{run.eot}`.\n\n"
        f"Trained on\n{_sources(run)}\n"
    )


def adapter_card(run: Run, use: str) -> str:
    """The README.md of the adapter in a checkpoint folder; `use` says how it is put on its base"""
    recipe = run.recipe
    return (
        f"# {run.folder.name}, the adapter\n\nLoRA of rank {recipe.lora_rank} on {base_name(run)}, sha256 {run.base_hash[:16]}, "
        f"trained with lima {run.environment['lima-tune']} {_made_by(run.id)}. It was saved in the folder of the model that "
        f"it is merged into.\n\n{use}\n\nFormat: {run.renderer}; turns end with `{run.eot}`.\n\n"
        f"Trained on\n{_sources(run)}\n"
    )


def _placeless(source: str) -> str:
    """A file, or NAME:FILE, without the folder, which is this machine's"""
    name, _, argument = source.partition(":")
    return f"{name}:{Path(argument).name}" if argument else Path(name).name


def _sources(run: Run) -> str:
    """What a run was trained on, a line a source, and what of it was cut"""
    lines = [
        f"- {_placeless(s['source'])}: {s['examples']} examples, {s['licence']}, sha256 {s['hash'][:16]}"
        for s in run.sources
    ]
    lost = losses(run.sources, run.recipe.max_tokens)
    return "\n".join([*lines, *(["", f"{lost}."] if lost else [])])


class RunLog:
    """Writes one run's rows; every call is one short transaction"""

    def __init__(self, store: Store, run: Run) -> None:
        self.store, self.run = store, run

    def start(self, examples: Sequence[dict[str, Any]], dev: Sequence[dict[str, Any]] = ()) -> None:
        """The run, its plugins, sources, examples and dev prompts, in one transaction"""
        run = self.run
        with self.store.write() as db:
            db.table("runs").insert(
                {
                    "id": run.id,
                    "created": now(),
                    "status": "running",
                    "base": str(run.base),
                    "base_hash": run.base_hash,
                    "renderer": run.renderer,
                    "eot": run.eot,
                    "seed": run.seed,
                    "recipe": json.dumps(run.recipe.as_dict()),
                    "environment": json.dumps(run.environment),
                    "folder": str(run.folder),
                    "examples": sum(e["status"] not in ("dropped", "refused") for e in examples),
                    "tokens": sum(e["tokens"] for e in examples),
                    "trained_tokens": sum(e["trained_tokens"] for e in examples),
                    "date": run.date,
                    "rows_hash": run.rows_hash,
                }
            )
            db.table("run_plugins").insert_all({"run": run.id, **p} for p in run.plugins)
            db.table("run_sources").insert_all({"run": run.id, **s} for s in run.sources)
            db.table("run_examples").insert_all({"run": run.id, "position": i, **e} for i, e in enumerate(examples))
            db.table("dev_prompts").insert_all({"run": run.id, "position": i, **d} for i, d in enumerate(dev))

    def reopen(self, step: int, folder: str) -> None:
        """Resume after `step`: rows of later steps are deleted, because they will be made again

        `folder` is the run's earlier folder; its checkpoints moved with it."""
        moved = {"run": self.run.id, "old": folder, "new": str(self.run.folder)}
        with self.store.write() as db:
            db.execute(
                "update checkpoints set folder = :new || substr(folder, length(:old) + 1) "
                "where run = :run and :old != :new and (folder = :old or substr(folder, 1, length(:old) + 1) = :old || '/')",
                moved,
            )
            db.execute("delete from steps where run = ? and step > ?", [self.run.id, step])
            db.execute("delete from checkpoints where run = ? and step > ?", [self.run.id, step])
            for table in ("generations", "epoch_measures"):
                db.execute(
                    f"delete from {table} where run = ? and epoch not in (select epoch from checkpoints where run = ?)",
                    [self.run.id, self.run.id],
                )
            recipe = json.dumps(self.run.recipe.as_dict())  # the recipe's changeable keys may differ now
            about = {"status": "running", "message": "", "finished": None}
            db.table("runs").update(self.run.id, {**about, "recipe": recipe, "folder": str(self.run.folder)})

    def steps(self, rows: list[dict[str, Any]]) -> None:
        """The metrics of some steps; rows that exist already (Ctrl-C came before the caller knew) are replaced"""
        if rows:
            with self.store.write() as db:
                db.table("steps").insert_all(({"run": self.run.id, **row} for row in rows), replace=True)

    def checkpoint(self, epoch: int, step: int, folder: Path) -> None:
        """A complete checkpoint folder; again if the run stopped before it was recorded as done"""
        with self.store.write() as db:
            db.execute(
                "insert or replace into checkpoints (run, epoch, step, folder, created, perplexity) values (?, ?, ?, ?, ?, "
                # The epoch's perplexity, when the same model is saved again as the run's.
                "(select max(perplexity) from checkpoints where run = ? and epoch = ?))",
                [self.run.id, epoch, step, str(folder), now(), self.run.id, epoch],
            )

    def answered(self, epoch: int) -> bool:
        """Whether the dev prompts have been answered by the model of this epoch"""
        found = self.store.rows("select 1 from generations where run = ? and epoch = ? limit 1", [self.run.id, epoch])
        return bool(found)

    def replies(
        self, epoch: int, rows: Sequence[dict[str, Any]], perplexity: float, measures: Mapping[str, float]
    ) -> None:
        """What the model of an epoch answered to each dev prompt, its perplexity on their answers, and what plugins measured"""
        with self.store.write() as db:
            db.table("generations").insert_all(
                {"run": self.run.id, "epoch": epoch, "position": i, **row} for i, row in enumerate(rows)
            )
            db.execute(
                "update checkpoints set perplexity = ? where run = ? and epoch = ?", [perplexity, self.run.id, epoch]
            )
            db.table("epoch_measures").insert_all(
                {"run": self.run.id, "epoch": epoch, "name": storable(name), "value": value}
                for name, value in measures.items()
            )

    def finish(self, status: str, message: str, steps: int, seconds: float) -> None:
        """How it ended: done, failed or interrupted; does nothing if it ended before its row was written"""
        with self.store.write() as db:
            db.execute(
                # A resumed run adds to its earlier seconds.
                "update runs set status = ?, message = ?, finished = ?, steps = ?, seconds = coalesce(seconds, 0) + ? "
                "where id = ?",
                [status, message, now(), steps, seconds, self.run.id],
            )

    def spent(self, seconds: Mapping[str, float]) -> None:
        """Seconds that this process spent in the code of each plugin; a resumed run adds to its earlier ones"""
        with self.store.write() as db:
            for plugin, taken in seconds.items():
                db.execute(
                    "update run_plugins set seconds = coalesce(seconds, 0) + ? where run = ? and plugin = ?",
                    [taken, self.run.id, plugin],
                )

    def note(self, message: str) -> None:
        """An error after the run was done"""
        with self.store.write() as db:
            db.table("runs").update(self.run.id, {"message": message})
