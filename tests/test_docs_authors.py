"""The pages for authors of plugins: every example runs with its test, and every variable of the environment is named."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Protocol, runtime_checkable

import pytest

import lima
from fresh_packages import all_pass, installed, path_of, run

ROOT = Path(__file__).parents[1]
PAGES = [*sorted((ROOT / "docs" / "objects").glob("[a-z]*.md")), ROOT / "docs" / "store.md"]
TESTING = ROOT / "docs" / "testing.md"
NAMED = re.compile(r"```python\n# ([\w/]+\.py)\n(.*?)```", re.S)


def examples(page):
    """The texts of the files that a page shows, by the names that they begin with"""
    return dict(NAMED.findall(page.read_text(encoding="utf-8")))


def test_every_page_has_a_plugin_and_a_test_and_no_name_twice():
    names = [name for page in PAGES for name in examples(page)]
    assert len(names) == len({*names}) == 2 * len(PAGES)
    for page in PAGES:
        assert page.read_text().count("```python\n") == 2, page.name
        plugin, test = examples(page)
        assert test == plugin.replace("lima_", "test_", 1), page.name


@pytest.mark.slow
def test_every_example_of_the_pages_keeps_its_contract(tmp_path):
    assert len(examples(TESTING)) == 4
    for page in (*PAGES, TESTING):
        for name, text in examples(page).items():
            (tmp_path / name).write_text(text, encoding="utf-8")
    all_pass(tmp_path, tmp_path, **path_of(tmp_path))


def test_every_variable_of_the_environment_is_on_the_page_and_no_other():
    code = [f for folder in ("lima", "plugins/*/lima_*") for f in ROOT.glob(f"{folder}/**/*.py")]
    used = {name for file in code for name in re.findall(r"\bLIMA_[A-Z_]*[A-Z]\b", file.read_text())}
    page = (ROOT / "docs" / "environment.md").read_text()
    assert len(used) > 5
    assert used == {*re.findall(r"\bLIMA_[A-Z_]*[A-Z]\b", page)}


@pytest.mark.slow
def test_the_tutorial_leads_to_a_wheel_that_passes_its_tests_elsewhere(tmp_path):
    page = ROOT / "docs" / "tutorial.md"
    commands = re.findall(r"^\$ (.+)$", page.read_text(), re.M)
    texts = examples(page)
    (table,) = re.findall(r"write `riddles.csv`:\n\n```text\n(.*?)```", page.read_text(), re.S)
    run(*commands[0].split(), cwd=tmp_path)
    folder, site = tmp_path / "lima-riddles", tmp_path / "site"
    assert (folder / "tests/test_source.py").is_file()
    for name, text in {**texts, "riddles.csv": table}.items():
        assert name == "riddles.csv" or (folder / name).is_file(), name
        (folder / name).write_text(text, encoding="utf-8")
    run("build", "--no-isolation", cwd=folder)
    (wheel,) = (folder / "dist").glob("*.whl")
    installed(site, wheel)
    folder = folder.rename(tmp_path / "elsewhere")
    (folder / "lima_riddles").rename(tmp_path / "moved away")
    here = path_of(site) | {"LIMA_USER_PATH": str(tmp_path / "user")}
    all_pass(folder, folder / "tests", **here)
    used = [c for c in commands if c.startswith("lima ") and not c.startswith(("lima install", "lima plugins"))]
    assert len(used) == 4
    for command in used:
        said = run(*shlex.split(command), cwd=folder, **here)
    assert "riddles.csv" in said


def test_every_fragment_runs_with_the_names_of_lima():
    fragments = [
        (page, text)
        for page in ("hooks.md", "values.md")
        for text in re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(), re.S)
    ]
    assert len(fragments) == 3
    names = {"lima": lima, "dataclass": dataclass, "Protocol": Protocol, "runtime_checkable": runtime_checkable}
    names |= {name: getattr(lima, name) for name in ("LimaError", "Record", "did_you_mean", "hookimpl")}
    for _page, text in fragments:
        exec(text, names)
    assert names["Riddle"](id="1", riddle="What has hands?").content() == {"riddle": "What has hands?", "hints": []}
    run = SimpleNamespace(recipe=lima.Recipe(plugins={"lima-losses": {"evry": 2}}))
    with pytest.raises(lima.LimaError, match="Did you mean 'every'"):
        names["before_train"](run)
    names["declare_protocols"](lambda kind, protocol: names.update(declared=(kind, protocol.__name__)))
    assert names["declared"] == ("evaluations", "HoldsConversations")
