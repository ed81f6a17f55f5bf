"""Objects of one kind by the names under which plugins registered them, each checked, contained and with one owner.

A name that several plugins want is each one's only with the plugin before it, PLUGIN::NAME; a name of the core stays the core's.
The Protocols load with the first object, so that `lima --help` does without them. Knows nothing of how plugins are found, nor of
what a kind is for.
"""

from collections.abc import Callable, Sequence
from typing import Any

from lima.distributions import CORE
from lima.errors import LimaError, did_you_mean

_MISSING = object()


class Registry(dict[str, Any]):
    """Objects by name, each with one owner; of a contested name by PLUGIN::NAME, which is understood for any"""

    def __init__(self, kind: str, declared: Sequence[type] = ()) -> None:
        super().__init__()
        self.kind, self.declared = kind, declared
        "`declared` are the Protocols of what plugins consume of the kind"
        self.owners: dict[str, str] = _Owners(self)
        self.rivals: dict[str, list[str]] = {}
        "Names that several plugins wanted, and those plugins"

    def add(self, name: str, thing: Any, owner: str) -> None:
        """Put an object in; where the name is another's, both have it with their own names before it, unless it is the core's"""
        claims = self.rivals.get(name, [])
        if not claims and not super().__contains__(name):
            self[name], self.owners[name] = thing, owner
            return
        if not claims:
            claims.append(first := dict.__getitem__(self.owners, name))
            if first != CORE:
                self._move(name, f"{first}::{name}")
        self.rivals[name] = [*claims, owner]
        self[f"{owner}::{name}"], self.owners[f"{owner}::{name}"] = thing, owner

    def _move(self, name: str, to: str) -> None:
        self[to], self.owners[to] = self.pop(name), self.owners.pop(name)

    def key(self, name: str) -> str:
        """The name under which what PLUGIN::NAME names is kept; any other name as it is"""
        owner, colons, plain = name.partition("::")
        own = colons and not super().__contains__(name) and super().__contains__(plain)
        return plain if own and dict.get(self.owners, plain) == owner else name

    def __contains__(self, name: object) -> bool:
        return super().__contains__(self.key(name) if isinstance(name, str) else name)

    def __getitem__(self, name: str) -> Any:
        return super().__getitem__(self.key(name))

    @property
    def contested(self) -> dict[str, str]:
        """Names that no plugin has alone, and why they cannot be used"""
        return {name: self.dispute(name) for name in self.rivals if not super(Registry, self).__contains__(name)}

    def dispute(self, name: str, advice: str = "") -> str:
        """Who registered a name besides each other, and how to choose, if not by another `advice`"""
        owners = self.rivals[name]
        both = "both " if len(owners) == 2 else ""
        choices = f"Write {' or '.join(f'{owner}::{name}' for owner in owners)}"
        who = f"{both}{' and '.join(map(repr, owners))}"
        return f"The {singular(self.kind)} {name!r} is registered by {who}. {advice or choices}."

    def find(self, name: str) -> Any:
        """The object of that name; LimaError naming the known ones, or all owners of a contested name"""
        if name in self:
            return self[name]
        if name in self.rivals:
            raise LimaError(self.dispute(name))
        raise LimaError(f"There is no {singular(self.kind)} {name!r}.{did_you_mean(name, self)}")

    def split(self, spec: str) -> tuple[str, str | None]:
        """(name, argument) of NAME or NAME:ARGUMENT, also of PLUGIN::NAME; a registered name may have a colon"""
        if spec in self or ":" not in spec:
            return spec, None
        owner, colons, rest = spec.partition("::")
        before = f"{owner}::" if colons and owner in self.owners.values() else ""
        name, colon, argument = (rest if before else spec).partition(":")
        return f"{before}{name}", argument if colon else None

    def opens(self, spec: str) -> bool:
        """Whether NAME or NAME:ARGUMENT must be opened: where there is an argument, or the object itself answers nothing"""
        from lima.contract.kinds import KINDS, Opens

        (name, argument), kind = self.split(spec), KINDS[self.kind]
        thing = self.find(name)
        itself = kind.some and any(isinstance(thing, ability) for ability in kind.optional if ability is not Opens)
        return isinstance(thing, Opens) and (argument is not None or not itself)

    def open(self, spec: str, store: Any, **options: Any) -> Any:
        """What NAME or NAME:ARGUMENT names: opened by the object of that name and checked, or the object itself"""
        from lima.contract.kinds import KINDS
        from lima.isolation import Visit
        from lima.isolation.proxy import Origin, guarded

        name, argument = self.split(spec)
        thing, owner, noun = self.find(name), self.owners[name], singular(self.kind)
        if not self.opens(spec):
            if argument is not None:
                raise LimaError(f"The {noun} {name!r} takes no argument. Write {name} instead of {spec}.")
            return thing
        opened = thing.open(argument, store, **options)
        kind = KINDS[self.kind].opened
        if kind is None or owner == CORE:
            return opened
        origin = Origin(f"the {noun} {spec!r}", owner, kind, self.declared)
        return guarded(opened, origin, Visit(f"open() of the {noun} {name!r}", owner))

    def lacking(self, spec: str, ability: type, purpose: str) -> str:
        """The sentence for an object without an ability that is needed to do something, with those that have it"""
        from lima.contract.conformance import signatures

        able = ", ".join(self.able(ability)) or "none"
        return f"The {singular(self.kind)} {spec!r} cannot {purpose}: it has no {signatures(ability)}. Those that have: {able}."

    def able(self, ability: type) -> list[str]:
        """The names of those with an optional ability"""
        return sorted(name for name, thing in self.items() if isinstance(thing, ability))


class _Owners(dict[str, str]):
    """The plugins of a registry's objects, by every name that the registry understands"""

    def __init__(self, registry: Registry) -> None:
        super().__init__()
        self.registry = registry

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(self.registry.key(name))

    def get(self, name: str, default: Any = None) -> Any:
        """The plugin, or the default"""
        return super().get(self.registry.key(name), default)


def singular(kind: str) -> str:
    """'base_models' → 'base model'"""
    return kind.removesuffix("s").replace("_", " ")


def registered(kind: str, caller: Callable[..., Any]) -> dict[str, Any]:
    """What a plugin's hook registers, by name; LimaError for two of one name, or a wrong call of `register`"""
    entries: dict[str, Any] = {}

    def register(name: Any, thing: Any = _MISSING) -> None:
        if thing is _MISSING:
            raise LimaError(f"it calls register() with {type(name).__name__} alone; expected register(NAME, OBJECT)")
        if name in entries:
            raise LimaError(f"it registers two objects as the {singular(kind)} {name!r}")
        entries[name] = thing

    returned = [one for one in caller(register=register) or () if one is not None]
    if returned and not entries:
        raise LimaError(
            f"it registers nothing and returns {type(returned[0]).__name__}; expected a call of register(NAME, OBJECT) for each "
            "object"
        )
    return entries


def contained_entries(kind: str, entries: dict[str, Any], owner: str, declared: Sequence[type]) -> dict[str, Any]:
    """What a plugin registers, each object contained; LimaError for one without what its kind must have"""
    from lima.contract.conformance import check
    from lima.contract.kinds import KINDS
    from lima.isolation.proxy import Origin, guarded

    found = {}
    for name, thing in entries.items():
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            raise LimaError(
                f"a {singular(kind)} is registered under {name!r}; expected a name that is not empty and can be typed"
            )
        if "::" in name:
            raise LimaError(f"a {singular(kind)} is registered under {name!r}; expected a name without '::'")
        what = f"the {singular(kind)} {name!r}"
        if kind == "migrations" or owner == CORE:  # those run under a guard of their own, and these are lima
            check(thing, what, KINDS[kind], declared)
            found[name] = thing
        else:
            found[name] = guarded(thing, Origin(what, owner, KINDS[kind], declared))
        if kind == "migrations" and thing.name != name:
            raise LimaError(f"the set of migrations {thing.name!r} is registered as {name!r}; give both the same name")
    return found


def declarations(caller: Callable[..., Any]) -> list[tuple[str, type]]:
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
