"""`lima dialogues-lint`: prints what the linter finds, in this package's dialogues or in a folder of your own.

Ends with code 1 if there is a problem. Knows nothing of what is checked.
"""

from typing import TYPE_CHECKING

import click

from lima import visible
from lima.cli import json_option, print_json

if TYPE_CHECKING:
    from lima_dialogues.lint import Report


@click.command("dialogues-lint")
@click.argument("folder", required=False)
@json_option
@click.pass_context
def dialogues_lint(ctx: click.Context, folder: str | None, as_json: bool) -> None:
    """Check a FOLDER of dialogues, by default the ones that come with lima-dialogues

    Looks at every .json file in it and its subfolders: schema, roles, lengths, near-duplicates, topics that are in both
    sets, follow-ups that seem to stand alone, stock phrases, and replies with known grades. What the checks of a conversation
    let through is found by `lima evaluations check`.
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
    for problem in report.problems:
        click.echo(visible(str(problem)))
    names = {"train": ("dialogue", "to train on"), "eval": ("conversation", "to evaluate with")}
    for kind, row in report.counts.items():
        if n := row["files"]:
            noun, purpose = names[kind]
            mean = f"{row['exchanges'] / n:.1f} on average"
            click.echo(
                f"{n} {noun}{'s' * (n > 1)} {purpose}: {row['exchanges']} exchanges, {mean}, {row['words']:,} words"
            )
    if n := report.known["files"]:
        replies, good = report.known["replies"], report.known["good"]
        click.echo(f"{n} file{'s' * (n > 1)} of replies with known grades: {replies}, {good} of them good")
    if report.later_turns:
        kinds = ", ".join(f"{kind} {n}" for kind, n in sorted(report.markers.items(), key=lambda item: -item[1]))
        share = report.leaning / report.later_turns
        click.echo(
            f"{report.leaning} of {report.later_turns} later user turns lean on what was said, {share:.0%} ({kinds})"
        )
    n = len(report.problems)
    click.echo("No problems" if not n else f"{n} problem{'s' * (n > 1)}")
