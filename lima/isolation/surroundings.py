"""What belongs to the whole process, and code of a plugin must leave as it found it; what it changed is set back and named.

Knows nothing of plugins.
"""

import builtins
import io
import locale
import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

if sys.platform == "win32":
    _handler: Callable[[int], Any] = signal.getsignal
else:
    from _signal import (
        getsignal as _handler,
    )  # the face of it makes an enumeration's member, which takes as long as all else

OF_LIBRARIES = ("ACCELERATE_", "CUDA_", "FSDP_", "KMP_", "NCCL_", "PYTEST_", "PYTORCH_", "TORCH", "TF_")
"Environment variables that libraries set while they are imported or used, whoever asked for it"

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Surroundings(NamedTuple):
    """The process as it was at one moment"""

    directory: str
    environment: dict[Any, Any]
    "As the operating system has it"
    filters: list[Any]
    "Of warnings"
    torch: tuple[Any, ...]
    "The values of `_TORCH`; empty while torch is not loaded"
    outside: tuple[Any, ...]
    "Standard input, standard error, whether that is closed, and what happens on each of `_SIGNALS`"
    modules: int
    "How many are imported: a library may set filters while it is"
    rare: tuple[tuple[Any, ...], ...]
    "The values of `_RARE` and `_RARE_OF_TORCH`; empty where they were not asked for"


class _Setting(NamedTuple):
    """Something with one value"""

    what: str
    "As a sentence names it"
    value: Callable[[Any], Any]
    put: Callable[[Any, Any], Any]
    "Both are given the module of torch; None for what is not torch's"
    shown: bool = True
    "Whether its new value says anything"


_TORCH = (
    _Setting("torch's default type", lambda t: t.get_default_dtype(), lambda t, v: t.set_default_dtype(v)),
    _Setting(
        "whether torch records gradients", lambda t: t.is_grad_enabled(), lambda t, v: t.set_grad_enabled(v), False
    ),
)


def _set_device(torch: Any, device: Any) -> None:
    torch.set_default_device(None)
    if torch.get_default_device() != device:
        torch.set_default_device(device)


def _set_autocast(torch: Any, on: tuple[bool, bool]) -> None:
    torch.set_autocast_enabled("cpu", on[0])
    torch.set_autocast_enabled("cuda", on[1])


_RARE_OF_TORCH = (
    _Setting("torch's default device", lambda t: t.get_default_device(), _set_device),
    _Setting("torch's number of threads", lambda t: t.get_num_threads(), lambda t, v: t.set_num_threads(v)),
    _Setting(
        "whether torch allows only deterministic algorithms",
        lambda t: t.are_deterministic_algorithms_enabled(),
        lambda t, v: t.use_deterministic_algorithms(v),
        False,
    ),
    _Setting(
        "torch's autocast",
        lambda t: (t.is_autocast_enabled("cpu"), t.is_autocast_enabled("cuda")),
        _set_autocast,
        False,
    ),
)


def _set_builtins(_: Any, names: dict[str, Any]) -> None:
    vars(builtins).update(names)
    for name in vars(builtins).keys() - names.keys():
        del vars(builtins)[name]


def _mask(_: Any) -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


_RARE = (
    _Setting("Python's built-in functions", lambda _: vars(builtins).copy(), _set_builtins, False),
    _Setting("the locale", lambda _: locale.setlocale(locale.LC_ALL), lambda _, v: locale.setlocale(locale.LC_ALL, v)),
    _Setting("the mask of new files' rights", _mask, lambda _, v: os.umask(v), False),
    _Setting(
        "whether log messages are shown", lambda _: logging.root.manager.disable, lambda _, v: logging.disable(v), False
    ),
    _Setting("how deep calls may be nested", lambda _: sys.getrecursionlimit(), lambda _, v: sys.setrecursionlimit(v)),
)
"Looked at only where code of a plugin runs for the first time, and in hooks: it takes several times as long as all else"


def seen(rare: bool = False) -> Surroundings:
    """The process as it is now, with or without the `rare`; cheap, since it is asked before and after every call of a plugin"""
    if not rare and _last and _is_still(_last[0]):
        return _last[0]
    torch = sys.modules.get("torch")
    now = Surroundings(
        _directory(),
        # A copy of the environment through its face takes as long as a small rendering.
        os.environ._data.copy(),  # type: ignore[attr-defined]
        list(warnings.filters),
        _values(_TORCH, torch),
        _outside(),
        len(sys.modules),
        (_values(_RARE, None), _values(_RARE_OF_TORCH, torch)) if rare else (),
    )
    if not rare:
        _last[:] = [now]
    return now


_last: list[Surroundings] = []
"As it was seen last: to compare takes half as long as to make it"


def _is_still(before: Surroundings) -> bool:
    """Whether all is as it was, but for the rare"""
    return (
        _directory() == before.directory
        and os.environ._data == before.environment  # type: ignore[attr-defined]
        and warnings.filters == before.filters
        and _values(_TORCH, sys.modules.get("torch")) == before.torch
        and _outside() == before.outside
        and len(sys.modules) == before.modules
    )


def _directory() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return ""


def _values(settings: tuple[_Setting, ...], torch: Any) -> tuple[Any, ...]:
    """The values of the settings; of torch's none while it is not loaded, or half imported"""
    try:
        return tuple([setting.value(torch) for setting in settings]) if torch or settings is _RARE else ()
    except AttributeError:
        return ()


def _outside() -> tuple[Any, ...]:
    return (sys.stdin, sys.stderr, getattr(sys.stderr, "closed", True), *map(_handler, _SIGNALS))


def put_back(before: Surroundings) -> list[str]:
    """Set back what is not as it was before; what that is, such as 'the working directory (to /tmp)'"""
    if not before.rare and _is_still(before):
        return []
    found = list[str]()
    torch, now = sys.modules.get("torch"), seen(bool(before.rare))
    if before.rare:  # the built-in functions first, which all else needs
        for settings, old, new in zip((_RARE, _RARE_OF_TORCH), before.rare, now.rare, strict=True):
            found += _settings(settings, old, new, torch)
    if now.directory != before.directory and before.directory:
        os.chdir(before.directory)
        found.append(f"the working directory (to {now.directory})")
    for name in sorted(_changed(before.environment, now.environment)):
        found.append(f"the environment variable {name}")
        value = before.environment.get(_raw(name))
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = os.fsdecode(value)
    if now.filters != before.filters and now.modules == before.modules:
        warnings.resetwarnings()
        warnings.filters.extend(before.filters)  # type: ignore[attr-defined]
        found.append("the filters of warnings")
    return found + _settings(_TORCH, before.torch, now.torch, torch) + _put_outside(before.outside, now.outside)


def _settings(settings: tuple[_Setting, ...], before: tuple[Any, ...], now: tuple[Any, ...], torch: Any) -> list[str]:
    """Set back the values that differ; which they are"""
    found = list[str]()
    for setting, old, new in zip(settings, before, now, strict=False):  # of torch there may have been none
        if old != new:
            setting.put(torch, old)
            found.append(f"{setting.what} (to {new})" if setting.shown else setting.what)
    return found


def _put_outside(before: tuple[Any, ...], now: tuple[Any, ...]) -> list[str]:
    """Set back standard input and error, and what happens on signals; which of them it was"""
    found = list[str]()
    (stdin, stderr, was_closed, *handlers), (new_in, new_err, _, *new_handlers) = before, now
    if new_in is not stdin:
        sys.stdin = stdin
        found.append("standard input")
    closed = not was_closed and stderr.closed
    if closed:  # as Python opened it: the file itself stays open
        sys.stderr = io.TextIOWrapper(
            io.FileIO(2, "w", closefd=False), stderr.encoding, "backslashreplace", line_buffering=True
        )
    elif new_err is not stderr:
        sys.stderr = stderr
    if closed or new_err is not stderr:
        found.append("standard error")
    for number, old, new in zip(_SIGNALS, handlers, new_handlers, strict=True):
        if old != new and old is not None:  # None: no code of Python's
            signal.signal(number, old)
            found.append(f"what happens on {number.name}")
    return found


@contextmanager
def files_kept(folder: Path | None) -> Iterator[None]:
    """FileNotFoundError where a file is gone at the end of this block from a folder that was there; more may be there"""
    before = _files(folder)
    yield
    if gone := sorted(before - _files(folder)):
        raise FileNotFoundError(f"{gone[0]} is gone, which lima had written. Add files beside it, or change a copy")


def _files(folder: Path | None) -> set[Path]:
    return {file for file in folder.rglob("*") if file.is_file()} if folder else set()


def _raw(name: str) -> Any:
    """A variable's name as `Surroundings` has it"""
    return os.environ.encodekey(name)


def _changed(before: dict[Any, Any], now: dict[Any, Any]) -> set[str]:
    """Names of the variables that differ, but for those of libraries"""
    names = {os.fsdecode(key) for key in before.keys() | now.keys() if before.get(key) != now.get(key)}
    return {name for name in names if not name.startswith(OF_LIBRARIES)}
