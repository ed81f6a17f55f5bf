"""A plugin cannot end the process, wherever its code runs: the exit code is 1 and the sentence names plugin and place."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lima.errors import PluginStopped
from lima.isolation import contained, plugin_code

PLUGIN = """
import os, click, lima

class Own(BaseException):
    pass

def maybe(place):
    if os.environ.get("PLACE") == place:
        exec(compile(os.environ["CODE"], "code", "exec"))

def stub(name):
    def hook(*_):
        maybe(name)
    return hook

class Source:
    licence = "CC0-1.0"
    @property
    def description(self):
        maybe("description")
        return "one example"
    def recognises(self, row):
        maybe("recognises")
        return False
    def examples(self, argument):
        maybe("examples")
        yield lima.Example(id="1", prompt="a", response="b")
        maybe("examples' end")

from lima.data.rendering import PlainRenderer
class Renderer(PlainRenderer):
    name, description = "odd", "as plain"
    def end_of_turn(self, tokenizer):
        maybe("end_of_turn")
        return super().end_of_turn(tokenizer)
    def render(self, record, tokenizer, eot):
        maybe("render")
        return super().render(record, tokenizer, eot)
    def prompt(self, text, tokenizer, eot):
        maybe("prompt")
        return super().prompt(text, tokenizer, eot)
    def chat_template(self, tokenizer, eot):
        maybe("chat_template")
        return "x"

class Base:
    description = "the tests'"
    def folder(self):
        maybe("folder")
        return os.environ["BASE"]

class Grader:
    description = "odd"
    def grade(self, turn):
        pass
    def grade_reply(self, example, reply, stop):
        maybe("grade_reply")

@lima.hookimpl
def register_sources(register):
    maybe("register_sources")
    register("odd", Source())
@lima.hookimpl
def register_renderers(register):
    register("odd", Renderer())
@lima.hookimpl
def register_base_models(register):
    register("odd", Base())
@lima.hookimpl
def register_graders(register):
    register("odd", Grader())
@lima.hookimpl
def register_commands(cli):
    @cli.command()
    @click.pass_context
    def odd(ctx):
        maybe("command")
@lima.hookimpl
def before_train(run):
    maybe("before_train")
@lima.hookimpl
def after_step(run):
    maybe("after_step")
@lima.hookimpl
def after_epoch(run):
    maybe("after_epoch")
@lima.hookimpl
def after_train(run):
    maybe("after_train")
"""
EXIT = "raise SystemExit(0)"
LATER = "os.times = os.times + 1 if isinstance(os.times, int) else 1\nif os.times > 1: raise SystemExit(0)"
TRAIN = ["train", "--base", "odd", "--source", "odd", "--renderer", "odd"]
TRAIN += ["--set", "epochs=1", "--set", "residual_dropout=0", "--out"]
ASK = ["ask", "made", "hi", "--max-new-tokens", "2"]
HOOKS = ("before_train", "after_step", "after_epoch", "after_train")
CASES = [
    *[(hook, EXIT, [*TRAIN, hook], f"in {hook}: SystemExit: 0.") for hook in HOOKS],
    ("after_step", "exit()", [*TRAIN, "a"], "in after_step: SystemExit: None."),
    ("after_step", "raise KeyboardInterrupt", [*TRAIN, "b"], "in after_step: KeyboardInterrupt."),
    ("after_step", "raise GeneratorExit", [*TRAIN, "c"], "in after_step: GeneratorExit."),
    ("after_step", "raise Own('mine')", [*TRAIN, "d"], "in after_step: Own: mine."),
    ("after_step", "raise click.exceptions.Exit(0)", [*TRAIN, "e"], "in after_step: Exit: 0."),
    ("after_step", "raise click.Abort()", [*TRAIN, "f"], "in after_step: Abort."),
    (
        "examples",
        "import sys; sys.exit = print; exit(0)",
        ["sources", "show", "odd"],
        "in examples() of the source 'odd': SystemExit: 0.",
    ),
    ("folder", EXIT, [*TRAIN, "g"], "in folder() of the base model 'odd': SystemExit: 0."),
    ("examples", EXIT, ["sources", "show", "odd"], "in examples() of the source 'odd': SystemExit: 0."),
    (
        "examples' end",
        "quit()",
        ["sources", "show", "odd"],
        "in examples() of the source 'odd', after item 1: SystemExit: None.",
    ),
    ("recognises", EXIT, ["sources", "show", "FILE"], "in recognises() of the source 'odd': SystemExit: 0."),
    ("description", LATER, ["sources"], "in 'description' of the source 'odd': SystemExit: 0."),
    ("end_of_turn", EXIT, ["preview", *TRAIN[1:-1]], "in end_of_turn() of the renderer 'odd': SystemExit: 0."),
    ("render", EXIT, ["preview", *TRAIN[1:-1]], "in render() of the renderer 'odd' on example '1': SystemExit: 0."),
    (
        "render",
        "raise click.exceptions.Exit(0)",
        ["plan", *TRAIN[1:-1]],
        "in render() of the renderer 'odd' on example '1': Exit: 0.",
    ),
    ("chat_template", EXIT, [*TRAIN, "h"], "in chat_template() of the renderer 'odd': SystemExit: 0."),
    ("prompt", EXIT, ASK, "in prompt() of the renderer 'odd': SystemExit: 0."),
    (
        "grade_reply",
        EXIT,
        ["checkpoints", "grade", "RUN", "--grader", "odd"],
        "in grade_reply() of the grader 'odd' on example 'dev.jsonl:1' of source 'dev.jsonl': SystemExit: 0.",
    ),
    ("command", "raise SystemExit(3)", ["odd"], "in the command 'odd': SystemExit: 3."),
    ("command", "raise KeyboardInterrupt", ["odd"], "in the command 'odd': KeyboardInterrupt."),
]


@pytest.fixture(scope="module")
def run(base, tmp_path_factory):
    """Runs command lines with the plugin loaded; gives (exit code, out, err) of each"""
    folder = tmp_path_factory.mktemp("ends")
    site = folder / "site"
    (site / "lima_odd-1.2.dist-info").mkdir(parents=True)
    (site / "lima_odd.py").write_text(PLUGIN)
    (site / "lima_odd-1.2.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: lima-odd\nVersion: 1.2\n")
    (site / "lima_odd-1.2.dist-info" / "entry_points.txt").write_text("[lima]\nodd = lima_odd\n")
    (site / "lima_odd-1.2.dist-info" / "RECORD").write_text("lima_odd.py,,\n")
    (folder / "odd.jsonl").write_text('{"strange": 1}\n')
    (folder / "dev.jsonl").write_text('{"prompt": "c", "response": "d"}\n')
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(site)]))
    environment = os.environ | {"PYTHONPATH": path, "LIMA_LOAD_PLUGINS": "lima-odd", "BASE": str(base)}
    environment["LIMA_USER_PATH"] = str(folder / "user")

    def run(*cases):
        command = [sys.executable, str(Path(__file__).with_name("command_lines.py")), json.dumps(cases)]
        done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=500)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    run.folder, run.environment = folder, environment
    return run


@pytest.fixture(scope="module")
def ended(run):
    """What became of each of CASES, after a run that they can ask and grade"""
    dev = ["--set", "dev=dev.jsonl", "--set", "keep_epochs=true"]
    ((code, out, err),) = run([{}, [*TRAIN, "made", *dev]])
    assert code == 0, err
    names = {"FILE": "odd.jsonl", "RUN": out.split()[1].rstrip(":")}
    found = run(*[[{"PLACE": place, "CODE": code}, [names.get(a, a) for a in args]] for place, code, args, _ in CASES])
    return {case[:2]: result for case, result in zip(CASES, found, strict=True)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "code", "arguments", "sentence"), CASES, ids=lambda c: c if isinstance(c, str) else ""
)
def test_the_exit_code_is_1_and_the_sentence_names_plugin_and_place(ended, place, code, arguments, sentence):
    status, _, err = ended[place, code]
    assert (status, f"Plugin 'lima-odd' wanted to end lima {sentence}" in err) == (1, True), err


@pytest.mark.slow
def test_a_command_may_end_by_click_s_own_means_and_a_plugin_that_ends_on_loading_is_set_aside(run):
    own, aside = run(
        [{"PLACE": "command", "CODE": "click.get_current_context().exit(3)"}, ["odd"]],
        [{"PLACE": "register_sources", "CODE": "raise KeyboardInterrupt"}, ["sources"]],
    )
    assert own == [3, "", ""]
    assert aside[0] == 0
    assert "plugin 'lima-odd' is not loaded: register_sources failed: KeyboardInterrupt. Remove" in aside[2]


LISTENING = """
import signal, lima.cli
signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent in the background hands on that it is ignored
lima.cli.main(["odd"])
"""


def test_ctrl_c_while_a_plugin_works_is_ctrl_c(run):
    """At a blocking call, and in a loop of pure Python"""
    for code in ("print('now', flush=True); import time; time.sleep(60)", "print('now', flush=True)\nwhile True: pass"):
        environment = run.environment | {"PLACE": "command", "CODE": code}
        with subprocess.Popen(
            [sys.executable, "-c", LISTENING],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout.readline() == "now\n"
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            err = process.communicate(timeout=60)[1]
        assert (process.returncode, err) == (130, "\nInterrupted.\n")


def test_the_guard_lets_errors_of_users_through_and_gives_others_a_name():
    with (
        pytest.raises(PluginStopped, match=r"^Plugin 'p' wanted to end lima in x: SystemExit: 0\. Only lima ends lima"),
        plugin_code("x", "p"),
    ):
        sys.exit(0)
    with pytest.raises(KeyError), contained("x", "p"):
        raise KeyError
