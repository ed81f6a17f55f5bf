"""Commands that errors and notes advise do what they say, for an evaluation from a file and in another directory."""

import json
import re
import shlex

import pytest
from click.testing import CliRunner

import lima_chat
import lima_dialogue_eval
from lima import LimaError, Sampling, Verdict, hookimpl
from lima.record.store import Store
from lima.testing import only_plugins
from lima_dialogue_eval import compare, run_evaluation
from lima_dialogue_eval.cli.dialogues import dialogues


class Moody:
    """A plugin with a grader that can be another one, and can be stopped after its first verdict"""

    description = "says pass"
    version, stops = "1", False

    def identity(self):
        return self.version

    @hookimpl
    def register_graders(self, register):
        register("moody", self)

    def grade(self, turn):
        if self.stops and turn.index:
            raise KeyboardInterrupt
        return Verdict("pass", "because")


@pytest.fixture
def moody():
    return Moody()


@pytest.fixture
def plugins(moody):
    with only_plugins(lima_chat=lima_chat, lima_dialogue_eval=lima_dialogue_eval, moody=moody) as loaded:
        yield loaded


@pytest.fixture
def ran(plugins, Model, tmp_path, monkeypatch):
    """Makes a dialogue run of a file with a grader, in its folder, whose name needs quoting; then works elsewhere"""
    there = tmp_path / "a file's folder"
    there.mkdir()
    (there / "asks.jsonl").write_text(json.dumps({"turns": ["2 + 2?", "And 3?"]}))

    def make(grader):
        monkeypatch.chdir(there)
        with Store(tmp_path / "lima.db") as store:
            id = run_evaluation(
                store, "asks.jsonl", Model(), arm="", seeds=[0], sampling=Sampling(temperature=0.0), grader=grader
            )
        monkeypatch.chdir(tmp_path)
        return id

    return make


def followed(text, path):
    """The exit code of the command that a text advises, which names the database, and all that it says"""
    (advised,) = re.findall(r"lima dialogues (regrade [^\n`]+)", text)
    assert f"-d {path}" in advised
    done = CliRunner().invoke(dialogues, shlex.split(advised))
    return done.exit_code, done.output


def test_advice_to_regrade_works_from_any_directory(ran, moody, tmp_path):
    path, one, two = tmp_path / "lima.db", ran("requirements"), ran("moody")
    with Store(path) as store, pytest.raises(LimaError, match="Let one grade both") as of_two_graders:
        compare(store, one, two)
    with Store(path) as store, pytest.raises(LimaError, match="has no verdict of the grader 'moody'") as unseen:
        compare(store, one, two, grader="moody")
    shown = CliRunner().invoke(dialogues, ["show", one, "--grader", "moody", "-d", str(path)], catch_exceptions=True)
    for text in (str(of_two_graders.value), str(unseen.value), str(shown.exception)):
        assert followed(text, path)[0] == 0, text
    moody.version = "2"
    third = ran("moody")
    with Store(path) as store, pytest.raises(LimaError, match="in two versions") as of_two_versions:
        compare(store, two, third)
    assert followed(str(of_two_versions.value), path)[0] == 0
    with Store(path) as store:
        assert compare(store, one, two, grader="requirements").grader == "requirements"
        assert compare(store, two, third).difference == 0


def test_a_note_on_missing_verdicts_has_a_command_that_gives_them(ran, moody, tmp_path):
    path, one, two = tmp_path / "lima.db", ran("requirements"), ran("requirements")
    moody.stops = True
    named = ["regrade", one, two, "--grader", "moody", "--evaluation", str(tmp_path / "a file's folder" / "asks.jsonl")]
    for half in (named, [named[0], *named[2:]]):
        assert CliRunner().invoke(dialogues, [*half, "-d", str(path)]).exit_code
    moody.stops = False
    with Store(path) as store:
        (note,) = [n for n in compare(store, one, two, grader="moody").notes if "no verdict" in n]
    assert followed(note, path)[0] == 0
    with Store(path) as store:
        assert compare(store, one, two, grader="moody").before.counts.unseen == 0
