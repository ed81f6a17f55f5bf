"""`lima checkpoints` as a person sees it: replies side by side, the table, and the questions at a terminal."""

import json
import os
import pty
import re
import sys

import pytest

from dev_runs import KEYS, run_lima, weights
from lima.testing import only_plugins

pytestmark = pytest.mark.usefixtures("core_alone")


def test_replies_are_shown_side_by_side_and_cannot_write_to_the_terminal(done, dev):
    store, run, say = done
    say(["one\n\x1b[31mred\u202e", "b", "c"], ["two"], ["three"])
    with store.write() as db:
        db.execute("update generations set stop = 'eot'")
        db.execute("update generations set stop = 'length' where epoch = 2")
    assert run_lima("checkpoints", "show", run.id, "--example", "d1", "-d", store.path).stdout == (
        f"d1  {dev}\n"
        "prompt     What is 91?<|eot|>\n"
        "reference  It is 91.\n"
        "epoch 1    one\n"
        "           ⟨U+001B⟩[31mred⟨U+202E⟩\n"
        "epoch 2    two  [stop: length]\n"
        "epoch 3    three\n\n"
    )
    rows = json.loads(run_lima("checkpoints", "show", run.id, "--epoch", 1, "--json", "-d", store.path).stdout)
    assert [(r["epoch"], r["example"], r["reply"]) for r in rows] == [
        (1, "d1", "one\n\x1b[31mred\u202e"),
        (1, "d2", "b"),
        (1, "d3", "c"),
    ]
    for arguments, message in (
        (["--epoch", 4], "has no replies of epoch 4; it has those of 1, 2, 3."),
        (["--example", "d4"], "has no dev example 'd4'. Known: d1, d2, d3."),
    ):
        assert message in str(run_lima("checkpoints", "show", run.id, *arguments, "-d", store.path, code=1).exception)


def test_the_table_has_perplexity_beside_quality_in_eighty_columns(done):
    store, run, say = done
    say(["pass"] * 3, ["excellent", "pass", "pass"], ["fail"] * 3)
    with store.write() as db:
        db.execute("update checkpoints set perplexity = epoch + 0.5")
    out = run_lima("checkpoints", "grade", run.id, "--grader", "judge", "-d", store.path, env={"COLUMNS": "80"}).stdout
    assert [" ".join(line.split()) for line in out.splitlines() if line.strip() and "─" not in line] == [
        "epoch step perplexity judge model",
        "1 2 1.5 1.00 (0 %)",
        "2 4 2.5 1.33 (33 %)",
        "3 6 3.5 0.00 (0 %) last",
        "A grader's column is the mean of Fail 0, Pass 1, Excellent 2, and the share of Excellent.",
    ]
    everything = run_lima("checkpoints", "-d", store.path, env={"COLUMNS": "80"}).stdout
    assert f" {run.id} " in everything
    assert max(map(len, everything.splitlines()[:-1])) <= 80


def at_a_terminal(answers, *arguments):
    """(exit code, what was printed) of a real process whose questions are answered one by one"""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ |= {"LIMA_LOAD_PLUGINS": "", "NO_COLOR": "1", "COLUMNS": "100"}
        os.execv(sys.executable, [sys.executable, "-m", "lima", *map(str, arguments)])
    said, left = b"", list(answers)
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # Linux says so when the process has ended
            break
        if not piece:
            break
        said += piece
        if left and said.endswith(b": "):
            os.write(terminal, left.pop(0).encode() + b"\n")
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", said.decode())


@pytest.mark.slow
def test_a_person_at_a_terminal_looks_and_chooses(done):
    store, run, say = done
    say(["ash", "elm", "oak"], ["bat", "cat", "dog"], ["red", "tan", "sky"])
    code, said = at_a_terminal(["", "8", "2"], "checkpoints", "choose", run.id, "-d", store.path)
    assert code == 0, said
    words = [w for w in ["perplexity", "ash", "bat", "red", "elm", "cat", "tan", "oak", "'8'", "sky"] if w in said]
    assert words == ["perplexity", "ash", "bat", "red", "elm", "cat", "tan", "'8'"]
    assert said.index("perplexity") < said.index("ash") < said.index("bat") < said.index("red") < said.index("elm")
    assert f"Epoch 2 is now the model of run {run.id}." in said
    assert weights(run.folder) == weights(run.folder / "epoch-02")
    assert store.rows("select epoch, grader, reason from choices") == [{"epoch": 2, "grader": "", "reason": ""}]


def test_train_says_how_to_choose(base, few, dev, tmp_path):
    keys = [f"--set={k}={json.dumps(v)}" for k, v in (KEYS | {"dev": str(dev), "epochs": 1}).items()]
    place = ["--out", tmp_path / "out", "-d", tmp_path / "l.db"]
    with only_plugins():
        out = run_lima("train", "--base", base, "--source", few, *keys, *place).stdout
    assert re.search(r"To choose another: lima checkpoints choose \d{8}-\d{6}-\w{6} -d ", out)
