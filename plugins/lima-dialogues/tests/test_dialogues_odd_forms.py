"""Good replies in forms that nobody thought of, which no check may fail, and bad ones whose flaw a program can see."""

import json
from pathlib import Path

import pytest

from lima_dialogues.registered import Conversations

pytest.importorskip("lima_dialogue_eval")

ROWS = json.loads(Path(__file__).with_name("odd_forms.json").read_text(encoding="utf-8"))


def test_odd_forms_are_not_failed_and_visible_flaws_are():
    from lima_dialogue_eval.conversation.grade import GradedTurn, Requirements
    from lima_dialogue_eval.evaluation.known import history_of

    script = {conversation.id: conversation for conversation in Conversations().conversations()}
    wrong = []
    for row in ROWS:
        conversation, after = script[row["conversation"]], row["after"]
        for kind, expected in (("good", None), ("bad", "fail")):
            for reply in row[kind]:
                turn = GradedTurn(conversation, len(after), history_of(conversation, after), reply, "eot")
                verdict = Requirements().grade(turn)
                wrong += [(conversation.id, len(after) + 1, reply, verdict.reason)] * (verdict.grade != expected)
    assert wrong == []
    assert sum(len(row["good"]) for row in ROWS) > 60
    assert sum(len(row["bad"]) for row in ROWS) > 20
