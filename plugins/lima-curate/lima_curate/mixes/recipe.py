"""MIX.toml: which sources a data set is made of, how many examples of each, and which filters they pass.

Knows nothing of what the sources hold.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from lima import Between, LimaError, did_you_mean, is_file, options_of, read_bytes, shown

SHIPPED = Path(__file__).with_name("shipped")
"Mixes that come with this plugin"
_COUNT = Between(0, 100_000_000)
Filters = tuple[tuple[str, dict[str, Any]], ...]
Method = Literal["first", "random", "longest"]


@dataclass(frozen=True)
class Entry:
    """A [[source]] of a mix"""

    spec: str = ""
    "As `--source` has it: a file, or NAME[:ARGUMENT]; --path gives the argument"
    name: str = ""
    "By which tables and --path call it; its spec where it has none"
    take: Annotated[int, _COUNT] = 0
    "How many examples"
    share: Annotated[float, Between(0.0, 1.0)] = 0.0
    "Of the mix's n, in place of `take`"
    filters: Any = ()
    "Names, or tables with `filter` and its options"
    options: Any = None
    "A table for the plugin of the source, as [plugins.NAME] of a recipe"
    own_choice: Any = None
    "Further options, such as a limit, with which the source itself chooses; not used where --method draws otherwise"
    licence: str = ""
    "Of its examples that name none"
    needs: str = ""
    "What to bring; where it is missing the mix is made without this source, and says so"
    plugin: str = ""
    "What to install for it"

    def __post_init__(self) -> None:
        if not self.spec.strip():
            raise LimaError('a [[source]] has no spec: spec = "FILE.jsonl", or a name of `lima sources`.')
        object.__setattr__(self, "name", self.name or self.spec)
        if self.take and self.share:
            raise LimaError(f"the source {self.name!r} has `take` and `share`. Leave one of them out.")
        for key in ("options", "own_choice"):
            value = getattr(self, key) or {}
            if not isinstance(value, Mapping):
                raise LimaError(f"{key} of the source {self.name!r} is {shown(value)}; expected a table.")
            object.__setattr__(self, key, dict(value))
        object.__setattr__(self, "filters", filters_in(self.filters, f"the source {self.name!r}"))


@dataclass(frozen=True)
class Keys:
    """What the file of a mix says beside its sources"""

    name: str = ""
    description: str = ""
    seed: Annotated[int, Between(0, 2**63 - 1)] = 0
    n: Annotated[int, _COUNT] = 0
    "How many examples altogether; of sources without `take` or `share` as many are drawn as are missing"
    tau: Annotated[float, Between(0.01, 1000.0)] = 3.0
    "Temperature of that draw: a source with n examples is drawn with probability proportional to n ** (1 / tau) (LIMA §2)"
    draw: Method = "first"
    "Which of a source's examples: the first, as it ranks them, random ones by the seed, or those with the longest answers"
    filters: Any = ()
    "On the examples of all sources together, in the order of the sources"

    def __post_init__(self) -> None:
        object.__setattr__(self, "filters", filters_in(self.filters, "the mix"))


@dataclass(frozen=True)
class Mix(Keys):
    """A mix, as its file says it"""

    sources: tuple[Entry, ...] = ()
    toml: str = ""
    "The text that it was read from"

    def without(self, name: str) -> "Mix":
        """The same without a filter, on all sources and on each"""
        sources = tuple(replace(one, filters=_others(one.filters, name)) for one in self.sources)
        return replace(self, filters=_others(self.filters, name), sources=sources)


def read_mix(given: str) -> Mix:
    """A mix from a file, or one that is shipped, by its name; LimaError says what is wrong with it"""
    names = sorted(file.stem for file in SHIPPED.glob("*.toml"))
    if not is_file(given) and given not in names:
        raise LimaError(f"{shown(given)} is neither a file nor a mix that is shipped.{did_you_mean(given, names)}")
    file = Path(given) if is_file(given) else SHIPPED / f"{given}.toml"
    try:
        return mix_of(read_bytes(file, "the mix").decode("utf-8-sig"), file.stem)
    except UnicodeDecodeError as e:
        raise LimaError(f"{given} is not UTF-8 text ({e.reason} at byte {e.start}): convert it to UTF-8.") from None
    except LimaError as e:
        raise LimaError(f"{given}: {e}") from None


def mix_of(text: str, name: str) -> Mix:
    """The mix that a TOML text says"""
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as e:
        raise LimaError(f"it is not TOML: {'nested too deeply' if isinstance(e, RecursionError) else e}.") from None
    if "sources" in table:
        raise LimaError("write each source of a mix as a table [[source]] with a spec.")
    entries = table.pop("source", [])
    if not isinstance(entries, list) or not entries or not all(isinstance(one, dict) for one in entries):
        raise LimaError('a mix needs a table [[source]] for each source, with spec = "FILE.jsonl".')
    mix = Mix(**vars(options_of(Keys, "the mix", table)), toml=text)
    sources = tuple(options_of(Entry, "[[source]]", one) for one in entries)
    names = [one.name for one in sources]
    if twice := next((one for one in names if names.count(one) > 1), None):
        raise LimaError(f"two sources are called {twice!r}. Give each a `name` of its own.")
    if (shared := sum(one.share for one in sources)) and not mix.n:
        raise LimaError(
            "sources have a `share`, and the mix has no n. Say how many examples there are to be: n = 1000."
        )
    if shared > 1 + 1e-9:
        raise LimaError(f"the shares of the sources are {shared:g} together; expected 1 at most.")
    if mix.n and (taken := sum(one.take + round(one.share * mix.n) for one in sources)) > mix.n:
        raise LimaError(f"the sources take {taken:,} examples, and n is {mix.n:,}. Take fewer, or leave n out.")
    return replace(mix, sources=sources, name=mix.name or name)


def _others(filters: Filters, name: str) -> Filters:
    return tuple(one for one in filters if one[0] != name)


def filters_in(value: Any, what: str) -> Filters:
    """Filters with their options, from a list of names and of tables with `filter` and options"""
    found = list[tuple[str, dict[str, Any]]]()
    for one in value if isinstance(value, list | tuple) else [None]:
        if isinstance(one, tuple):
            found.append(one)
        elif isinstance(one, str):
            found.append((one, {}))
        elif isinstance(one, dict) and isinstance(one.get("filter"), str):
            found.append((one["filter"], {key: option for key, option in one.items() if key != "filter"}))
        else:
            raise LimaError(
                f'filters of {what}: expected a list of names and tables, as in filters = ["quality", {{filter = "length", '
                f"shortest = 200}}]; found {shown(value if not isinstance(value, list) else one)}."
            )
    return tuple(found)
