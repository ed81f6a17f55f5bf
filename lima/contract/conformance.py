"""Whether an object is what its kind asks for: members, how its methods can be called, and the types of plain values.

One mechanism for all kinds, driven by their Protocols. Knows nothing of what the kinds mean.
"""

import inspect
from collections.abc import Container, Iterable
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from lima.contract.described import Filled
from lima.contract.kinds import Kind
from lima.errors import LimaError
from lima.text import is_utf8

_MISSING = object()


def check(thing: Any, what: str, kind: Kind, declared: Iterable[type] = ()) -> list[type]:
    """The Protocols of its kind, and of what plugins declared for it, that an object keeps

    LimaError beginning with `what` unless it keeps all that is needed, and of the others all or nothing."""
    if inspect.isclass(thing):
        raise LimaError(f"{what} is a class; register an object of it, such as {thing.__name__}()")
    found = _Found(thing, what)
    if kind.needed:
        found.require(kind.needed)
    common = members(kind.needed)[0] if kind.needed else {}
    optional = [protocol for protocol in (*kind.optional, *declared) if found.has_some(protocol, common)]
    for protocol in optional:
        found.require(protocol)
    if kind.some and not set(optional) & set(kind.optional):
        raise LimaError(f"{what} has none of {', '.join(map(signatures, kind.optional))}; expected at least one")
    return [*([kind.needed] if kind.needed else []), *optional]


def check_protocol(protocol: Any) -> None:
    """LimaError for what a plugin cannot declare: anything but a runtime-checkable Protocol of methods"""
    if not getattr(protocol, "_is_protocol", False) or not getattr(protocol, "_is_runtime_protocol", False):
        raise LimaError(f"{protocol!r} is not a Protocol marked @runtime_checkable")
    values, methods = members(protocol)
    if values or not methods:
        raise LimaError(
            f"the Protocol {protocol.__name__} has {', '.join(values) or 'no member'}; expected methods only"
        )


def signatures(protocol: type) -> str:
    """What a Protocol asks for, as it is written: 'description, licence, examples(argument)'"""
    values, methods = members(protocol)
    return ", ".join([*values, *(_call(name, method) for name, method in methods.items())])


class _Found:
    """An object's members, each read once: a property may be code"""

    def __init__(self, thing: Any, what: str) -> None:
        self.thing, self.what = thing, what
        self.members: dict[str, Any] = {}

    def read(self, name: str) -> Any:
        """A member, or _MISSING; LimaError where reading it raises"""
        if name not in self.members:
            try:
                self.members[name] = getattr(self.thing, name)
            except Exception as e:
                if isinstance(e, AttributeError) and not hasattr(type(self.thing), name):
                    self.members[name] = _MISSING
                else:
                    raise LimaError(f"{self.what}: reading its {name!r} raised {type(e).__name__}: {e}") from e
        return self.members[name]

    def has_some(self, protocol: type, common: Container[str]) -> bool:
        """Whether it has one of the members, but for the values that all of its kind have; None means that it has not"""
        values, methods = members(protocol)
        own = [*methods, *(name for name in values if name not in common)]
        return any(self.read(name) is not _MISSING and self.read(name) is not None for name in own)

    def require(self, protocol: type) -> None:
        """LimaError for the first member that is missing or wrong"""
        values, methods = members(protocol)
        for name in (*values, *methods):
            if self.read(name) is _MISSING:
                raise LimaError(f"{self.what} has no {name!r}; expected {signatures(protocol)}")
        for name, hint in values.items():
            if not _fits(self.read(name), hint):
                raise LimaError(f"{self.what} has {name} = {self.read(name)!r}; expected {_words(hint)}")
        for name, wanted in methods.items():
            method, call = self.read(name), _call(name, wanted)
            if not callable(method):
                raise LimaError(f"{self.what} has {name} = {method!r}; expected a method, {call}")
            if why := _refused(method, wanted):
                raise LimaError(f"{self.what} has a method {name}() that cannot be called as {call}: {why}")


@cache
def members(protocol: type) -> tuple[dict[str, Any], dict[str, Any]]:
    """(plain values and their types, methods) of a Protocol and those that it extends, in the order in which they are written"""
    owners = [base for base in reversed(protocol.__mro__) if getattr(base, "_is_protocol", False)]
    methods = {
        name: member
        for owner in owners
        for name, member in vars(owner).items()
        if inspect.isfunction(member) and not name.startswith("_")
    }
    return get_type_hints(protocol, include_extras=True), methods


def _parameters(method: Any) -> list[inspect.Parameter]:
    """A Protocol's method's, but for `self`"""
    return list(inspect.signature(method).parameters.values())[1:]


def _call(name: str, method: Any) -> str:
    return f"{name}({', '.join(p.name for p in _parameters(method))})"


def _refused(method: Any, wanted: Any) -> str:
    """Why a method cannot be called as its Protocol says, with and without what is optional there; '' when it can"""
    try:
        signature = inspect.signature(method)
    except (TypeError, ValueError):
        return "it does not take `self`" if inspect.ismethod(method) else ""  # others are written in C, and do not tell
    parameters = _parameters(wanted)
    for some in (parameters, [p for p in parameters if p.default is p.empty]):
        by_name = {p.name: None for p in some if p.kind is p.KEYWORD_ONLY}
        try:
            signature.bind(*[None] * (len(some) - len(by_name)), **by_name)
        except TypeError as e:
            return str(e)
    return ""


def _fits(value: Any, hint: Any) -> bool:
    """Whether a plain value is of the type that a Protocol gives it"""
    if hint == Filled:
        return isinstance(value, str) and bool(value.strip()) and is_utf8(value)
    if hint is str:
        return isinstance(value, str) and is_utf8(value)
    if get_origin(hint) is Annotated:
        return _fits(value, get_args(hint)[0])
    if get_origin(hint) is tuple:
        return isinstance(value, tuple) and all(_fits(one, get_args(hint)[0]) for one in value)
    return isinstance(value, hint)


def _words(hint: Any) -> str:
    if hint == Filled:
        return "text that is not empty"
    return {str: "text", tuple[type, ...]: "a tuple of types", tuple[str, ...]: "a tuple of texts"}.get(hint, str(hint))
