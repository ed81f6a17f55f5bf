"""`lima study epochs`: its arguments. Everything heavy loads inside the command."""

from typing import Any

import click

from lima_studies.cli.options import carry_out, study_options


@click.command()
@click.argument("run")
@click.option("--samples", type=click.IntRange(1), default=1, show_default=True, help="Replies to a prompt")
@study_options
def epochs(run: str, samples: int, database: str | None, **asked: Any) -> None:
    """See what choosing an epoch of RUN by the test set would add to its score

    RUN was trained with keep_epochs = true. Judges grade the replies of every epoch's model from 1 to 6; then prompts are halved
    at random, again and again: the best on one half is scored on the other, and so is the best on that other half itself.
    """
    from lima_studies.epochs.checkpoints import checkpoints_of
    from lima_studies.epochs.kind import Epochs

    carry_out(database, Epochs(), checkpoints_of(database, run), asked, lambda store: ({"samples": samples}, None))
