"""Code of plugins, contained: only lima ends lima, whatever goes wrong names plugin and place, and the process stays as it was.

Knows nothing of hooks or of what is registered.
"""

import dis
import logging
import os
import sys
import threading
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Self, TextIO

import click

from lima.errors import LimaError, PluginFailed, PluginStopped
from lima.isolation.output import ASIDE
from lima.isolation.surroundings import Surroundings, put_back, seen

SPENT = defaultdict[str, float](float)
"Seconds in the code of each plugin so far, and in what that called; of hooks without the time in which others had the processors"


def waited() -> float:
    """Seconds for which this thread could have run and had no processor; 0 where the system does not tell (Linux does)"""
    try:
        with open("/proc/thread-self/schedstat") as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


class Visit:
    """Within it code of a plugin runs, for a moment: errors are LimaErrors with its name, and the process stays as it was

    What it prints goes to standard error, and what it changes that belongs to the whole process is set back. A hook is also
    told in a trace. Can be entered again and again, but not within itself."""

    rare = False
    "Whether what is seldom changed is looked at, too"

    def __init__(self, place: str, plugin: str, module: str = "", hook: bool = False, errors: bool = True) -> None:
        self._place, self.plugin, self.module, self.hook, self.errors = place, plugin, module, hook, errors
        "Without `errors` an Exception goes through as it is"
        self._before: Surroundings | None = None
        self._out: TextIO | None = None

    @property
    def place(self) -> str:
        """Where it runs, as a sentence names it"""
        return self._place

    def __enter__(self) -> Self:
        # Other threads share directory and environment with this one: only the first thread sets them back.
        if threading.get_ident() == _FIRST:
            self._before = seen(self.hook or self.rare)
            self._out, sys.stdout = sys.stdout, ASIDE
        self._waited = waited() if self.hook else 0.0
        self._started = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        seconds = time.perf_counter() - self._started
        if self.hook:  # waiting for a processor that others use is not the plugin's fault
            seconds = max(0.0, seconds - (waited() - self._waited))
        SPENT[self.plugin] += seconds
        if self._out is not None and self._before is not None:
            sys.stdout, self._out = self._out, None
            if changed := put_back(self._before):
                self._warn(changed)
        if self.hook and os.environ.get("LIMA_TRACE"):
            click.echo(f"lima: {self.plugin}, {self.place}: {1000 * seconds:.1f} ms", err=True)
        if error is not None and (instead := _instead(error, self.place, self.plugin, self.module, errors=self.errors)):
            raise instead from before_click(error)

    def _warn(self, changed: list[str]) -> None:
        new = [what for what in changed if (self.plugin, what) not in _NAMED]
        _NAMED.update((self.plugin, what) for what in new)
        if new:
            logging.getLogger("lima").warning(
                "Plugin %r changed %s in %s. It was set back: a plugin leaves the process as it finds it.",
                self.plugin,
                ", and ".join(new),
                self.place,
            )


_FIRST = threading.main_thread().ident
_NAMED: set[tuple[str, str]] = set()
"What a plugin was warned for already: it may do it at each of a thousand examples"


@contextmanager
def plugin_code(place: str, plugin: str = "") -> Iterator[None]:
    """Around code of a plugin: whatever goes wrong in it is a LimaError that names plugin and place; Ctrl-C goes through

    Without a name it is the plugin whose code was running."""
    try:
        yield
    except BaseException as e:
        if instead := _instead(e, place, plugin):
            raise instead from before_click(e)
        raise


@contextmanager
def contained(place: str, plugin: str = "", module: str = "", command: bool = False) -> Iterator[None]:
    """Like `plugin_code`, but errors go through as they are: only what would end lima, such as sys.exit(), is a PluginStopped

    `module` is the plugin's where it is not loaded yet. A `command` may end by click's own means."""
    try:
        yield
    except BaseException as e:
        if instead := _instead(e, place, plugin, module, command, errors=False):
            raise instead from before_click(e)
        raise


@contextmanager
def named_interrupt(doing: Callable[[], str]) -> Iterator[None]:
    """Ctrl-C within it says what was interrupted, and how far it was; what is said already stays"""
    try:
        yield
    except KeyboardInterrupt as e:
        if e.args:
            raise
        raise KeyboardInterrupt(doing()) from e


WHERE = "(LIMA_DEBUG=1 shows where; LIMA_LOAD_PLUGINS chooses which plugins run)"


def _instead(
    raised: BaseException, place: str, plugin: str, module: str = "", command: bool = False, errors: bool = True
) -> LimaError | None:
    """What is raised in place of an error that came out of a plugin; None for one that goes through as it is"""
    error = before_click(raised)
    if command and isinstance(error, SystemExit) and isinstance(error.__context__, BrokenPipeError):
        return None  # rich ends so where who reads has left, as `| head` does
    ends = _ends_lima(error, module, command)
    said_so = isinstance(error, LimaError) and _text(error)
    if ends and not (command and not _running(error)):  # click itself, completing for a shell
        own = " A command gives an exit code of its own by click's ctx.exit(CODE)." if command else ""
        return PluginStopped(
            f"{_who(error, plugin)} wanted to end lima in {place}: {said(error)}. Only lima ends lima; a plugin raises an "
            f"error.{own} {WHERE}"
        )
    if not errors or ends or said_so or not isinstance(error, Exception):
        return None
    return PluginFailed(f"{_who(error, plugin)} failed in {place}: {said(error)} {WHERE}")


def said(error: BaseException) -> str:
    """An error as its type and text, one of lima as its text; of one that was contained, what it was before"""
    cause = error.__cause__ if isinstance(error, PluginStopped | PluginFailed) and error.__cause__ else error
    text = _text(cause)
    if isinstance(cause, LimaError) and text:
        return text
    return f"{type(cause).__name__}: {text}" if text else type(cause).__name__


LONGEST = 2000
"Characters of an error's text that are told: somebody's whole input may be in it"


def _text(error: BaseException) -> str:
    """What an error says, of a long text the beginning and the end; it may be code of a plugin's, too"""
    try:
        text = str(error).strip()
    except BaseException as e:
        if isinstance(e, KeyboardInterrupt) and not _ends_lima(e):
            raise
        return "its text cannot be read"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 200]} … {text[-200:]}"


def failed_in(error: BaseException, place: str) -> LimaError | None:
    """An error that came through code of a plugin, as the PluginFailed that names it; None for one that came through none"""
    return PluginFailed(f"{_who(error, '')} failed in {place}: {said(error)} {WHERE}") if _running(error) else None


def set_aside_for(error: BaseException) -> str:
    """What `said` says of why a plugin is set aside; with LIMA_DEBUG=1 its traceback goes to standard error, for the author"""
    if os.environ.get("LIMA_DEBUG") and (error.__cause__ or not isinstance(error, LimaError)):
        traceback.print_exception(error)
    return said(error)


def _ends_lima(error: BaseException, module: str = "", command: bool = False) -> bool:
    """Whether an error, passed on, would end the process as if nothing were wrong, or as if somebody had pressed Ctrl-C"""
    error = before_click(error)
    if isinstance(error, click.Abort | click.exceptions.Exit):
        return not command
    if isinstance(error, KeyboardInterrupt):
        frame, last = _frames(error)[-1]
        raised = dis.opname[frame.f_code.co_code[last]] == "RAISE_VARARGS"  # a signal falls between other instructions
        return raised and _root(frame) in {module.partition(".")[0], *_ROOTS} - {""}
    return not isinstance(error, Exception)


def before_click(error: BaseException) -> BaseException:
    """What click made an Abort of, where that was Ctrl-C"""
    was = error.__context__
    return was if isinstance(error, click.Abort) and isinstance(was, KeyboardInterrupt) else error


def _who(error: BaseException, plugin: str) -> str:
    """The plugin by the name that is known, else the one whose code was running when an error was raised"""
    name = plugin or _running(error)
    return f"Plugin {name!r}" if name else "A plugin"


def _running(error: BaseException) -> str:
    """The plugin whose code an error came through, of several the innermost; '' for none"""
    return next((_ROOTS[_root(frame)] for frame, _ in reversed(_frames(error)) if _root(frame) in _ROOTS), "")


def _frames(error: BaseException) -> list[tuple[FrameType, int]]:
    """The frames that an error came through with their instructions, the innermost last"""
    found, at = [], error.__traceback__
    while at:
        found.append((at.tb_frame, at.tb_lasti))
        at = at.tb_next
    return found


def _root(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def name_code(module: str, plugin: str) -> None:
    """From now on code of that top-level module is the plugin's"""
    _ROOTS[module.partition(".")[0]] = plugin


_ROOTS: dict[str, str] = {}
"The top-level modules of this process's plugins, with their names"
