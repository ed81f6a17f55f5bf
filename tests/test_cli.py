"""The command line as a person meets it: real files, exit codes and sentences, and real processes where they matter."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
import torch

from lima.answer.checkpoint_model import open_checkpoint
from lima.cli import main
from lima.contract.answers import Sampling
from lima.record.runs import was_killed
from lima.record.store import Store
from lima.testing import only_plugins, tiny_base

pytestmark = pytest.mark.usefixtures("core_alone")


def lima(*arguments, **environment):
    variables = os.environ | {"LIMA_LOAD_PLUGINS": ""} | environment
    return subprocess.run(
        [sys.executable, "-m", "lima", *map(str, arguments)], env=variables, capture_output=True, text=True, timeout=120
    )


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom lima.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('torch', 'transformers', 'sqlite_utils', 'jinja2', 'rich', 'scipy') if m in sys.modules])"
    )
    # With every plugin that is installed: they must be light as well.
    environment = {k: v for k, v in os.environ.items() if k != "LIMA_LOAD_PLUGINS"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "Usage: lima" in done.stdout


@pytest.mark.slow
def test_a_run_that_was_killed_is_said_to_be(base, pairs, tmp_path, capfd):
    """As long as it trains it is running; after kill −9, which leaves the row as it was, it is not"""
    db, code = tmp_path / "l.db", "import sys; from lima.cli import main; main(sys.argv[1:])"
    slow = ["--set", "epochs=50", "--set", "save_every=-1", "--set", "residual_dropout=0"]
    command = ["train", "--base", base, "--source", pairs, "--out", "out", *slow, "-d", db]
    only = os.environ | {"LIMA_LOAD_PLUGINS": ""}
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, command)], cwd=tmp_path, env=only, stderr=subprocess.DEVNULL
    )
    with Store(db) as store:
        while not (runs := store.rows("select id from runs")):
            assert process.poll() is None
            time.sleep(0.05)
        assert not was_killed(store, runs[0]["id"])
        process.send_signal(signal.SIGSTOP)  # it may be in the middle of anything
        listed = Done(capfd, "runs", "-d", db)
        assert "running" in listed.stdout
        assert "--resume" not in listed.stdout
        process.kill()
        process.wait()
        assert was_killed(store, runs[0]["id"])
    (run,) = runs
    listed = lima("runs", "-d", db).stdout  # of a process that never saw it alive
    assert "killed" in listed
    assert f"lima train --resume {run['id']}" in listed
    assert [r["status"] for r in json.loads(Done(capfd, "runs", "-d", db, "--json").stdout)] == ["killed"]
    assert json.loads(Done(capfd, "runs", "show", run["id"], "-d", db, "--json").stdout)["status"] == "killed"
    with Store(db) as store, store.write() as rows:
        rows.execute("update runs set folder = '/nowhere/here/out'")
    assert "running" in Done(capfd, "runs", "-d", db).stdout  # perhaps it is, on another machine


def test_train_and_look_at_it(base, pairs, tmp_path, capfd):
    db = tmp_path / "l.db"
    settings = ["--set", "epochs=2", "--set", "learning_rate=0.01", "--set", "residual_dropout=0"]
    done = lima("train", "--base", base, "--source", pairs, "--out", tmp_path / "out", *settings, "-d", db, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert {k: result[k] for k in ("folder", "database", "steps", "examples")} == {
        "folder": str(tmp_path / "out"),
        "database": str(db),
        "steps": 4,
        "examples": 40,
    }
    (run,) = json.loads(Done(capfd, "runs", "-d", db, "--json").stdout)
    assert (run["id"], run["status"], run["steps"]) == (result["run"], "done", 4)
    shown = json.loads(Done(capfd, "runs", "show", result["run"][:17], "-d", db, "--json").stdout)
    assert shown["recipe"]["epochs"] == 2
    assert shown["examples_by_status"] == {"kept": 40}
    assert len(shown["losses"]) == 4
    (checkpoint,) = json.loads(Done(capfd, "checkpoints", "-d", db, "--json").stdout)
    assert checkpoint["folder"] == str(tmp_path / "out")
    assert "done" in Done(capfd, "runs", "-d", db).stdout


def test_a_recipe_file_with_flags_over_it(base, pairs, tmp_path, capfd):
    file = tmp_path / "recipe.toml"
    file.write_text(f'base = "{base}"\nsources = ["{pairs}"]\nepochs = 9\nresidual_dropout = 0.0\n')
    done = Done(capfd, "train", file, "--out", tmp_path / "out", "--set", "epochs=1", "-d", tmp_path / "l.db", "--json")
    assert json.loads(done.stdout)["steps"] == 2


def test_dry_run_counts_and_trains_nothing(base, pairs, tmp_path, capfd):
    done = Done(capfd, "train", "--base", base, "--source", pairs, "--dry-run", "--json", "-d", tmp_path / "l.db")
    (row,) = json.loads(done.stdout)
    assert (row["examples"], row["share_of_tokens"]) == (40, "100.0 %")
    assert not (tmp_path / "l.db").exists()
    done = Done(capfd, "train", "--resume", "20260101", "--dry-run", "-d", tmp_path / "l.db")
    assert (done.returncode, done.stdout) == (1, "")
    assert "see `lima runs show 20260101`, or leave one of them out." in done.stderr
    assert not (tmp_path / "l.db").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU")
def test_dry_run_refuses_what_training_would_refuse(base, pairs, tmp_path, capfd):
    done = Done(capfd, "train", "--base", base, "--source", pairs, "--dry-run", "--set", "device=cuda")
    assert (done.returncode, done.stdout) == (1, "")
    assert "torch sees no GPU here" in done.stderr
    small = tiny_base(tmp_path / "small", vocab_size=300)
    done = Done(capfd, "train", "--base", small, "--source", pairs, "--dry-run")
    assert (done.returncode, done.stdout) == (1, "")
    assert "the model's embedding only 300 rows: they do not belong together." in done.stderr


def test_preview_lists_every_token_with_its_weight(base, pairs, capfd):
    shown = json.loads(Done(capfd, "preview", "--base", base, "--source", pairs, "-n", 1, "--json").stdout)
    (one,) = shown
    assert one["example"] == "pairs.jsonl:1"
    assert "".join(t["text"] for t in one["tokens"]) == "What is 0?<|eot|>It is 0, the number.<|eot|>"
    assert "".join(t["text"] for t in one["tokens"] if t["weight"]) == "It is 0, the number.<|eot|>"


def test_preview_shows_control_characters_instead_of_obeying_them(base, tmp_path, monkeypatch, capfd):
    file = tmp_path / "x.jsonl"
    file.write_text(json.dumps({"prompt": "a\x1b[31mb\u202e", "response": "c\x07"}) + "\n")
    monkeypatch.setenv("FORCE_COLOR", "1")
    out = Done(capfd, "preview", "--base", base, "--source", file).stdout
    assert "\x1b[" in out
    plain = re.sub(r"\x1b\[[0-9;]*m", "", out)
    assert "⟨U+001B⟩" in plain
    assert "⟨U+0007⟩" in plain
    assert "\x1b[31mb" not in out
    assert "\u202e" not in out


def test_sources_are_listed_and_shown(pairs):
    assert [s["name"] for s in json.loads(lima("sources", "--json").stdout)] == ["pairs"]
    shown = json.loads(lima("sources", "show", f"pairs:{pairs}", "--json").stdout)
    assert (shown["examples"], shown["licence"]) == (40, "the file's own")
    assert json.loads(lima("renderers", "--json").stdout)[0]["name"] == "plain"


@pytest.mark.parametrize(
    "command", ["sources", "renderers", "base-models", "models", "graders", "evaluations", "filters", "plugins", "runs"]
)
def test_every_listing_takes_json(command, capfd):
    assert isinstance(json.loads(Done(capfd, command, "--json").stdout), list)


class Done:
    """What a command in this process left, as `lima()` gives it of another one"""

    def __init__(self, capfd, *arguments):
        with pytest.raises(SystemExit) as end, only_plugins():
            main([*map(str, arguments)])
        self.returncode = end.value.code
        self.stdout, self.stderr = capfd.readouterr()


def test_an_array_of_pairs_is_read(tmp_path, capfd):
    file = bad(tmp_path, b'[{"prompt": "a", "response": "b"}, {"prompt": "c", "response": "d"}]')
    assert json.loads(Done(capfd, "sources", "show", file, "--json").stdout)["examples"] == 2


def test_another_programs_database_is_said_in_a_sentence(tmp_path, capfd):
    import sqlite3

    with sqlite3.connect(tmp_path / "other.db") as db:
        db.execute("create table runs (x)")
    db.close()
    done = Done(capfd, "runs", "-d", tmp_path / "other.db")
    assert done.returncode == 1
    assert "already exists. Choose another with -d FILE." in done.stderr


def test_looking_into_a_database_that_is_not_there_makes_none(tmp_path, capfd):
    done = Done(capfd, "runs", "-d", tmp_path / "typo.db")
    assert done.returncode == 1
    assert f"The database {tmp_path / 'typo.db'} does not exist." in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_error_cannot_write_to_the_terminal(capfd):
    done = Done(capfd, "train", "x\x1b]0;owned\x07")
    assert "⟨U+001B⟩]0;owned⟨U+0007⟩" in done.stderr
    assert "\x1b" not in done.stderr


def test_a_byte_order_mark_is_forgiven(tmp_path, capfd):
    file = bad(tmp_path, b'\xef\xbb\xbf{"prompt": "a", "response": "b"}\n')
    assert json.loads(Done(capfd, "sources", "show", file, "--json").stdout)["examples"] == 1


def bad(tmp_path, text):
    file = tmp_path / "bad.jsonl"
    file.write_bytes(text)
    return file


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "bad.jsonl is empty"),
        (b"{not json\n", "bad.jsonl, line 1: not JSON"),
        (b'{"prompt": "a", "response": "b"}\n{"prompt": "a"', "bad.jsonl, line 2: not JSON"),
        (b'{"prompt": "a\n', "not JSON (Unterminated string starting at column 12)."),
        (
            b'{"prompt": "a", "response": "b"}\n{"prompt": "a"}\n',
            "line 2: expected text in 'response', found keys 'prompt'",
        ),
        (b'{"prompt": "a", "response": 3}\n', "line 1: expected text in 'response', found 'response' is a number"),
        (b'{"prompt": "a", "response": "b", "weight": -1}\n', "'weight' is -1; expected a number from 0 to 1,000,000"),
        (b'{"prompt": "a", "response": "\\ud800"}\n', "line 1: the line holds half of a character"),
        (b'{"id": "\\ud800", "prompt": "a", "response": "b"}\n', "line 1: the line holds half of a character"),
        (
            b'{"prompt": "a", "response": "b", "weight": 1' + b"0" * 400 + b"}\n",
            "expected a number from 0 to 1,000,000",
        ),
        (b"[" * 100_000, "line 1: row 1 is nested too deeply to be read"),
        (b'{"text": "a"}\n', "no source recognises its rows. That of line 1 is {'text': text}."),
        (b'{"prompt": "\xff", "response": "b"}\n', "is not UTF-8 text"),
    ],
)
def test_a_malformed_file_is_one_sentence_with_file_and_line(base, tmp_path, capfd, text, message):
    place = ["--out", tmp_path / "out", "-d", tmp_path / "l.db"]
    done = Done(capfd, "train", "--base", base, "--source", bad(tmp_path, text), *place)
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["trian"], 2, "There is no command 'trian'. Did you mean 'train'?"),
        (["train", "--bsae", "x"], 2, "No such option"),
        (["train"], 1, "The recipe names no base model. Use --base FOLDER"),
        (["train", "--base", "nowhere"], 1, "The base model 'nowhere' is neither a folder nor a registered name."),
        (["train", "--base", "BASE"], 1, "The recipe names no source. Use --source FILE.jsonl"),
        (
            ["train", "--base", "BASE", "--source", "pears"],
            1,
            "'pears' is neither a registered source nor a file. Did you mean 'pairs'?",
        ),
        (
            ["train", "--base", "BASE", "--source", "PAIRS", "--renderer", "chatml"],
            1,
            "There is no renderer 'chatml'. Known: plain.",
        ),
        (["train", "--base", "BASE", "--source", "PAIRS", "--set", "epochs"], 1, "--set 'epochs': expected key=value"),
        (["train", "--base", "BASE", "--source", "PAIRS", "--set", "epoch=1"], 1, "Did you mean 'epochs'?"),
        (["train", "--base", "BASE", "--source", "PAIRS", "--set", "device=cuda"], 1, "torch sees no GPU here"),
        (["train", "no-such.toml"], 1, "Cannot read the recipe no-such.toml: No such file"),
        (["train", "--base", "BASE", "--source", "PAIRS", "--source", "PAIRS"], 1, "is named twice. To weigh it more"),
        (["train", "--base", "BASE", "--source", "PAIRS", "--source", "pairs:PAIRS"], 1, "have the same examples"),
        (["train", "--base", "BASE", "--source", "PAIRS", "--out", "PAIRS/out"], 1, "Cannot write to"),
        (["train", "--base", "BASE", "--source", "PAIRS", "--out", "/proc/no/out"], 1, "Cannot write to /proc/no"),
        (
            ["train", "--base", "BASE", "--source", "PAIRS", "--set", "lima-x.k=1"],
            1,
            "plugin 'lima-x', which is not installed",
        ),
        (["train", "--base", "BASE", "--source", "PAIRS", "--set", "plugins=3"], 1, "plugins is 3; expected tables"),
        (["train", "--base", "BASE", "--source", "PAIRS", "--set", ".k=1"], 1, "'.k' is not a recipe key"),
        (["runs", "show", "x"], 1, "No run 'x' in"),
        (["train", "--base", "org/model", "--source", "PAIRS"], 1, "`hf download org/model --local-dir FOLDER`"),
        (["sources", "show", "PAIRS", "--set", "epochs=3"], 1, "--set epochs: only a plugin's PLUGIN.KEY=VALUE"),
        (["sources", "show", "PAIRS", "--set", "lima-x.k=1"], 1, "'lima-x' is not a plugin that reads files."),
        (["sources", "show", "PAIRS", "-n", "-1"], 2, "-1 is not in the range x>=1"),
        (["runs", "shwo", "x"], 2, "There is no command 'shwo'. Did you mean 'show'?"),
        (["runs", "--json", "show", "x"], 2, "--json belongs after the command: lima runs show --json …"),
        (["checkpoints", "-d", "x.db", "show", "x"], 2, "command: lima checkpoints show --database …"),
        (["sources", "--json", "show", "x"], 2, "--json belongs after the command: lima sources show --json …"),
        (["sources", "show", "x"], 1, "'x' is neither a registered source nor a file."),
        (["uninstall", "lima-tune"], 1, "lima-tune is lima itself"),
    ],
)
def test_bad_input_gets_a_sentence_and_leaves_nothing(
    base, pairs, tmp_path, monkeypatch, capfd, arguments, code, message
):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    done = Done(capfd, *[a.replace("BASE", str(base)).replace("PAIRS", str(pairs)) for a in arguments])
    assert done.returncode == code, done.stderr
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert list(here.iterdir()) == []


@pytest.mark.slow
def test_a_fine_tune_is_asked_in_the_format_that_it_was_trained_with(base, pairs, tmp_path, capfd):
    settings = [
        "--set=epochs=30",
        "--set=learning_rate=1e-2",
        "--set=final_learning_rate=1e-3",
        "--set=residual_dropout=0",
    ]
    database = ["-d", tmp_path / "l.db"]
    trained = Done(capfd, "train", "--base", base, "--source", pairs, "--out", tmp_path / "out", *settings, *database)
    assert trained.returncode == 0, trained.stderr
    prompts = ["What is 3?", "What is 4?"]
    asked = ["--temperature", "0", "--max-new-tokens", "40", *database]
    found = json.loads(Done(capfd, "ask", tmp_path / "out", *prompts, "--json", *asked).stdout)
    with Store(tmp_path / "l.db") as store:
        (run,) = store.rows("select id from runs")
        model = open_checkpoint(run["id"], store)
    greedy = Sampling(temperature=0, repetition_penalty=1.0, max_new_tokens=40)
    wanted = model.reply(prompts, greedy, 0)
    assert [(one["prompt"], one["reply"], one["stop"]) for one in found] == [
        (p, r.text, r.stop) for p, r in zip(prompts, wanted, strict=True)
    ]
    shown = Done(capfd, "ask", run["id"], *prompts, *asked)
    assert shown.stdout == "".join(f"> {one['prompt']}\n{one['reply']}\n" for one in found)
    short = Done(capfd, "ask", run["id"], prompts[0], "--temperature", "0", "--max-new-tokens", "1", *database)
    assert short.stderr == "Reply cut off at --max-new-tokens (1).\n"
    gone = Done(capfd, "ask", "nothing", "x", *database)
    assert gone.returncode == 1
    assert gone.stderr.startswith("Error: 'nothing' is not a model, a folder, a base model or a run in")


def test_a_shell_completes_behind_an_option_of_the_group():
    asked = {"_LIMA_COMPLETE": "bash_complete", "COMP_WORDS": "lima runs --json sh", "COMP_CWORD": "3"}
    done = lima(**asked)
    assert (done.stdout.split(), done.stderr) == (["plain,show"], "")
    done = lima(**asked | {"COMP_WORDS": "lima runs --json show -", "COMP_CWORD": "4"})
    assert "plain,--database" in done.stdout.split()


def test_debug_shows_the_traceback():
    done = lima("sources", "show", "nothing", LIMA_DEBUG="1")
    assert done.stderr.startswith("Traceback")
    assert "LimaError: 'nothing' is neither a registered source nor a file." in done.stderr
