"""`lima preview`: the tokens of an example in colour: what is trained, what is format, where the end-of-turn token is."""

from typing import Any

import click

from lima.cli.reading import print_prepared, reading_bar
from lima.cli.show import json_option, print_json
from lima.cli.train import read_recipe, recipe_options
from lima.text import visible


@click.command()
@recipe_options
@click.option(
    "-n", "--number", type=click.IntRange(min=1), default=3, show_default=True, help="How many examples of each source"
)
@click.option("--example", "only", help="Only the example of this id")
@json_option
def preview(number: int, only: str | None, as_json: bool, **options: Any) -> None:
    """Show which tokens are trained

    Green is trained, bold green is a trained end-of-turn token, grey is not trained. Every other token is underlined,
    to show where tokens begin.
    """
    from lima.data.dataset import prepare
    from lima.errors import LimaError
    from lima.plugins import load_plugins

    recipe = read_recipe(**options)
    with reading_bar() as on_example:
        ready = prepare(recipe, load_plugins(), on_example=on_example)
    end = ready.tokenizer.convert_tokens_to_ids(ready.eot)
    # Both in the order of the sources, without those that are not trained on.
    kept = [e for e in ready.examples if e["status"] not in ("dropped", "refused")]
    seen: dict[str, int] = {}
    shown = []
    for record, rows, about in zip(ready.records, ready.rendered, kept, strict=True):
        seen[about["source"]] = seen.get(about["source"], 0) + 1
        if (only is None and seen[about["source"]] <= number) or record.id == only:
            for place, one in enumerate(rows, 1):
                tokens = [ready.tokenizer.decode([i]) for i in one.ids]
                shown.append((record, one, tokens, about, (place, len(rows))))
    if not shown:
        raise LimaError(f"No example with the id {only!r}. The first is {ready.records[0].id!r}.")
    if as_json:
        print_json([_as_json(*one) for one in shown])
        return
    _print(shown, end, ready.eot)
    rates = {key: getattr(ready.recipe, key) for key in ("learning_rate", "final_learning_rate")}
    print_prepared(recipe.with_values(rates), ready)  # rates do not matter here


def _as_json(record: Any, one: Any, tokens: list[str], row: dict[str, Any], place: tuple[int, int]) -> dict[str, Any]:
    about = {"example": record.id, "source": record.source, "status": row["status"], "reason": row["reason"]}
    triples = zip(one.ids, tokens, one.weights, strict=True)
    told = [{"id": i, "text": t, "weight": w} for i, t, w in triples]
    return about | {"row": place[0], "rows": place[1], "tokens": told}


def _print(shown: list[Any], end: int, eot: str) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for record, one, tokens, row, (place, rows) in shown:
        remark = "" if row["status"] == "kept" else f", {row['status']}: {row['reason']}"
        remark += f", row {place} of {rows}" if rows > 1 else ""
        head = f"{record.source} · {record.id} · {len(one.ids)} tokens, {one.trained} trained{remark}"
        console.print(Text(visible(head), style="bold"))
        line = Text()
        for number, (i, token, weight) in enumerate(zip(one.ids, tokens, one.weights, strict=True)):
            style = "bright_black" if not weight else "bold black on green" if i == end else "green"
            line.append(visible(token).replace("\n", "↵\n"), style=f"{style}{' underline' if number % 2 else ''}")
        console.print(line, soft_wrap=True)
        console.print()
    console.print(
        Text.assemble(
            ("trained", "green"),
            "  ",
            (f" {eot} trained ", "bold black on green"),
            "  ",
            ("not trained", "bright_black"),
        )
    )


COMMANDS = (preview,)
