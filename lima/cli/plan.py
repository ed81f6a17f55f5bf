"""`lima plan`: parameters, steps, tokens, memory and GPUs of a recipe before anything is loaded, and its time where asked."""

from typing import TYPE_CHECKING, Any

import click

from lima.cli.reading import print_prepared, print_sources, reading_bar, source_rows
from lima.cli.show import json_option, print_json, print_rows
from lima.cli.train import read_recipe, recipe_options
from lima.recipe import LEFT_TO_LIMA, Recipe

if TYPE_CHECKING:
    from lima.train.plan import Plan


@click.command()
@recipe_options
@click.option("--measure", "measured", is_flag=True, help="Run two steps here, and say how long all of them take")
@json_option
def plan(measured: bool, as_json: bool, **options: Any) -> None:
    """Say what a recipe will need, without loading weights

    Memory is for float32 weights with AdamW and the largest micro-batch. The base needs only its config.json and tokenizer.

    With --measure the weights are loaded and two steps of the recipe are run on this machine. Nothing is saved, and no run is
    recorded.
    """
    from dataclasses import asdict

    import torch

    from lima.data.dataset import prepare
    from lima.plugins import load_plugins
    from lima.train.measure import measure
    from lima.train.plan import plan as make_plan

    recipe = read_recipe(**options)
    with reading_bar() as on_example:
        ready = prepare(recipe, load_plugins(), measured, on_example=on_example)
    on_gpu = torch.cuda.is_available() and recipe.device != "cpu"
    device = "cuda" if on_gpu else "cpu"
    bfloat16 = ready.recipe.in_bfloat16(device)
    found = make_plan(recipe, ready, bfloat16, device)
    settled = {key: getattr(ready.recipe, key) for key in LEFT_TO_LIMA}
    taken = measure(recipe, ready) if measured else None
    if as_json:
        seconds = {"seconds_per_step": taken.seconds_per_step, "seconds": taken.seconds} if taken else {}
        rows = {"several_rows": ready.several_rows, "sources": source_rows(ready)}
        print_json({**settled, **asdict(found), "peak": found.peak, **seconds, **rows})
        return
    lines = _lines(found, recipe, bfloat16)
    if taken:
        each, whole = _duration(taken.seconds_per_step), _duration(taken.seconds)
        lines["time"] = (
            f"{each} a step and {whole} for all of them on this {taken.device.upper()}: two steps were run, and nothing was saved"
        )
    print_rows([{"what": what, "how many": text} for what, text in lines.items()], False, "")
    print_sources(source_rows(ready), as_json=False)
    print_prepared(recipe, ready)


def _lines(found: "Plan", recipe: Recipe, bfloat16: bool) -> dict[str, str]:
    """What a plan says, a line each"""
    from lima.train.plan import GIB

    precision = "bfloat16" if recipe.in_bfloat16("cuda") else "float32"
    return {
        "parameters": f"{found.parameters:,}, of which {found.trained_parameters:,} are trained",
        "steps": f"{found.steps:,} of {recipe.batch_size} examples, {recipe.epochs} epochs",
        "tokens an epoch": f"{found.tokens:,}, of which {found.trained_tokens:,} are trained",
        "operations": f"{found.operations:.2g} in all steps",
        "weights, gradients, moments": f"{found.states / GIB:.2f} GiB",
        "activations": f"{found.activations / GIB:.2f} GiB for a micro-batch of {found.micro_batch_tokens:,} tokens "
        f"in {'bfloat16' if bfloat16 else 'float32'}",
        "peak": f"{found.peak / GIB:.2f} GiB on one device",
        "memory beside a GPU": f"{found.host / GIB:.2f} GiB",
        "disk": f"{found.disk / GIB:.2f} GiB, models and states",
        f"GPUs with FSDP2, in {precision}": ", or ".join(f"{n} of {size} GiB" for size, n in found.gpus.items() if n)
        or "none is large enough: lower micro_batch_tokens, or set gradient_checkpointing=true",
    }


def _duration(seconds: float) -> str:
    """Seconds in the unit in which a person plans"""
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:.2g} seconds" if seconds < 10 else f"{seconds:.0f} seconds"


COMMANDS = (plan,)
