"""Find, load and describe plugins, and hold what they register under names.

Plugins are entry points of the group `lima`, loaded in the order of their distributions' names, each isolated: one that fails
is set aside with its cause, and the others stay. `LIMA_LOAD_PLUGINS` chooses ('' = none, else names, comma-separated). What
ships with the core is a plugin too (`lima.builtin`) and always there. Registered objects are checked against the Protocols of
their kind, and of what plugins declare that they consume. Knows nothing of what the hooks are for.
"""

import hashlib
import inspect
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import click
import pluggy

from lima.contract import hooks as hookspecs
from lima.errors import LimaError, PluginStopped, did_you_mean
from lima.isolation import contained, name_code, plugin_code
from lima.registry import Registry, check_entries, singular

if TYPE_CHECKING:
    from lima.contract.runs import PluginRow

CORE = "lima-tune"


@dataclass
class Plugin:
    """One plugin, loaded or not"""

    name: str
    "Its distribution"
    version: str = ""
    module: ModuleType | None = None
    error: str = ""
    "Why it is not loaded; empty when it is"
    hooks: list[str] = field(default_factory=list)

    def content_hash(self) -> str:
        """SHA-256 over the plugin's Python files, so that a run records the code and not only its version"""
        digest = hashlib.sha256()
        if self.module is not None and self.module.__file__:
            file = Path(self.module.__file__)
            files = sorted(file.parent.rglob("*.py")) if file.name == "__init__.py" else [file]
            for f in files:
                digest.update(f.relative_to(file.parent).as_posix().encode() + b"\0" + f.read_bytes())
        return digest.hexdigest()


class Plugins:
    """The loaded plugins, the broken ones, and their registries"""

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager("lima")
        self.manager.add_hookspecs(hookspecs)
        self.all: list[Plugin] = []
        self.left_out: set[str] = set()
        "Names of those that are installed and that LIMA_LOAD_PLUGINS does not name"
        self._registries: dict[str, Registry] = {}
        self._declared: dict[str, list[type]] | None = None
        "Protocols of what plugins consume, by kind"
        self._commands: dict[str, str] = {}
        "Commands as they are written after `lima`, such as 'graders audit', and the plugins that added them"

    @property
    def loaded(self) -> list[Plugin]:
        return [p for p in self.all if not p.error]

    @property
    def broken(self) -> list[Plugin]:
        return [p for p in self.all if p.error]

    def rows(self) -> "tuple[PluginRow, ...]":
        """The loaded plugins that are modules, with the hashes of their code, as a run records them"""
        modules = [p for p in self.loaded if p.module is not None]
        return tuple({"plugin": p.name, "version": p.version, "hash": p.content_hash()} for p in modules)

    def add(self, name: str, module: Any, version: str = "") -> Plugin:
        """Register one module or object as a plugin; what is wrong with it is kept in its `error`"""
        plugin = Plugin(name, version, module if isinstance(module, ModuleType) else None)
        try:
            plugin.hooks = self._check(module)
            self.manager.register(module, name=name)
            if plugin.module is not None and name != CORE:
                name_code(plugin.module.__name__, name)
        except (LimaError, ValueError, pluggy.PluginValidationError) as e:
            plugin.error = str(e)
        self.all.append(plugin)
        self._forget()
        return plugin

    def _check(self, module: Any) -> list[str]:
        """The hooks a module implements; refuses what pluggy would accept in silence: unknown hooks and default arguments"""
        known = {n for n in vars(hookspecs) if hasattr(getattr(hookspecs, n), "lima_spec")}
        found = []
        for name in sorted(dir(module)):
            if self.manager.parse_hookimpl_opts(module, name) is None:
                continue
            if name not in known:
                raise LimaError(f"{name!r} is not a hook of lima.{did_you_mean(name, known)}")
            wanted = inspect.signature(getattr(hookspecs, name)).parameters
            for parameter in inspect.signature(getattr(module, name)).parameters.values():
                if parameter.default is not inspect.Parameter.empty:
                    raise LimaError(
                        f"its {name}() gives argument {parameter.name!r} a default, which is never filled in; "
                        f"write {name}({', '.join(wanted)})"
                    )
                if parameter.name not in wanted:
                    raise LimaError(f"its {name}() asks for {parameter.name!r}, but the hook has ({', '.join(wanted)})")
            found.append(name)
        return found

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
            with plugin_code(hook, plugin.name):
                caller(**arguments)

    def set_aside(self, name: str, error: str) -> None:
        """From now on without this plugin; LimaError if the command that runs is one of its own"""
        for plugin in self.loaded:
            if plugin.name == name:
                self._disable(plugin, error)
        command = _running_command()
        parts = command.split()
        owners = [self._commands.get(" ".join(parts[:n])) for n in range(1, len(parts) + 1)]
        if name in owners:
            raise LimaError(f"`lima {command}` is a command of plugin {name!r}, which is set aside: {error}")

    def _disable(self, plugin: Plugin, error: str) -> None:
        plugin.error = error
        self.manager.unregister(name=plugin.name)
        # What it has registered before is not to be found any more.
        self._forget()

    def _forget(self) -> None:
        self._registries.clear()
        self._declared = None

    def declared(self, kind: str) -> list[type]:
        """The Protocols that plugins declare for what they consume of a kind (`declare_protocols`)"""
        if self._declared is None:
            found: dict[str, list[type]] = {}
            for plugin, caller in list(self._callers("declare_protocols")):
                try:
                    with contained("declare_protocols", plugin.name):
                        entries = _declarations(caller)
                except Exception as e:
                    self._disable(plugin, f"declare_protocols failed: {_said(e)}")
                    continue
                for of, protocol in entries:
                    found.setdefault(of, []).append(protocol)
            self._declared = found
        return self._declared.get(kind, [])

    def registry(self, kind: str) -> Registry:
        """Everything of one kind (see lima.contract.kinds) that the plugins register, made on first use"""
        if kind not in self._registries:
            registry, declared = Registry(kind), self.declared(kind)
            for plugin, caller in list(self._callers(f"register_{kind}")):
                entries: dict[str, Any] = {}
                try:
                    with contained(f"register_{kind}", plugin.name):
                        caller(register=entries.__setitem__)
                        check_entries(kind, entries, declared)
                except Exception as e:
                    self._disable(plugin, f"register_{kind} failed: {_said(e)}")
                    continue
                for name, thing in entries.items():
                    if name in registry:
                        registry.rivals.setdefault(name, []).append(plugin.name)
                        registry.contested[name] = (
                            f"The {singular(kind)} {name!r} is registered by both {registry.owners[name]!r} and "
                            f"{plugin.name!r}. Uninstall one of them, or choose with LIMA_LOAD_PLUGINS."
                        )
                    else:
                        registry[name], registry.owners[name] = thing, plugin.name
            self._registries[kind] = registry
        return self._registries[kind]

    def add_commands(self, cli: Any) -> None:
        """Let each plugin add its commands, also to groups of others; one whose command has an owner already is set aside"""
        owners = dict.fromkeys(_commands(cli), CORE)
        for plugin, caller in list(self._callers("register_commands")):
            before = _commands(cli)
            groups = [
                (group, dict(group.commands)) for group in (cli, *before.values()) if isinstance(group, click.Group)
            ]
            error = ""
            try:
                with contained("register_commands", plugin.name):
                    caller(cli=cli)
            except Exception as e:
                error = f"register_commands failed: {_said(e)}"
            after = _commands(cli)
            taken = [path for path, command in before.items() if after.get(path) is not command]
            if taken and not error:
                error = f"its command {taken[0]!r} is registered by {owners[taken[0]]!r} already"
            if error:
                for group, commands in groups:
                    group.commands = commands
                self._disable(plugin, error)
            else:
                owners.update({path: plugin.name for path in after if path not in before})
        self._commands = owners


def _commands(group: click.Group, above: str = "") -> dict[str, click.Command]:
    """Every command below a group by its path, such as 'graders audit'"""
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        found[f"{above}{name}"] = command
        if isinstance(command, click.Group):
            found |= _commands(command, f"{above}{name} ")
    return found


def _running_command() -> str:
    """The path of the command that runs, '' for none"""
    context, names = click.get_current_context(silent=True), list[str]()
    while context is not None and context.parent is not None:
        names.insert(0, context.info_name or "")
        context = context.parent
    return " ".join(names)


def _wanted() -> list[str] | None:
    """The names in LIMA_LOAD_PLUGINS, or None when it is not set (all)"""
    value = os.environ.get("LIMA_LOAD_PLUGINS")
    return None if value is None else [n.strip() for n in value.split(",") if n.strip()]


def _declarations(caller: Callable[..., Any]) -> list[tuple[str, type]]:
    """(kind, Protocol) of all that a plugin declares; LimaError for what cannot be declared"""
    from lima.contract.conformance import check_protocol
    from lima.contract.kinds import KINDS

    entries: list[tuple[str, type]] = []

    def declare(kind: str, protocol: type) -> None:
        if kind not in KINDS:
            raise LimaError(f"{kind!r} is not a registered kind.{did_you_mean(kind, KINDS)}")
        check_protocol(protocol)
        entries.append((kind, protocol))

    caller(declare=declare)
    return entries


def _distribution(entry: EntryPoint) -> str:
    # A half-removed distribution has entry points left, but no name any more.
    return (entry.dist.name if entry.dist else None) or entry.module


def _load(plugins: Plugins, entry: EntryPoint) -> None:
    name = _distribution(entry)
    version = (entry.dist.version if entry.dist else None) or ""
    if name in {p.name for p in plugins.all}:
        # One distribution may have several entry points; each needs a name of its own.
        name = f"{name}:{entry.name}"
    try:
        with contained("its import", name, entry.module):
            module = entry.load()
    except Exception as e:
        plugins.all.append(Plugin(name, version, error=f"import failed: {_said(e)}"))
        return
    try:
        with contained("the names of its hooks", name):
            plugins.add(name, module, version)
    except Exception as e:
        plugins.all.append(Plugin(name, version, error=f"its hooks cannot be read: {_said(e)}"))


_current: list[Plugins] = []
"Those of this process, once loaded; `lima.testing.only_plugins` puts others in their place"


def _said(error: Exception) -> str:
    """An error as its type and text, one of lima as its text; of one that was contained, what it was before"""
    cause = error.__cause__ if isinstance(error, PluginStopped) and error.__cause__ else error
    if isinstance(cause, LimaError):
        return str(cause)
    return f"{type(cause).__name__}: {cause}"


def load_plugins() -> Plugins:
    """The plugins of this process, loaded once"""
    if not _current:
        _current.append(_load_all())
    return _current[-1]


def _load_all() -> Plugins:
    plugins = Plugins()
    wanted = _wanted()
    # The core's own plugin comes first and is always there.
    found = sorted(entry_points(group="lima"), key=lambda e: (_distribution(e) != CORE, _distribution(e), e.name))
    for entry in found:
        if _distribution(entry) == CORE or wanted is None or _distribution(entry) in wanted or entry.name in wanted:
            _load(plugins, entry)
        else:
            plugins.left_out.add(_distribution(entry))
    names = {n for e in found for n in (_distribution(e), e.name)}
    for name in wanted or []:
        if name not in names:
            plugins.all.append(
                Plugin(name, error=f"LIMA_LOAD_PLUGINS names it, but it is not installed.{did_you_mean(name, names)}")
            )
    return plugins
