"""Replies about the village that an annotator read and labelled before the grader was run on them: what the grader is tested on.

Each line of `labels.jsonl` has what is needed to grade a reply again: what was said before, what was asked for, the reply, its
label, what is wrong with it, and the annotator's reason. Sample 1 was used to fix the grader, sample 2 a little as well; sample 3
came after that and changed nothing. Replies of origin "written" come from no model: they were written to deceive a grader. Some
of them later became sentences that the grader knows (`Attribute.also`), so the agreement on them is partly fitted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lima_chat import EvalConversation, EvalTurn, KnownReply

LABELS = Path(__file__).with_name("labels.jsonl")
ORIGINS = ("model", "written")
SAMPLES = (1, 2, 3)
UNSEEN = 3
"The sample that the grader was not changed by"


def labels() -> list[dict[str, Any]]:
    """Every labelled reply, in the file's order"""
    return [json.loads(line) for line in LABELS.read_text(encoding="utf-8").splitlines()]


def known_replies() -> Iterator[KnownReply]:
    """The labelled replies, each with the conversation that it was given in, which no evaluation asks"""
    for row in labels():
        script = _script(row)
        yield KnownReply(
            conversation=script.id,
            turn=row["turn"],
            reply=row["reply"],
            grade=row["label"],
            flaw=row.get("flaw", ""),
            why=row["note"],
            saw_checks=row["sample"] != UNSEEN,
            after=tuple(text for role, text in row["history"] if role == "assistant"),
            stop=row["stop"],
            script=script,
        )


def _script(row: dict[str, Any]) -> EvalConversation:
    """The conversation up to the labelled reply; one that was written for its reply alone is named after it"""
    before = tuple(EvalTurn(text) for role, text in row["history"] if role == "user")
    required = {"text": f"Says what is true: {row['facts']['answer']}", "must": True}
    asked = EvalTurn(row["user"], (required,), row["kind"], row["facts"])
    id = row["id"] if row["conversation"] == "written" else row["conversation"]
    return EvalConversation(id, "the village", (*before, asked))
