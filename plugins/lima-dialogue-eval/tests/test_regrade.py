"""`lima dialogues regrade`: other graders grade what is finished, nothing is lost or counted twice, and one is picked by name."""

import json
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

import lima_dialogue_eval
from lima import LimaError, Sampling, Store, Verdict
from lima.testing import only_plugins
from lima_dialogue_eval import compare, run_evaluation
from lima_dialogue_eval.cli.dialogues import dialogues
from lima_dialogue_eval.record.log import DialogueLog, find_run, graders_of, replies, summary
from lima_dialogue_eval.run.regrade import regrade


class Kind:
    """A grader whose verdict, and whose identity, can be changed; fails on replies with a word, and counts what it is asked"""

    description = "kind"

    def __init__(self):
        self.version, self.grade_is, self.fails, self.asked = "1", "pass", None, []

    def identity(self):
        return self.version

    def grade(self, turn):
        self.asked.append((turn.conversation.id, turn.index + 1, len(turn.history), turn.checks_decide))
        if self.fails and self.fails in turn.reply:
            raise ConnectionError("dead")
        return Verdict(self.grade_is, f"version {self.version}")


@pytest.fixture
def kind(Evaluations):
    grader = Kind()
    with only_plugins(lima_dialogue_eval=lima_dialogue_eval, evaluations=Evaluations()) as loaded:
        for name in ("kind", "other"):
            loaded.registry("graders")[name] = grader
            loaded.registry("graders").owners[name] = "test"
        yield grader


@pytest.fixture
def file(kind, tmp_path):
    with Store(tmp_path / "l.db") as store:
        yield store


def held(store, Model, arm="a", **more):
    return run_evaluation(store, "small", Model(**more), arm=arm, seeds=[0], sampling=Sampling())


def test_a_second_grader_doubles_no_row_and_is_picked_by_name(file, kind, Model):
    id = held(file, Model)
    views = (
        "dialogue_replies",
        "dialogue_grades_by_run",
        "dialogue_grades_by_turn",
        "dialogue_grades_by_kind",
        "dialogue_run_summary",
    )
    before = {view: file.rows(f"select * from {view}") for view in views}
    heard = []
    assert regrade(file, [id], "kind", on_progress=lambda *so_far: heard.append(so_far)) == [
        {"id": id, "grader": "kind", "grader_hash": graders_of(file, id)[-1]["grader_hash"], "turns": 5}
        | {"excellent": 0, "pass": 5, "fail": 0, "undecided": 0, "errors": 0}
    ]
    assert heard[-1] == (5, 5)
    assert kind.asked == [
        ("tea", 1, 1, True),
        ("tea", 2, 3, True),
        ("tea", 3, 5, True),
        ("bus", 1, 1, True),
        ("bus", 2, 3, True),
    ]
    assert {view: file.rows(f"select * from {view}") for view in views} == before
    assert len(before["dialogue_replies"]) == 5
    assert [r["grade"] for r in replies(file, id, "kind")] == ["pass"] * 5
    assert [r["grade"] for r in replies(file, id, "requirements")] == ["fail", "fail", "fail", "excellent", None]
    assert find_run(file, id)["grader"] == "requirements"


def test_a_person_s_opinion_under_the_same_grader_s_name_doubles_nothing(file, kind, Model):
    id = held(file, Model)
    before = file.rows("select * from dialogue_replies")
    row = {
        "conversation": "bus",
        "seed": 0,
        "turn": 1,
        "grader": "requirements",
        "grader_hash": find_run(file, id)["grader_hash"],
    }
    DialogueLog(file, id).grades([{**row, "rater": "Ann", "grade": "excellent", "reason": "mine", "status": "graded"}])
    assert file.rows("select * from dialogue_replies") == before
    assert summary(file, id)["turns"] == 5


def test_nothing_is_graded_twice_and_a_grader_that_changed_is_another_one(file, kind, Model):
    id = held(file, Model)
    for _ in range(2):
        regrade(file, [id, id[:18]], "kind")
    assert len(kind.asked) == 5
    kind.version, kind.grade_is = "2", "excellent"
    regrade(file, [id], "kind")
    assert len(kind.asked) == 10
    known = graders_of(file, id)
    assert [(k["grader"], k["replies"]) for k in known] == [("requirements", 5), ("kind", 5), ("kind", 5)]
    grades = [{r["grade"] for r in replies(file, id, "kind", k["grader_hash"])} for k in known[1:]]
    assert grades == [{"pass"}, {"excellent"}]
    assert {r["grade"] for r in replies(file, id, "kind")} == {"excellent"}  # the newest
    assert file.rows("select count(*) n from dialogue_latest_grades")[0]["n"] == 15


def test_the_run_s_own_grader_may_grade_again_after_an_edit_and_the_run_s_own_verdicts_stay_what_is_shown(
    file, kind, Model
):
    id = run_evaluation(file, "small", Model(), arm="", seeds=[0], sampling=Sampling(), grader="kind")
    kind.version, kind.grade_is = "2", "fail"
    assert regrade(file, [id], "kind")[0]["fail"] == 5
    assert (summary(file, id)["pass"], summary(file, id)["fail"]) == (5, 0)
    assert {r["grade"] for r in replies(file, id, "kind")} == {"pass"}
    shown = CliRunner().invoke(dialogues, ["show", id, "--grader", "kind", "--json", "-d", str(file.path)])
    assert {r["reason"] for r in json.loads(shown.stdout)["turns"]} == {"version 2"}


def test_what_failed_is_graded_by_the_same_command_and_errors_exit_with_one(file, kind, Model):
    ids = [held(file, Model, arm) for arm in ("a", "b")]
    kind.fails = "And back?"
    line = ["regrade", *ids, "--grader", "kind", "-d", str(file.path)]
    first = CliRunner().invoke(dialogues, [*line, "--json"])
    assert (first.exit_code, [row["errors"] for row in json.loads(first.stdout)]) == (1, [1, 1])
    assert first.stderr == "The grader gave no verdict on 2 replies. The same command tries them again.\n"
    kind.fails, kind.asked = None, []
    again = CliRunner().invoke(dialogues, line)
    assert (again.exit_code, again.stderr) == (0, "")
    assert kind.asked == [("bus", 2, 3, True)] * 2
    assert [row["grader"] for row in file.rows("select distinct grader from dialogue_grades order by 1")] == [
        "kind",
        "requirements",
    ]
    assert compare(file, *ids).grader == "requirements"


def test_show_picks_one_grader_and_names_those_that_have_graded(file, kind, Model):
    id = held(file, Model)

    def shown(*options):
        return CliRunner().invoke(dialogues, ["show", id, "--json", *options, "-d", str(file.path)])

    missing = shown("--grader", "kind").exception
    assert str(missing) == (
        f"The grader 'kind' has graded no reply of dialogue run {id}. Graders that have: requirements. Let it grade them with "
        f"`lima dialogues regrade {id} --grader kind -d {file.path}`."
    )
    assert str(shown("--grader", "requirement").exception).endswith(
        f"has graded no reply of dialogue run {id}. Did you mean 'requirements'? Known: requirements."
    )
    regrade(file, [id], "kind")
    assert {r["grade"] for r in json.loads(shown("--grader", "kind").stdout)["turns"]} == {"pass"}
    assert "excellent" in {r["grade"] for r in json.loads(shown().stdout)["turns"]}


def test_what_cannot_be_graded_again_is_a_sentence_and_no_reply_is_graded(file, kind, Model):
    done, unfinished = held(file, Model), held(file, Model, "b")
    DialogueLog(file, unfinished).mark("interrupted")
    cases = [
        (
            [done, unfinished],
            "kind",
            f"Dialogue run {unfinished} is 'interrupted', not done. Finish it with: lima dialogues run --resume",
        ),
        (["x"], "kind", "No dialogue run 'x' in "),
        ([done], "kidn", "There is no grader 'kidn'. Did you mean 'kind'?"),
    ]
    for names, grader, sentence in cases:
        with pytest.raises(LimaError) as e:
            regrade(file, names, grader)
        assert str(e.value).startswith(sentence)
    with pytest.raises(LimaError, match="The grader 'kind' runs no code of a folder. Leave out --trust-remote-code."):
        regrade(file, [done], "kind", trust_remote_code=True)
    with (
        DialogueLog(file, done).exclusive(),
        pytest.raises(LimaError, match="answering or grading dialogue run .* right now"),
    ):
        regrade(file, [done], "kind")
    assert kind.asked == []


def test_an_evaluation_that_has_changed_since_is_not_graded_with_its_new_requirements(file, kind, Model):
    from lima import load_plugins

    id = held(file, Model)
    small = load_plugins().registry("evaluations")["small"]
    old = small.conversations
    small.conversations = lambda: list(old())[:1]
    with pytest.raises(
        LimaError, match=f"The evaluation 'small' has changed since dialogue run {id} was begun; start a new one"
    ):
        regrade(file, [id], "kind")
    assert kind.asked == []


def test_a_judge_s_own_code_is_trusted_only_where_it_is_taken(file, kind, Model):
    from lima import load_plugins

    opened = []

    def open(argument, store, trust_remote_code=False):
        opened.append((argument, trust_remote_code))
        return kind

    graders = load_plugins().registry("graders")
    graders["judge"], graders.owners["judge"] = SimpleNamespace(description="judge", open=open), "test"
    id = held(file, Model)
    regrade(file, [id], "judge:folder", trust_remote_code=True)
    regrade(file, [id], "judge:folder")
    assert opened == [("folder", True), ("folder", False)]
    assert len(kind.asked) == 5
