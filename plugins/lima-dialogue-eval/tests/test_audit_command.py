"""`lima graders audit`, `lima graders audits` and `lima evaluations check`, as they are typed; hostile text in a terminal."""

import json
import os
import subprocess
import sys

import pytest
from audited import Plugin
from click.testing import CliRunner

import lima_dialogue_eval
from lima import LimaError
from lima.testing import only_plugins
from lima_dialogue_eval.cli.audit_command import audit, audits, check


@pytest.fixture
def plugin():
    return Plugin()


@pytest.fixture
def run(plugin, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    with only_plugins(lima_dialogue_eval=lima_dialogue_eval, audited=plugin):

        def invoke(command, *arguments):
            return CliRunner().invoke(command, [*arguments, "-d", str(tmp_path / "l.db")])

        yield invoke


def test_the_table_says_what_it_says_and_hostile_text_does_nothing(run):
    done = run(audit, "liar", "tested", "--verbose")
    assert done.exit_code == 0, done.output
    text = " ".join(done.output.split())
    for words in (
        "liar on tested: 8 known replies",
        "all checks unseen checks seen",
        "good: failed (false alarms) 100.0 % = 4/4 100.0 % = 1/1 100.0 % = 3/3",
        "51.0–100.0 %",  # Wilson, 4 of 4
        "Checks unseen: Replies whose author had not seen",
        "Weighted kappa -",
        "an empty reply 4 4 0 0",
        "the user's own words 4 0 1 0",
        "tea, turn 1 (fail, cruel): a bad reply is excellent",
        "Pour water⟨U+001B⟩[31m on your hand.",
        "The author: it scalds",
        "The grader: ⟨U+001B⟩[2J a lie",
        "tea, turn 3 (excellent): a good reply is failed",
        "tea, turn 1 (echo): a null model is excellent",
        "Interval: 95 % Wilson interval.",
        "Floor: turns at which",
    ):
        assert words in text, words
    assert "\x1b" not in done.output


def test_a_grader_that_shrugs_gives_no_answer_and_one_that_is_right_nothing_wrong(run):
    done = run(audit, "shrug", "tested")
    assert "It says undecided of every reply that it judges, good and bad alike: that is no answer" in " ".join(
        done.output.split()
    )
    assert "what it got wrong: lima graders audits" in done.output
    found = json.loads(run(audit, "shrug", "tested", "--json", "--verbose").output)
    assert found["figures"]["all"]["bad"]["not_praised"]["count"] == 4  # which alone would look like an answer
    assert found["figures"]["all"]["bad"]["failed"]["count"] == 0
    assert found["remarks"][0].startswith("It says undecided of every reply")
    assert {one["wrong"] for one in found["wrong"]} == {
        "a flaw that a program can see is undecided",
        "a null model is undecided",
    }
    assert set(found["definitions"]) >= {"good", "bad", "interval", "kappa", "floor"}


def test_a_grader_that_crashes_ends_with_code_1_and_says_what_to_do(run, plugin):
    done = run(audit, "crash", "tested")
    assert done.exit_code == 1
    assert "The grader failed on 4 of 8 replies: they count as neither failed nor praised." in " ".join(
        done.output.split()
    )
    assert "The grader failed on some replies: the same command tries these again." in done.output
    plugin.graders["crash"].broken = False
    assert run(audit, "crash", "tested").exit_code == 0


def test_the_list_and_one_of_it(run):
    assert "does not exist" in str(run(audits).exception)
    id = json.loads(run(audit, "right", "tested", "--json").output)["id"]
    run(audit, "requirements", "untested")
    rows = json.loads(run(audits, "--json").output)
    assert [(r["grader"], r["replies"], r["false_alarms"], r["bad_failed"]) for r in rows] == [
        ("right", 8, "0/4", "4/4"),
        ("requirements", 0, "", ""),
    ]
    assert "There are no replies with known grades." in run(audits, rows[1]["id"]).output
    assert "right on tested: 8 known replies" in run(audits, id, "-v").output
    assert isinstance(run(audits, "nope").exception, LimaError)


def test_without_an_evaluation_it_is_the_one_of_that_grader(run):
    assert json.loads(run(audit, "requirements", "--json").output)["evaluation"] == "tested"
    refused = run(audit, "right").exception
    assert str(refused) == "Name the evaluation: lima graders audit right EVALUATION. With known replies: tested."
    assert str(run(audit, "rihgt").exception).startswith("There is no grader 'rihgt'. Did you mean 'right'?")


def test_an_evaluation_is_checked_before_anybody_is_asked(run):
    done = run(check, "tested", "--grader", "shrug")
    assert done.exit_code == 1
    assert (
        "tea, turn 2: the reply before, once more is undecided, not Fail. Add a check that it misses, or say why it is right "
        'here: "null": {"previous": "…"}.'
    ) in done.output
    assert "tea, turn 3: the user's own words" not in done.output  # the turn says why
    assert "tested, graded by shrug: 13 problems" in done.output
    found = json.loads(run(check, "tested", "--json").output)
    assert found["grader"] == "requirements"
    assert [(one["conversation"], one["turn"], one["name"]) for one in found["findings"]] == []
    assert run(check, "tested").output.endswith("tested, graded by requirements: no problems\n")


@pytest.mark.slow
def test_they_are_commands_of_the_cores_listings(tmp_path):
    """Other processes, with this plugin and the one that brings the evaluation"""

    def lima(*arguments):
        environment = os.environ | {"LIMA_LOAD_PLUGINS": "lima-chat,lima-dialogue-eval,lima-dialogues"}
        done = subprocess.run(
            [sys.executable, "-m", "lima", *arguments], env=environment, capture_output=True, text=True, timeout=120
        )
        return done.returncode, done.stdout + done.stderr

    code, text = lima("evaluations", "check", "dialogues", "-d", str(tmp_path / "l.db"))
    assert "dialogues, graded by requirements: " in text
    assert code in (0, 1)
    code, text = lima("graders", "audits", "-d", str(tmp_path / "l.db"))
    assert (code, text) == (0, f"No audit in {tmp_path}/l.db. Make one with `lima graders audit NAME EVALUATION`.\n")
    assert (
        lima("graders", "adit")[1]
        .strip()
        .endswith("There is no command 'adit'. Did you mean 'audit'? Known: audit, audits.")
    )


def test_a_budget_is_for_a_grader_that_spends_and_holds_before_anything_is_graded(run, plugin):
    """The one that is asked counts what it spends, and is told; any other takes none"""
    told = []
    for command, names in ((audit, ("liar", "tested")), (check, ("tested", "--grader", "liar"))):
        with pytest.raises(LimaError, match="The budget '5' limits nothing"):
            raise run(command, *names, "--budget", "5").exception
    plugin.graders["liar"].limit_to = lambda budget: told.append(budget) or True
    for command, names in ((audit, ("liar", "tested")), (check, ("tested", "--grader", "liar"))):
        run(command, *names, "--budget", "5")
    assert told == ["5", "5"]
