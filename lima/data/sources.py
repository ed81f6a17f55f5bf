"""Sources of examples, opened by name, NAME:ARGUMENT, file or pattern of files; with the rows that they refuse.

Knows nothing of tokens.
"""

import logging
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lima.contract.examples import Record, Refused
from lima.contract.kinds import ReadsSources, Recognises, RecognisesLast, TakesOptions
from lima.data.containers import is_pattern
from lima.data.files import Row, first_rows, shape_of
from lima.data.reader import KEPT, Digest, Made, OnExample, ReadAgain, Reader
from lima.errors import LimaError, PluginStopped, did_you_mean
from lima.isolation import plugin_code
from lima.paths import is_folder, is_there, shown
from lima.plugins import Plugins
from lima.recipe import Recipe

Tables = Mapping[str, Mapping[str, Any]]
"A recipe's tables, one a plugin"
Call = Callable[[Any, str | None], Iterable[Any]]
"How a source is asked for what it has, given the source and its argument"
SKIP = "skip_bad"
"The key of a plugin's table that leaves out the bad rows of its sources"
_WITHOUT_ROWS = frozenset((".md", ".txt", ".html", ".htm", ".xml", ".yaml", ".yml", ".toml", ".rst", ".tex", ".log"))
"How the names of files end that are text without rows"
_SHOWN = 20
"Bad rows that an error names"


@dataclass(frozen=True)
class Source:
    """An opened source"""

    name: str
    owner: str
    "The plugin that registered it"
    licence: str
    records: Sequence[Record]
    "Of a large source they are read again whenever they are asked for"
    hash: str
    "SHA-256 over the content hashes of its records"
    refused: tuple[Refused, ...] = ()
    "Rows from which nothing is learnt: what was read is these and the records"


@dataclass(frozen=True)
class FoundSource:
    """A source that was found by name or by a file's rows, with its options, before anything is read"""

    spec: str
    name: str
    "The registered one"
    owner: str
    "The plugin that registered it"
    source: Any
    argument: str | None
    skip_bad: bool = False

    def reader(self, call: Call, kind: type[Made], expected: str, on_example: OnExample | None = None) -> Reader[Made]:
        """What `call` yields of the source and its argument, read once each time it is iterated

        LimaError, when it comes, for what is neither of the `kind` nor Refused: `expected` says what is right."""
        with_argument = partial(call, self.source, self.argument)
        return Reader(self.spec, self.name, self.owner, with_argument, kind, expected, on_example)

    def read(
        self, call: Call, kind: type[Made], noun: str, expected: str
    ) -> tuple[tuple[Made, ...], tuple[Refused, ...]]:
        """All that `call` yields of the source and its argument: the objects of that kind, and the rows that were refused

        LimaError for anything else (`expected` says what is right), for bad rows that may not be skipped, and where nothing is
        left; the `noun` says of what."""
        kept = list[Made]()
        refused = self.read_into(kept.append, self.reader(call, kind, expected), noun)
        return tuple(kept), refused

    def read_into(self, keep: Callable[[Made], object], reader: Reader[Made], noun: str) -> tuple[Refused, ...]:
        """Give `keep` each object of a pass of the reader, one by one; the rows that were refused. Errors as for `read`"""
        refused = list[Refused]()
        with reader.named():
            for one in reader:
                refused.append(one) if isinstance(one, Refused) else keep(one)
        _check_refused(self, refused, reader.count + rows_of(refused))
        if not reader.count:
            why = (
                f"Refused: all {rows_of(refused):,}. The first, {refused[0].where}: {refused[0].reason}"
                if refused
                else ""
            )
            raise LimaError(f"The source {self.spec!r} has no {noun}. {why}".strip())
        return tuple(refused)


def find_source(spec: str, plugins: Plugins, tables: Tables | None = None) -> FoundSource:
    """The source that NAME, NAME:ARGUMENT, a file or a pattern names; a bare file goes to the one that recognises its rows

    `tables` are a recipe's: the source takes its options from that of its plugin. LimaError where there is no such source."""
    registry = plugins.registry("sources")
    name, argument = registry.split(spec)
    if not (name in registry or name in registry.contested):
        name, argument = _recognised(spec, plugins), spec
    owner = registry.owners.get(name, "")
    table = dict((tables or {}).get(owner, {}))
    skip_bad = table.pop(SKIP, False)
    if not isinstance(skip_bad, bool):
        raise LimaError(f"{owner}.{SKIP} is {skip_bad!r}; expected true or false.")
    source = _with_options(registry.find(name), name, plugins, table)
    if isinstance(source, ReadsSources):
        source = source.with_tables({name: dict(values) for name, values in (tables or {}).items()})
    return FoundSource(spec, name, owner, source, argument or None, skip_bad)


def open_source(
    spec: str, plugins: Plugins, tables: Tables | None = None, on_example: OnExample | None = None
) -> Source:
    """A source as `find_source` finds it, with its records; LimaError for bad rows, unless they are to be skipped

    The records of a large source are not kept, but read again. `on_example` is called with how far the first reading is."""
    found = find_source(spec, plugins, tables)
    first, licences, digest = list[Record](), set[str](), Digest()

    def keep(record: Record) -> None:
        with plugin_code(f"content() of example {record.id!r} of the source {spec!r}", found.owner):
            digest.add(record)
        licences.add(record.licence)
        if digest.count <= KEPT:
            first.append(record)

    reader = found.reader(_examples, Record, "lima.Example, Record or Refused", on_example)  # type: ignore[type-abstract]
    refused = found.read_into(keep, reader, "examples")
    records = tuple(first) if digest.count <= KEPT else ReadAgain(reader, digest)
    licence = ", ".join(sorted(licences - {""}) or [found.source.licence])
    return Source(spec, found.owner, licence, records, digest.value, refused)


def _examples(source: Any, argument: str | None) -> Iterable[Any]:
    return source.examples(argument)


def _with_options(source: Any, name: str, plugins: Plugins, table: dict[str, Any]) -> Any:
    """The source with what its plugin's table says; LimaError for a key that none of the plugin's sources understands"""
    registry = plugins.registry("sources")
    owner = registry.owners[name]
    if not isinstance(source, TakesOptions):
        return source
    others = (s for n, s in registry.items() if registry.owners[n] == owner and isinstance(s, TakesOptions))
    known = {SKIP, *(option for other in others for option in other.options)}
    if unknown := next((key for key in table if key not in known), None):
        raise LimaError(f"{unknown!r} is not an option of {owner!r}.{did_you_mean(unknown, known)}")
    mine = {key: value for key, value in table.items() if key in source.options}
    if not mine:
        return source
    return source.with_options(mine)


def _recognised(spec: str, plugins: Plugins) -> str:
    """The name of the one source that recognises the rows of a file: the first row that any single source does"""
    registry = plugins.registry("sources")
    if not (is_pattern(spec) or is_there(spec)):
        name = spec.partition(":")[0]
        raise LimaError(f"{shown(spec)!r} is neither a registered source nor a file.{did_you_mean(name, registry)}")
    rows, undecided = _rows_of(spec), list[str]()
    for kind, asked in ((Recognises, "recognises"), (RecognisesLast, "recognises_last")):
        names, broken = registry.able(kind), set[str]()
        for row in rows if not undecided else ():
            able = [n for n in names if n not in broken and _recognises(n, asked, plugins, row.value, broken)]
            if len(able) == 1:
                return able[0]
            undecided = undecided or able
    formats = "\n".join(f"  {n}: {registry[n].description}" for n in registry.able(Recognises))
    what = (
        f"more than one source recognises its rows ({', '.join(undecided)})"
        if undecided
        else "no source recognises its rows"
    )
    raise LimaError(
        f"{spec}: {what}. That of line {rows[0].line} is {shape_of(rows[0].value)}.\nRename its keys, or name the format as "
        f"NAME:{spec}. The formats and their keys:\n{formats}"
    )


def _rows_of(spec: str) -> list[Row]:
    """The first rows of a file; of what has none by its looks, the error says how it is named"""
    try:
        return first_rows(spec)
    except LimaError as e:
        if is_pattern(spec) or not (is_folder(spec) or Path(spec).suffix.lower() in _WITHOUT_ROWS):
            raise
        able = "A source that reads such files" if not is_folder(spec) else "A source that reads folders"
        raise LimaError(f"{e} {able} is named before it: NAME:{shown(spec)}; see `lima sources`.") from None


def _recognises(name: str, asked: str, plugins: Plugins, row: Any, broken: set[str]) -> bool:
    """Whether a source recognises a row, asked by this method; one that fails is named in a warning and not asked again"""
    registry = plugins.registry("sources")
    try:
        return bool(getattr(registry[name], asked)(row))
    except PluginStopped:
        raise
    except LimaError as e:
        broken.add(name)
        logging.getLogger("lima").warning("%s The other sources were asked.", e)
        return False


def _check_refused(found: FoundSource, refused: Sequence[Refused], read: int) -> None:
    """LimaError for bad rows that may not be skipped, counted by reason, the first with their places; else a warning"""
    bad, skipping = [one for one in refused if one.fault], skipping_of(found.owner)
    if bad and not found.skip_bad:
        if rows_of(bad) == 1:
            way = "" if read == 1 else f"\nTo leave out this row: {skipping}"
            raise LimaError(f"{bad[0].where}: {bad[0].reason}{way}")
        listing = "\n".join(_listed(ones, bad[:_SHOWN]) for ones in _by_reason(bad))
        shown = f" (places: the first {_SHOWN})" if len(bad) > _SHOWN else ""
        raise LimaError(
            f"{found.spec}: {rows_of(bad):,} of {read:,} rows cannot be used{shown}.\n{listing}\n"
            f"Correct them, or leave them out: {skipping}"
        )
    if refused:
        reasons = "; ".join(f"{rows_of(ones):,} × {ones[0].reason.rstrip('.')}" for ones in _by_reason(refused))
        logging.getLogger("lima").warning(
            "%s: %s read = %s kept + %s refused (%s).",
            found.spec, f"{read:,} row{'s' * (read != 1)}", f"{read - rows_of(refused):,}", f"{rows_of(refused):,}", reasons,
        )  # fmt: skip


def skipping_of(owner: str) -> str:
    """How the bad rows of this plugin's sources are left out"""
    return f"--skip-bad, or in the recipe plugins.{owner}.{SKIP} = true"


def _listed(ones: Sequence[Refused], shown: Sequence[Refused]) -> str:
    """Rows with the same reason: how many, why, and where those are that are to be shown"""
    places = [
        one.where if one.reason == ones[0].reason else f"{one.where}: {one.reason}" for one in ones if one in shown
    ]
    return "\n      ".join([f"{rows_of(ones):>5,} × {ones[0].reason}", *places])


def _by_reason(refused: Sequence[Refused]) -> list[list[Refused]]:
    """Refused rows with the same reason but for names and numbers, the most frequent first"""
    groups = defaultdict[str, list[Refused]](list)
    for one in refused:
        groups[re.sub(r"'[^']*'|\"[^\"]*\"|\d+", "…", one.reason)].append(one)
    return sorted(groups.values(), key=rows_of, reverse=True)


def rows_of(refused: Iterable[Refused]) -> int:
    """How many rows were refused"""
    return sum(one.rows for one in refused)


def open_sources(
    specs: Sequence[str], plugins: Plugins, tables: Tables | None = None, on_example: OnExample | None = None
) -> list[Source]:
    """The training sources; LimaError if none is named, one is named twice, or two have the same examples"""
    if not specs:
        raise LimaError(
            "The recipe names no source. Use --source FILE.jsonl, or `lima sources` for the registered ones."
        )
    twice = sorted({s for s in specs if specs.count(s) > 1})
    if twice:
        raise LimaError(f"The source {twice[0]!r} is named twice. To weigh it more, give its examples a weight.")
    opened = [open_source(spec, plugins, tables, on_example) for spec in specs]
    for at, source in enumerate(opened):
        if same := [other.name for other in opened[:at] if other.hash == source.hash]:
            raise LimaError(
                f"The sources {same[0]!r} and {source.name!r} have the same examples. Leave one of them out."
            )
    return opened


def open_dev(recipe: Recipe, plugins: Plugins) -> list[Source]:
    """The dev sources; LimaError for one that is also trained on or named twice, or if no epochs are kept to choose from"""
    if recipe.dev and not recipe.keep_epochs:
        raise LimaError("The recipe names dev sources, but keeps no epochs to choose from: set keep_epochs = true.")
    for spec in recipe.dev:
        if spec in recipe.sources:
            raise LimaError(
                f"The source {spec!r} is in `sources` and in `dev`. Dev examples are held out: name others, or take it out "
                "of one."
            )
        if recipe.dev.count(spec) > 1:
            raise LimaError(f"The dev source {spec!r} is named twice.")
    return [open_source(spec, plugins, recipe.plugins) for spec in recipe.dev]
