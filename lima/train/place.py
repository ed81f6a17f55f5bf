"""Where a run writes: a folder that is free, that no other process writes to, and that is not inside one that is written to.

Knows nothing of what is trained.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path

from accelerate import Accelerator

from lima.errors import LimaError
from lima.model.saving import check_new
from lima.model.shard import raise_together
from lima.paths import cannot, is_there
from lima.record.lock import exclusive, held
from lima.record.runs import lock_of
from lima.record.store import Store


def check_place(folder: Path) -> None:
    """Raise LimaError unless a new model could be written there, and no other process writes to a folder around it"""
    for around in folder.parents:
        if held(lock_of(around)):
            raise LimaError(
                f"{folder} lies in {around}, to which another process writes a model. Choose another --out."
            )
    check_new(folder)


def resuming(store: Store, run: str) -> AbstractContextManager[None]:
    """Only one process at a time may resume a run of a database, whichever folder it is to go to"""
    return exclusive(store.path.resolve().with_name(f".{run}.resuming.lock"), f"resuming run {run}")


@contextmanager
def only_here(
    folder: Path,
    accelerator: Accelerator,
    check: Callable[[], None],
    further: AbstractContextManager[None] = nullcontext(),  # noqa: B008 - it has no state
) -> Iterator[None]:
    """Only one process at a time may train into a folder; what is checked before is checked once more when none else can

    Of several processes that train together the main one has the lock, and with it what is `further` to be held."""
    with ExitStack() as locks:
        with raise_together():
            if accelerator.is_main_process:
                locks.enter_context(_lock(folder))
                locks.enter_context(further)
                check()
        yield


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    made = [above for above in folder.parents if not is_there(above)]
    try:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise LimaError(f"{cannot('make the folder', folder.parent, e)} Choose another --out.") from None
        with exclusive(lock_of(folder), f"training into {folder}"):
            yield
    finally:
        for above in made:  # empty, of a run that never began
            with suppress(OSError):
                above.rmdir()
