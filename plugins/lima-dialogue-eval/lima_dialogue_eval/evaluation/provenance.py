"""What a dialogue run is made with, as columns of its row, and whether that is still what is there when it is resumed.

Another evaluation, grader or model is refused; another environment or template is a note. Knows nothing of how runs are made.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lima import LimaError, Plugins, command_on, environment, is_registered
from lima_dialogue_eval.conversation.grade import PEOPLE
from lima_dialogue_eval.evaluation.identity import OWN, grader_hash, model_hash, own_code, script_hash, template_hash
from lima_dialogue_eval.evaluation.kinds import checks_decide, reopened_evaluation, script_of
from lima_dialogue_eval.evaluation.part import Part

if TYPE_CHECKING:
    from lima_chat import EvalConversation

HASHES = ("grader_hash", "model_hash", "template_hash", "checks_decide")
LATER = ", resumed with "
"Between what a run was begun with and what it was resumed with"
PLACE = "directory"
"Where a process works decides nothing"


def made_with(plugins: Plugins, judge: Any, model: Any, decide: bool) -> dict[str, Any]:
    """The columns of a run's row that say what makes its replies and grades"""
    rows = plugins.rows()
    return {
        "grader_hash": grader_hash(judge),
        "model_hash": model_hash(model),
        "template_hash": template_hash(model),
        "checks_decide": int(decide),
        "plugins": json.dumps(rows),
        "environment": json.dumps({**environment(1), OWN: own_code(rows)}),
    }


def begun_with(
    plugins: Plugins, row: Mapping[str, Any], named: str | None, again: str
) -> "tuple[dict[str, EvalConversation], bool]":
    """(the conversations that a run was begun with, whether their checks decide); one that is read from a file must be `named`

    LimaError where it is another now; `again` is the command that names it."""
    part, name = Part.recalled(row["evaluation_part"]), named or row["evaluation"]
    found = reopened_evaluation(plugins, row, named, part.tables, again)
    script, decide = part.of(name, script_of(name, found)), checks_decide(found, name)
    _check_evaluation(row, name, script, decide)
    return script, decide


def _check_evaluation(
    row: Mapping[str, Any], name: str, script: "Mapping[str, EvalConversation]", decide: bool
) -> None:
    """LimaError unless an evaluation, by the name that is given now, is the one that a run was begun with"""
    what = ""
    if script_hash(list(script.values())) != row["evaluation_hash"]:
        other = f", or is another than {row['evaluation']!r}" if name != row["evaluation"] else ""
        what = f"The evaluation {name!r} has changed since dialogue run {row['id']} was begun{other}"
    elif row["checks_decide"] not in (None, int(decide)):
        now = "now declares" if decide else "no longer declares"
        what = f"The evaluation {row['evaluation']!r} {now} that its checks decide, since dialogue run {row['id']} was begun"
    if what:
        raise LimaError(f"{what}; start a new one.")


def check_makers(row: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """LimaError for another grader or model than a run was begun with, under the same name

    A run of an earlier version does not say which they were."""
    for key, what, advice in (
        ("grader_hash", f"The grader {row['grader']!r}", "Grades of two graders do not mix: restore the earlier one"),
        (
            "model_hash",
            f"The model {row['model']!r}, by its weights, configuration and tokenizer,",
            "Replies of two models do not mix: put the earlier one back",
        ),
    ):
        if row[key] not in (None, now[key]):
            raise LimaError(
                f"{what} has changed since dialogue run {row['id']} was begun (sha256 {row[key][:8]}, now {now[key][:8]}). "
                f"{advice}, or start a new run: {_anew(row)}"
            )


def resumed(row: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """(columns that change when a run is resumed, what differs from its beginning as a sentence or '')

    A run of an earlier version takes the present hashes: all of its replies are graded again."""
    before, there = dict(row["environment"]), json.loads(now["environment"])
    if row["template_hash"] != now["template_hash"]:
        before["template"], there["template"] = (str(r["template_hash"] or "unknown")[:8] for r in (row, now))
    notes = []
    for key, value in there.items():
        last = str(before.get(key, "unknown")).rpartition(LATER)[2]
        if key != PLACE and last != value and (key in row["environment"] or key == "template"):
            notes.append(f"{key} {value} instead of {last}")
            before[key] = f"{before[key]}{LATER}{value}"
    changes: dict[str, Any] = {"environment": json.dumps(before)}
    if row["grader_hash"] is None:
        changes |= {key: now[key] for key in HASHES}
        notes.append("the grader of this version instead of an earlier one's, for all replies")
    return changes, f"Resumed with {'; '.join(notes)}." if notes else ""


def resume_command(row: Mapping[str, Any]) -> str:
    """The command that resumes a dialogue run"""
    from lima import load_plugins

    named = {"--model": row["model"]} if is_registered(row["model"]) else {}
    path = [row["evaluation_path"]] if row["evaluation_path"] else []
    if row.get("mode"):
        return _command(row, "live", *path, "--resume", row["id"], **named)
    named |= {"--grader": row["grader"]} if load_plugins().registry("graders").opens(row["grader"]) else {}
    return _command(row, "run", *path, "--resume", row["id"], **named)


def regrade_command(rows: Sequence[Mapping[str, Any]], grader: str) -> str:
    """The command by which a grader grades dialogue runs of one evaluation; it names an evaluation that is not registered"""
    ids = [row["id"] for row in rows]
    if grader == PEOPLE:
        return _command(rows[0], "grade", ",".join(ids))  # as one side: no number of runs or seeds is refused
    path = next((row["evaluation_path"] for row in rows if row["evaluation_path"]), None)
    return _command(rows[0], "regrade", *ids, **{"--grader": grader, **({"--evaluation": path} if path else {})})


def _anew(row: Mapping[str, Any]) -> str:
    """The command that makes another run of the same"""
    named = {"--model": row["model"], "--grader": row["grader"], **({"--arm": row["arm"]} if row["arm"] else {})}
    return _command(row, "run", row["evaluation_path"] or row["evaluation"], **named)


def _command(row: Mapping[str, Any], *words: str, **options: str) -> str:
    """A command of `lima dialogues` on the database of a row"""
    return command_on(Path(row["database"]), "dialogues", *words, *(word for pair in options.items() for word in pair))
