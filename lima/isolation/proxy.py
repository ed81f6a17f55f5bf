"""An object of a plugin as a registry gives it away: every call is contained, and what it returns is looked at.

Made once, when the object is registered or opened, so that whoever uses it need not think of it. It behaves as the object: its
class, other attributes and their changes are the object's. Knows nothing of hooks.
"""

import functools
import inspect
from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple, get_args, get_origin

from lima.contract.conformance import check, members
from lima.contract.examples import Record
from lima.contract.kinds import Kind
from lima.errors import LimaError, PluginFailed, PluginStopped
from lima.isolation import Visit
from lima.isolation.returned import STREAMS, Fault, check_of, returns, shown

CHUNK = 256
"Items of an iterable that are taken at once, at most: a call per item would cost as much as the item"


class Origin(NamedTuple):
    """Where an object comes from, and what it is for"""

    what: str
    "As a sentence names it, such as `the source 'dolly'`"
    owner: str
    "The plugin"
    kind: Kind
    declared: Sequence[type] = ()
    "The Protocols that plugins declare for what they consume of its kind"


class Guarded:
    """Stands for an object of a plugin"""

    def __init__(self, thing: Any, origin: Origin, protocols: Sequence[type]) -> None:
        state = {"_thing": thing, "_origin": origin, "_values": {}, "_methods": {}, "_own": {}}
        vars(self).update(state)
        for protocol in protocols:
            values, methods = members(protocol)
            self._values.update(values)
            self._methods.update(methods)
        for name in self._methods:
            self._wrap(name)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(vars(self)["_thing"])

    def __getattr__(self, name: str) -> Any:
        thing, origin = vars(self)["_thing"], vars(self)["_origin"]
        kept = getattr(type(thing), name, _MISSING)
        plain = name in getattr(thing, "__dict__", ()) if kept is _MISSING else not hasattr(type(kept), "__get__")
        if plain or name.startswith("_"):
            return getattr(thing, name)  # a plain value is what it was when it was checked
        with Visit(f"{name!r} of {origin.what}", origin.owner):  # a property may be code
            value = getattr(thing, name, _MISSING) if kept is _MISSING else getattr(thing, name)
        if value is _MISSING:
            raise AttributeError(f"{origin.what} has no {name!r}")
        if name in self._values and (wrong := check_of(self._values[name])(value)):
            raise PluginFailed(f"{origin.what} of plugin {origin.owner!r} has {name} = {wrong}. {advice(origin.owner)}")
        if inspect.isroutine(value):  # that no Protocol asks for
            self._wrap(name)
            return vars(self)[name]
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._own:  # whoever has the method that was there still calls that one
            self._own[name].append(getattr(self._thing, name))
        setattr(self._thing, name, value)
        if name in self._methods or name in vars(self):
            self._wrap(name)

    def __delattr__(self, name: str) -> None:
        delattr(self._thing, name)
        self._own.pop(name, None)
        if name in self._methods or name in vars(self):
            self._wrap(name)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self._thing.__reduce_ex__(protocol)

    def __eq__(self, other: object) -> bool:
        with Visit(f"the comparison of {self._origin.what}", self._origin.owner):
            return bool(self._thing == unguarded(other))

    def __hash__(self) -> int:
        with Visit(f"the hash of {self._origin.what}", self._origin.owner):
            return hash(self._thing)

    def __repr__(self) -> str:
        with Visit(f"the text of {self._origin.what}", self._origin.owner):
            return repr(self._thing)

    def _wrap(self, name: str) -> None:
        """Put the contained method of that name in place; none where the object has none, or None for it"""
        vars(self).pop(name, None)
        if callable(getattr(self._thing, name, None)):
            self._own[name] = own = list[Callable[..., Any]]()
            hint = returns(self._methods[name]) if name in self._methods else Any
            vars(self)[name] = _method(self, name, hint, own)


_MISSING = object()


class _Call(Visit):
    """A call of a method, which is named with its example only where something goes wrong"""

    def __init__(self, name: str, what: str, owner: str, arguments: Sequence[Any]) -> None:
        super().__init__(name, owner)
        self.what, self.arguments, self.after = what, arguments, ""

    @property
    def place(self) -> str:
        about = next((one for one in self.arguments if isinstance(one, Record)), None)
        of = f" of source {about.source!r}" if about and about.source else ""
        return f"{self._place}() of {self.what}{f' on example {about.id!r}{of}' if about else ''}{self.after}"

    def refuse(self, wrong: Fault) -> PluginFailed:
        """The error for what was returned"""
        return PluginFailed(f"Plugin {self.plugin!r} returned {wrong} from {self.place}. {advice(self.plugin)}")


def _method(guard: Guarded, name: str, hint: Any, own: list[Callable[..., Any]]) -> Callable[..., Any]:
    """The object's method of that name as it is when it is called, or the one that is in `own`"""
    thing, made = guard._thing, guard._origin
    origin, look, protocol = get_origin(hint), check_of(hint), getattr(hint, "_is_protocol", False)
    called = list[bool]()

    @functools.wraps(getattr(thing, name))
    def method(*arguments: Any, **named: Any) -> Any:
        call = _Call(name, made.what, made.owner, arguments)
        if not called:
            call.rare = True
            called.append(True)
        with call:
            value = (own[0] if own else getattr(thing, name))(*arguments, **named)
            wrong = look(value)  # which may be code, too
        if origin in STREAMS:
            return (_pieces if origin is Generator else _items)(value, hint, call)
        if wrong:
            raise call.refuse(wrong)
        call.rare = False
        if hint is Any and isinstance(value, Generator):
            return _pieces(value, _ANYTHING, call)
        return guarded(value, made, call) if protocol else value

    return method


_ANYTHING = Generator[Any, Any, Any]


def _items(values: Any, hint: Any, call: _Call) -> Iterator[Any]:
    """What an iterable yields, each looked at: more at once the more there are, so that the first come at once"""
    look, count, size = check_of(get_args(hint)[0]), 0, 1
    with call:
        iterator = iter(values)
    while True:
        chunk: list[Any] = []
        call.after = f", after item {count}" if count else ""
        with call:
            chunk.extend(islice(iterator, size))
            faults = list(map(look, chunk))
        call.rare = False
        for item, wrong in zip(chunk, faults, strict=True):
            count += 1
            if wrong:
                call.after = f", item {count}"
                raise call.refuse(wrong)
            yield item
        if len(chunk) < size:
            return
        size = min(2 * size, CHUNK)


def _pieces(values: Any, hint: Any, call: _Call) -> Generator[Any, None, Any]:
    """What a generator yields as it comes, and what it returns in the end, each looked at"""
    piece, _, end = (check_of(one) for one in get_args(hint))
    with call:
        iterator = iter(values)
    while True:
        ended, result = True, None
        with call:
            try:
                result, ended = next(iterator), False
            except StopIteration as e:
                result = e.value
            wrong = (end if ended else piece)(result)
        call.rare = False
        if wrong:
            raise call.refuse(wrong)
        if ended:
            return result
        yield result


def guarded(thing: Any, origin: Origin, call: Visit | None = None) -> Any:
    """An object that was registered, or that a `call` opened or returned, as it is given away; PluginFailed unless it fits"""
    if call is None:
        return Guarded(unguarded(thing), origin, check(thing, origin.what, origin.kind, origin.declared))
    try:
        with call:  # its members may be code
            protocols = check(thing, origin.what, origin.kind, origin.declared)
    except PluginStopped:
        raise
    except LimaError as e:
        found = f"Plugin {origin.owner!r} returned {shown(thing)} from {call.place}"
        raise PluginFailed(f"{found}: {e}. {advice(origin.owner)}") from e
    return Guarded(unguarded(thing), origin, protocols)


def unguarded(thing: Any) -> Any:
    """The plugin's own object"""
    return vars(thing)["_thing"] if type(thing) is Guarded else thing


def owner_of(thing: Any) -> str:
    """The plugin whose object it is; '' where that is not known"""
    return str(vars(thing)["_origin"].owner) if type(thing) is Guarded else ""


def advice(plugin: str) -> str:
    """What a user can do about a plugin that keeps no contract"""
    return f"Upgrade the plugin with `lima install --upgrade {plugin}`, or tell its author."
