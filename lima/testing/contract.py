"""What the contracts of all kinds share: how an object is found, how its checks depend on each other, and the first checks.

A check is a method with a docstring that states the promise. One whose promise rests on another's is skipped where that fails, so
that one fault fails one check. Knows nothing of pytest, which collects the checks of a subclass whose name begins with `Test`.
"""

import functools
import io
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from unittest import SkipTest

from lima.contract.kinds import KINDS
from lima.isolation.proxy import unguarded
from lima.isolation.surroundings import put_back, seen
from lima.registry import singular
from lima.testing.isolated import only_plugins


def check(*after: str, needs: tuple[Any, ...] = ()) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Marks a check: it runs only where those named in `after` pass, and only for what has all it `needs`

    What it needs is an ability, or the name of an attribute of the contract that must not be empty."""

    if any(isinstance(need, type) for need in needs):
        after = (*after, "test_abilities_are_those_that_are_named")

    def marked(method: Callable[[Any], None]) -> Callable[[Any], None]:
        @functools.wraps(method)
        def run(self: "Contract") -> None:
            for name in after:
                self._passes(name)
            self._results[method.__name__] = False
            method(self)
            self._results[method.__name__] = True

        run.needs = needs  # type: ignore[attr-defined]
        return run

    return marked


def kept(method: Callable[[Any], Any]) -> Any:
    """A property that is computed once for all checks of a class"""

    @functools.wraps(method)
    def value(self: "Contract") -> Any:
        if method.__name__ not in self._kept:
            self._kept[method.__name__] = method(self)
        return self._kept[method.__name__]

    return property(value)


class Contract:
    """What lima may count on in an object of any kind"""

    plugin: ClassVar[Any] = None
    "The plugin that registers the object: its module, or an object with its hooks; None for the core"
    requires: ClassVar[tuple[Any, ...]] = ()
    "The plugins that it needs"
    name: ClassVar[str] = ""
    "The name under which the object is registered"
    abilities: ClassVar[tuple[type, ...]] = ()
    "The optional Protocols of `lima` that the object keeps, such as `lima.Recognises`"
    seconds: ClassVar[float] = 10.0
    "What one call may take with 100,000 characters"

    kind: ClassVar[str] = ""
    folder: ClassVar[Path]
    "A folder of this class's own, gone afterwards"
    _checks: ClassVar[dict[str, Any]] = {}
    _hidden: ClassVar[frozenset[str]] = frozenset()
    _results: ClassVar[dict[str, bool]]
    _kept: ClassVar[dict[str, Any]]
    _open: ClassVar[ExitStack]
    _plugins: ClassVar[Any]

    def __init_subclass__(cls, **named: Any) -> None:
        """Hide the checks of what the object does not have"""
        super().__init_subclass__(**named)
        cls._checks = cls._checks | {name: one for name, one in vars(cls).items() if hasattr(one, "needs")}
        for name, one in cls._checks.items():
            if getattr(cls, name) is one or (getattr(cls, name) is None and name in cls._hidden):
                fits = all(_has(cls, need) for need in one.needs)
                setattr(cls, name, one if fits else None)
                cls._hidden = cls._hidden - {name} if fits else cls._hidden | {name}

    @classmethod
    def setup_class(cls) -> None:
        """Load the plugin, and those that it needs, and nothing else"""
        cls._results, cls._kept, cls._open = {}, {}, ExitStack()
        own = () if cls.plugin is None else (cls.plugin,)
        cls.folder = Path(cls._open.enter_context(tempfile.TemporaryDirectory()))
        cls._open.enter_context(_environment("LIMA_USER_PATH", str(cls.folder / "user")))
        cls._plugins = cls._open.enter_context(
            only_plugins(**{_distribution(one): one for one in (*cls.requires, *own)})
        )

    @classmethod
    def teardown_class(cls) -> None:
        """Leave nothing behind"""
        cls._kept.clear()
        cls._open.close()

    @classmethod
    def failures(cls) -> dict[str, str]:
        """The checks that fail, and what each says; for who has no pytest"""
        cls.setup_class()
        found = {}
        try:
            for name in cls.checks():
                try:
                    getattr(cls(), name)()
                except SkipTest:
                    pass
                except Exception as e:
                    found[name] = f"{type(e).__name__}: {e}"
        finally:
            cls.teardown_class()
        return found

    @classmethod
    def checks(cls) -> list[str]:
        """The names of its checks in the order in which they are written, those of any kind first"""
        names = dict.fromkeys(n for base in reversed(cls.__mro__) for n in vars(base) if n.startswith("test_"))
        return [name for name in names if getattr(cls, name)]

    def _passes(self, name: str) -> None:
        """SkipTest unless that check passes, or is not one of this object's"""
        one = getattr(self, name)
        if one and name not in self._results:
            try:
                one()
            except KeyboardInterrupt:
                raise
            except BaseException:
                self._results[name] = False
        if not self._results.get(name, True):
            raise SkipTest(f"{name} does not pass: correct that first")

    @property
    def thing(self) -> Any:
        """The object as lima uses it: contained, and what it returns is looked at"""
        return self._plugins.registry(self.kind).find(self.name)

    @property
    def own(self) -> Any:
        """The object itself"""
        return unguarded(self.thing)

    @kept
    def store(self) -> Any:
        """A database of this class's own, with the tables of the plugins"""
        from lima.record.store import Store

        return self._open.enter_context(Store(self.folder / "lima.db", self._plugins))

    @staticmethod
    def bare(thing: Any) -> Any:
        """An object that lima opened, as the plugin made it"""
        return unguarded(thing)

    def use(self) -> None:
        """Do with the object itself what lima does with it"""
        raise NotImplementedError

    @check()
    def test_is_registered(self) -> None:
        """The plugin loads, and registers an object of this name that has all that its kind asks for"""
        names = sorted(self._plugins.registry(self.kind))
        broken = [f"plugin {p.name!r} is set aside: {p.error}" for p in self._plugins.broken]
        assert not broken, ". ".join(broken)
        what = singular(self.kind)
        assert self.name in names, f"no {what} {self.name!r} is registered, only {names}: correct `name` or the plugin"

    @check("test_is_registered")
    def test_abilities_are_those_that_are_named(self) -> None:
        """The object keeps the optional Protocols that `abilities` names, and no others: so none is lost unnoticed"""
        found = [one.__name__ for one in KINDS[self.kind].optional if isinstance(self.own, one)]
        named = [one.__name__ for one in self.abilities]
        more = [one.__name__ for one in self.abilities if isinstance(self.own, one)]
        assert sorted({*found, *more}) == sorted(named), (
            f"it has {found or 'none'}; `abilities` names {named or 'none'}"
        )

    @check("test_is_registered")
    def test_description_is_one_line(self) -> None:
        """What listings show of the object is one line of text, without control characters"""
        text = self.thing.description
        assert text.isprintable(), f"the description is {text!r}; expected one line that can be printed"

    @kept
    def traces(self) -> "Traces":
        """What is left when the object was used; all of it is set back"""
        generators, before, out = _Generators(), seen(), io.StringIO()
        try:
            with redirect_stdout(out):
                self.use()
        finally:
            drawn, changed = generators.drawn_from(), put_back(before)
            generators.put_back()
        return Traces(out.getvalue(), changed, drawn)

    @check("test_works")
    def test_prints_nothing(self) -> None:
        """Standard output is lima's: `--json` stays JSON"""
        said = self.traces.printed
        assert not said, f"it printed {said[:200]!r}: say it with logging, or on standard error"

    @check("test_works")
    def test_changes_nothing_of_the_process(self) -> None:
        """Working directory, environment, warnings, torch's default type and whether gradients are recorded stay as they are"""
        assert not self.traces.changed, f"it changed {', and '.join(self.traces.changed)}"

    @check("test_works")
    def test_leaves_random_numbers_alone(self) -> None:
        """The random numbers that the training draws do not depend on it: `random`, numpy and torch stay where they are"""
        drawn = ", ".join(self.traces.drawn)
        assert not drawn, f"it drew from or seeded {drawn}: use a generator of its own, such as random.Random(seed)"

    def test_works(self) -> None:
        """What the object is for"""
        raise NotImplementedError


def _has(contract: type[Contract], need: Any) -> bool:
    return bool(getattr(contract, need, None)) if isinstance(need, str) else need in contract.abilities


def _distribution(plugin: Any) -> str:
    name = getattr(plugin, "__name__", None) or type(plugin).__name__
    return str(name).rpartition(".")[2] or "plugin"


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before


class Traces(NamedTuple):
    """What an object leaves behind"""

    printed: str
    changed: list[str]
    drawn: list[str]
    "The generators of random numbers that are no longer where they were"


class _Generators:
    """The global generators of random numbers; set to a place where no code would set them, until `put_back`"""

    def __init__(self) -> None:
        self.before, numpy, torch = _states(), sys.modules.get("numpy"), sys.modules.get("torch")
        random.seed("lima.testing")
        if numpy:
            numpy.random.seed(1_873_291_337)
        if torch:
            torch.manual_seed(1_873_291_337)
        self.at = _states()

    def drawn_from(self) -> list[str]:
        return [name for name, state in _states().items() if name in self.at and self.at[name] != state]

    def put_back(self) -> None:
        random.setstate(self.before["random"])
        if "numpy" in self.before:
            sys.modules["numpy"].random.set_state(self.before["numpy"])
        if "torch" in self.before:
            torch = sys.modules["torch"]
            torch.set_rng_state(torch.tensor(self.before["torch"], dtype=torch.uint8))


def _states() -> dict[str, Any]:
    """Where the global generators are, as values that can be compared"""
    states: dict[str, Any] = {"random": random.getstate()}
    if numpy := sys.modules.get("numpy"):
        name, key, *more = numpy.random.get_state()
        states["numpy"] = name, key.tolist(), *more
    if torch := sys.modules.get("torch"):
        states["torch"] = torch.get_rng_state().tolist()
    return states


class _Late(BaseException):
    """Goes through whatever catches errors"""


@contextmanager
def within(seconds: float, what: str) -> Iterator[None]:
    """AssertionError for what takes longer; where the system has timers it is also stopped then"""
    timed = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    stopped = False

    def late(number: int, frame: Any) -> None:
        nonlocal stopped
        stopped = True
        raise _Late

    if timed:
        handler, left = signal.signal(signal.SIGALRM, late), signal.getitimer(signal.ITIMER_REAL)
        signal.setitimer(signal.ITIMER_REAL, seconds)
    started = time.perf_counter()
    try:
        yield
    except BaseException:  # lima makes an error of its own of what it sees
        if not stopped:
            raise
    finally:
        if timed:
            signal.setitimer(signal.ITIMER_REAL, *left)
            signal.signal(signal.SIGALRM, handler)
    took = time.perf_counter() - started
    assert not stopped, f"{what} takes more than {seconds:g} s, and was stopped"
    assert took <= seconds, f"{what} takes more than {seconds:g} s"
