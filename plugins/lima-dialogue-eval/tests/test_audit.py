"""Graders that are tested: one that is right, one that lies, one that shrugs, one that crashes; and what is kept of it."""

import json

import pytest
from audited import KNOWN, TEA, Plugin

import lima_dialogue_eval
from lima import LimaError, Store
from lima.testing import only_plugins
from lima_dialogue_eval.audit.log import audit_line, audits, find_audit, floor_line, last_audit, verdicts
from lima_dialogue_eval.audit.measure import audit_grader
from lima_dialogue_eval.evaluation.known import AuditSet, KnownReply, opened

NULLS = 4 * 3 + 2 + 4
"Empty, echo and apology at four turns; the reply before at two; one other conversation's at each"
ASKED = 8 + NULLS - 4
"An empty reply is a Fail without the grader"


@pytest.fixture
def plugin():
    return Plugin()


@pytest.fixture
def file(plugin, tmp_path):
    with only_plugins(lima_dialogue_eval=lima_dialogue_eval, audited=plugin), Store(tmp_path / "l.db") as store:
        yield store


def counts(share):
    return share["count"], share["n"]


def audited(file, grader):
    row = find_audit(file, audit_grader(file, grader, "tested"))
    return row, row["figures"]["all"]


def test_a_known_reply_is_graded_after_what_came_before_it():
    tested = AuditSet("tested", "requirements", {TEA.id: TEA}, tuple(KNOWN), True)
    turn = tested.turn(KNOWN[4])
    assert [(said.role, said.content) for said in turn.history] == [
        ("system", "You are brief."),
        ("user", "How do I make tea?"),
        ("assistant", "Pour boiling water over the leaves."),
        ("user", "And with milk?"),
    ]
    assert (turn.index, turn.reply, turn.stop, turn.checks_decide) == (1, "Milk is the tea of the moon.", "eot", True)


def test_a_grader_that_is_right_always(file):
    row, whole = audited(file, "right")
    assert (row["replies"], row["grader"], row["evaluation"]) == (8, "right", "tested")
    assert [counts(whole["good"][key]) for key in ("failed", "praised")] == [(0, 4), (4, 4)]
    assert [counts(whole["bad"][key]) for key in ("failed", "not_praised")] == [(4, 4), (4, 4)]
    assert whole["kappa"]["value"] == 1
    assert row["floor"]["echo"] == {"turns": 4, "failed": 4, "explained": 0, "errors": 0}
    # Another conversation's good reply is good for a grader that looks at words alone.
    assert row["floor"]["other"]["failed"] == 0
    assert {v["null_model"] for v in verdicts(file, row["id"])} == {"", "empty", "echo", "apology", "previous", "other"}


def test_a_grader_that_lies(file):
    _, whole = audited(file, "liar")
    assert [counts(whole["good"][key]) for key in ("failed", "praised")] == [(4, 4), (0, 4)]
    assert [counts(whole["bad"][key]) for key in ("failed", "not_praised")] == [(0, 4), (0, 4)]
    assert whole["kappa"]["value"] < 0


def test_the_grader_by_checks(file):
    """It fails what misses a check, the right answer in digits among it, and lets through what only a reader sees"""
    row, whole = audited(file, "requirements")
    assert counts(whole["good"]["failed"]) == (1, 4)
    assert counts(whole["visible"]["failed"]) == (2, 2)
    assert counts(whole["hidden"]["failed"]) == (0, 2)
    assert counts(row["figures"]["unseen"]["good"]["failed"]) == (1, 1)
    assert counts(row["figures"]["seen"]["good"]["failed"]) == (0, 3)


def test_a_grader_that_fails_on_half_of_them_is_asked_again_for_these_alone(file, plugin):
    crash = plugin.graders["crash"]
    row, whole = audited(file, "crash")
    assert whole["given"]["error"] == 4
    assert counts(whole["bad"]["not_praised"]) == (
        whole["bad"]["not_praised"]["n"] - whole["matrix"]["fail"]["error"],
        4,
    )
    reasons = [v["reason"] for v in verdicts(file, row["id"]) if v["status"] == "error"]
    assert reasons == ["The grader failed: ConnectionError: no answer"] * (ASKED // 2)
    crash.broken, before = False, len(crash.calls)
    again, whole = audited(file, "crash")
    assert (again["id"], len(crash.calls) - before) == (row["id"], ASKED // 2)
    assert (whole["given"]["error"], whole["kappa"]["value"]) == (0, 1)
    assert len(audits(file)) == 1


def test_an_audit_that_was_interrupted_is_continued(file, plugin, monkeypatch):
    crash = plugin.graders["crash"]
    crash.broken = False

    def stop_at_five(done, total):
        assert total == 8 + NULLS
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        audit_grader(file, "crash", "tested", stop_at_five)
    assert audits(file) == []
    assert len(file.rows("select * from grader_audit_verdicts")) == 5
    audit_grader(file, "crash", "tested")
    assert len(crash.calls) == ASKED
    assert len(audits(file)) == 1


def test_a_grader_that_grades_many_at_once(file):
    row, _ = audited(file, "many")
    found = [(v["grade"], v["status"], v["reason"]) for v in verdicts(file, row["id"])[:4]]
    assert found == [
        (None, "error", "The grader failed: ConnectionError: no answer to the first"),
        ("fail", "graded", "as it is known"),
        (None, "error", "The grader said 'good'; expected excellent, pass, fail."),
        ("pass", "graded", "as it is known"),
    ]


def test_an_error_of_ours_is_not_the_graders(file):
    def full(done, total):
        raise LimaError("The disk is full.")

    with pytest.raises(LimaError, match="The disk is full"):
        audit_grader(file, "many", "tested", full)


def test_an_evaluation_without_known_replies_has_a_floor_only(file):
    row = find_audit(file, audit_grader(file, "requirements", "untested"))
    assert (row["replies"], row["figures"]) == (0, {})
    assert row["floor"]["empty"] == {"turns": 4, "failed": 4, "explained": 0, "errors": 0}
    assert last_audit(file, "requirements", row["grader_hash"]) is None


def test_the_line_of_an_audit(file):
    assert audit_line(file, "requirements", "abc", "tested") == (
        f"requirements is not audited: lima graders audit requirements tested -d {file.path}"
    )
    row, _ = audited(file, "requirements")
    hash = row["grader_hash"]
    file.db.execute("update grader_audits set created = '2026-11-28T09:00:00.000+00:00'")
    # Wilson: the good replies are to a turn each; of the bad ones two to the same, which differ: no design effect.
    line = audit_line(file, "requirements", hash, "tested")
    wanted = "Audit of requirements: 1 of 4 good replies failed (4.6–69.9 %), 2 of 4 bad ones failed (15.0–85.0 %), "
    assert line.startswith(wanted)
    assert line.endswith(" of them praised, on 8 known replies of tested, 28 November 2026")
    assert audit_line(file, "requirements", "abc", "tested") == (
        f"requirements has changed since its audit of 28 November 2026: lima graders audit requirements tested -d {file.path}"
    )
    assert audit_line(file, "requirements", None, "tested") == (
        "requirements of an earlier version, of which no audit is known: lima graders audit requirements tested "
        f"-d {file.path} audits today's"
    )
    assert audit_line(file, "judge:a b", "x", "my folder") == (
        f"judge:a b is not audited: lima graders audit 'judge:a b' 'my folder' -d {file.path}"
    )


def test_a_grader_that_praises_against_the_known_grades_is_not_trusted(file, monkeypatch):
    row, _ = audited(file, "liar")
    kappa = row["figures"]["all"]["kappa"]["value"]
    line = audit_line(file, "liar", row["grader_hash"], "tested")
    assert line.endswith(f". NOT TRUSTWORTHY: kappa {kappa:.2f} with the known grades, below 0.6 (LIMA_LEAST_KAPPA)")
    monkeypatch.setenv("LIMA_LEAST_KAPPA", "-1")
    assert "TRUSTWORTHY" not in audit_line(file, "liar", row["grader_hash"], "tested")


def test_the_line_of_a_floor(file):
    assert floor_line(file, "e", "x") == f"Floor not measured: lima graders audit GRADER EVALUATION -d {file.path}"
    row, _ = audited(file, "liar")
    file.db.execute("update grader_audits set created = '2026-11-28T09:00:00.000+00:00'")
    assert floor_line(file, row["evaluation_hash"], row["grader_hash"]) == (
        "Floor: liar fails an empty reply in 4 of 4, an echo of the user in 0 of 4 (right in 1), an apology in 0 of 4, the reply "
        "before once more in 2 of 2, another conversation's in 4 of 4 turns, 28 November 2026"
    )
    for other in (("another", row["grader_hash"]), (row["evaluation_hash"], "another"), (row["evaluation_hash"], None)):
        assert floor_line(file, *other, "liar", "my folder") == (
            f"Floor not measured: lima graders audit liar 'my folder' -d {file.path}"
        )


def test_an_audit_on_the_same_evaluation_comes_before_a_newer_one_on_another(file, monkeypatch):
    row, _ = audited(file, "right")
    with file.write() as db:
        db["grader_audits"].insert(
            {**file.rows("select * from grader_audits")[0], "id": "z", "evaluation": "other", "created": "9"}
        )
    assert last_audit(file, "right", row["grader_hash"], "tested")["id"] == row["id"]
    assert last_audit(file, "right", row["grader_hash"], "third")["id"] == "z"


def test_a_known_reply_to_a_turn_that_is_not_there_is_refused(file, plugin, monkeypatch):
    from lima import load_plugins

    monkeypatch.setattr("audited.KNOWN", [KnownReply("tee", 1, "a", "pass")])
    with pytest.raises(LimaError) as refused:
        opened(load_plugins(), "tested")
    assert str(refused.value) == (
        "The evaluation 'tested' has a known reply to 'tee', turn 1, a conversation that it does not have. `lima dialogues-lint "
        "FOLDER` checks files of known replies."
    )


def test_figures_are_stored_as_json_that_datasette_can_read(file):
    row, _ = audited(file, "right")
    (stored,) = file.rows("select json_extract(figures, '$.all.good.failed.n') n from grader_audits")
    assert stored == {"n": 4}
    assert json.loads(json.dumps(row["figures"])) == row["figures"]
