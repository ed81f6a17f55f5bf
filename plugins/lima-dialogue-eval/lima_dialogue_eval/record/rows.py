"""Dialogues and their replies as rows of the plugin's tables, and back again.

Knows nothing of the database.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lima import GRADER_FAILED, storable
from lima_dialogue_eval.conversation.converse import ANSWERED, ERROR, RUNNING, Dialogue, Outcome
from lima_dialogue_eval.conversation.grade import GradedTurn

if TYPE_CHECKING:
    from lima_chat import EvalConversation


def recalled(conversation: "EvalConversation", row: dict[str, Any], done: list[dict[str, Any]]) -> Dialogue:
    """A dialogue as far as its answered turns go; an error is tried again, a full context is not"""
    dialogue = Dialogue(conversation, row["seed"])
    for turn in sorted(done, key=lambda r: r["turn"]):
        if (turn["conversation"], turn["seed"], turn["status"]) == (conversation.id, row["seed"], ANSWERED):
            dialogue.take(turn["reply"], turn["thoughts"] or "")
    if dialogue.status == RUNNING and row["status"] not in (RUNNING, ERROR):
        dialogue.status = row["status"]
    return dialogue


def wants_grade(row: dict[str, Any]) -> bool:
    """Whether a reply, as `log.replies` has it, was not graded, or its grader failed"""
    return row["status"] == ANSWERED and row["grade"] is None and row["grade_status"] in ("not graded", GRADER_FAILED)


def ungraded(
    dialogues: Sequence[Dialogue], rows: Sequence[dict[str, Any]], checks_decide: bool
) -> list[tuple[int, GradedTurn]]:
    """Seed and turn of each reply of the rows, as `replies` has them, that still wants a grade"""
    wanted = {(r["conversation"], r["seed"], r["turn"]): r for r in rows if wants_grade(r)}
    found = []
    for d in dialogues:
        for index in range(d.index):
            if row := wanted.get((d.conversation.id, d.seed, index + 1)):
                turn = GradedTurn(d.conversation, index, d.before(index), row["reply"], row["stop"], checks_decide)
                found.append((d.seed, turn))
    return found


def dialogue_row(dialogue: Dialogue) -> dict[str, Any]:
    conversation = dialogue.conversation
    return {
        "conversation": conversation.id,
        "seed": dialogue.seed,
        "topic": storable(conversation.topic),
        "system": storable(conversation.system),
        "turns": len(conversation.turns),
    }


def turn_row(outcome: Outcome) -> dict[str, Any]:
    dialogue, reply = outcome.dialogue, outcome.reply
    turn = dialogue.conversation.turns[outcome.index]
    return {
        "conversation": dialogue.conversation.id,
        "seed": dialogue.seed,
        "turn": outcome.index + 1,
        "kind": turn.kind,
        "user": storable(turn.user),
        "requirements": json.dumps(turn.requirements, default=str),
        "reply": reply.text if reply else None,
        "thoughts": reply.thoughts if reply else None,
        "prompt_ids": json.dumps(reply.prompt_ids) if reply else None,
        "prompt_tokens": len(reply.prompt_ids) if reply else None,
        "reply_tokens": len(reply.ids) if reply else None,
        "stop": reply.stop if reply else None,
        "seconds": reply.seconds if reply else None,
        "status": outcome.status,
        "message": storable(outcome.message),
    }


def ended_row(outcome: Outcome) -> dict[str, Any]:
    return {
        "conversation": outcome.dialogue.conversation.id,
        "seed": outcome.dialogue.seed,
        "status": outcome.dialogue.status,
        "message": storable(outcome.message),
    }
