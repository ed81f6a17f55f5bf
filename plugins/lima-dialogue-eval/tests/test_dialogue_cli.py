"""`lima dialogues` from end to end, and what bad input gets."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from click.testing import CliRunner

from lima.errors import LimaError
from lima.record.store import Store
from lima_dialogue_eval.cli.dialogues import dialogues


@pytest.fixture
def lima(plugins, tmp_path):
    """Runs `lima dialogues …` on a database of the test's own; gives its stdout"""
    Store(tmp_path / "cli.db").close()

    def run(*arguments, code=0):
        result = CliRunner().invoke(dialogues, [*arguments, *(["-d", str(tmp_path / "cli.db")] if code != 2 else [])])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result.stdout if code == 0 else result.stderr

    return run


def test_from_run_to_report(lima, tmp_path):
    assert lima().startswith("No dialogue run in ")
    assert json.loads(lima("--json")) == []
    made = [
        json.loads(lima("run", "small", "--model", "parrot", "--arm", arm, "--seeds", "2", "--json"))
        for arm in ("one", "two")
    ]
    assert [(m["status"], m["arm"], m["seeds"], m["turns"]) for m in made] == [
        ("done", "one", [0, 1], 10),
        ("done", "two", [0, 1], 10),
    ]
    assert json.loads(lima("--json")) == made
    one, two = (m["id"] for m in made)
    assert one[:15] in lima()
    compared = json.loads(lima("compare", one, two, "--json"))
    assert compared["conversations"] == {"better": 0, "tied": 2, "worse": 0}
    assert compared["p_value"] == 1.0
    file = tmp_path / "out.html"
    for options, papers in ((), False), (("--beside-paper",), True):
        table = lima("compare", one, two, *options)
        for text in (
            "20.0 % = 2/10",
            "better in 0, tied in 2, worse in 0 of 2",
            "p = 1",
            "no result can be significant",
        ):
            assert text in table
        assert lima("report", one, two, "-o", str(file), *options) == f"Wrote {file}\n"
        for text in (table, file.read_text()):
            assert ("45.2 % = 19/42" in text, "76.1 % = 35/46" in text) == (papers, papers)
    shown = lima("show", one, "--seed", "1", "--conversation", "bus")
    assert "bus · Catching a bus · seed 1 · complete" in shown
    assert "Missed (must): says nine (without 'nine')." in shown
    assert len(json.loads(lima("show", one, "--json"))["turns"]) == 10


@pytest.mark.slow
def test_seeds_and_sampling(lima):
    def run(*options):
        return json.loads(lima("run", "small", "--model", "parrot", "--json", *options))["seeds"]

    assert run() == [0, 1, 2]
    assert run("--temperature", "0") == [0]
    assert run("--seed", "7", "--seed", "9") == [7, 9]
    given = ("--temperature", "1.5", "--top-p", "0.5", "--repetition-penalty", "1", "--max-new-tokens", "9")
    run("--seeds", "1", *given)
    id = json.loads(lima("--json"))[-1]["id"]
    assert json.loads(lima("show", id, "--json"))["sampling"] == {
        "temperature": 1.5,
        "top_p": 0.5,
        "repetition_penalty": 1.0,
        "max_new_tokens": 9,
    }


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("run", "smal", "--model", "parrot"),
            "There is no evaluation 'smal', and no such file. Did you mean 'small'? Known: small.",
        ),
        (("run", "small", "--model", "parot"), "'parot' is not a model, a folder, a base model or a run in "),
        (("run", "small", "--model", "parrot", "--grader", "x"), "There is no grader 'x'. Known: requirements."),
        (("run", "--resume", "x"), "No dialogue run 'x' in "),
        (("compare", "x", "y"), "No dialogue run 'x' in "),
        (("power", "x"), "No dialogue run 'x' in "),
        (("report", "x", "y", "-o", "z.html"), "No dialogue run 'x' in "),
        (("show", "x"), "No dialogue run 'x' in "),
    ],
)
def test_bad_input_is_a_sentence(lima, arguments, sentence):
    with pytest.raises(LimaError) as e:
        lima(*arguments)
    assert str(e.value).startswith(sentence)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("run", "small"), "Give an EVALUATION and a --model, or --resume RUN."),
        (
            ("run", "--resume", "x", "--limit", "3"),
            "--resume x continues with the settings that it was started with: leave out --limit.",
        ),
        (("run", "small", "--model", "m", "--limit", "0"), "not in the range"),
        (("run", "small", "--model", "m", "--limit", "1", "--conversation", "tea"), "which ones: not both."),
        (
            ("run", "--resume", "x", "--top-p", "1"),
            "--resume x continues with the settings that it was started with: leave out --top-p.",
        ),
        (
            ("run", "--resume", "x", "--arm", ""),
            "--resume x continues with the settings that it was started with: leave out --arm.",
        ),
        (("run", "--resume", "x", "--seed", "0", "--json"), "started with: leave out --seed."),
        (("--json", "show", "x"), "--json belongs after the command: dialogues show --json …"),
        (("-d", "x.db", "run", "small"), "--database belongs after the command: dialogues run --database …"),
        (("run", "small", "--model", "m", "--seeds", "2", "--seed", "1"), "not both"),
        (("run", "small", "--model", "m", "--temperature", "-1"), "not in the range"),
        (("compare", "x"), "Name two arms, BEFORE and AFTER, or more."),
        (("compare", "x", "y", "z", "--beside-paper"), "--beside-paper is for two arms"),
        (("power", "x", "y", "z"), "A pilot is one arm or two."),
    ],
)
def test_wrong_usage(lima, arguments, sentence):
    assert sentence in lima(*arguments, code=2)


@pytest.mark.parametrize(
    "arguments", [(), ("compare", "x", "y"), ("report", "x", "y", "-o", "z"), ("show", "x"), ("run", "--resume", "x")]
)
def test_only_a_new_run_makes_a_database(plugins, tmp_path, arguments):
    result = CliRunner().invoke(dialogues, [*arguments, "-d", str(tmp_path / "typo.db")])
    assert str(result.exception).startswith(f"The database {tmp_path / 'typo.db'} does not exist. ")
    assert list(tmp_path.iterdir()) == []


def test_an_arm_is_its_newest_run_and_of_several_is_said_which(lima, caplog):
    for arm in ("before", "tuned, epoch 3", "tuned, epoch 3"):
        newest = json.loads(lima("run", "small", "--model", "parrot", "--arm", arm, "--seeds", "1", "--json"))["id"]
    caplog.clear()
    for _ in range(2):
        assert json.loads(lima("compare", "before", "tuned, epoch 3", "--json"))["after"]["runs"] == [newest]
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1
    assert f"2 dialogue runs have the arm 'tuned, epoch 3'; the newest is taken: {newest}, of 'parrot' with" in said[0]


def run_of(plugins, tmp_path, model, *options):
    """`lima dialogues run small` with a model; its result"""
    plugins.registry("models")["parrot"].open = lambda argument, store: model
    line = ["run", "small", "--model", "parrot", "--seeds", "1", *options, "-d", str(tmp_path / "cli.db")]
    return CliRunner().invoke(dialogues, line)


def test_what_ended_early_is_said(plugins, Model, tmp_path):
    result = run_of(plugins, tmp_path, Model(full=("And back?",)))
    assert result.exit_code == 0
    assert result.stderr.splitlines()[:2] == [
        "1 of 2 conversations ended early: context full 1. Shorter replies leave room for more turns: --max-new-tokens.",
        "4 replies: 1 undecided; 1 turn not reached (context full).",
    ]


def test_a_run_with_errors_says_so_and_how_to_try_again_and_exits_with_one(plugins, Model, tmp_path):
    first = run_of(plugins, tmp_path, Model(fail=("And back?",)), "--json")
    row = json.loads(first.stdout)
    counts = {"turns": 4, "excellent": 1, "pass": 0, "fail": 2, "undecided": 1, "not_reached": 0, "errors": 1, "cut": 0}
    assert (first.exit_code, {key: row[key] for key in counts}) == (1, counts)
    here = f"-d {tmp_path / 'cli.db'}"
    again = f"lima dialogues run --resume {row['id']} --model parrot {here}"
    assert first.stderr.splitlines() == [
        "1 of 2 conversations ended early: error 1.",
        "4 replies: 1 undecided; 1 error.",
        "The first: bus, turn 2: ConnectionError: the line is dead",
        f"Try again what failed: {again}",
        "Undecided replies wait for a reader. Let a judge grade them: "
        f"lima dialogues regrade {row['id']} --grader NAME {here}",
    ]
    plugins.registry("models")["parrot"].open = lambda argument, store: Model()
    result = CliRunner().invoke(dialogues, again.split()[2:])
    assert (result.exit_code, result.stderr.splitlines()[0]) == (0, "5 replies: 1 undecided.")


def test_a_grader_that_fails_is_an_error_of_the_run(plugins, Model, tmp_path, monkeypatch):
    grader = plugins.registry("graders")["requirements"]
    monkeypatch.setattr(grader.__class__, "grade", lambda self, turn: None)
    result = run_of(plugins, tmp_path, Model())
    assert (result.exit_code, result.stderr.splitlines()[0]) == (1, "5 errors.")
    listed = CliRunner().invoke(dialogues, ["-d", str(tmp_path / "cli.db")], env={"COLUMNS": "160"}).stdout
    assert "errors" in listed


def test_a_reply_that_was_cut_off_is_counted(plugins, Model, tmp_path):
    class Cut(Model):
        def reply(self, *arguments):
            return [replace(r, stop="length") for r in super().reply(*arguments)]

    result = run_of(plugins, tmp_path, Cut({"How do I make tea?": "water"}))
    assert (result.exit_code, result.stderr.splitlines()[0]) == (0, "5 replies: 1 undecided, 5 cut off.")


def test_a_run_goes_on(lima, tmp_path):
    id = json.loads(lima("run", "small", "--model", "parrot", "--seeds", "1", "--json"))["id"]
    with Store(tmp_path / "cli.db") as store, store.write() as db:
        db.execute("update dialogue_runs set status = 'running'")
    with pytest.raises(
        LimaError, match=f"opened only when you name it: lima dialogues run --resume {id} --model parrot"
    ):
        lima("run", "--resume", id[:12])
    assert json.loads(lima("run", "--resume", id[:12], "--model", "parrot", "--json"))["status"] == "done"


def test_show_names_what_there_is(lima):
    id = json.loads(lima("run", "small", "--model", "parrot", "--json"))["id"]
    with pytest.raises(LimaError, match=r"has no such turns\. Its seeds: \[0, 1, 2\]; its conversations: tea, bus\."):
        lima("show", id, "--seed", "8")


def test_the_real_command_exits_with_one_and_a_sentence(tmp_path):
    """In a process of its own, as the plugin that is installed"""
    Store(tmp_path / "new.db").close()
    command = [sys.executable, "-m", "lima", "dialogues", "compare", "x", "y", "-d", str(tmp_path / "new.db")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Error: No dialogue run 'x' in " in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_heavy_is_imported_for_help():
    code = (
        "import sys, lima_dialogue_eval, lima_dialogue_eval.cli.dialogues; "
        "print([m for m in ('torch', 'transformers', 'sqlite_utils', 'scipy', 'numpy', 'rich', 'jinja2') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
