"""`lima plugins new`: every kind installs, passes its own tests and is listed; names that cannot be used are refused."""

import ast
import time
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from fresh_packages import all_pass, installed, listed, path_of, run
from lima.cli import cli
from lima.cli.new_plugin import LONGEST, kinds_of_plugin, make
from lima.errors import LimaError
from lima.testing import only_plugins

MINUTE = 60


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder, which is the current one"""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


REFUSED = {
    "": "'' is not a name of a package",
    "-lima": "'-lima' is not a name of a package",
    "lima_": "is not a name of a package",
    "../lima-haiku": "is not a name of a package",
    "/tmp/lima-haiku": "is not a name of a package",
    "lima haiku": "is not a name of a package",
    'lima"]\n[x': "is not a name of a package",
    "lima-haiku\n": "is not a name of a package",
    "lima-\x1b[31m": "is not a name of a package",
    "lima-俳句": "is not a name of a package",
    "<<7*7>>": "is not a name of a package",
    "a" * (LONGEST + 1): "at most 60 characters. Write one such as lima-haiku.",
    "3d": "Python cannot import a module '3d', which '3d' would have. Write a name such as lima-haiku.",
    "import": "Python cannot import a module 'import'",
    "Lima_Tune": "'Lima_Tune' is installed already, with version",
    "json": "There is a module 'json' already",
    "click.testing-": "is not a name of a package",
    "lima": "There is a module 'lima' already",
    "lima-pairs": "The source 'pairs' is lima-tune's already. Choose a name that does not end in 'pairs', or my-pairs.",
    "lima-taken": "'lima-taken' is installed already",
}


def test_names_that_cannot_be_used_are_refused_and_nothing_is_written(here, monkeypatch):
    site = here.parent / "site" / "lima_taken-1.0.dist-info"
    site.mkdir(parents=True)
    (site / "METADATA").write_text("Metadata-Version: 2.4\nName: lima-taken\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(site.parent)
    (here / "lima-there").touch()
    with only_plugins() as plugins:
        for name, why in {**REFUSED, "lima-there": "lima-there is there already. Choose another name"}.items():
            with pytest.raises(LimaError) as refused:
                make(name, ["source"], plugins)
            assert why in str(refused.value), name
    assert [p.name for p in here.iterdir()] == ["lima-there"]


def test_a_command_of_the_core_is_not_given_away(here):
    with only_plugins() as plugins:
        plugins.add_commands(cli)
        with pytest.raises(LimaError, match="The command 'train' is lima-tune's already"):
            make("lima-train", ["command"], plugins)


def test_an_unknown_kind_is_answered_with_the_known_ones(here):
    done = CliRunner().invoke(cli, ["plugins", "new", "lima-haiku", "--kind", "sources"])
    assert done.exit_code == 2
    assert "'sources' is not a kind of plugin. Did you mean 'source'? Known: base, command" in done.output


def test_a_disk_that_fails_leaves_nothing(here, monkeypatch):
    before = Path.write_text

    def full(self, *arguments, **named):
        if self.name == "LICENSE":
            raise OSError(28, "No space left on device", str(self))
        return before(self, *arguments, **named)

    monkeypatch.setattr(Path, "write_text", full)
    with only_plugins() as plugins, pytest.raises(LimaError, match="Cannot write lima-haiku: No space left on device"):
        make("lima-haiku", ["source"], plugins)
    assert list(here.iterdir()) == []


def test_what_is_written_is_python_and_toml_with_the_name_filled_in(here):
    with only_plugins() as plugins:
        folder = make("lima-My.haiku", list(kinds_of_plugin()), plugins)
    texts = {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*") if p.is_file()}
    assert {"LICENSE", "README.md", ".gitignore", ".github/workflows/test.yml"} < texts.keys()
    project = tomllib.loads(texts["pyproject.toml"])["project"]
    assert (project["name"], project["entry-points"]["lima"]) == ("lima-My.haiku", {"my-haiku": "lima_my_haiku"})
    for place, text in texts.items():
        assert not [mark for mark in ("<<", ">>", "[%", "%]") if mark in text], place
        assert max(map(len, text.split("\n"))) <= 130 or not place.endswith(".py"), place
        if place.endswith(".py"):
            assert ast.get_docstring(ast.parse(text)), place


def pass_their_tests(site, here, *folders):
    """The tests of these packages pass with what is installed: their modules are not in these folders any more"""
    for folder in folders:
        for module in folder.glob("lima_*"):
            module.rename(here / f"{folder.name} moved away")
    all_pass(here, *folders, **path_of(site))


def own(rows):
    return {name: row for name, row in rows.items() if "-my-" in name}


@pytest.mark.slow
def test_a_new_package_is_installed_tested_and_listed_in_under_a_minute(here):
    started, site = time.monotonic(), here.parent / "site"
    run("lima", "plugins", "new", "lima-my-own", "--kind", "source", cwd=here)
    installed(site, here / "lima-my-own")
    pass_their_tests(site, here, here / "lima-my-own")
    assert own(listed(here, **path_of(site))) == {"lima-my-own": ("loaded", None)}
    assert time.monotonic() - started < MINUTE


@pytest.mark.slow
def test_every_kind_alone_and_all_together_pass_their_tests(here):
    site = here.parent / "site"
    with only_plugins() as plugins:
        folders = [make(f"lima-my-{kind}", [kind], plugins).resolve() for kind in kinds_of_plugin()]
        folders.append(make("lima-my-all", list(kinds_of_plugin()), plugins).resolve())
    installed(site, *folders)
    pass_their_tests(site, here, *folders)
    assert own(listed(here, **path_of(site))) == {folder.name: ("loaded", None) for folder in folders}
