"""`lima study preference`: its arguments. Everything heavy loads inside the command."""

from typing import Any

import click

from lima_studies.cli.options import carry_out, study_options


@click.command()
@click.argument("run", metavar="[NAME=]RUN")
@click.option(
    "--against",
    multiple=True,
    required=True,
    metavar="[NAME=]MODEL",
    help="What RUN is compared with; several are allowed",
)
@study_options
def preference(run: str, against: tuple[str, ...], database: str | None, **asked: Any) -> None:
    """Compare RUN's replies with other systems', as in LIMA §4: which is clearly better, or neither

    RUN and MODEL are a run, a folder, a base model, or any of `lima models`: alpaca:FOLDER for a folder with the Alpaca format,
    openai:URL#NAME or llm:NAME for a server, replies:FILE for what a retired system replied. Each judge reads every pair in both
    orders. `lima study rate` lets people read them. If it is stopped, the same command continues.
    """
    from lima_studies.kinds.preference import Preference

    carry_out(database, Preference(), (run, *against), asked)
