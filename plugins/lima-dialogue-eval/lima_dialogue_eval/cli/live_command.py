"""`lima dialogues live`: its options. Everything heavy loads inside the command."""

import getpass
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from lima import LimaError, command_on, visible
from lima.cli import database_option, options_given, store_to_read, trust_option
from lima_dialogue_eval.cli.evaluation_command import with_part

if TYPE_CHECKING:
    from lima import Store
    from lima_dialogue_eval.evaluation.part import Part
    from lima_dialogue_eval.live.session import Session

_WITH_RESUME = ("--resume", "--model", "--by", "--trust-remote-code", "--database")


@click.command()
@click.argument("evaluation", required=False, metavar="[EVALUATION|TOPIC]")
@click.option("--model", help="NAME or NAME:ARGUMENT of `lima models`; a folder, a base model or a run is a checkpoint")
@click.option(
    "--topic", "more", multiple=True, help="A topic to talk about, in place of an evaluation; may be repeated"
)
@click.option("--script", is_flag=True, help="The evaluation's users speak, and you grade")
@click.option("--replay", metavar="RUN", help="What was said in a live run is said to this model, and you grade")
@click.option("--resume", metavar="RUN", help="Resume a run that you left")
@click.option("--by", help="Your name, which stands beside your grades  [default: the name of your account]")
@click.option("--arm", default="", help="A label, such as before or after")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--temperature", type=click.FloatRange(0), help="0 is greedy  [default: 0.7]")
@click.option("--top-p", type=click.FloatRange(0, 1, min_open=True), help="Nucleus  [default: 0.9]")
@click.option("--repetition-penalty", type=click.FloatRange(0, min_open=True), help="[default: 1.2]")
@click.option("--max-new-tokens", type=click.IntRange(1), help="Longest reply  [default: 2048]")
@with_part
@trust_option
@database_option
@click.pass_context
def live(
    ctx: click.Context,
    evaluation: str | None,
    model: str | None,
    more: tuple[str, ...],
    script: bool,
    replay: str | None,
    resume: str | None,
    by: str | None,
    arm: str,
    seed: int,
    part: "Part",
    trust_remote_code: bool,
    database: str | None,
    **sampling: Any,
) -> None:
    """Talk with a model yourself, and grade each reply with a key (LIMA §6)

    EVALUATION gives the topics, or TOPIC is one of several words. With --script its users speak in your place; with --replay
    what you said to the other arm is said again. Every turn and grade is kept at once.

    \b
    lima dialogues live dialogues --model before --arm before
    lima dialogues live --replay before --model after --arm after
    """
    from lima import Sampling, Store
    from lima_dialogue_eval.live.terminal import Left, Screen
    from lima_dialogue_eval.record.people import check_spelling

    if resume is not None and (beside := [o for o in options_given(ctx) if o not in _WITH_RESUME]):
        raise click.UsageError(
            f"--resume {resume} continues with the settings that it was started with: leave out {beside[0]}."
        )
    chosen = [bool(evaluation or more), replay is not None]
    if resume is None and (model is None or sum(chosen) != 1):
        raise click.UsageError("Give a --model, and an EVALUATION, a TOPIC or --replay RUN; or --resume RUN.")
    if script and (more or replay or resume):
        raise click.UsageError("--script is for an EVALUATION alone.")
    name = _name(by)
    settings: dict[str, Any] = {
        "by": name, "arm": arm, "seed": seed, "trust_remote_code": trust_remote_code,
        "sampling": Sampling(**{k: v for k, v in sampling.items() if v is not None}),
    }  # fmt: skip
    with store_to_read(database) if resume is not None else Store(database) as store:
        check_spelling(store, [name])
        if resume is not None:
            from lima_dialogue_eval.live.session import resume as resumed

            session = resumed(store, resume, model, name, evaluation, trust_remote_code)
        elif replay is not None:
            session = _replay(store, replay, model, settings)
        else:
            session = _begin(store, evaluation, more, model, script, part, settings)
        with session.log.exclusive():
            _hold(session, Screen(session), Left)


def _name(by: str | None) -> str:
    """Who grades; LimaError for a name that cannot be a rater's"""
    from lima_dialogue_eval.record.people import rater_name

    if by is None:
        with suppress(OSError, KeyError):
            by = getpass.getuser()
    if not by:
        raise LimaError("Say who grades with --by NAME.")
    return rater_name(by)


def _hold(session: "Session", screen: Any, left: type[Exception]) -> None:
    from lima_dialogue_eval.evaluation.provenance import resume_command

    session.log.mark("running")
    again = f"What is done is kept. Resume with: {resume_command(session.row)}"
    try:
        screen.run()
    except (left, KeyboardInterrupt) as e:
        session.log.mark("interrupted", "the person left")
        click.echo(visible(f"\n{again}"), err=True)
        if isinstance(e, KeyboardInterrupt):
            raise
        return
    except BaseException as e:
        session.log.mark("failed", str(e) or type(e).__name__)
        e.add_note(again)
        raise
    session.log.mark("done")
    click.echo(
        visible(f"Done. `{command_on(session.log.store.path, 'dialogues', 'show', session.log.id)}` shows it."),
        err=True,
    )


def _replay(store: "Store", name: str, model: str | None, settings: dict[str, Any]) -> "Session":
    from lima_dialogue_eval.live.session import REPLAY, begin, replayed

    row, talks = replayed(store, name, settings["seed"])
    kept = ("evaluation_hash", "evaluation_path")
    columns = {key: row[key] for key in kept} | {
        "evaluation_part": json.dumps(row["evaluation_part"]) if row["evaluation_part"] else None,
        "replays": row["id"],
    }
    return begin(store, row["evaluation"], talks, model, REPLAY, columns, **settings)


def _begin(
    store: "Store",
    evaluation: str | None,
    more: tuple[str, ...],
    model: str | None,
    script: bool,
    part: "Part",
    settings: dict[str, Any],
) -> "Session":
    """A run of an evaluation's conversations or topics, or of topics that are given"""
    from lima import load_plugins
    from lima_dialogue_eval.evaluation.file_evaluation import check_reading, from_anywhere
    from lima_dialogue_eval.evaluation.identity import script_hash
    from lima_dialogue_eval.evaluation.kinds import find_evaluation, script_of
    from lima_dialogue_eval.live.session import LIVE, SCRIPT, Held, begin, live_hash
    from lima_dialogue_eval.live.terminal import topics

    if more or (evaluation and _is_topic(evaluation)):
        if script:
            raise click.UsageError("--script is for an EVALUATION; a topic has no turns.")
        texts = [*([evaluation] if evaluation else []), *more]
        given = [Held(id, text, settings["seed"]) for id, text in topics(texts).items()]
        return begin(store, LIVE, given, model, LIVE, {"evaluation_hash": live_hash(given)}, **settings)
    name, plugins = evaluation or "", load_plugins()
    found = find_evaluation(plugins, name, part.tables)
    check_reading(name, found, part.tables)
    whole = script_of(name, found)
    held = list(part.of(name, whole).values())
    columns = part.columns(from_anywhere(name, plugins), len(whole), len(held))
    if script:
        return begin(store, name, held, model, SCRIPT, {**columns, "evaluation_hash": script_hash(held)}, **settings)
    spoken = [Held(c.id, c.topic, settings["seed"], c.system) for c in held]
    return begin(store, name, spoken, model, LIVE, {**columns, "evaluation_hash": live_hash(spoken)}, **settings)


def _is_topic(text: str) -> bool:
    """Whether a text is a topic, and not the name of an evaluation or of a file"""
    from lima import is_there, load_plugins

    return " " in text.strip() and text not in load_plugins().registry("evaluations") and not is_there(text)
