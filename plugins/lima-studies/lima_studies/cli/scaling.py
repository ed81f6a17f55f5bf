"""`lima study scaling`: its arguments. Everything heavy loads inside the command."""

from typing import Any

import click

from lima_studies.cli.ablate import carry_out_grid, grid_options


@click.command()
@click.argument("source")
@click.option("--base", required=True, help="Folder or registered name of the model")
@click.option("--sizes", required=True, help="Numbers of examples, such as 16,64,256,1024")
@click.option("--seeds", type=click.IntRange(1, 100), default=2, show_default=True,
              help="Fine-tunes of each size; each draws its own examples, of which smaller sizes have the first")  # fmt: skip
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A key of the recipe of all sizes")
@click.option("--recipe", type=click.Path(dir_okay=False), help="A recipe file for all sizes")
@click.option("--same-steps", is_flag=True, help="More epochs for smaller sizes, so that all take about as many steps")
@click.option("--prompts", help="What judges grade replies to: a file, a folder with LIMA's test.jsonl, or 'own'")
@click.option(
    "--evaluation", help="A registered evaluation or a file, graded by its grader, in place of --prompts or beside it"
)
@click.option("--grader", help="Of the evaluation, in place of its own")
@click.option("--take", type=click.IntRange(1), help="How many of the prompts  [default: all]")
@click.option(
    "--samples", type=click.IntRange(1), default=5, show_default=True, help="Replies to a prompt of each fine-tune"
)
@click.option("--max-new-tokens", type=click.IntRange(1), default=2048, show_default=True, help="Of a reply")
@click.option("--repetition-penalty", type=float, default=1.2, show_default=True, help="Of replies")
@grid_options
def scaling(
    source: str, base: str, sizes: str, seeds: int, settings: tuple[str, ...], recipe: str | None, same_steps: bool,
    prompts: str | None, evaluation: str | None, grader: str | None, take: int | None, samples: int, max_new_tokens: int,
    repetition_penalty: float, **asked: Any,
) -> None:  # fmt: skip
    """Fine-tune on more and more examples of SOURCE, and fit a curve to the scores

    What a doubling changes, with intervals over prompts and fine-tunes, and from which size on there is a plateau, by a rule that
    is printed. If it is stopped, the same command continues.
    """
    from lima import LimaError, Recipe, parse_setting
    from lima_studies.jobs.grid import Evaluated
    from lima_studies.scaling.kind import Scaling, scaling_grid

    numbers = [part.strip() for part in sizes.split(",") if part.strip()]
    if len(set(numbers)) < 2 or not all(part.isdecimal() and int(part) for part in numbers):
        raise LimaError(f"--sizes {sizes!r} are not two numbers of examples or more. Write them like 16,64,256,1024.")
    values = {**(Recipe.read(recipe) if recipe else {}), **dict(map(parse_setting, settings)), "base": base}
    values.pop("sources", None)
    evaluated = Evaluated(
        prompts=prompts or ("" if evaluation else "own"), take=take, evaluation=evaluation or "", grader=grader or "",
        samples=samples, max_new_tokens=max_new_tokens, repetition_penalty=repetition_penalty,
    )  # fmt: skip
    grid = scaling_grid(source, list(map(int, numbers)), seeds, values, evaluated, same_steps)
    carry_out_grid(grid, Scaling(), **asked)
