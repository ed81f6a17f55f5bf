"""A source of a mix, opened and filtered: the examples of which some are drawn, and what is not among them, with the reasons.

Knows nothing of how many are taken.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lima import LimaError, Plugins, Record, Refused, Store, did_you_mean, find_source, is_there, open_source
from lima_curate.filters.chain import Exclusion, choose, open_filter
from lima_curate.mixes.recipe import Entry, Filters, Mix
from lima_curate.texts import stated

Tables = Mapping[str, Mapping[str, Any]]
OnExample = Callable[[str, int, int], None]


@dataclass
class Pool:
    """The examples of a source that may be drawn"""

    entry: Entry
    spec: str
    owner: str
    hash: str
    examples: int
    "That the source has"
    refused: tuple[Refused, ...]
    kept: list[Record]
    "By all filters so far"
    excluded: list[Exclusion] = field(default_factory=list)
    taken: list[Record] = field(default_factory=list)

    @property
    def licence(self) -> str:
        """The licences of what is taken"""
        return ", ".join(sorted({one.licence for one in self.taken}))

    @property
    def refused_rows(self) -> int:
        return sum(one.rows for one in self.refused)

    @property
    def read(self) -> int:
        """Rows: those that were refused, and those that became examples"""
        return self.examples + self.refused_rows

    @property
    def not_drawn(self) -> int:
        """Examples that passed the filters and were not taken"""
        return len(self.kept) - len(self.taken)


def specs_of(mix: Mix, plugins: Plugins, paths: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """(the spec of each source that is there, what to do about each that is not) by the sources' names

    LimaError for a path of a source that the mix does not have, and for a missing source that the mix cannot do without."""
    names = [one.name for one in mix.sources]
    if unknown := next((name for name in paths if name not in names), None):
        raise LimaError(f"--path {unknown}=…: the mix {mix.name!r} has no such source.{did_you_mean(unknown, names)}")
    registry, there, missing = plugins.registry("sources"), dict[str, str](), dict[str, str]()
    for entry in mix.sources:
        name, argument = registry.split(entry.spec)
        path = paths.get(entry.name)
        own = path is not None and registry.split(path)[0] in registry
        absent = name not in registry and not own and not is_there(path or entry.spec)
        install = f"`pip install {entry.plugin}`" if entry.plugin and absent else ""
        bring = f"--path {entry.name}=PATH ({entry.needs})" if entry.needs and not (argument or path) else ""
        if entry.needs and (install or bring):
            missing[entry.name] = ", then ".join(part for part in (install, bring) if part)
        elif install:
            raise LimaError(
                f"The source {entry.name!r} of the mix {mix.name!r} needs a plugin that is not installed: {install}."
            )
        else:
            there[entry.name] = (
                entry.spec if path is None else path if own or name not in registry else f"{name}:{path}"
            )
    if not there:
        ways = "".join(f"\n  {name}: {advice}" for name, advice in missing.items())
        raise LimaError(f"The mix {mix.name!r} has none of its sources here. Bring at least one:{ways}")
    return there, missing


def pool_of(
    entry: Entry,
    spec: str,
    plugins: Plugins,
    tables: Tables,
    method: str,
    store: Store | None = None,
    on_example: OnExample | None = None,
) -> Pool:
    """A source's examples that pass its own filters; LimaError as for `open_source` and for a filter"""
    owner, named = find_source(spec, plugins).owner, plugins.registry("sources").split
    values = entry.options | (entry.own_choice if method == "first" else {})
    # A path may name another source, which does not have these options.
    asked = values if named(spec)[0] == named(entry.spec)[0] else {}
    own = {**tables, owner: {**tables.get(owner, {}), **asked}} if asked else tables
    found = find_source(spec, plugins, own)
    source = open_source(spec, plugins, own, on_example)
    licence = entry.licence or stated(found.source.licence)
    records = [one if one.licence else replace(one, licence=licence) for one in source.records]
    chosen = choose(records, opened(entry.filters, plugins, store))
    return Pool(
        entry, spec, owner, source.hash, len(records), source.refused, list(chosen.kept), list(chosen.exclusions)
    )


def opened(filters: Filters, plugins: Plugins, store: Store | None) -> list[tuple[str, Any]]:
    """Filters by their names, with their options"""
    return [(name, open_filter(plugins, name, values, store)) for name, values in filters]


def filter_together(pools: list[Pool], filters: Filters, plugins: Plugins, store: Store | None) -> None:
    """Take out of the pools what filters leave out of all of them together; of two that are alike the earlier pool's stays"""
    whole = [one for pool in pools for one in pool.kept]
    at = 0
    gone = choose(whole, opened(filters, plugins, store)).exclusions if filters else ()
    for pool in pools:
        until = at + len(pool.kept)
        mine = {one.place - at: one for one in gone if at <= one.place < until}
        pool.excluded += [replace(one, place=place) for place, one in mine.items()]
        pool.kept = [one for place, one in enumerate(pool.kept) if place not in mine]
        at = until
