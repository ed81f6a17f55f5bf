"""What a card or a licence is asked of: sources, the sources of a recipe, or what a mix would take, each with its examples.

Knows nothing of what is shown of them.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lima import LimaError, Plugins, Recipe, Record, Store, find_source, is_file, open_source, read_bytes
from lima_curate.lengths import Counter
from lima_curate.mixes.making import mixture
from lima_curate.mixes.pools import OnExample, Tables
from lima_curate.mixes.recipe import SHIPPED, read_mix
from lima_curate.texts import stated


@dataclass(frozen=True)
class Gathered:
    """One source with its examples, each with a licence"""

    name: str
    records: Sequence[Record]
    refused: int = 0
    "Rows"


def gathered(
    given: Sequence[str],
    plugins: Plugins,
    counter: Counter,
    *,
    paths: Mapping[str, str] | None = None,
    tables: Tables | None = None,
    store: Store | None = None,
    on_example: OnExample | None = None,
) -> tuple[list[Gathered], list[str]]:
    """(the sources of all that is given, sentences on what is missing of them); LimaError for what is none of these

    A mix is drawn, and may ask what an evaluation asks: nothing is trained on it here."""
    found, remarks = list[Gathered](), list[str]()
    if paths and not any(map(_is_mix, given)):
        raise LimaError(
            f"--path {next(iter(paths))}=…: a mix has sources with names, and there is none. Leave --path out."
        )
    for one in given:
        if _is_mix(one):
            made = mixture(
                read_mix(one),
                plugins,
                counter,
                paths=paths,
                tables=tables,
                contaminated=True,
                store=store,
                on_example=on_example,
            )
            found += [Gathered(pool.entry.name, pool.taken, pool.refused_rows) for pool in made.pools]
            remarks += made.remarks()
        elif one.endswith(".toml"):
            recipe = Recipe().with_values(Recipe.read(one))
            if not recipe.sources:
                raise LimaError(f"The recipe {one} names no source, and it is not a mix, which has a table [[source]].")
            both = {**recipe.plugins, **(tables or {})}
            found += [_source(spec, plugins, both, on_example) for spec in recipe.sources]
        else:
            found.append(_source(one, plugins, tables or {}, on_example))
    names = [one.name for one in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise LimaError(f"The source {twice!r} is named twice. Leave one of them out.")
    return found, remarks


def _is_mix(given: str) -> bool:
    if not given.endswith(".toml") and not is_file(given):
        return (SHIPPED / f"{given}.toml").is_file()
    return given.endswith(".toml") and "source" in _table(given)


def _table(file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(read_bytes(Path(file)).decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return {}  # who reads it as a recipe says what is wrong


def _source(spec: str, plugins: Plugins, tables: Tables, on_example: OnExample | None) -> Gathered:
    source = open_source(spec, plugins, tables, on_example)
    licence = stated(find_source(spec, plugins, tables).source.licence)
    records = [one if one.licence else replace(one, licence=licence) for one in source.records]
    return Gathered(spec, records, sum(one.rows for one in source.refused))
