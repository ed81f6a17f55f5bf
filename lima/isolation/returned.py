"""Whether what code of a plugin returned is of the type that a Protocol says: looked into, down to the numbers in lists.

One mechanism for all methods, driven by their annotations. A type that cannot be resolved where the Protocol is written, such as
one that is imported for type checkers alone, is not checked. Knows nothing of what the values mean.
"""

import builtins
import dataclasses
import math
import re
import types
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from lima.text import is_utf8


class Fault(NamedTuple):
    """What is wrong with a value"""

    path: str
    "Where in it, such as `.ids[3]`; empty for the value itself"
    value: Any
    expected: str

    def inside(self, path: str) -> "Fault":
        """The same fault, of what has this value there"""
        return Fault(path + self.path, self.value, self.expected)

    def __str__(self) -> str:
        found = shown(self.value)
        return (
            f"{found}; expected {self.expected}"
            if not self.path
            else f"one whose {self.path.lstrip('.')} is {found}; expected {self.expected}"
        )


Check = Callable[[Any], Fault | None]
STREAMS = (Iterable, Iterator, Generator)
"What is checked piece by piece, by whoever takes the pieces"


def returns(method: Any) -> Any:
    """The type that a Protocol's method returns; Any where it says none that can be resolved"""
    hint = method.__annotations__.get("return", Any)
    if not isinstance(hint, str):
        return type(None) if hint is None else hint
    try:
        return eval(hint, {}, _Names(vars(builtins) | method.__globals__))  # the annotation of a Protocol, no input
    except Exception:
        return Any


class _Names(dict[str, Any]):
    """Names as a module knows them, and Any for the others"""

    def __missing__(self, name: str) -> Any:
        return Any


def check_of(hint: Any) -> Check:
    """What looks at a value that should be of this type"""
    try:
        return _check_of(hint)
    except TypeError:  # a hint that cannot be hashed
        return _anything


@cache
def _check_of(hint: Any) -> Check:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any or origin in STREAMS or hint in STREAMS:
        return _anything
    if origin is Annotated:
        return _annotated(hint, arguments[0], str(arguments[1]))
    if origin in (Union, types.UnionType):
        return _either(hint, [check_of(one) for one in arguments])
    if origin in (list, Sequence):
        return _list(hint, list if origin is list else Sequence, arguments[0])
    if origin is tuple:
        return _tuple(hint, arguments)
    if origin is Mapping or origin is dict:
        return _mapping(hint, *map(check_of, arguments))
    if not isinstance(hint, type):
        return _anything
    if dataclasses.is_dataclass(hint):
        return _record(hint)
    if getattr(hint, "_is_protocol", False):
        return _anything  # looked at where the object is used
    return _plain(hint)


def _anything(value: Any) -> Fault | None:
    return None


def _plain(hint: type) -> Check:
    number, expected = hint in (int, float), words(hint)

    def check(value: Any) -> Fault | None:
        if hint is float and type(value) in (int, float):
            return None if _is_finite(value) else Fault("", value, expected)
        if not isinstance(value, hint) or (number and isinstance(value, bool)):
            return Fault("", value, expected)
        return None

    return check


def _is_finite(value: int | float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a number of hundreds of digits
        return False


def _annotated(hint: Any, plain: Any, extra: str) -> Check:
    inner, expected = check_of(plain), words(hint)

    def check(value: Any) -> Fault | None:
        wrong = inner(value)
        empty = extra == "not empty" and not wrong and not value.strip()
        below = extra == "from 0" and not wrong and value < 0
        broken = plain is str and not wrong and not is_utf8(value)
        return wrong or (Fault("", value, expected) if empty or below or broken else None)

    return check


def _either(hint: Any, checks: Sequence[Check]) -> Check:
    expected = words(hint)

    def check(value: Any) -> Fault | None:
        faults = []
        for one in checks:
            if not (fault := one(value)):
                return None
            faults.append(fault)
        # One of the types fits on the outside: what is wrong inside says more.
        return next((fault for fault in faults if fault and fault.path), None) or Fault("", value, expected)

    return check


def _list(hint: Any, outer: Any, item: Any) -> Check:
    inner, plain = check_of(item), get_args(item)[0] if get_origin(item) is Annotated else item
    number, positive, expected = plain in (int, float), plain is not item, words(hint)

    def check(value: Any) -> Fault | None:
        # A list of another class may be code, whenever it is used.
        if type(value) is not list if outer is list else not isinstance(value, outer) or isinstance(value, str | bytes):
            return Fault("", value, expected)
        if number and _numbers(value, plain, positive):
            return None
        return next((wrong.inside(f"[{i}]") for i, one in enumerate(value) if (wrong := inner(one))), None)

    return check


def _numbers(values: Sequence[Any], of: type, positive: bool) -> bool:
    """Whether they are certainly numbers of that type, finite, and from 0 if they must be: a thousand ids in a microsecond

    A sum is of the type of its numbers, and not finite where one of them is not."""
    try:
        total = sum(values)
    except (TypeError, OverflowError):
        return False
    right = type(total) is int or (of is float and type(total) is float and math.isfinite(total))
    return right and not (positive and values and _least(values) < 0)


def _least(values: Sequence[Any]) -> Any:
    """The least of weights, of which most rows have two, prompts and answers: to count these is ten times as fast"""
    first, last = values[0], values[-1]
    if values.count(first) + values.count(last) * (first != last) == len(values):
        return min(first, last)
    return min(values)


def _tuple(hint: Any, arguments: Sequence[Any]) -> Check:
    same = len(arguments) == 2 and arguments[1] is Ellipsis
    inner, expected = [check_of(one) for one in arguments[: 1 if same else None]], words(hint)

    def check(value: Any) -> Fault | None:
        if not isinstance(value, tuple) or not (same or len(value) == len(inner)):
            return Fault("", value, expected)
        checks = inner * len(value) if same else inner
        pairs = enumerate(zip(value, checks, strict=True))
        return next((wrong.inside(f"[{i}]") for i, (one, look) in pairs if (wrong := look(one))), None)

    return check


def _mapping(hint: Any, keys: Check, values: Check) -> Check:
    expected = words(hint)

    def check(value: Any) -> Fault | None:
        if not isinstance(value, Mapping):
            return Fault("", value, expected)
        for key, one in value.items():
            if wrong := keys(key) or values(one):
                return wrong.inside(f"[{shown(key)}]")
        return None

    return check


def _record(hint: Any) -> Check:
    expected = words(hint)

    def check(value: Any) -> Fault | None:
        if not isinstance(value, hint):
            return Fault("", value, expected)
        of: Any = type(value)
        for name, look in _fields(of):
            if wrong := look(getattr(value, name, None)):
                return wrong.inside(f".{name}")
        return None

    return check


@cache
def _fields(of: Any) -> list[tuple[str, Check]]:
    """The fields of a dataclass that the contract has, with what looks at them; a plugin's own are the plugin's affair"""
    owners = [base for base in of.__mro__ if base.__module__.startswith("lima.contract.")]
    hints = {name: hint for base in owners for name, hint in get_type_hints(base, include_extras=True).items()}
    names = [field.name for base in owners if dataclasses.is_dataclass(base) for field in dataclasses.fields(base)]
    return [(name, check_of(hints[name])) for name in dict.fromkeys(names)]


def words(hint: Any) -> str:
    """A type as Python writes it, without modules; a number or a text with what is asked of it"""
    known = {float: "a finite number", str: "text", int: "a whole number", bool: "True or False"}
    if get_origin(hint) is Annotated:
        return f"{words(get_args(hint)[0])}, {get_args(hint)[1]}"
    if hint in known:
        return known[hint]
    if isinstance(hint, type) and not get_args(hint):
        return hint.__name__
    text = re.sub(r"typing\.Annotated\[(\w+), '[^']*'\]", r"\1", str(hint))
    return re.sub(r"\b[a-z_]\w*\.(?=\w)", "", text)


def shown(value: Any) -> str:
    """A value in a sentence: short, whatever its repr does"""
    try:
        text = repr(value)
    except (Exception, SystemExit):
        text = f"an object of {type(value).__qualname__}"
    return text if len(text) <= 80 else f"{text[:60]} … {text[-15:]}"
