"""`lima study likert`: its arguments. Everything heavy loads inside the command."""

from typing import Any

import click

from lima_studies.cli.options import carry_out, study_options


@click.command()
@click.argument("runs", metavar="[NAME=]RUN…", nargs=-1, required=True)
@click.option("--samples", type=click.IntRange(1), default=5, show_default=True, help="Replies to a prompt")
@study_options
def likert(runs: tuple[str, ...], samples: int, database: str | None, **asked: Any) -> None:
    """Have judges grade each RUN's replies from 1 to 6, as in LIMA §5; several are compared with the first

    RUN is a run, a folder, a base model, or any of `lima models`. A judge gives its reasons, then a number; both are kept. If it
    is stopped, the same command continues.
    """
    from lima_studies.likert.kind import Likert

    carry_out(database, Likert(), runs, asked, lambda store: ({"samples": samples}, None))
