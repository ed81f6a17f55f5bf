"""The documentation says what the code says, and every hook has somebody who implements it."""

import inspect
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from lima.contract import hooks as hookspecs
from lima.plugins import Plugins, _load_all

ROOT = Path(__file__).parents[1]
HOOKS = sorted(n for n, f in vars(hookspecs).items() if hasattr(f, "lima_spec"))


@pytest.fixture
def everything(monkeypatch) -> Plugins:
    monkeypatch.delenv("LIMA_LOAD_PLUGINS", raising=False)
    return _load_all()


@pytest.fixture
def module(monkeypatch):
    """A module of the example plugin"""
    monkeypatch.syspath_prepend(ROOT / "examples" / "06_plugin")
    return import_module


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented_with_its_exact_signature(hook):
    signature = ", ".join(inspect.signature(getattr(hookspecs, hook)).parameters)
    assert f"### `{hook}({signature})`" in (ROOT / "docs" / "hooks.md").read_text()
    assert getattr(hookspecs, hook).__doc__


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_implemented_by_a_first_party_plugin_or_the_example(everything, hook, module):
    ours = {p.name for p in (ROOT / "plugins").iterdir()} | {"lima-tune"}
    assert [p.name for p in everything.loaded if hook in p.hooks and p.name in ours] or hasattr(
        module("lima_limericks.losses"), hook
    )


def test_no_first_party_plugin_is_broken(everything):
    from lima.contract.kinds import KINDS

    for kind in KINDS:
        everything.registry(kind)
    assert [(p.name, p.error) for p in everything.broken] == []


def paths_of(command, path):
    """The path of a command and of all below it"""
    yield path
    for name, one in getattr(command, "commands", {}).items():
        yield from paths_of(one, f"{path} {name}")


def test_every_command_is_documented(everything):
    from lima.cli import cli

    everything.add_commands(cli)
    written = re.findall(r"^## `(.+)`$", (ROOT / "docs" / "commands.md").read_text(), re.M)
    paths = list(paths_of(cli, "lima"))
    assert {"lima", "lima train", "lima checkpoints choose", "lima dialogues run", "lima village facts"} <= set(paths)
    assert sorted(written) == sorted(paths)


def test_links_between_the_pages_lead_somewhere():
    for page in [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("plugins/*/README.md"),
        *ROOT.glob("examples/**/*.md"),
    ]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"


@pytest.mark.slow
@pytest.mark.parametrize("example", sorted(p.name for p in (ROOT / "examples").glob("*.py")))
def test_every_example_runs(example, tmp_path):
    environment = {k: v for k, v in os.environ.items() if k != "LIMA_LOAD_PLUGINS"} | {"TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / example)], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip()


def test_the_example_plugin_is_a_plugin(module, base, tmp_path):
    from lima.recipe import Recipe
    from lima.record.store import Store
    from lima.testing import only_plugins
    from lima.train.start import fine_tune

    with only_plugins(lima_limericks=module("lima_limericks"), lima_losses=module("lima_limericks.losses")) as plugins:
        assert plugins.broken == []
        (one,) = plugins.registry("sources").find("limericks").examples(None)
        recipe = Recipe(base=str(base), sources=("limericks",), renderer="plain", out=str(tmp_path / "out"), epochs=2)
        with Store(tmp_path / "l.db", plugins) as store:
            run = fine_tune(recipe, store, plugins)
            losses = store.rows("select step, loss from steps where run = ? order by step", [run.id])
    assert one.response == "who dreamt he was eating his shoe."
    written = "".join(f"{row['step']},{row['loss']}\n" for row in losses)
    assert (tmp_path / "out-losses.csv").read_text() == written
    assert len(losses) == 2
