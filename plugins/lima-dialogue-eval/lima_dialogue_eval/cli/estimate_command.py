"""`--budget` of the commands that ask models, and what `--dry-run` prints. Everything heavy loads inside the commands."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from lima.cli import print_rows

if TYPE_CHECKING:
    from lima_dialogue_eval.run.estimates import Estimate

budget_option = click.option(
    "--budget",
    help="Stop before models and judges that know their prices exceed it: US dollars, or tokens such as 200000tokens",
)


def print_estimates(found: "Mapping[str, Estimate]", as_json: bool) -> None:
    """A row for what is asked: calls, tokens, and dollars, which are null in JSON where the price is not known"""
    rows = [{"for": what, **asdict(estimate)} for what, estimate in found.items()]
    if not as_json:
        rows = [{**row, "usd": "price not known" if row["usd"] is None else row["usd"]} for row in rows]
    print_rows(rows, as_json, "")
