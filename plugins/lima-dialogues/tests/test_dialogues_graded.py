"""The shipped evaluations and the grader that they name: replies that need no model fail, and known replies get their grades.

Runs on whatever is there. A turn that a null model gets through is in `EXCEPTIONS` until its checks are mended.
"""

import json
from pathlib import Path

import pytest

from lima_chat import KnownReply
from lima_dialogues.files import further_sets
from lima_dialogues.registered import Conversations, further

pytest.importorskip("lima_dialogue_eval")

EXCEPTIONS: set[tuple[str, int, str]] = set()
"(conversation, turn, null model) that the checks let through; to be emptied"


@pytest.fixture(scope="module", params=["", *further_sets()])
def evaluation(request):
    """The first set of conversations, and each further one"""
    return further(request.param) if request.param else Conversations()


@pytest.fixture(scope="module")
def ground(evaluation):
    """The evaluation with its known replies; where it has none, with the replies that the linter's tests come with"""
    from lima_dialogue_eval.evaluation.known import AuditSet

    script = {conversation.id: conversation for conversation in evaluation.conversations()}
    known = evaluation.known_replies() or list(_replies(script))
    return AuditSet(
        "dialogues", evaluation.grader, script, tuple(known), bool(getattr(evaluation, "checks_decide", False))
    )


def _replies(script):
    written = json.loads((Path(__file__).parent / "replies.json").read_text())
    for id, pairs in written.items():
        good = [pair["excellent"] for pair in pairs if "excellent" in pair]
        if id in script and len(good) == len(script[id].turns):
            yield from (KnownReply(id, n, text, "excellent", after=good[: n - 1]) for n, text in enumerate(good, 1))


@pytest.fixture(scope="module")
def grade():
    from lima_dialogue_eval.conversation.grade import Requirements
    from lima_dialogue_eval.run.judging import judged

    return lambda turn: judged(Requirements(), turn)


def test_no_reply_that_needs_no_model_is_better_than_fail(ground, grade):
    from lima_dialogue_eval.audit.null_models import findings, floor, null_replies

    graded = [(null, grade(null.turn)) for null in null_replies(ground)]
    found = {(one.conversation, one.turn, one.name): str(one) for one in findings(graded)}
    assert [text for key, text in found.items() if key not in EXCEPTIONS] == []
    tried = floor(graded)
    turns = sum(len(conversation.turns) for conversation in ground.script.values())
    assert {tried[name]["turns"] for name in ("empty", "echo", "apology", "other")} == {turns}
    assert tried["empty"]["failed"] == turns
    assert tried["previous"]["turns"] == turns - len(ground.script)


def test_known_replies_get_their_grades(evaluation, grade):
    """What `lima graders audit requirements dialogues` must say of the replies that ship"""
    from lima_dialogue_eval.audit.figures import figures
    from lima_dialogue_eval.evaluation.known import AuditSet

    known = evaluation.known_replies()
    if not known:
        pytest.skip("no replies with known grades ship yet")
    script = {conversation.id: conversation for conversation in evaluation.conversations()}
    ground = AuditSet("dialogues", "requirements", script, tuple(known), False)
    rows = [
        {
            "conversation": one.conversation,
            "turn": one.turn,
            "known": one.grade,
            "flaw": one.flaw,
            "saw_checks": one.saw_checks,
            "grade": (verdict := grade(ground.turn(one))).grade,
            "status": verdict.status,
        }
        for one in known
    ]
    whole = figures(rows)["all"]
    assert whole["bad"]["not_praised"]["share"] == 1  # nothing bad is better than undecided
    assert whole["good"]["failed"]["share"] <= 0.02
    assert whole["visible"]["failed"]["share"] >= 0.9
    assert whole["bad"]["failed"]["share"] >= 0.5
    assert whole["given"]["error"] == 0
