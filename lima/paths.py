"""What lies at a path, and what is in a file: the one place that asks, so that whatever is wrong is a sentence with the path.

A path that cannot be looked at is an error, and not a path where nothing lies. Knows nothing of what the files are for.
"""

import errno
import os
import stat
from pathlib import Path

from lima.errors import LimaError

LONGEST = 160
"Characters of a path that an error shows"

_ADVICE = {
    errno.EACCES: "Make it, and every folder on the way to it, readable for this user, or name another.",
    errno.ENAMETOOLONG: "Name a shorter one.",
    errno.ELOOP: "Its links lead in a circle: remove one of them, or name another path.",
}
_KINDS = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


def is_file(path: str | Path) -> bool:
    """Whether a regular file lies there; LimaError where that cannot be known"""
    found = _look(path)
    return found is not None and stat.S_ISREG(found.st_mode)


def is_folder(path: str | Path) -> bool:
    """Whether a folder lies there; LimaError where that cannot be known"""
    found = _look(path)
    return found is not None and stat.S_ISDIR(found.st_mode)


def is_there(path: str | Path) -> bool:
    """Whether anything lies there, also a link that leads nowhere; LimaError where that cannot be known"""
    return _look(path, follow=False) is not None


def check_readable(path: str | Path) -> None:
    """Raise LimaError for what is there and cannot be read, or is not a regular file: a pipe may wait, a device never end"""
    found = _look(path)
    kind = _KINDS.get(stat.S_IFMT(found.st_mode)) if found else None
    if kind:
        raise LimaError(
            f"{shown(path)} is {kind}, expected a regular file. Write its content to a file, and name that."
        )
    if found and not may(path, os.R_OK):
        raise cannot("read", path, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))


def may(path: str | Path, mode: int) -> bool:
    """Whether this process may read (os.R_OK) or write (os.W_OK) what lies there, with the rights that it has now"""
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def read_bytes(path: str | Path, what: str = "") -> bytes:
    """The bytes of a regular file; LimaError where it cannot be read, with `what` it is, such as 'the recipe'"""
    check_readable(path)
    try:
        return Path(path).read_bytes()
    except OSError as e:
        raise cannot(f"read {what}".rstrip(), path, e) from None


def entries(folder: str | Path) -> list[Path]:
    """What is in a folder, by name; LimaError where it cannot be listed"""
    try:
        return sorted(Path(folder).iterdir())
    except OSError as e:
        raise cannot("list", folder, e) from None


def absolute(path: str | Path) -> Path:
    """The path from the root, without `~` and links; LimaError where there is no such user, or its links lead in a circle"""
    try:
        whole = Path(path).expanduser()
    except RuntimeError:
        raise LimaError(f"{shown(path)} begins with a user that is not known here. Write the path from /.") from None
    return resolved(whole)


def resolved(path: str | Path) -> Path:
    """The path from the root without links; LimaError where they lead in a circle, or where it is not UTF-8

    A database and a JSON file hold nothing but UTF-8."""
    _look(path)
    try:
        whole = Path(path).resolve()
        str(whole).encode()
    except (OSError, RuntimeError) as e:
        raise LimaError(f"Cannot look at {shown(path)}: {e}. Name another path.") from None
    except UnicodeEncodeError:
        raise LimaError(f"{str(whole)[-LONGEST:]!r} is not UTF-8 text, so it cannot be recorded. Rename it.") from None
    return whole


def cannot(verb: str, path: str | Path, e: OSError) -> LimaError:
    """The error for what the system refused: 'Cannot read …: Permission denied. …'"""
    text = f"Cannot {verb} {shown(path)}: {e.strerror or e}."
    return LimaError(f"{text} {_ADVICE[e.errno]}" if e.errno in _ADVICE else text)


def shown(path: str | Path) -> str:
    """A path as errors show it: of a very long one the beginning and the end"""
    text = str(path)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 61]}…{text[-60:]}"


def _look(path: str | Path, follow: bool = True) -> os.stat_result | None:
    """What the system says of a path; None where nothing lies"""
    try:
        return os.stat(path, follow_symlinks=follow)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as e:
        raise cannot("look at", path, e) from None
    except ValueError as e:  # a NUL, or half of a character
        raise LimaError(f"{str(path)[:LONGEST]!r} is not a path: {e}. Name another.") from None
