"""`lima evaluations show`, and files on the command line of `lima dialogues run`."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

import lima_chat
import lima_dialogue_eval
from lima import LimaError
from lima.testing import only_plugins
from lima_dialogue_eval.cli.dialogues import dialogues
from lima_dialogue_eval.cli.evaluation_command import show_evaluation
from lima_dialogue_eval.run.evaluate import script_hash

ROWS = [
    {
        "id": "sums",
        "topic": "sums",
        "system": "Be brief.",
        "turns": ["2 + 2?", "Sure?\n3 must Fake\x1b[31m"],
        "reference": ["4"],
    },
    {"id": "names", "turns": ["Your name?"]},
]


@pytest.fixture
def plugins(Evaluations):
    with only_plugins(lima_chat=lima_chat, lima_dialogue_eval=lima_dialogue_eval, evaluations=Evaluations()) as loaded:
        yield loaded


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "asks.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def shown(*arguments):
    done = CliRunner().invoke(show_evaluation, list(map(str, arguments)))
    if done.exception:
        raise done.exception
    return done.output


def test_a_registered_evaluation(plugins, script):
    assert shown("small") == (
        "evaluation     small\n"
        "description    two conversations\n"
        "licence        Apache-2.0\n"
        "grader         requirements\n"
        "conversations  2\n"
        "left out       0\n"
        f"hash           {script_hash(script)}\n"
        "turns          5\n"
        "kinds          opening 2, shorter 1, why 1, follow-up 1\n"
        "requirements   5, of which 4 must hold; 4 with a check, 1 for readers\n"
        "checks         decide every grade: the evaluation says so\n"
        "\n"
        "tea · Making tea\n"
        "  1 opening: How do I make tea?\n"
        '      must says water  {"contains_all": "water"}\n'
        "  2 shorter: Shorter.\n"
        '      may  short  {"max_words": 5}\n'
        "  3 why: Is it kind?\n"
        "      must is kind  for a reader\n"
        "\n"
        "bus · Catching a bus\n"
        "  1 opening: When does it go?\n"
        '      must says nine  {"contains_all": "nine"}\n'
        "  2 follow-up: And back?\n"
        '      must says ten  {"contains_all": "ten"}\n'
    )


def test_checks_that_do_not_decide_everything(plugins, monkeypatch):
    assert json.loads(shown("small", "--json"))["checks_decide"] is True
    monkeypatch.setattr(plugins.registry("evaluations")["small"], "checks_decide", False, raising=False)
    assert "checks         may fail a reply; a judge or a person decides between pass and excellent\n" in shown("small")
    assert json.loads(shown("small", "--json"))["checks_decide"] is False


def test_a_file_with_text_that_pretends(plugins, file):
    output = shown(file, "--limit", "1")
    assert output.partition("checks")[2] == (
        "         none: a judge or a person grades the replies\n"
        "\n"
        "sums · sums\n"
        "  system: Be brief.\n"
        "  1 opening: 2 + 2?\n"
        "      reference: 4\n"
        "  2 follow-up: Sure?\n"
        "               3 must Fake⟨U+001B⟩[31m\n"
    )
    assert "requirements   none\n" in output
    assert "left out       1\n" in output


def test_as_json(plugins, file):
    shown_file = json.loads(shown(file, "--conversation", "names", "--json"))
    assert len(shown_file.pop("hash")) == 64
    assert shown_file == {
        "evaluation": str(file),
        "description": f"what users say in {file}, read as exchanges",
        "licence": "the file's own",
        "grader": "requirements",
        "checks_decide": False,
        "left_out": 1,
        "turns": 1,
        "kinds": {"opening": 1},
        "requirements": {"all": 0, "must": 0, "checked": 0, "for_readers": 0},
        "conversations": [
            {
                "id": "names",
                "topic": "",
                "system": "",
                "turns": [{"user": "Your name?", "requirements": [], "kind": "opening", "facts": {}, "null": {}}],
            }
        ],
    }


def test_what_is_not_there(plugins, file):
    with pytest.raises(LimaError, match=r"^There is no evaluation 'smal', and no such file\. Did you mean 'small'"):
        shown("smal")
    with pytest.raises(LimaError, match=r"has no conversation 'name'\. Did you mean 'names'"):
        shown(file, "--conversation", "name")


def test_a_file_is_held_in_part_and_resumed(plugins, file, tmp_path, Model):
    opener = plugins.registry("models")["parrot"]
    opener.open = lambda argument, store: Model(fail=("Your name?",))

    def run(*arguments, code=0):
        done = CliRunner().invoke(
            dialogues, ["run", *map(str, arguments), "--model", "parrot", "--json", "-d", str(tmp_path / "l.db")]
        )
        assert done.exit_code == code, done.exception
        return json.loads(done.stdout)

    row = run(file, "--conversation", "sums", "--conversation", "names", "--seeds", "1", code=1)
    assert (row["status"], row["evaluation"], row["ended_early"]) == ("done", str(file), 1)
    opener.open = lambda argument, store: Model()
    again = run(file, "--resume", row["id"])
    assert (again["id"], again["ended_early"]) == (row["id"], 0)


def test_how_a_file_is_read_is_an_option(plugins, file, tmp_path):
    file.write_text(json.dumps({**ROWS[1], "strange": 1}))
    with pytest.raises(LimaError) as e:
        shown(file)
    advice = "--set lima-chat.ignore=strange"
    assert str(e.value).endswith(advice)
    assert "Your name?" in shown(file, *advice.split())


@pytest.mark.slow
def test_the_real_command(file):
    """In a process of its own, as the plugins that are installed"""
    command = [sys.executable, "-m", "lima", "evaluations", "show", str(file)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 opening: Your name?" in done.stdout
    listed = subprocess.run([*command[:3], "evaluations", "--json"], capture_output=True, text=True)
    assert "dialogues" in [row["name"] for row in json.loads(listed.stdout)]


def test_options_on_reading_that_have_no_effect_are_refused(tmp_path, file, plugins):
    mine = tmp_path / "mine.json"
    mine.write_text(json.dumps({"id": "cats", "topic": "cats", "turns": [{"user": "Why?", "requirements": []}]}))
    for command, options in (
        (show_evaluation, ["small", "--skip-bad"]),
        (dialogues, ["run", "small", "--model", "parrot", "--merge-turns", "-d", str(tmp_path / "x.db")]),
    ):
        found = CliRunner().invoke(command, options)
        assert isinstance(found.exception, LimaError)
        assert "options on how rows are read have no effect on it: leave out --skip-bad, --merge-turns" in str(
            found.exception
        )
    assert CliRunner().invoke(show_evaluation, [str(file), "--skip-bad"]).exit_code == 0


def test_the_part_that_was_held_is_shown(tmp_path, plugins):
    where = ["--seeds", "1", "-d", str(tmp_path / "x.db")]
    ran = CliRunner().invoke(dialogues, ["run", "small", "--model", "parrot", "--conversation", "bus", *where])
    CliRunner().invoke(dialogues, ["run", "small", "--model", "parrot", *where])
    listed = CliRunner().invoke(dialogues, ["-d", str(tmp_path / "x.db")])
    assert (ran.stdout.count("small (1 of 2)"), listed.stdout.count("small (1 of 2)")) == (1, 1)
    rows = json.loads(CliRunner().invoke(dialogues, ["--json", "-d", str(tmp_path / "x.db")]).stdout)
    assert [(r["evaluation"], r["evaluation_part"]) for r in rows] == [
        ("small", {"conversations": ["bus"], "of": 2, "left_out": 1}),
        ("small", None),
    ]
