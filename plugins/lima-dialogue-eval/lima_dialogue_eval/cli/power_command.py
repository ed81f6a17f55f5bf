"""`lima dialogues power`: its options and what it prints. Everything heavy loads inside the command."""

from typing import TYPE_CHECKING, Any

import click

from lima.cli import database_option, json_option, print_json, print_table, store_to_read
from lima_dialogue_eval.cli.compare_command import grader_option, ids, pool_option

if TYPE_CHECKING:
    from lima import Store
    from lima_dialogue_eval.comparison.power import Foretold, Pilot

_MORE = (20, 50, 100)


@click.command()
@click.argument("pilot", nargs=-1, required=True)
@click.option(
    "--difference",
    type=click.FloatRange(0, min_open=True),
    help="What to find: grade points, or a share of replies where the grader can only fail  [default: 0.3, or 0.1]",
)
@click.option(
    "--conversations",
    type=click.IntRange(2, 2_000),
    multiple=True,
    help="How many; may be given several times  [default: the pilot's, 20, 50 and 100]",
)
@click.option(
    "--seeds",
    type=click.IntRange(1),
    multiple=True,
    help="How many an arm; may be given several times  [default: 1, 3 and 5]",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the simulation")
@grader_option
@pool_option
@database_option
@json_option
def power(
    pilot: tuple[str, ...],
    difference: float | None,
    conversations: tuple[int, ...],
    seeds: tuple[int, ...],
    seed: int,
    grader: str | None,
    pool_anyway: bool,
    database: str | None,
    as_json: bool,
) -> None:
    """How likely a comparison finds a difference, from a PILOT: two arms, or one with several seeds

    The power of the primary test for a number of conversations and of seeds, and how many conversations are needed. An arm is
    named as for `lima dialogues compare`.
    """
    from lima_dialogue_eval.comparison.outcomes import GRADE
    from lima_dialogue_eval.comparison.power import foretell

    if len(pilot) > 2:
        raise click.UsageError("A pilot is one arm or two.")
    with store_to_read(database) as store:
        known = _pilot(store, pilot, grader, pool_anyway)
    difference = difference or (0.3 if known.outcome == GRADE else 0.1)
    seeds = seeds or ((1, 3, 5) if known.sd_seeds is not None else (known.seeds,))
    several = conversations or tuple(sorted({known.conversations, *_MORE}))
    found = foretell(known, difference, several, seeds, seed)
    if as_json:
        print_json(_as_dict(known, difference, found, seed))
    else:
        _print(known, difference, found, seed)


def _pilot(store: "Store", arms: tuple[str, ...], grader: str | None, pool_anyway: bool) -> "Pilot":
    from lima_dialogue_eval.comparison.outcomes import GRADE, NOT_FAILED
    from lima_dialogue_eval.comparison.pairs import leaves_praise, pair, read_sides
    from lima_dialogue_eval.comparison.power import pilot_of_pair, pilot_of_side

    sides = read_sides(store, [ids(store, arm) for arm in arms], grader, pool_anyway)
    if len(sides) == 2:
        return pilot_of_pair(pair(*sides))
    return pilot_of_side(sides[0], NOT_FAILED if leaves_praise(sides, [sides[0].grid.codes]) else GRADE)


def _needed(pilot: "Pilot", difference: float, found: "list[Foretold]") -> dict[int, int | None]:
    """By number of seeds"""
    from lima_dialogue_eval.comparison.power import needed

    return {one.seeds: needed(difference, one.sd) for one in found}


def _as_dict(pilot: "Pilot", difference: float, found: "list[Foretold]", seed: int) -> dict[str, Any]:
    from dataclasses import asdict

    from lima_dialogue_eval.comparison.power import METHOD, WANTED
    from lima_dialogue_eval.statistics import least_p

    return {
        "pilot": asdict(pilot),
        "difference": difference,
        "power": [{**asdict(one), "least_p_value": least_p(one.conversations)} for one in found],
        "needed": [
            {"seeds": k, "power": WANTED, "conversations": n} for k, n in _needed(pilot, difference, found).items()
        ],
        "method": METHOD,
        "seed": seed,
    }


def _print(pilot: "Pilot", difference: float, found: "list[Foretold]", seed: int) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from lima_dialogue_eval.comparison.outcomes import GRADE
    from lima_dialogue_eval.comparison.power import METHOD, WANTED
    from lima_dialogue_eval.report.figures import equals
    from lima_dialogue_eval.statistics import LEVEL, least_p

    console = Console()
    graded = pilot.outcome == GRADE
    unit = f"{difference:g} grade points" if graded else f"{100 * difference:g} percentage points of replies not failed"
    console.print(Text(f"{_told(pilot)}\n\nPower to find a difference of {unit}:"))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("conversations")
    counts = list(dict.fromkeys(one.seeds for one in found))
    for k in counts:
        table.add_column(f"{k} seed{'s' * (k > 1)}", justify="right", no_wrap=True)
    for n in dict.fromkeys(one.conversations for one in found):
        row = {one.seeds: one for one in found if one.conversations == n}
        table.add_row(str(n), *(f"{row[k].power:.2f} ({row[k].careful:.2f})" for k in counts))
    wanted = _needed(pilot, difference, found)
    table.add_row(
        f"for {100 * WANTED:.0f} % power", *(f"{wanted[k]:,}" if wanted[k] else "over 100,000" for k in counts)
    )
    print_table(table, console)
    for n in dict.fromkeys(one.conversations for one in found):
        if least_p(n) > LEVEL:
            console.print(
                f"With {n} conversations no result can be significant: least possible p {equals(least_p(n))}."
            )
    console.print(Text(f"{METHOD} Seed of the simulation: {seed}.", style="dim"))


def _told(pilot: "Pilot") -> str:
    """What the pilot says, in a sentence or two"""
    from lima_dialogue_eval.comparison.outcomes import GRADE
    from lima_dialogue_eval.report.figures import signed

    scale, digits, unit = (1, 2, "grade points") if pilot.outcome == GRADE else (100, 1, "percentage points not failed")

    def sd(value: float) -> str:
        return f"{scale * value:.{digits}f}"

    start = f"Pilot: {pilot.conversations} conversations, {pilot.seeds} seed{'s' * (pilot.seeds > 1)} an arm"
    if pilot.arms == 1:
        return (
            f"{start}, one arm. Standard deviation of a difference between seeds {sd(pilot.sd_seeds or 0)} {unit}. One arm does "
            "not tell how the gain differs between conversations, which is taken as none: the power is at most this."
        )
    told = f"{start}. Difference {signed(scale * (pilot.difference or 0), digits)} {unit}, standard deviation over conversations "
    told += sd(pilot.sd_observed or 0)
    if pilot.sd_seeds is None:
        return f"{told}. One seed does not tell conversations from seeds."
    return (
        f"{told}: between conversations {sd(pilot.sd_conversations or 0)}, between seeds of one {sd(pilot.sd_seeds)}."
    )
