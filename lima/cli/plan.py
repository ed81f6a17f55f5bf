"""`lima plan`: parameters, steps, tokens, memory and GPUs of a recipe, before anything is loaded."""

from typing import Any

import click

from lima.cli.show import json_option, print_json, print_rows
from lima.cli.train import read_recipe, recipe_options


@click.command()
@recipe_options
@json_option
def plan(as_json: bool, **options: Any) -> None:
    """Say what a recipe will need, without loading weights

    Memory is for float32 weights with AdamW and the largest micro-batch; time is that of the steps, from the speed at which this
    machine multiplies matrices. The base needs only its config.json and tokenizer.
    """
    from dataclasses import asdict

    import torch

    from lima.data.dataset import prepare
    from lima.plugins import load_plugins
    from lima.train.plan import GIB, matrix_speed
    from lima.train.plan import plan as make_plan

    recipe = read_recipe(**options)
    ready = prepare(recipe, load_plugins(), weights=False)
    on_gpu = torch.cuda.is_available() and recipe.device != "cpu"
    device = "cuda" if on_gpu else "cpu"
    bfloat16 = recipe.in_bfloat16(device)
    found = make_plan(recipe, ready, bfloat16, device)
    speed = matrix_speed(device, bfloat16, found.micro_batch_tokens, found.width, quick=found.quick)
    shares = [{**s, "share_of_tokens": f"{100 * s['tokens'] / (found.tokens or 1):.1f} %"} for s in ready.sources]
    if as_json:
        print_json(
            {
                **asdict(found),
                "peak": found.peak,
                "seconds": found.seconds(speed),
                "matrix_speed": speed,
                "sources": shares,
            }
        )
        return
    rows = [
        {"what": "parameters", "how many": f"{found.parameters:,}, of which {found.trained_parameters:,} are trained"},
        {"what": "steps", "how many": f"{found.steps:,} of {recipe.batch_size} examples, {recipe.epochs} epochs"},
        {"what": "tokens an epoch", "how many": f"{found.tokens:,}, of which {found.trained_tokens:,} are trained"},
        {"what": "weights, gradients, moments", "how many": f"{found.states / GIB:.2f} GiB"},
        {
            "what": "activations",
            "how many": f"{found.activations / GIB:.2f} GiB for a micro-batch of {found.micro_batch_tokens:,} tokens "
            f"in {'bfloat16' if bfloat16 else 'float32'}",
        },
        {"what": "peak", "how many": f"{found.peak / GIB:.2f} GiB on one device"},
        {"what": "memory beside a GPU", "how many": f"{found.host / GIB:.2f} GiB"},
        {"what": "disk", "how many": f"{found.disk / GIB:.2f} GiB, models and states"},
        {
            "what": "time",
            "how many": f"about {_duration(found.seconds(speed))} on one {device.upper()} like this one, if it fits: "
            f"{found.operations:.2g} operations; its matrices go at {speed / 1e9:,.1f} billion a second",
        },
        {
            "what": f"GPUs with FSDP2, in {'float32' if recipe.precision == 'float32' else 'bfloat16'}",
            "how many": ", or ".join(f"{n} of {size} GiB" for size, n in found.gpus.items() if n)
            or "none is large enough: lower micro_batch_tokens, or set gradient_checkpointing=true",
        },
    ]
    print_rows(rows, False, "")
    print_rows(shares, False, "", ("source", "examples", "tokens", "trained_tokens", "share_of_tokens", "licence"))


def _duration(seconds: float) -> str:
    """Seconds in the unit in which a person plans"""
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:.0f} seconds" if seconds >= 2 else "a second"


COMMANDS = (plan,)
