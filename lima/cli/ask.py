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
    """Ask MODEL each PROMPT separately: a run, a checkpoint's folder, a base model, or any of `lima models`

    A checkpoint is asked in the format that it was trained with.
    Sampled as in LIMA: top-p 0.9, and a repetition penalty of 1.2 on the reply; at temperature 0 neither is used."""
    from lima.answer.opening import open_model
    from lima.contract.answers import Sampling

    penalty = 1.0 if sampling["temperature"] == 0 else Sampling.repetition_penalty
    with store_to_read(database) as store:
        opened = open_model(model, store, trust_remote_code)
        replies = opened.reply(prompts, Sampling(repetition_penalty=penalty, **sampling), seed)
    answered = list(zip(prompts, replies, strict=True))
    if as_json:
        print_json([_fields(prompt, reply) for prompt, reply in answered])
    else:
        for prompt, reply in answered:
            if len(prompts) > 1:
                click.echo(f"> {visible(prompt)}")
            _show(reply, sampling["max_new_tokens"])
    if any(isinstance(reply, Exception) for reply in replies):
        click.get_current_context().exit(1)


def _fields(prompt: str, reply: Any) -> dict[str, Any]:
    if isinstance(reply, Exception):
        return {"prompt": prompt, "error": str(reply)}
    return {"prompt": prompt, "reply": reply.text, "stop": reply.stop, "tokens": len(reply.ids), "seconds": reply.seconds}


def _show(reply: Any, longest: int) -> None:
    """A reply, and how it ended where it was cut off; or the model's failure"""
    if isinstance(reply, Exception):
        click.echo(visible(f"Error: {reply}"), err=True)
        return
    click.echo(visible(reply.text))
    cut = {"length": f"at --max-new-tokens ({longest})", "context": "where the context was full"}
    if reply.stop in cut:
        click.echo(f"Reply cut off {cut[reply.stop]}.", err=True)


COMMANDS = (ask,)
