"""Options that the commands of `lima study` share, and how they become a study's work. Knows no kind of study."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from lima.cli import database_option, json_option, trust_option

if TYPE_CHECKING:
    from lima import Store
    from lima_studies.asking.work import Work
    from lima_studies.kind import StudyKind

Option = Callable[[Any], Any]
"What gives a command an option"

NAME: Option = click.option("--name", help="Of the study  [default: its kind and a hash of its settings]")
REPORT: Option = click.option(
    "--report", type=click.Path(dir_okay=False, path_type=Path), help="HTML file  [default: beside the database]"
)
ENDING: tuple[Option, ...] = (
    click.option("--budget", help="Stop before this is exceeded: US dollars, or tokens such as 200000tokens"),
    click.option("--dry-run", is_flag=True, help="Only say what is left: runs, calls, tokens, hours, price; asks nothing"),
    REPORT,
    trust_option,
    database_option,
    json_option,
)  # fmt: skip
"The last options of a command that carries out a study"

_OPTIONS: Sequence[Option] = (
    click.option("--prompts", default="own", show_default=True,
                 help="A file with a row a prompt, a folder with LIMA's test.jsonl, or 'own': sixty that come with lima-studies"),
    click.option("--take", type=click.IntRange(1), help="How many of the prompts, drawn with the seed  [default: all]"),
    click.option("--judge", "judges", multiple=True, metavar="[NAME=]MODEL",
                 help="A model that judges; its options after '?': attempts, temperature, max_new_tokens, template"),
    NAME,
    click.option("--temperature", type=click.FloatRange(0), default=0.7, show_default=True, help="Of replies; 0 is greedy"),
    click.option("--max-new-tokens", type=click.IntRange(1), default=2048, show_default=True, help="Of a reply"),
    click.option("--seed", type=int, default=0, show_default=True),
    *ENDING,
)  # fmt: skip


def taking(options: Sequence[Option]) -> Option:
    """What gives a command these options, in this order"""

    def given(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return given


study_options = taking(_OPTIONS)
"What a study of replies takes"


Prepared = Callable[["Store"], tuple[dict[str, Any], Any]]
"Gives further settings of a study, and whatever `Begun` is to have"
Begun = Callable[["Work", Any], None]
"Called once the study is there, before anything is asked"


def work_of(
    store: "Store",
    kind: "StudyKind",
    systems: Sequence[str],
    asked: Mapping[str, Any],
    more: Mapping[str, Any],
    opened: Callable[[str], Any],
    default_take: int | None = None,
) -> "Work":
    """The study that a command asks for, begun or found again; with --dry-run nothing is written

    LimaError, before it is begun, for a system or a judge that is not there."""
    from functools import partial

    from lima import Sampling
    from lima_studies.asking.replying import settings_of
    from lima_studies.asking.work import Work
    from lima_studies.prompts.files import read_prompts, take
    from lima_studies.record.study import Study
    from lima_studies.record.systems import systems_of

    penalty = 1.0 if asked["temperature"] == 0 else Sampling.repetition_penalty
    sampling = Sampling(
        temperature=asked["temperature"], repetition_penalty=penalty, max_new_tokens=asked["max_new_tokens"]
    )
    settings = {**settings_of(sampling, 1, asked["seed"]), **more}
    prompts = take(read_prompts(asked["prompts"]), asked["take"] or default_take, asked["seed"])
    found, judges = systems_of(systems), systems_of(asked["judges"], "judges")
    begin = partial(Study.begin, store, kind.name, settings, prompts, found, asked["name"])
    work = Work(begin(dry=True), kind, settings, prompts, found, judges)
    work.check_there(opened)
    if not asked["dry_run"]:
        begin()
    return work


def carry_out(
    database: str | None,
    kind: "StudyKind",
    systems: Sequence[str],
    asked: Mapping[str, Any],
    prepared: Prepared = lambda store: ({}, None),
    begun: Begun = lambda work, more: None,
    default_take: int | None = None,
) -> None:
    """Do what is left of the study, write its report and print it; with --dry-run say what is left"""
    from lima import Store, open_model
    from lima.cli import print_rows
    from lima_dialogue_eval import check_place
    from lima_judges import purse_of
    from lima_studies.cli.terminal import finish, rows_of_estimates

    if asked["report"]:
        check_place(asked["report"])
    with to_ask(database) if asked["dry_run"] else Store(database) as store:
        purse_of(store, asked["budget"])

        def opened(spec: str) -> Any:
            return open_model(spec, store, asked["trust_remote_code"])

        more, found = prepared(store)
        work = work_of(store, kind, systems, asked, more, opened, default_take)
        if asked["dry_run"]:
            print_rows(rows_of_estimates(work.estimates(opened), asked["as_json"]), asked["as_json"], "")
            return
        begun(work, found)
        _run(work, opened)
        finish(work.study, kind, asked["report"], asked["as_json"])


def _run(work: "Work", opened: Callable[[str], Any]) -> None:
    """Do what is left, under a bar"""
    from lima.cli.progress import Bar

    try:
        with Bar("asking") as bar:

            def moved(what: str, done: int, total: int) -> None:
                bar.describe(what)
                bar.move(done, total)

            work.run(opened, moved)
    except KeyboardInterrupt as e:
        for note in getattr(e, "__notes__", []):
            click.echo(note, err=True)
        raise


@contextmanager
def to_ask(database: str | None) -> "Iterator[Store]":
    """The store for a dry run, which writes nothing: a database that is not there yet is an empty one that is thrown away"""
    from lima import Store, default_path

    path = Path(database) if database else default_path()
    with (
        TemporaryDirectory(prefix="lima-dry-run-") as folder,
        Store(path if path.exists() else f"{folder}/lima.db") as store,
    ):
        yield store
