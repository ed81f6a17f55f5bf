"""`lima.testing` as plugin authors have it: fixtures, commands that can be run again, contracts under pytest itself."""

import os
import subprocess
import sys

import click
import pytest

import lima as public
from lima.testing import only_plugins, run_process

WRITTEN = """
import sys

import lima
from lima.testing import SourceContract


class Notes:
    description, licence = "two notes", "CC0-1.0"

    def examples(self, argument):
        for number in (1, 2):
            yield lima.Example(id="the same", source="notes", prompt=f"What is {number}?", response="A number.")


class Plugin:
    @lima.hookimpl
    def register_sources(self, register):
        register("notes", Notes())


class TestNotes(SourceContract):
    plugin, name = Plugin(), "notes"


def test_nothing_heavy_was_loaded():
    assert not {"torch", "transformers", "sqlite_utils"} & sys.modules.keys()


def test_fixtures(lima_home, lima_plugins, lima_command):
    loaded = lima_plugins(my_notes=Plugin())
    assert [one.name for one in loaded.loaded] == ["lima-tune", "my-notes"]
    for _ in range(2):
        assert lima_command("sources", "show", "notes", "--json").json["examples"] == 2
    refused = lima_command("sources", "show", "nots", code=1)
    assert refused.out == "" and "Did you mean 'notes'?" in refused.err
"""


def test_an_author_sees_one_failure_for_one_fault(tmp_path):
    (tmp_path / "test_notes.py").write_text(WRITTEN)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-rfs",
        "-p",
        "lima.testing.pytest",
        "-p",
        "no:cacheprovider",
        "test_notes.py",
    ]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=120, env=os.environ | {"COLUMNS": "200"}
    )
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    assert len(failed) == 1, done.stdout
    assert "TestNotes::test_ids_are_unique - AssertionError: the id 'the same' is" in failed[0]


class Commands:
    """A plugin with a command, and one in a group of the core"""

    @public.hookimpl
    def register_commands(self, cli):
        @cli.command()
        @click.option("--code", default=0)
        @click.pass_context
        def odd(context, code):
            click.echo("so it is → \u202e")
            click.echo("quietly", err=True)
            context.exit(code)

        cli.commands["renderers"].add_command(click.Command("odd"))


def test_a_command_runs_again_and_leaves_nothing(lima_command):
    from lima.cli import cli
    from lima.commands import commands_below

    before = list(commands_below(cli))
    with only_plugins(commands=Commands()):
        for _ in range(2):
            done = lima_command("odd")
            assert (done.code, done.out, done.err) == (0, "so it is → \u202e\n", "quietly\n")
        assert lima_command("odd", "--code", "3", code=3).code == 3
        with pytest.raises(AssertionError, match=r"`lima odd --code 3` ended with 3; expected 0\.\n\s*quietly"):
            lima_command("odd", "--code", "3")
    assert list(commands_below(cli)) == before
    assert "There is no command 'odd'" in lima_command("odd", code=2).err


def test_a_process_has_the_plugins_that_are_named_and_not_for_ever(lima_process, tmp_path):
    (tmp_path / "slow_plugin.py").write_text(
        "import time, lima\n@lima.hookimpl\ndef register_commands(cli):\n"
        "    @cli.command()\n    def slow():\n        print('sleeping', flush=True)\n        time.sleep(60)\n"
    )
    given = {"PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    assert "  slow" in lima_process("--help", plugins=["slow_plugin"], environment=given).out
    with pytest.raises(AssertionError, match="`lima slow` had not ended after 0.5 s"):
        run_process("slow", plugins=["slow_plugin"], environment=given, timeout=0.5)


def test_the_other_fixtures(lima_store, lima_tokenizer, lima_model, lima_base, tmp_path):
    assert lima_store.path == tmp_path / "lima.db"
    assert lima_store.rows("select * from runs") == []
    assert lima_tokenizer.decode(lima_tokenizer("Why?").input_ids) == "Why?"
    assert lima_model.config.model_type == "llama"
    assert (lima_base / "config.json").is_file()


def test_every_name_is_there():
    import lima.testing

    assert [name for name in lima.testing.__all__ if getattr(lima.testing, name) is None] == []
    with pytest.raises(AttributeError, match="has no attribute 'tiny_bass'"):
        _ = lima.testing.tiny_bass
