"""Runs that stopped before their end: they are named where a new run would take their place, and after what stopped them.

Knows nothing of what is trained.
"""

import glob
import logging
from pathlib import Path

from lima.contract.runs import Run
from lima.errors import Diverged, LimaError
from lima.paths import entries, is_file, is_folder
from lima.record.lock import held
from lima.record.places import resuming
from lima.record.runs import lock_of
from lima.record.store import Store
from lima.train.place import check_place
from lima.train.resume_state import owner_of


def check_free(folder: Path, store: Store) -> None:
    """`check_place`; where a run that can be resumed wrote there, the LimaError says how to resume it"""
    run = unfinished(folder)
    if run and is_folder(folder) and entries(folder):
        known = store.runs(id=run)
        if known and known[0]["status"] == "done":  # it was killed while it removed its states
            check_place(folder)
        here = f"`{resuming(run, store.path)}`" if known else f"`lima train --resume {run} -d FILE`, with its database"
        raise LimaError(
            f"{folder} holds what run {run} made before it stopped. Resume it: {here}. For a new run choose another --out."
        )
    check_place(folder)


def mention(folder: Path, store: Store) -> None:
    """Say which run into this folder could be resumed instead of a new one"""
    if (run := unfinished(folder)) and store.runs(id=run):
        logging.getLogger("lima").warning(
            "Run %s into %s stopped before its end. This is a new run; to resume that one instead: `%s`.",
            run,
            folder,
            resuming(run, store.path),
        )


def unfinished(folder: Path) -> str:
    """The newest run that stopped while it trained into a folder, by the states beside it; empty where none did"""
    if held(lock_of(folder)):
        return ""
    states = folder.parent.glob(f".{glob.escape(folder.name)}-*")
    return max((str(owner["run"]) for owner in map(owner_of, states) if owner.get("run")), default="")


def continued(error: BaseException, run: Run, step: int) -> None:
    """Add to an error that stopped a run after some steps how the run is resumed, unless the same steps would end the same"""
    if not step or isinstance(error, Diverged):
        return
    how = f"Then resume the run: `{resuming(run.id, run.database)}`."
    if isinstance(error, LimaError):
        error.args = (f"{error} {how}",)
    elif isinstance(error, Exception):
        error.add_note(how)


def warn_of_lost_epochs(run: Run, store: Store, step: int) -> None:
    """Warn of models of epochs before `step` that the run kept and that are gone: they are not made again"""
    kept = [row for row in store.checkpoints(run=run.id) if row["step"] < step]
    if lost := sorted({row["epoch"] for row in kept if not is_file(Path(row["folder"]) / "config.json")}):
        logging.getLogger("lima").warning(
            "Run %s kept models of its epochs, and of %s they are gone from %s. It is resumed without them; to choose one of "
            "them later, restore their folders from a backup.",
            run.id,
            ", ".join(map(str, lost)),
            run.folder,
        )
