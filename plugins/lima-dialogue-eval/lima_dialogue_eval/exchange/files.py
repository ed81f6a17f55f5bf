"""A new file, written completely or not at all; what is there is never overwritten. Knows nothing of what is in it."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lima import LimaError


@contextmanager
def new_file(path: str | Path) -> Iterator[Path]:
    """A place beside a file that does not exist yet, with its suffix; what is written there becomes the file in the end

    LimaError where the file exists or cannot be written."""
    path = Path(path)
    beside = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
    reserved = False
    try:
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True)
        path.open("x").close()  # another process that asks for the same file finds it
        reserved = True
        yield beside
        beside.replace(path)
        reserved = False
    except FileExistsError as e:
        raise LimaError(f"{e.filename} exists and is not overwritten. Choose another --out, or move it away.") from None
    except OSError as e:
        raise LimaError(f"Cannot write {path}: {e.strerror or e}. Choose another --out.") from None
    finally:
        for left in (beside, path) if reserved else (beside,):
            with suppress(OSError):
                left.unlink()
