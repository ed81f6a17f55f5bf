"""`lima study token-shift`: its arguments. Everything heavy loads inside the command."""

from pathlib import Path
from typing import Any

import click

from lima.cli import database_option, json_option, trust_option


@click.command("token-shift")
@click.argument("tuned", metavar="[NAME=]RUN")
@click.option("--base", required=True, metavar="[NAME=]MODEL",
              help="What it was fine-tuned from: a base model, a folder, or in-context:BASE with its own format")  # fmt: skip
@click.option("--prompts", default="own", show_default=True,
              help="A file with a row a prompt, a folder with LIMA's test.jsonl, or 'own': sixty that come along")  # fmt: skip
@click.option("--take", type=click.IntRange(1), help="How many of the prompts, drawn with the seed  [default: all]")
@click.option("--name", help="Of the study  [default: its kind and a hash of its settings]")
@click.option("--temperature", type=click.FloatRange(0), default=0.0, show_default=True, help="Of replies; 0 is greedy")
@click.option("--max-new-tokens", type=click.IntRange(1), default=512, show_default=True, help="Of a reply")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--base-renderer", help="The base reads requests in this format; by default in that of the fine-tune")
@click.option("--dry-run", is_flag=True, help="Only say what is left")
@click.option(
    "--report", type=click.Path(dir_okay=False, path_type=Path), help="HTML file  [default: beside the database]"
)
@trust_option
@database_option
@json_option
def token_shift(**asked: Any) -> None:
    """See where RUN writes what its base would not have written

    RUN replies; the base ranks each token of the reply after the same prompt and the same words before it: first (unshifted),
    second or third (marginal), or lower (shifted). By position, with a page that shows each token. Nothing is judged. If it is
    stopped, the same command continues.
    """
    from lima_studies.cli.shifting import carry_out_shift

    carry_out_shift(**asked)
