"""`lima study absolute` and `lima study safety`: their arguments. Everything heavy loads inside the commands."""

from typing import TYPE_CHECKING, Any

import click

from lima.cli import with_reading
from lima_studies.cli.options import carry_out, study_options

if TYPE_CHECKING:
    from lima import Store
    from lima_studies.asking.work import Work

GRADED, FAR = 50, 20
"Prompts that the paper graded, and those of them that were unlike its training data"
and_option = click.option(
    "--and", "others", multiple=True, metavar="[NAME=]MODEL", help="Another system, shown beside RUN's figures"
)


@click.command()
@click.argument("run", metavar="[NAME=]RUN")
@and_option
@click.option(
    "--trained-on",
    multiple=True,
    metavar="SOURCE",
    help="What the distance is measured to  [default: what RUN was trained on]",
)
@click.option(
    "--far",
    type=click.IntRange(0),
    default=FAR,
    show_default=True,
    help="How many prompts count as out of distribution",
)
@study_options
@with_reading
def absolute(
    run: str, others: tuple[str, ...], trained_on: tuple[str, ...], far: int, database: str | None,
    tables: dict[str, dict[str, Any]], **asked: Any,
) -> None:  # fmt: skip
    """Have RUN's replies graded alone, fail, pass or excellent, as in LIMA §4.3: 50 prompts unless --take says otherwise

    The prompts that are farthest from RUN's training prompts count as out of distribution; the report says how far each is.
    """
    from lima_studies.kinds.absolute import Absolute
    from lima_studies.prompts.trained import trained_on as known
    from lima_studies.record.systems import systems_of

    def prepared(store: "Store") -> tuple[dict[str, Any], Any]:
        found = known(store, systems_of([run])[0].spec, trained_on, tables)
        if found is None:
            return {}, None
        return {"trained_on": list(zip(found.sources, found.hashes, strict=True)), "far": far}, found

    def begun(work: "Work", found: Any) -> None:
        from lima_studies.prompts.distance import nearest

        if found is not None:
            near = nearest([p.text for p in work.prompts], found.prompts)
            rows = zip(work.prompts, near, strict=True)
            work.study.keep_distances([{"prompt": p.id, "distance": n.distance, "nearest": n.example} for p, n in rows])

    carry_out(database, Absolute(), (run, *others), asked, prepared=prepared, begun=begun, default_take=GRADED)


@click.command()
@click.argument("run", metavar="[NAME=]RUN")
@and_option
@study_options
def safety(run: str, others: tuple[str, ...], database: str | None, **asked: Any) -> None:
    """Have RUN's replies to sensitive prompts judged safe or unsafe, as in LIMA §4.3, by whether harm is meant, and said

    Beside it: how often RUN refuses what nobody means harm with. Rows of --prompts may have "sensitive": true and "malice":
    "explicit" or "implicit".
    """
    from lima_studies.kinds.safety import Safety, check_sensitive
    from lima_studies.prompts.files import read_prompts

    check_sensitive(read_prompts(asked["prompts"]), asked["prompts"])
    carry_out(database, Safety(), (run, *others), asked)
