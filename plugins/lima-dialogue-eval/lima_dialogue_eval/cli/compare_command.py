"""`lima dialogues compare`: its options. Everything heavy loads inside the command."""

from typing import TYPE_CHECKING

import click

from lima.cli import database_option, json_option, print_json, store_to_read

if TYPE_CHECKING:
    from lima import Store

grader_option = click.option("--grader", metavar="NAME", help="Whose verdicts count  [default: the grader of the runs]")
pool_option = click.option(
    "--pool-anyway",
    is_flag=True,
    help="Pool runs of one side that are of different models or sampling, or share a seed: fine-tunes of one recipe, for example",
)
paper_option = click.option("--beside-paper", is_flag=True, help="Show the figures of LIMA §6 beside these")


@click.command()
@click.argument("arms", nargs=-1, required=True)
@grader_option
@pool_option
@paper_option
@database_option
@json_option
def compare(
    arms: tuple[str, ...],
    grader: str | None,
    pool_anyway: bool,
    beside_paper: bool,
    database: str | None,
    as_json: bool,
) -> None:
    """What changed from the first of ARMS to each of the others

    An arm is a dialogue run by its id or arm, or several with commas between, whose seeds are pooled. Of more than two, p is
    adjusted by Holm.
    """
    from lima_dialogue_eval.comparison.arms import compare_each
    from lima_dialogue_eval.comparison.family import Family
    from lima_dialogue_eval.report.terminal import print_comparison, print_family

    _check_arms(arms, beside_paper)
    with store_to_read(database) as store:
        found = compare_each(store, [ids(store, arm) for arm in arms], grader=grader, pool_anyway=pool_anyway)
    family = Family.of(found)
    if as_json:
        print_json(found[0].as_dict() if len(found) == 1 else family.as_dict())
        return
    from rich.console import Console

    if len(found) == 1:
        print_comparison(found[0], Console(), beside_paper)
    else:
        print_family(family, Console())


def _check_arms(arms: tuple[str, ...], beside_paper: bool) -> None:
    """A usage error unless there are two arms or more, and the paper's figures are asked for beside two only"""
    if len(arms) < 2:
        raise click.UsageError("Name two arms, BEFORE and AFTER, or more.")
    if len(arms) > 2 and beside_paper:
        raise click.UsageError("--beside-paper is for two arms: before and after.")


def ids(store: "Store", names: str) -> list[str]:
    """The dialogue runs that are named, with commas between; an arm may have one in its name"""
    if store.rows("select 1 from dialogue_runs where arm = ? limit 1", [names]):
        return [names]
    return [name.strip() for name in names.split(",") if name.strip()]
