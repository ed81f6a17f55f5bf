"""Code of plugins, contained: only lima ends lima, and whatever goes wrong names plugin and place.

Knows nothing of hooks or of what is registered.
"""

import dis
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click

from lima.errors import LimaError, PluginStopped


@contextmanager
def plugin_code(place: str, plugin: str = "") -> Iterator[None]:
    """Around code of a plugin: whatever goes wrong in it is a LimaError that names plugin and place; Ctrl-C goes through

    Without a name it is the plugin whose code was running."""
    with contained(place, plugin):
        try:
            yield
        except Exception as e:
            if isinstance(e, LimaError) or _ends_lima(e):
                raise
            raise LimaError(f"{_who(e, plugin)} failed in {place}: {type(e).__name__}: {e} {WHERE}") from e


@contextmanager
def contained(place: str, plugin: str = "", module: str = "", command: bool = False) -> Iterator[None]:
    """Like `plugin_code`, but errors go through as they are: only what would end lima, such as sys.exit(), is a PluginStopped

    `module` is the plugin's where it is not loaded yet. A `command` may end by click's own means."""
    try:
        yield
    except BaseException as raised:
        e = before_click(raised)
        if not _ends_lima(e, module, command) or (command and not _running(e)):  # click itself, completing for a shell
            raise
        own = " A command gives an exit code of its own by click's ctx.exit(CODE)." if command else ""
        raise PluginStopped(
            f"{_who(e, plugin)} wanted to end lima in {place}: {type(e).__name__}{f': {e}' if str(e) else ''}. Only lima ends "
            f"lima; a plugin raises an error.{own} {WHERE}"
        ) from e


WHERE = "(LIMA_DEBUG=1 shows where; LIMA_LOAD_PLUGINS chooses which plugins run)"


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
