"""The command `lima chat`.

Knows nothing of how a talk is held.
"""

import random
from typing import Any

import click

from lima.cli import database_option, store_to_read, trust_option


@click.command()
@click.argument("models", nargs=-1, required=True, metavar="MODEL [MODEL]")
@click.option("--system", default="", help="What the model is told before you speak")
@click.option("--temperature", type=click.FloatRange(0), default=0.7, show_default=True, help="0 is greedy")
@click.option("--max-new-tokens", type=click.IntRange(1), default=2048, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--blind", is_flag=True, help="Of two models, do not say which is which until the end")
@click.option("--record", is_flag=True, help="Keep the talk in the database; without it nothing is kept")
@trust_option
@database_option
def chat(
    models: tuple[str, ...],
    system: str,
    seed: int,
    blind: bool,
    record: bool,
    trust_remote_code: bool,
    database: str | None,
    **sampling: Any,
) -> None:
    """Talk with MODEL: a run, a checkpoint's folder, a base model, or any of `lima models`; with two of them both answer

    Ctrl-C stops a reply, Ctrl-D ends the talk, /help lists the commands. Where the input is no terminal, each line is said in
    turn. Replies are sampled as in LIMA: top-p 0.9, and a repetition penalty of 1.2 on the reply; at temperature 0 neither is
    used.

    \b
    lima chat tuned
    lima chat base tuned --blind --record
    """
    if len(models) > 2:
        raise click.UsageError(f"Talk with one model or two; you gave {len(models)}.")
    if blind and len(models) == 1:
        raise click.UsageError("--blind is for two models.")
    from lima import Sampling, Store, new_run_id, open_model
    from lima_chat.talk.log import Nothing, StoreLog
    from lima_chat.talk.talk import Talk
    from lima_chat.talk.terminal import Screen

    penalty = 1.0 if sampling["temperature"] == 0 else Sampling.repetition_penalty
    settings = Sampling(repetition_penalty=penalty, **sampling)
    with Store(database) if record else store_to_read(database) as store:
        opened = [open_model(name, store, trust_remote_code) for name in models]
        if blind:
            random.SystemRandom().shuffle(opened)

        def new() -> dict[str, Talk]:
            names = [""] if len(opened) == 1 else ["A", "B"]
            return {
                name: Talk(new_run_id(), model, settings, seed, system)
                for name, model in zip(names, opened, strict=True)
            }

        log = StoreLog(store) if record else Nothing()
        Screen(new(), log, new, secret=blind).run()
