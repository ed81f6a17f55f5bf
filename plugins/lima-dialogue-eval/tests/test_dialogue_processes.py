"""`lima dialogues run` in processes of its own: no plugin ends it, and a folder's own code runs only when told to."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lima.testing import tiny_base, tiny_tokenizer

COMMAND_LINES = Path(__file__).parents[3] / "tests" / "command_lines.py"
PLUGIN = """
import os, lima
from lima.contract.answers import Reply
from lima_chat import EvalConversation, EvalTurn
from lima_dialogue_eval import Verdict

def maybe(place):
    if os.environ.get("PLACE") == place:
        exec(os.environ["CODE"])

class Small:
    description, licence, grader = "one conversation", "CC0-1.0", "odd"
    def conversations(self):
        maybe("conversations")
        return [EvalConversation("tea", "Tea", (EvalTurn("How?", (), "opening"),))]

class Answers:
    description, name = "odd", "odd"
    def open(self, argument, store):
        maybe("open")
        return self
    def reply(self, prompts, settings, seed, on_progress=None):
        maybe("reply")
        return [Reply("yes", [1], "eot", 0.0, [1]) for _ in prompts]

class Grader:
    description = "odd"
    def verify(self, conversations):
        maybe("verify")
    def grade(self, turn):
        maybe("grade")
        return Verdict("pass", "why not")

@lima.hookimpl
def register_evaluations(register):
    register("odd", Small())
@lima.hookimpl
def register_models(register):
    register("odd", Answers())
@lima.hookimpl
def register_graders(register):
    register("odd", Grader())
"""
PLACES = {
    "conversations": "conversations() of the evaluation 'odd'",
    "open": "open() of the model 'odd'",
    "reply": "reply() of the model 'odd'",
    "verify": "verify() of the grader 'odd'",
    "grade": "grade() of the grader 'odd'",
}
OWN = (
    "import os, pathlib\npathlib.Path(os.environ['MARKER']).touch()\nfrom transformers import LlamaConfig\n"
    "class OwnConfig(LlamaConfig):\n    model_type = 'own'\n"
)


def run(folder, *cases):
    """[exit code, out, err] of each [environment, arguments]"""
    info = folder / "lima_odd-1.2.dist-info"
    info.mkdir()
    (folder / "lima_odd.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lima-odd\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[lima]\nodd = lima_odd\n")
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(folder)]))
    environment = os.environ | {"PYTHONPATH": path, "LIMA_LOAD_PLUGINS": "lima-chat,lima-dialogue-eval,lima-odd"}
    environment["HF_MODULES_CACHE"] = str(folder / "modules")
    command = [sys.executable, str(COMMAND_LINES), json.dumps(cases)]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_a_model_or_grader_that_ends_the_process_is_named_and_what_was_answered_is_kept(tmp_path):
    line = ["dialogues", "run", "odd", "--model", "odd", "--seeds", "1", "-d", "l.db"]
    ended = [[{"PLACE": place, "CODE": "raise SystemExit(0)"}, line] for place in PLACES]
    found = run(tmp_path, [{}, line], *ended)
    assert found[0][0] == 0, found[0][2]
    for (code, _, err), place in zip(found[1:], PLACES.values(), strict=True):
        assert code == 1, err
        assert f"Error: Plugin 'lima-odd' wanted to end lima in {place}: SystemExit: 0." in err
    listed = subprocess.run(
        [sys.executable, "-m", "lima", "dialogues", "--json", "-d", "l.db"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert [row["status"] for row in json.loads(listed.stdout)] == ["done", "failed", "failed"]


@pytest.mark.slow
def test_the_code_of_a_model_s_folder_runs_with_the_flag_and_not_without(tmp_path):
    own = tiny_base(tmp_path / "own", tokenizer=tiny_tokenizer())
    config = json.loads((own / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "configuration_own.OwnConfig"}}
    (own / "config.json").write_text(json.dumps(config))
    (own / "configuration_own.py").write_text(OWN)
    line = ["dialogues", "run", "odd", "--model", str(own), "-d", "l.db"]
    markers = [tmp_path / "without", tmp_path / "with"]
    without, given, other = run(
        tmp_path,
        [{"MARKER": str(markers[0])}, line],
        [{"MARKER": str(markers[1])}, [*line, "--trust-remote-code"]],
        [{}, ["dialogues", "run", "odd", "--model", "odd", "-d", "l.db", "--trust-remote-code"]],
    )
    assert without[0] == 1
    assert (
        "comes with Python code, which lima runs only if you allow it. Read it; if you trust it, add --trust"
        in without[2]
    )
    assert [marker.exists() for marker in markers] == [False, True], given[2]
    assert "The model 'odd' runs no code of a folder. Leave out --trust-remote-code." in other[2]


@pytest.mark.slow
def test_a_reader_that_leaves_early_is_no_fault_of_a_plugin(store, by_hand):
    """As in `lima dialogues show RUN | head -1`"""
    run = by_hand({f"c{n}": {0: "EPF" * 9} for n in range(30)})
    store.close()
    command = [sys.executable, "-m", "lima", "dialogues", "show", run, "-d", str(store.path)]
    environment = os.environ | {"LIMA_LOAD_PLUGINS": "lima-chat,lima-dialogue-eval"}
    shown = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        shown.stdout.close()
        assert shown.stderr.read() == ""
        assert shown.wait(timeout=30) == 1
    finally:
        shown.kill()
        shown.stderr.close()
