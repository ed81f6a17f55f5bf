"""Which plugins a run's record names, by which hash, and how long their code took."""

import importlib
import json
import sys
from importlib.metadata import distribution

import pytest

import lima
from lima.distributions import code_hash
from lima.record.runs import plugins_of
from lima.record.store import Store
from lima.testing import only_plugins
from lima.train.start import fine_tune
from registering import Registers, Source
from short_runs import recipe

pytestmark = pytest.mark.usefixtures("core_alone")


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A distribution of a package, a module beside it and a file of data; the object that its entry point names"""
    site = tmp_path / "site"
    (site / "lima_two" / "inner").mkdir(parents=True)
    (site / "lima_two" / "__init__.py").write_text("")
    (site / "lima_two" / "inner" / "plugin.py").write_text("class Plugin: pass\nplugin = Plugin()\n")
    (site / "lima_two" / "table.txt").write_text("one\n")
    (site / "lima_beside.py").write_text("x = 1\n")
    info = site / "lima_two-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lima-two\nVersion: 1\n")
    names = ["lima_two/__init__.py", "lima_two/inner/plugin.py", "lima_two/table.txt", "lima_beside.py"]
    (info / "RECORD").write_text("".join(f"{name},,\n" for name in names))
    monkeypatch.syspath_prepend(site)
    yield site, importlib.import_module("lima_two.inner.plugin").plugin
    for name in [n for n in sys.modules if n.startswith("lima_two")]:
        del sys.modules[name]


def test_the_hash_is_over_all_files_of_the_distribution(installed):
    site, plugin = installed
    module = type(plugin).__module__
    hashes = [code_hash(distribution("lima-two"), module)]
    for name in ("lima_two/table.txt", "lima_beside.py", "lima_two/__init__.py", "lima_two/inner/plugin.py"):
        (site / name).write_text("changed = 1\n")
        hashes.append(code_hash(distribution("lima-two"), module))
    (site / "lima_two" / "new.py").write_text("")  # as an editable installation has it, whose list names no code
    hashes.append(code_hash(distribution("lima-two"), module))
    assert len(set(hashes)) == len(hashes)
    (site / "lima_two" / "__pycache__").mkdir()
    (site / "lima_two" / "__pycache__" / "new.pyc").write_bytes(b"x")
    (site / "lima_two-1.dist-info" / "METADATA").write_text("Name: lima-two\nVersion: 1\nSummary: other\n")
    assert code_hash(distribution("lima-two"), module) == hashes[-1]
    (site / "lima_two-1.dist-info" / "RECORD").write_bytes(b"\xff,,\n")  # damaged: the package is hashed all the same
    assert code_hash(distribution("lima-two"), module) not in hashes[:-1]


class Trains(Registers):
    @lima.hookimpl
    def before_train(self, run):
        self.rows = run.plugins

    @lima.hookimpl
    def register_models(self, register):
        raise OSError("later")


def test_a_run_names_a_plugin_that_is_an_object_and_one_whose_other_hook_failed(base, pairs, tmp_path):
    mine = Trains(sources={"mine": Source()})
    asked = recipe(base, pairs, tmp_path / "out", sources=["mine"], epochs=1)
    with only_plugins(lima_mine=mine) as plugins, Store(tmp_path / "l.db", plugins) as store:
        run = fine_tune(asked, store, plugins)
        assert [(r["plugin"], r["error"]) for r in plugins_of(store, run.id)] == [("lima-mine", ""), ("lima-tune", "")]
        assert all(r["seconds"] > 0 for r in plugins_of(store, run.id) if r["plugin"] == "lima-mine")
        assert mine.rows[1]["hash"] == code_hash(None, Trains.__module__) != code_hash(None, "json")
        plugins.registry("models")
        assert [(r["plugin"], r["error"]) for r in plugins.rows()] == [
            ("lima-tune", ""),
            ("lima-mine", "register_models failed: OSError: later"),
        ]


def test_a_plugin_whose_import_failed_has_run_no_code_that_is_recorded():
    with only_plugins(lima_bad=type("Class", (), {})) as plugins:
        assert [r["plugin"] for r in plugins.rows()] == ["lima-tune"]
        assert "its entry point names the class Class; name an object of it" in plugins.broken[0].error


def test_runs_show_has_the_seconds_and_the_error(base, pairs, tmp_path, lima):
    with only_plugins(lima_mine=Trains(sources={"mine": Source()})) as plugins:
        with Store(tmp_path / "l.db", plugins) as store:
            run = fine_tune(recipe(base, pairs, tmp_path / "out", sources=["mine"], epochs=1), store, plugins)
        row = json.loads(lima("runs", "show", run.id, "-d", str(tmp_path / "l.db"), "--json").out)
    assert [sorted(plugin) for plugin in row["plugins"]] == [["error", "hash", "plugin", "seconds", "version"]] * 2
