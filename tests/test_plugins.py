"""Loading, isolation, collisions, wrong hooks: with real distributions in a real second process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import lima
from lima.data.sources import open_source
from lima.errors import LimaError
from lima.testing import only_plugins


def distribution(site: Path, name: str, code: str) -> None:
    """An installed distribution with one module and an entry point, as pip would leave it"""
    module = name.replace("-", "_")
    (site / f"{module}.py").write_text(code)
    info = site / f"{module}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[lima]\n{module} = {module}\n")
    (info / "RECORD").write_text(f"{module}.py,,\n")


GOOD = """
import click, lima

class Source:
    description = "three examples"
    licence = "CC0-1.0"
    def examples(self, argument):
        return [lima.Example(id=str(i), prompt="a", response="b") for i in range(3)]

@lima.hookimpl
def register_sources(register):
    register("three", Source())

@lima.hookimpl
def register_commands(cli):
    @cli.command()
    def hello():
        "Say hello"
        click.echo("hello")
"""


@pytest.fixture
def site(tmp_path):
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


def run(site, *arguments, load="lima-good,lima-bad,lima-a,lima-b"):
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(site)]))
    environment = os.environ | {"PYTHONPATH": path, "LIMA_LOAD_PLUGINS": load}
    return subprocess.run(
        [sys.executable, "-m", "lima", *arguments], env=environment, capture_output=True, text=True, timeout=60
    )


def test_a_good_plugin_adds_a_command_and_a_source(site):
    distribution(site, "lima-good", GOOD)
    assert run(site, "hello", load="lima-good").stdout == "hello\n"
    shown = json.loads(run(site, "sources", "show", "three", "--json", load="lima-good").stdout)
    assert (shown["name"], shown["plugin"], shown["examples"], shown["licence"]) == ("three", "lima-good", 3, "CC0-1.0")
    assert len(shown["hash"]) == 64


@pytest.mark.slow
def test_a_table_of_a_plugin_that_is_left_out_is_not_heard_and_one_of_none_is_refused(site, base, pairs, tmp_path):
    distribution(site, "lima-good", GOOD)
    train = ["train", "--base", base, "--source", pairs, "--dry-run", "--set"]
    heard = run(site, *map(str, train), "plugins={lima-good={a=1}}", load="")
    assert heard.returncode == 0
    assert "a table for plugin 'lima-good', ignored, because LIMA_LOAD_PLUGINS excludes it" in heard.stderr
    refused = run(site, *map(str, train), "plugins={lima-gone={a=1}}", load="")
    assert refused.returncode == 1
    assert "a table for plugin 'lima-gone', which is not installed." in refused.stderr


BREAKING = [
    ("raise RuntimeError('no luck')", "import failed: RuntimeError: no luck"),
    ("import sys; sys.exit(3)", "import failed: SystemExit: 3"),
    ("syntax error here", "import failed: SyntaxError: "),
    (
        "import lima\n@lima.hookimpl\ndef register_comands(cli): pass",
        "'register_comands' is not a hook of lima. Did you mean 'register_commands'?",
    ),
    (
        "import lima\n@lima.hookimpl\ndef after_step(run, step=1): pass",
        "its after_step() gives argument 'step' a default, which is never filled in; write after_step(run, step, metrics)",
    ),
    (
        "import lima\n@lima.hookimpl\ndef after_step(run, batch): pass",
        "its after_step() asks for 'batch', but the hook has (run, step, metrics)",
    ),
    (
        "import lima\n@lima.hookimpl\ndef register_commands(cli): 1 / 0",
        "register_commands failed: ZeroDivisionError: division by zero",
    ),
    (
        "import lima, click\n@lima.hookimpl\ndef register_commands(cli): cli.add_command(click.Command('train'))",
        "its command 'train' is registered by 'lima-tune' already",
    ),
    (
        "import lima, click\n@lima.hookimpl\ndef register_commands(cli):\n"
        "    cli.commands['sources'].add_command(click.Command('show'))",
        "its command 'sources show' is registered by 'lima-tune' already",
    ),
]
"""Plugins that cannot be loaded, and the cause that is said of each"""


def test_broken_plugins_are_named_with_their_causes_and_the_rest_works(site):
    """All at once: none hides another"""
    distribution(site, "lima-good", GOOD)
    names = [f"lima-bad-{number}" for number in range(len(BREAKING))]
    for name, (code, _) in zip(names, BREAKING, strict=True):
        distribution(site, name, code)
    load = ",".join(["lima-good", *names])
    done = run(site, "hello", load=load)
    assert (done.returncode, done.stdout) == (0, "hello\n")
    listed = run(site, "plugins", "--json", load=load)
    assert listed.returncode == 0
    rows = {row["name"]: row for row in json.loads(listed.stdout)}
    for name, (_, cause) in zip(names, BREAKING, strict=True):
        assert f"Warning: plugin {name!r} is not loaded: {cause.rstrip('.')}" in done.stderr
        assert f"Remove it with `lima uninstall {name}`" in done.stderr
        assert (rows[name]["version"], rows[name]["status"]) == ("1.2", "broken")
        assert cause.rstrip(".") in rows[name]["error"]
    assert rows["lima-good"] == {
        "name": "lima-good",
        "version": "1.2",
        "status": "loaded",
        "hooks": ["register_commands", "register_sources"],
    }
    assert rows.keys() == {"lima-good", *names}
    for shown in ("train", "sources show"):  # which some of them wanted to replace
        assert f"Usage: lima {shown}" in run(site, *shown.split(), "--help", load=load).stdout


MIGRATING = (
    GOOD
    + """
from sqlite_utils import Migrations

tables = Migrations("lima-bad")

@tables()
def m001(db):
    db["mine"].create({"x": int})
    STATEMENT

@lima.hookimpl
def register_migrations(register):
    register("lima-bad", tables)

@lima.hookimpl
def register_graders(register):
    register("bad", type("Grader", (), {"description": "none", "grade": lambda self, turn: None})())

@lima.hookimpl
def before_train(run, examples):
    raise AssertionError("called")
"""
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statement", "cause"),
    [
        ('db.execute("drop table steps")', "it may not drop table 'steps', which belongs to 'lima'"),
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_plugin_whose_migration_fails_is_named_and_every_command_works(site, base, pairs, tmp_path, statement, cause):
    distribution(site, "lima-bad", MIGRATING.replace("STATEMENT", statement))
    file = tmp_path / "l.db"
    warning = (
        f"Warning: plugin 'lima-bad' is not loaded: its migrations of {file} failed, and were undone: {cause}. "
        "Remove it with `lima uninstall lima-bad`, or see `lima plugins`."
    )
    train = ["train", "--base", base, "--source", pairs, "--out", tmp_path / "out", "--set", "epochs=1", "-d", file]
    done = run(site, *map(str, train), load="lima-bad")
    assert (done.returncode, warning in done.stderr) == (0, True), done.stderr
    listed = run(site, "runs", "--json", "-d", str(file), load="lima-bad")
    assert (listed.returncode, warning in listed.stderr) == (0, True), listed.stderr
    assert [r["status"] for r in json.loads(listed.stdout)] == ["done"]
    shown = json.loads(run(site, "plugins", "--json", "-d", str(file), load="lima-bad").stdout)
    assert shown[0]["status"] == "broken"
    assert cause in shown[0]["error"]
    refused = run(site, *map(str, [*train, "--source", "three", "--out", tmp_path / "other"]), load="lima-bad")
    assert (refused.returncode, warning in refused.stderr) == (1, True)
    assert "Error: 'three' is neither a registered source nor a file" in refused.stderr


@pytest.mark.slow
def test_install_and_uninstall_work_with_a_broken_plugin(site):
    distribution(site, "lima-bad", "raise RuntimeError('no luck')")
    done = run(site, "install", "--help", load="lima-bad")
    assert "Usage: lima install" in done.stdout
    done = run(site, "install", "--no-index", "lima-is-not-to-be-found", load="lima-bad")
    assert done.returncode == 1
    assert "Error: pip install ended with status 1; its message is above." in done.stderr
    done = run(site, "uninstall", "-y", "Lima_Bad", load="lima-bad")  # which no pip has installed
    assert done.returncode == 0
    assert "lima-bad" in done.stdout + done.stderr
    for name in ("numpy", "lima-bda"):
        done = run(site, "uninstall", "-y", name, load="lima-bad")
        assert done.returncode == 1
        assert f"Error: {name!r} is not an installed plugin." in done.stderr
    assert "Did you mean 'lima-bad'?" in done.stderr


def test_a_source_that_two_plugins_register_names_both_and_cannot_be_used(site):
    distribution(site, "lima-a", GOOD)
    distribution(site, "lima-b", GOOD.replace("hello", "hi"))
    done = run(site, "sources", "show", "three", load="lima-a,lima-b")
    assert done.returncode == 1
    assert (
        "The source 'three' is registered by both 'lima-a' and 'lima-b'. Write lima-a::three or lima-b::three."
        in done.stderr
    )
    for owner in ("lima-a", "lima-b"):
        done = run(site, "sources", "show", f"{owner}::three", "--json", load="lima-a,lima-b")
        assert json.loads(done.stdout)["plugin"] == owner
    alone = run(site, "sources", "show", "three", "--json", load="lima-b")
    assert json.loads(alone.stdout)["plugin"] == "lima-b"


def test_load_plugins_chooses_and_an_unknown_name_is_said(site):
    distribution(site, "lima-good", GOOD)
    assert json.loads(run(site, "plugins", "--json", load="").stdout) == []
    done = run(site, "sources", load="lima-god")
    assert "LIMA_LOAD_PLUGINS names it, but it is not installed. Did you mean 'lima-good'?" in done.stderr


@pytest.mark.slow
def test_plugins_by_hook(site):
    distribution(site, "lima-good", GOOD)
    listed = run(site, "plugins", "--all", "--hook", "register_renderers", "--json", load="lima-good")
    assert [p["name"] for p in json.loads(listed.stdout)] == ["lima-tune"]
    wrong = run(site, "plugins", "--hook", "register_source", load="")
    assert wrong.returncode == 1
    assert "Did you mean 'register_sources'?" in wrong.stderr


def test_loading_is_sorted_by_distribution(site):
    for name in ("lima-b", "lima-good", "lima-a"):
        distribution(site, name, "")
    listed = json.loads(run(site, "plugins", "--json", load="lima-b,lima-good,lima-a").stdout)
    assert [p["name"] for p in listed] == ["lima-a", "lima-b", "lima-good"]


def test_an_unknown_name_in_a_registry_lists_the_known():
    with (
        only_plugins() as plugins,
        pytest.raises(LimaError, match=r"no renderer 'plane'\. Did you mean 'plain'\? Known: plain\."),
    ):
        plugins.registry("renderers").find("plane")


def test_a_registration_that_fails_disables_its_plugin_only():
    class Bad:
        @lima.hookimpl
        def register_sources(self, register):
            raise OSError("gone")

    class Mine:
        description, licence = "none", "CC0-1.0"

        def examples(self, argument):
            raise KeyError("oops")

    class Half:
        @lima.hookimpl
        def register_sources(self, register):
            register("half", object())

    class Quitter:
        @lima.hookimpl
        def register_sources(self, register):
            raise SystemExit(3)

    class Good:
        @lima.hookimpl
        def register_sources(self, register):
            register("mine", Mine())

    with only_plugins(lima_bad=Bad(), lima_half=Half(), lima_quitter=Quitter(), lima_good=Good()) as plugins:
        assert sorted(plugins.registry("sources")) == ["mine", "pairs"]
        assert [(p.name, p.error) for p in plugins.broken] == [
            ("lima-bad", "register_sources failed: OSError: gone"),
            (
                "lima-half",
                "register_sources failed: the source 'half' has no 'description'; "
                "expected description, licence, examples(argument)",
            ),
            ("lima-quitter", "register_sources failed: SystemExit: 3"),
        ]
        with pytest.raises(
            LimaError, match=r"Plugin 'lima-good' failed in examples\(\) of the source 'mine': KeyError: 'oops'"
        ):
            open_source("mine", plugins)


def test_a_half_removed_distribution_does_not_take_the_command_line_down(site):
    info = site / "lima_gone-1.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text("[lima]\ngone = lima_gone\n")
    done = run(site, "plugins", "--json", load="gone")
    assert [(p["name"], p["status"]) for p in json.loads(done.stdout)] == [("lima_gone", "broken")]


def test_a_plugins_content_hash_follows_its_code(tmp_path, monkeypatch):
    from importlib import import_module

    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "lima_hashed.py").write_text("x = 1\n")
    with only_plugins(lima_hashed=import_module("lima_hashed")) as plugins:
        plugin = plugins.loaded[-1]
        before = plugin.content_hash()
        (tmp_path / "lima_hashed.py").write_text("x = 2\n")
        assert len(before) == 64
        assert plugin.content_hash() != before
