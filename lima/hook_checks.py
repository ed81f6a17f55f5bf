"""Which hooks a plugin implements, and which of its functions look like hooks and can never work.

Refused is what pluggy would accept in silence: unknown hooks, arguments with a default, and functions that run nothing when they
are called. Knows nothing of what the hooks are for.
"""

import inspect
import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

import pluggy

from lima.contract import hooks as hookspecs
from lima.errors import LimaError, did_you_mean

KNOWN = tuple(sorted(n for n in vars(hookspecs) if hasattr(getattr(hookspecs, n), "lima_spec")))
"The hooks of lima"


def checked_hooks(manager: pluggy.PluginManager, module: Any) -> tuple[list[str], list[str]]:
    """The hooks that a module or object implements, and remarks for its author; LimaError for one that cannot work"""
    if inspect.isclass(module):
        raise LimaError(f"its entry point names the class {module.__name__}; name an object of it, or the module")
    try:
        hash(module)  # pluggy keeps plugins in sets
    except TypeError:
        raise LimaError(
            f"its entry point names an object of {type(module).__name__}, which has no hash; name the module, or let the class "
            "be compared by identity (of a dataclass: eq=False)"
        ) from None
    hooks = []
    # Of a module, only what carries pluggy's mark: to ask about every name takes as long as the import.
    names = (
        [n for n, f in vars(module).items() if hasattr(f, f"{manager.project_name}_impl")]
        if inspect.ismodule(module)
        else dir(module)
    )
    for name in sorted(names):
        # pluggy passes over what is marked and is not a function: a class, an object that can be called.
        passed_over = name in KNOWN and _is_marked(manager, getattr(module, name))
        if passed_over or manager.parse_hookimpl_opts(module, name) is not None:
            _check(name, getattr(module, name))
            hooks.append(name)
    forgotten = [name for name in KNOWN if name not in hooks and inspect.isroutine(getattr(module, name, None))]
    return hooks, [
        f"its function {name}() is never called: mark it with @lima.hookimpl, or give it another name"
        for name in forgotten
    ] + [remark for name in hooks for remark in _will_go(name, getattr(module, name))]


def _is_marked(manager: pluggy.PluginManager, thing: Any) -> bool:
    return inspect.isclass(thing) or (not inspect.isroutine(thing) and f"{manager.project_name}_impl" in dir(thing))


def register(manager: pluggy.PluginManager, module: Any, name: str) -> None:
    """Register a plugin whose hooks were checked; what pluggy would warn of is among their remarks"""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        manager.register(module, name=name)


def _will_go(name: str, function: Any) -> Iterator[str]:
    """A remark where the hook, or an argument that the function takes of it, is marked as one that will go"""
    spec = getattr(hookspecs, name).lima_spec
    if warning := spec["warn_on_impl"]:
        yield f"its {name}() is a hook that will go: {warning}"
    for argument, warning in (spec["warn_on_impl_args"] or {}).items():
        if argument in inspect.signature(function).parameters:
            yield f"its {name}() takes {argument!r}, which will go: {warning}"


def _check(name: str, function: Any) -> None:
    if name not in KNOWN:
        raise LimaError(f"{name!r} is not a hook of lima.{did_you_mean(name, KNOWN)}")
    wanted = _arguments(name)
    written = f"{name}({', '.join(wanted)})"
    if not inspect.isroutine(function):
        raise LimaError(f"its {name} is {type(function).__name__!r} and not a function; write def {written}")
    for kind, is_kind in _RUN_NOTHING.items():
        if is_kind(function):
            raise LimaError(f"its {name}() is {kind}, of which a call runs nothing; write it as def {written} without")
    for parameter in inspect.signature(function).parameters.values():
        if parameter.default is not inspect.Parameter.empty:
            raise LimaError(
                f"its {name}() gives argument {parameter.name!r} a default, which is never filled in; write {written}"
            )
        if parameter.name not in wanted:
            raise LimaError(f"its {name}() asks for {parameter.name!r}, but the hook has ({', '.join(wanted)})")


@cache
def _arguments(hook: str) -> tuple[str, ...]:
    return tuple(inspect.signature(getattr(hookspecs, hook)).parameters)


_RUN_NOTHING = {
    "a generator (it has `yield`)": inspect.isgeneratorfunction,
    "a coroutine (`async def`)": inspect.iscoroutinefunction,
    "an asynchronous generator": inspect.isasyncgenfunction,
}
