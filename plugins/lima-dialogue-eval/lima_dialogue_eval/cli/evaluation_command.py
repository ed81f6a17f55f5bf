"""`lima evaluations show`, and the options that choose a part of an evaluation. Everything heavy loads inside the command."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from lima import visible
from lima.cli import json_option, print_fields, print_json, with_reading
from lima_dialogue_eval.evaluation.part import Part

if TYPE_CHECKING:
    from lima_chat import EvalConversation, EvalTurn


def with_part(command: Callable[..., Any]) -> Callable[..., Any]:
    """A command with the options that choose conversations of an evaluation and say how its file is read, given as `part`"""

    @click.option(
        "--limit", type=click.IntRange(1), metavar="N", help="Only the first N conversations, in the file's order"
    )
    @click.option("--conversation", "ids", multiple=True, metavar="ID", help="Only this conversation; may be repeated")
    @with_reading
    @wraps(command)
    def chosen(*args: Any, tables: Any, limit: int | None, ids: tuple[str, ...], **options: Any) -> Any:
        if limit is not None and ids:
            raise click.UsageError("Give --limit, how many, or --conversation, which ones: not both.")
        return command(*args, part=Part(limit, ids, tables), **options)

    return chosen


@click.command("show")
@click.argument("evaluation")
@with_part
@json_option
def show_evaluation(evaluation: str, part: Part, as_json: bool) -> None:
    """What is asked and required in an EVALUATION: a name of `lima evaluations`, a file, a folder or a source"""
    from lima import load_plugins
    from lima_dialogue_eval.evaluation.file_evaluation import check_reading
    from lima_dialogue_eval.evaluation.kinds import find_evaluation, script_of
    from lima_dialogue_eval.run.evaluate import script_hash

    found = find_evaluation(load_plugins(), evaluation, part.tables)
    check_reading(evaluation, found, part.tables)
    whole = script_of(evaluation, found)
    held = list(part.of(evaluation, whole).values())
    decide = bool(getattr(found, "checks_decide", False))
    about = {
        "evaluation": evaluation,
        "description": found.description,
        "licence": found.licence,
        "grader": found.grader,
    }
    counts: dict[str, Any] = {
        "conversations": len(held),
        "left_out": len(whole) - len(held),
        "hash": script_hash(held),
    } | _counts(held)
    if as_json:
        print_json({**about, **counts, "checks_decide": decide, "conversations": [asdict(c) for c in held]})
        return
    checks = _checks(decide, bool(counts["requirements"]["checked"]), found.grader)
    print_fields({**about, **_shown(counts), "checks": checks}, False)
    for conversation in held:
        _print(conversation)


def _counts(held: "Sequence[EvalConversation]") -> dict[str, Any]:
    turns = [turn for conversation in held for turn in conversation.turns]
    required = [r for turn in turns for r in turn.requirements]
    return {
        "turns": len(turns),
        "kinds": dict(Counter(turn.kind for turn in turns).most_common()),
        "requirements": {
            "all": len(required),
            "must": sum(r.get("must", True) for r in required),
            "checked": sum(bool(r.get("check")) for r in required),
            "for_readers": sum(not r.get("check") for r in required),
        },
    }


def _shown(counts: dict[str, Any]) -> dict[str, Any]:
    """The counts in words"""
    r = counts["requirements"]
    said = f"{r['all']:,}, of which {r['must']:,} must hold; {r['checked']:,} with a check, {r['for_readers']:,} for readers"
    kinds = ", ".join(f"{kind or 'none'} {n:,}" for kind, n in counts["kinds"].items())
    return {**counts, "kinds": kinds, "requirements": said if r["all"] else "none"}


def _checks(decide: bool, some: bool, grader: str) -> str:
    """What the checks can decide, as a sentence"""
    if not some:
        by = "a judge or a person" if grader == "requirements" else f"the grader {grader} or another reader"
        return f"none: {by} grades the replies"
    if decide:
        return "decide every grade: the evaluation says so"
    return "may fail a reply; a judge or a person decides between pass and excellent"


def _print(conversation: "EvalConversation") -> None:
    heading = " · ".join(part for part in (conversation.id, conversation.topic) if part)
    click.echo(f"\n{visible(heading)}")
    if conversation.system:
        click.echo(_indented("system: ", conversation.system))
    for number, turn in enumerate(conversation.turns, 1):
        click.echo(_indented(f"{number} {turn.kind}: " if turn.kind else f"{number}: ", turn.user))
        for line in _below(turn):
            click.echo(_indented("    ", line))


def _below(turn: "EvalTurn") -> list[str]:
    """A line for each requirement, and one for each fact that a grader is told"""
    lines = []
    for r in turn.requirements:
        by = json.dumps(r["check"], ensure_ascii=False) if r.get("check") else "for a reader"
        lines.append(f"{'must' if r.get('must', True) else 'may '} {r.get('text', '')}  {by}")
    for name, value in turn.facts.items():
        lines.append(
            f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)}"
        )
    return lines


def _indented(head: str, text: str) -> str:
    """Hostile text after a head, its further lines below each other"""
    return "  " + (head + visible(text)).replace("\n", "\n" + " " * (len(head) + 2))
