"""`lima ask`: what a fine-tune answers, without another line of code."""

from typing import Any

import click

from lima.cli.show import database_option, json_option, print_json, store_to_read, trust_option
from lima.text import visible


@click.command()
@click.argument("model")
@click.argument("prompts", nargs=-1, required=True, metavar="PROMPT...")
@click.option("--temperature", type=click.FloatRange(0), default=0.7, show_default=True, help="0 is greedy")
@click.option("--max-new-tokens", type=click.IntRange(1), default=2048, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@trust_option
@database_option
@json_option
def ask(
    model: str,
    prompts: tuple[str, ...],
    seed: int,
    trust_remote_code: bool,
    database: str | None,
    as_json: bool,
    **sampling: Any,
) -> None:
    """Ask MODEL, a checkpoint's folder, a run or a base model, each PROMPT separately, in the format it was trained with

    Sampled as in LIMA: top-p 0.9, and a repetition penalty of 1.2 on the reply; at temperature 0 neither is used."""
    from lima.answer.checkpoint_model import open_checkpoint
    from lima.contract.answers import Sampling

    penalty = 1.0 if sampling["temperature"] == 0 else Sampling.repetition_penalty
    with store_to_read(database) as store:
        opened = open_checkpoint(model, store, trust_remote_code)
    replies = opened.reply(prompts, Sampling(repetition_penalty=penalty, **sampling), seed)
    if as_json:
        print_json(
            [
                {"prompt": p, "reply": r.text, "stop": r.stop, "tokens": len(r.ids), "seconds": r.seconds}
                for p, r in zip(prompts, replies, strict=True)
            ]
        )
        return
    for prompt, reply in zip(prompts, replies, strict=True):
        if len(prompts) > 1:
            click.echo(f"> {visible(prompt)}")
        click.echo(visible(reply.text))
        if reply.stop != "eot":
            cut = {
                "length": f"at --max-new-tokens ({sampling['max_new_tokens']})",
                "context": "where the context was full",
            }
            click.echo(f"Reply cut off {cut.get(reply.stop, reply.stop)}.", err=True)


COMMANDS = (ask,)
