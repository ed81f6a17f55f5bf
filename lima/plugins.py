"""Find, load and describe plugins, and hold what they register under names.

Plugins are entry points of the group `lima`, loaded in the order of their distributions' names, each isolated: one that fails
is set aside with its cause, and the others stay. `LIMA_LOAD_PLUGINS` chooses ('' = none, else names, comma-separated). What
ships with the core is a plugin too (`lima.builtin`) and always there. Registered objects are checked against the Protocols of
their kind, and of what plugins declare that they consume. Knows nothing of what the hooks are for.
"""

import copy
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pluggy

from lima.commands import AsNow, add, running_command
from lima.contract import hooks as hookspecs
from lima.distributions import CORE, LIMA, Found, canonical, code_hash, found, needed_by
from lima.errors import LimaError, PluginStopped, did_you_mean
from lima.hook_checks import checked_hooks, register
from lima.isolation import SPENT, Visit, name_code, named_interrupt, said, set_aside_for
from lima.isolation.marks import Mark, Marks
from lima.isolation.surroundings import files_kept
from lima.places import user_folder
from lima.registry import Registry, contained_entries, declarations, registered

if TYPE_CHECKING:
    from lima.contract.runs import PluginRow

SLOW = 1.0
"Seconds that an import may take: every command of lima waits for it"


@dataclass
class Plugin:
    """One plugin, loaded or not"""

    name: str
    "Its distribution"
    version: str = ""
    module: ModuleType | None = None
    "None where it is not loaded, or is an object and not a module"
    error: str = ""
    "Why it is not loaded; empty when it is"
    hooks: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    "What its author should know, such as a hook that is never called"
    found: Found | None = None
    "Its metadata; None for one that is not installed"
    instead: str = ""
    "What a user can do where it is not loaded, if not remove it"
    code: str = ""
    "The module of its code; empty where none of it has run"

    @property
    def advice(self) -> str:
        """What a user can do where it is not loaded"""
        return self.instead or (self.found.advice if self.found else "See `lima plugins`.")

    def content_hash(self) -> str:
        """SHA-256 over the files of the plugin, so that a run records the code and not only its version"""
        return code_hash(self.found.dist if self.found else None, self.code)


class Plugins:
    """The loaded plugins, the broken ones, and their registries"""

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager("lima")
        self.manager.add_hookspecs(hookspecs)
        self.all: list[Plugin] = []
        self.left_out: set[str] = set()
        "Names of those that are installed and that LIMA_LOAD_PLUGINS does not name"
        self.marks: Marks | None = None
        "Where it is marked whose code runs while lima starts; None in tests of plugins that are not installed"
        self.told: set[str] = set()
        "Those set aside with an error that ends the command: nothing more need be said of them"
        self._registries: dict[str, Registry] = {}
        self._declared: dict[str, list[type]] | None = None
        "Protocols of what plugins consume, by kind"
        self._runs: dict[str, tuple[Any, Any]] = {}
        "The run that hooks were handed last, and each plugin's own copy of it"
        self.commands: dict[str, str] = {}
        "Commands as they are written after `lima`, such as 'graders audit', and the plugins that added them"

    @property
    def loaded(self) -> list[Plugin]:
        return [p for p in self.all if not p.error]

    @property
    def broken(self) -> list[Plugin]:
        return [p for p in self.all if p.error]

    def rows(self) -> "tuple[PluginRow, ...]":
        """The plugins whose code may have shaped what this process does, as a run records them: those set aside later, too"""
        rows = [p for p in self.all if p.code]
        return tuple({"plugin": p.name, "version": p.version, "hash": p.content_hash(), "error": p.error} for p in rows)

    def add(self, name: str, module: Any, version: str = "", found: Found | None = None) -> Plugin:
        """Register one module or object as a plugin; what is wrong with it is kept in its `error`"""
        plugin = Plugin(name, version, module if isinstance(module, ModuleType) else None, found=found)
        code = str(module.__name__ if plugin.module else type(module).__module__)
        try:
            if same := next((n for n, other in self.manager.list_name_plugin() if other is module), ""):
                raise LimaError(f"its entry point names what is loaded already, as {same!r}")
            if name != CORE and (found or plugin.module):  # an object that a test made is not the test's module
                name_code(code, name)
            with Visit("the names of its hooks", name, errors=False):
                plugin.hooks, plugin.remarks = checked_hooks(self.manager, module)
                register(self.manager, module, name)
            plugin.code = code
        except (ValueError, pluggy.PluginValidationError) as e:
            plugin.error = str(e)
        except Exception as e:
            own = isinstance(e, LimaError) and not isinstance(e, PluginStopped)
            plugin.error = str(e) if own else f"its hooks cannot be read: {said(e)}"
        self.all.append(plugin)
        self._forget()
        return plugin

    def _callers(self, hook: str) -> Iterator[tuple[Plugin, Callable[..., Any]]]:
        """Each loaded plugin that implements the hook, in loading order, with a caller of that plugin alone"""
        modules = {p.name: self.manager.get_plugin(p.name) for p in self.loaded}
        for plugin in self.loaded:
            if hook in plugin.hooks:
                others = [m for n, m in modules.items() if n != plugin.name and m is not None]
                yield plugin, self.manager.subset_hook_caller(hook, others)

    def call(self, hook: str, **arguments: Any) -> None:
        """Call a lifecycle hook; a plugin that fails in it stops the run, by name"""
        for plugin, caller in self._callers(hook):
            with Visit(hook, plugin.name, hook=True), files_kept(arguments.get("checkpoint")):
                caller(**{name: self._own(plugin, name, value) for name, value in arguments.items()})

    def _own(self, plugin: Plugin, name: str, value: Any) -> Any:
        """An argument of a hook as one plugin gets it: what it changes in it is not lima's, nor another plugin's"""
        if isinstance(value, list):
            return tuple(value)
        if isinstance(value, dict):
            return dict(value)
        if name != "run":
            return value
        known = self._runs.get(plugin.name)
        if known is None or known[0] is not value:
            known = self._runs[plugin.name] = (value, copy.deepcopy(value))
        return known[1]

    def set_aside(self, name: str, error: str, advice: str = "") -> None:
        """From now on without this plugin; LimaError if the command that runs needs it: is its own, or one of a dependent's

        The `advice` is what to do about it, if not to remove it."""
        for plugin in self.loaded:
            if plugin.name == name:
                self._disable(plugin, error)
                plugin.instead = advice
        command = running_command()
        parts = command.split()
        owners = {self.commands.get(" ".join(parts[:n]), "") for n in range(1, len(parts) + 1)}
        asked = {canonical(p.name): p.found.requires for p in self.all if p.found}
        for plugin in self.all:
            if plugin.name in owners and canonical(name) in needed_by(plugin.name, asked):
                self.told.add(name)
                by = "" if plugin.name == name else f", which {plugin.name} needs"
                raise LimaError(
                    f"`lima {command}` does not work without {name}{by}: {error.rstrip('.')}. {advice}".rstrip()
                )

    def _disable(self, plugin: Plugin, error: str) -> None:
        plugin.error = error
        self.manager.unregister(name=plugin.name)
        # What it has registered before is not to be found any more.
        self._forget()

    def _forget(self) -> None:
        self._registries.clear()
        self._declared = None

    def _aside_on_error(self, plugin: Plugin, hook: str, run: Callable[[], Any]) -> Any:
        """What a hook of one plugin gives in which lima starts; None where it fails, and the plugin is set aside"""
        try:
            with self.marked(plugin, hook), Visit(hook, plugin.name, hook=True, errors=False):
                return run()
        except Exception as e:
            self._disable(plugin, f"{hook} failed: {set_aside_for(e)}")
            return None

    @contextmanager
    def marked(self, plugin: Plugin | str, place: str) -> Iterator[None]:
        """Say in a file, within this block, that code of the plugin runs: a process that it ends cannot say so later"""
        one = next((p for p in self.all if p.name == plugin), None) if isinstance(plugin, str) else plugin
        with self.marks.during(one.name, one.version, place) if self.marks and one else nullcontext():
            yield

    def declared(self, kind: str) -> list[type]:
        """The Protocols that plugins declare for what they consume of a kind (`declare_protocols`)"""
        if self._declared is None:
            found: dict[str, list[type]] = {}
            for plugin, caller in list(self._callers("declare_protocols")):
                entries = self._aside_on_error(plugin, "declare_protocols", partial(declarations, caller))
                for of, protocol in entries or ():
                    found.setdefault(of, []).append(protocol)
            self._declared = found
        return self._declared.get(kind, [])

    def registry(self, kind: str) -> Registry:
        """Everything of one kind (see lima.contract.kinds) that the plugins register, made on first use"""
        if kind not in self._registries:
            registry = Registry(kind, self.declared(kind))
            for plugin, caller in list(self._callers(f"register_{kind}")):

                def entries(plugin: Plugin = plugin, caller: Callable[..., Any] = caller) -> dict[str, Any]:
                    return contained_entries(kind, registered(kind, caller), plugin.name, registry.declared)

                for name, thing in (self._aside_on_error(plugin, f"register_{kind}", entries) or {}).items():
                    registry.add(name, thing, plugin.name)
            self._registries[kind] = registry
        return self._registries[kind]

    def add_commands(self, cli: Any) -> None:
        """Let each plugin add its commands, also to groups of others, whichever of the two is loaded first

        One that replaces or changes a command of another is set aside."""
        there = AsNow(cli)
        owners = dict.fromkeys(there.below, CORE)
        waiting = list(self._callers("register_commands"))
        failed: dict[str, Exception] = {}
        while waiting:
            later = []
            for plugin, caller in waiting:
                before = SPENT[plugin.name]
                try:
                    with (
                        self.marked(plugin, "register_commands"),
                        Visit("register_commands", plugin.name, hook=True, errors=False),
                    ):
                        there = add(cli, there, owners, partial(caller, cli=cli))
                    for path in there.below:
                        owners.setdefault(path, plugin.name)
                except Exception as e:
                    failed[plugin.name] = e
                    later.append((plugin, caller))
                _note_slow(plugin, "register_commands", before)
            if len(later) == len(waiting):  # what one lacks no other one adds
                break
            waiting = later
        for plugin, _ in waiting:
            error = failed[plugin.name]
            own = isinstance(error, LimaError) and not error.__cause__
            self._disable(plugin, str(error) if own else f"register_commands failed: {set_aside_for(error)}")
        self.commands = owners


def _wanted() -> dict[str, str] | None:
    """The names in LIMA_LOAD_PLUGINS, by how they are compared; None when it is not set (all)"""
    value = os.environ.get("LIMA_LOAD_PLUGINS")
    return None if value is None else {canonical(n): n for n in map(str.strip, value.split(",")) if n}


def _load(plugins: Plugins, one: Found, left: dict[str, Mark]) -> None:
    name = one.distribution
    if name in {p.name for p in plugins.all}:
        # One distribution may have several entry points; each needs a name of its own.
        name = f"{name}:{one.entry.name}"
    if aside := _set_aside(plugins, name, one, left):
        plugins.all.append(aside)
        return
    before = SPENT[name]
    try:
        with (
            named_interrupt(lambda: f"while the plugin {name!r} was imported"),
            plugins.marked(Plugin(name, one.version), "its import"),
            Visit("its import", name, one.module, hook=True, errors=False),
        ):
            module = one.entry.load()
    except Exception as e:
        # Part of it has run, and may have changed what others do.
        plugins.all.append(
            Plugin(name, one.version, error=f"import failed: {set_aside_for(e)}", found=one, code=one.module)
        )
        return
    plugin = plugins.add(name, module, one.version, one)
    _note_slow(plugin, "import", before)


def _note_slow(plugin: Plugin, what: str, before: float) -> None:
    """Remark what every command waits for; `before` are the seconds that were spent in the plugin earlier"""
    if (seconds := SPENT[plugin.name] - before) > SLOW:
        plugin.remarks.append(f"its {what} takes {seconds:.1f} s, for which every command waits")


def _set_aside(plugins: Plugins, name: str, one: Found, left: dict[str, Mark]) -> Plugin | None:
    """The plugin, not loaded, where its metadata or a mark say that it cannot be; None where it can"""
    if damaged := "its metadata have no name: it is half removed" if one.half_removed else one.unreadable:
        return Plugin(name, one.version, error=damaged, found=one)
    if one.unmet:
        advice = f"Upgrade lima with `lima install --upgrade {CORE}`, or see `lima plugins`."
        this = f"it needs {CORE} {one.unmet}, and this is {LIMA}"
        return Plugin(name, one.version, error=this, instead=advice, found=one)
    mark = left.get(name)
    if mark and mark.version != one.version and plugins.marks:  # another version is another plugin
        plugins.marks.forget(name)
    elif mark:
        error = f"lima did not survive {mark.place} when it last ran: the plugin ended the process, or the process was killed"
        advice = (
            f"Try it again with `lima plugins retry {name}`, or remove it with `lima uninstall {one.distribution}`."
        )
        return Plugin(name, one.version, error=error, instead=advice, found=one)
    return None


_current: list[Plugins] = []
"Those of this process, once loaded; `lima.testing.only_plugins` puts others in their place"


def load_plugins() -> Plugins:
    """The plugins of this process, loaded once"""
    if not _current:
        _current.append(_load_all())
    return _current[-1]


def loaded_so_far() -> list[Plugin]:
    """The plugins of this process; none where none was loaded yet"""
    return _current[-1].all if _current else []


def _load_all() -> Plugins:
    plugins = Plugins()
    plugins.marks = Marks(user_folder() / "plugins")
    wanted, left, everything = _wanted(), plugins.marks.left(), found()
    for one in everything:
        if (
            one.distribution == CORE
            or wanted is None
            or {canonical(one.distribution), canonical(one.entry.name)} & wanted.keys()
        ):
            _load(plugins, one, left)
        else:
            plugins.left_out.add(one.distribution)
    names = {n for one in everything for n in (one.distribution, one.entry.name)}
    installed = set(map(canonical, names))
    for key, name in (wanted or {}).items():
        if key not in installed:
            error = f"LIMA_LOAD_PLUGINS names it, but it is not installed.{did_you_mean(name, names)}"
            plugins.all.append(Plugin(name, error=error, instead="Correct LIMA_LOAD_PLUGINS, or unset it to load all."))
    return plugins
