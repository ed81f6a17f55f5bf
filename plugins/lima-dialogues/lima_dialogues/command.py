"""`lima dialogues-lint`: prints what the linter finds, in this package's dialogues or in a folder of your own.

Ends with code 1 if there is a problem. Knows nothing of what is checked.
"""

from typing import TYPE_CHECKING

import click

from lima import visible
from lima.cli import json_option, print_json

if TYPE_CHECKING:
    from lima_dialogues.lint import Report
    from lima_dialogues.measures.turns import Turns


@click.command("dialogues-lint")
@click.argument("folder", required=False)
@json_option
@click.pass_context
def dialogues_lint(ctx: click.Context, folder: str | None, as_json: bool) -> None:
    """Check a FOLDER of dialogues, by default the ones that come with lima-dialogues

    Looks at every .json file in it and its subfolders: schema, roles, lengths, near-duplicates, topics that are in two sets,
    stock phrases, and replies with known grades are problems. It also reports how many follow-ups lean on what was said, and
    what the answers look like; --json has all of it, with names that come from nowhere. What the checks of a conversation let
    through is found by `lima evaluations check`.
    """
    from lima_dialogues.files import our_folder, read, read_folder
    from lima_dialogues.lint import lint

    report = lint(read_folder(folder) if folder else read(our_folder()))
    if as_json:
        print_json(report.as_dict())
    else:
        _print(report)
    if report.problems:
        ctx.exit(1)


def _print(report: "Report") -> None:
    from lima_dialogues.files import EVAL, TRAIN
    from lima_dialogues.measures.figures import as_rows

    for problem in report.problems:
        click.echo(visible(str(problem)))
    for kind, row in report.counts.items():
        if n := row["files"]:
            noun, purpose = ("dialogue", "to train on") if kind == TRAIN else ("conversation", "to evaluate with")
            which = "" if kind in (TRAIN, EVAL) else f" ({kind})"
            mean = f"{row['exchanges'] / n:.1f} on average"
            click.echo(
                f"{n} {noun}{'s' * (n > 1)} {purpose}{visible(which)}: {row['exchanges']} exchanges, {mean}, "
                f"{row['words']:,} words"
            )
    if n := report.known["files"]:
        replies, good = report.known["replies"], report.known["good"]
        click.echo(f"{n} file{'s' * (n > 1)} of replies with known grades: {replies}, {good} of them good")
    for kind, turns in report.turns.items():
        _print_turns(kind, turns)
    if report.figures.dialogues:
        for what, figure in as_rows(report.figures.as_dict()):
            click.echo(visible(f"  {what}: {figure}"))
    n = len(report.problems)
    click.echo("No problems" if not n else f"{n} problem{'s' * (n > 1)}")


def _print_turns(kind: str, turns: "Turns") -> None:
    """How many later user turns lean, what that is worth, and which to look at"""
    if turns.share is None:
        return
    line = f"{kind}: {turns.leaning} of {turns.later} later user turns lean on what was said, {turns.share:.0%}"
    if turns.elsewhere is not None:
        line += f"; behind other dialogues' histories {turns.elsewhere:.0%} seem to"
    click.echo(visible(line))
    places = (
        ("seem to stand alone", turns.alone),
        ("cannot be decided", turns.undecided),
        ("are set aside", turns.set_aside),
    )
    for what, found in places:
        if found:
            click.echo(visible(f"  {what}: {', '.join(f'{file} turn {number}' for file, number in found)}"))
