"""Sources of examples, opened by name, NAME:ARGUMENT or file.

Knows nothing of tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lima.contract.examples import Record, hash_all
from lima.contract.kinds import Recognises
from lima.data.files import first_row
from lima.errors import LimaError, did_you_mean
from lima.isolation import plugin_code
from lima.plugins import Plugins
from lima.recipe import Recipe


@dataclass(frozen=True)
class Source:
    """An opened source"""

    name: str
    owner: str
    "The plugin that registered it"
    licence: str
    records: tuple[Record, ...]

    @property
    def hash(self) -> str:
        return hash_all(self.records)


def open_source(spec: str, plugins: Plugins) -> Source:
    """A source by NAME, NAME:ARGUMENT or file; a bare file goes to the source that recognises its first row"""
    registry = plugins.registry("sources")
    name, colon, argument = spec.partition(":")
    if not (name in registry or name in registry.contested):
        if not Path(spec).is_file():
            raise LimaError(f"{spec!r} is neither a registered source nor a file.{did_you_mean(name, registry)}")
        row = first_row(Path(spec))
        able = [n for n, s in sorted(registry.items()) if _recognises(n, registry.owners[n], s, row)]
        if len(able) != 1:
            keys = ", ".join(map(repr, row)) if isinstance(row, dict) else type(row).__name__
            formats = registry.able(Recognises)
            what = f"more than one source reads it ({', '.join(able)})" if able else f"no source reads rows with {keys}"
            raise LimaError(
                f"{spec}: {what}. Name the format, for example {formats[0]}:{spec}. Known: {', '.join(formats)}."
            )
        name, argument = able[0], spec
    source = registry.find(name)
    owner = registry.owners[name]
    with plugin_code(f"the source {name!r}", owner):
        records = tuple(source.examples(argument or None))
    strange = next((r for r in records if not isinstance(r, Record)), None)
    if strange is not None:
        raise LimaError(
            f"Source {name!r} of plugin {owner!r} yielded {type(strange).__name__}; expected lima.Example or Record."
        )
    if not records:
        raise LimaError(f"The source {spec!r} has no examples.")
    licences = sorted({r.licence for r in records if r.licence}) or [source.licence]
    return Source(spec, owner, ", ".join(licences), records)


def _recognises(name: str, owner: str, source: Any, row: Any) -> bool:
    with plugin_code(f"the source {name!r}", owner):
        return isinstance(source, Recognises) and bool(source.recognises(row))


def open_sources(specs: Sequence[str], plugins: Plugins) -> list[Source]:
    """The training sources; LimaError if none is named, one is named twice, or two have the same examples"""
    if not specs:
        raise LimaError(
            "The recipe names no source. Use --source FILE.jsonl, or `lima sources` for the registered ones."
        )
    twice = sorted({s for s in specs if specs.count(s) > 1})
    if twice:
        raise LimaError(f"The source {twice[0]!r} is named twice. To weigh it more, give its examples a weight.")
    opened = [open_source(spec, plugins) for spec in specs]
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
    return [open_source(spec, plugins) for spec in recipe.dev]
