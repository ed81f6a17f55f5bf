"""lima-curate: a data set of one's own, from sources to a frozen file: filters, mixes, who is owed what, and a page to edit on.

Brings the filters, the commands `lima mix`, `lima curate`, `lima sources card` and `licence`, and the source of what they make.
Knows nothing of training.
"""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from lima import hookimpl

if TYPE_CHECKING:
    import click

    from lima import Record, Run

_HOME = {
    "Chosen": "filters.chain",
    "Exclusion": "filters.chain",
    "choose": "filters.chain",
    "open_filter": "filters.chain",
    "contamination": "filters.contamination",
    "words_of": "words",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'lima_curate' has no attribute {name!r}")
    return getattr(import_module(f"lima_curate.{_HOME[name]}"), name)


@hookimpl
def register_commands(cli: "click.Group") -> None:
    import click

    from lima_curate.cards.card_command import card
    from lima_curate.cards.licence_command import licence
    from lima_curate.desk.command import curate
    from lima_curate.mixes.command import COMMANDS
    from lima_curate.try_command import try_filter

    for command in (*COMMANDS, curate):
        cli.add_command(command)
    # Commands of the core's listings: `lima filters try`, `lima sources card` and `licence`.
    for listing, one in (("filters", try_filter), ("sources", card), ("sources", licence)):
        if isinstance(group := cli.commands.get(listing), click.Group):
            group.add_command(one)


@hookimpl
def register_filters(register: Callable[[str, Any], None]) -> None:
    from lima_curate.filters.contamination import Contamination
    from lima_curate.filters.judged import Judged
    from lima_curate.filters.language import Language
    from lima_curate.filters.length import Length
    from lima_curate.filters.near_duplicates import NearDuplicates
    from lima_curate.filters.quality import Quality
    from lima_curate.filters.subsets import Diverse, Longest, Random
    from lima_curate.filters.wording import FirstPerson, References, StandsAlone

    for name, made in (
        ("length", Length()),
        ("first-person", FirstPerson()),
        ("references", References()),
        ("stands-alone", StandsAlone()),
        ("near-duplicates", NearDuplicates()),
        ("contamination", Contamination()),
        ("language", Language()),
        ("quality", Quality()),
        ("longest", Longest()),
        ("random", Random()),
        ("diverse", Diverse()),
        ("judged", Judged()),
    ):
        register(name, made)


@hookimpl
def register_sources(register: Callable[[str, Any], None]) -> None:
    from lima_curate.dataset import Dataset
    from lima_curate.desk.source import Curated

    register("dataset", Dataset())
    register("curated", Curated())


@hookimpl
def register_migrations(register: Callable[[str, Any], None]) -> None:
    from lima_curate.desk.record.tables import migrations  # those of `tables`, and its own

    register("lima-curate", migrations)


@hookimpl
def before_train(run: "Run", examples: "Sequence[Record]") -> None:
    from lima_curate.filters.contamination import warn
    from lima_curate.tables import note_mixes

    note_mixes(run)
    warn(examples)
