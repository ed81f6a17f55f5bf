"""What is inside the wheels: built for real, opened, counted, installed into an empty environment and used."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from filelock import FileLock

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
DISTRIBUTIONS = [
    ".",
    *sorted(f"plugins/{p.name}" for p in (ROOT / "plugins").iterdir() if (p / "pyproject.toml").is_file()),
]


@pytest.fixture(scope="module")
def wheels(shared_folder):
    out = shared_folder / "wheels"
    with FileLock(f"{out}.lock"):
        for distribution in DISTRIBUTIONS if not out.exists() else ():
            # Through the sdist, as an index would: a symlink that survives only in the checkout shows here.
            command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT / distribution)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300)
            assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return {w.name.split("-")[0]: w for w in out.glob("*.whl")}


def names(wheel):
    return [n for n in zipfile.ZipFile(wheel).namelist() if not n.endswith("/")]


def test_every_distribution_has_a_wheel_without_tests(wheels):
    packages = {p.name.replace("-", "_") for p in (ROOT / "plugins").iterdir() if (p / "pyproject.toml").is_file()}
    assert packages == {p.parent.name for p in ROOT.glob("plugins/*/lima_*/__init__.py")}
    assert set(wheels) == {"lima_tune", *packages}
    for wheel in wheels.values():
        assert [n for n in names(wheel) if re.search(r"(^|/)test_[^/]*\.py$|^tests/", n)] == []


def test_thirty_dialogues_and_two_sets_of_ten_conversations_are_inside(wheels):
    inside = names(wheels["lima_dialogues"])
    assert len([n for n in inside if "/train/" in n and n.endswith(".json")]) == 30
    for which in ("eval", "eval-b"):
        assert len([n for n in inside if f"/{which}/" in n and n.endswith(".json")]) == 10
    folder = ROOT / "dialogues"
    assert {f"lima_dialogues/dialogues/{p.relative_to(folder)}" for p in folder.rglob("*.json")} <= set(inside)


def test_all_templates_are_inside(wheels):
    inside = {Path(n).name for n in names(wheels["lima_chat"]) if n.endswith(".jinja")}
    assert inside == {p.name for p in (ROOT / "templates").glob("*.jinja")}
    assert inside >= {f"{n}.jinja" for n in ("lima", "chatml", "llama3", "alpaca", "zephyr", "gemma")}


def test_the_village_is_inside_and_small(wheels):
    inside = zipfile.ZipFile(wheels["lima_village"])
    weights = [i for i in inside.infolist() if i.filename.endswith(".safetensors")]
    assert len(weights) == 1
    assert weights[0].file_size <= 12_000_000
    assert "lima_village/labels.jsonl" in inside.namelist()


@pytest.mark.parametrize("package", ["lima", "lima_effect", "lima_village", "lima_village_study"])
def test_every_file_of_the_package_is_inside(wheels, package):
    """The words, the prose, the page, the files for new plugins and the mark that it is typed, too"""
    folder = next(ROOT.glob(f"plugins/*/{package}"), ROOT / package)
    files = {str(p.relative_to(folder.parent)) for p in folder.rglob("*") if p.is_file() and p.suffix != ".pyc"}
    assert f"{package}/py.typed" in files
    assert files <= set(names(wheels["lima_tune" if package == "lima" else package]))


def test_the_wheels_work_away_from_the_checkout(wheels, tmp_path):
    """Unpacked into an empty folder that comes first on the path, they list the same things"""
    site = tmp_path / "site"
    for wheel in wheels.values():
        zipfile.ZipFile(wheel).extractall(site)
    code = (
        "import json, lima, lima_dialogues, lima_chat\n"
        "from lima.plugins import load_plugins\n"
        "p = load_plugins()\n"
        "sources = p.registry('sources')\n"
        "print(json.dumps([lima.__file__, lima_dialogues.__file__, len(list(sources.find('dialogues').examples(None))),"
        " len(list(p.registry('evaluations').find('dialogues').conversations())), sorted(p.registry('renderers'))]))"
    )
    environment = {k: v for k, v in os.environ.items() if k != "LIMA_LOAD_PLUGINS"} | {"PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    core, dialogues, trained, held, renderers = json.loads(done.stdout)
    assert core.startswith(str(site))
    assert dialogues.startswith(str(site))
    assert (trained, held) == (30, 10)
    assert set(renderers) >= {"plain", "lima", "chatml", "llama3", "alpaca", "zephyr", "gemma", "template"}
