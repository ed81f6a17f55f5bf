"""Dialogues and their replies as rows of the plugin's tables, and back again.

Knows nothing of the database.
"""

import json
from typing import TYPE_CHECKING, Any

from lima import GRADER_FAILED, storable
from lima_dialogue_eval.converse import ANSWERED, ERROR, RUNNING, Dialogue, Outcome

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
    return row["status"] == ANSWERED and row["grade"] is None and row["grade_status"] in ("not graded", GRADER_FAILED)


def dialogue_row(dialogue: Dialogue) -> dict[str, Any]:
    conversation = dialogue.conversation
    return {
        "conversation": conversation.id,
        "seed": dialogue.seed,
        "topic": storable(conversation.topic),
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
