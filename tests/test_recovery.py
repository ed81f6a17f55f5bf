"""A plugin that ends the process, crashes it, or is half removed: lima starts, says so, and its advice works when followed."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lima.distributions import unmet_by
from lima.isolation.marks import Marks

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("core_alone")]

PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "lima-odd"
version = "1.2"
[project.entry-points.lima]
odd = "lima_odd"
[tool.hatch.build.targets.wheel]
packages = ["lima_odd"]
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A real wheel of a plugin that does nothing"""
    folder = tmp_path_factory.mktemp("wheel")
    (folder / "lima_odd").mkdir()
    (folder / "lima_odd" / "__init__.py").write_text("")
    (folder / "pyproject.toml").write_text(PROJECT)
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel"], cwd=folder, check=True)
    return next((folder / "dist").glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """What pip makes of the wheel"""
    site = tmp_path_factory.mktemp("installed") / "site"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(site), str(wheel)]
    subprocess.run(pip, check=True)
    return site


@pytest.fixture
def site(installed, tmp_path):
    return Path(shutil.copytree(installed, tmp_path / "site"))


def info(site):
    return site / "lima_odd-1.2.dist-info"


@pytest.fixture
def start(site):
    """start(*arguments): lima with the plugin installed, in a process of its own"""

    def run(*arguments, load="lima-odd"):
        path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(site)]))
        environment = os.environ | {"PYTHONPATH": path, "LIMA_LOAD_PLUGINS": load}
        command = [sys.executable, "-m", "lima", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)

    return run


SURVIVED = "Warning: plugin 'lima-odd' is not loaded: lima did not survive {} when it last ran"
RETRY = "Try it again with `lima plugins retry lima-odd`, or remove it with `lima uninstall lima-odd`."


@pytest.mark.parametrize(
    ("code", "place"),
    [
        ("import os; os._exit(0)", "its import"),
        ("import ctypes; ctypes.string_at(0)", "its import"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "its import"),
        ("import lima, os\n@lima.hookimpl\ndef register_commands(cli): os._exit(0)", "register_commands"),
    ],
)
def test_a_plugin_that_lima_does_not_survive_is_set_aside_at_the_next_start(site, start, code, place):
    (site / "lima_odd" / "__init__.py").write_text(code)
    assert start("--help").stdout == ""
    again = start("--help")
    assert (again.returncode, "Usage: lima" in again.stdout) == (0, True)
    assert SURVIVED.format(place) in again.stderr
    assert RETRY in again.stderr
    (listed,) = json.loads(start("plugins", "--json").stdout)
    assert (listed["status"], place in listed["error"]) == ("broken", True)
    assert start("plugins", "retry", "lima-odd").stdout == "lima-odd is loaded again. See `lima plugins`.\n"
    assert start("--help").stdout == ""
    (site / "lima_odd" / "__init__.py").write_text("")
    shutil.move(info(site), site / "lima_odd-1.3.dist-info")
    metadata = site / "lima_odd-1.3.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("Version: 1.2", "Version: 1.3"))
    upgraded = start("--help")
    assert (upgraded.returncode, upgraded.stderr) == (0, "")


def test_what_repairs_a_plugin_does_not_import_it(site, start, tmp_path):
    (site / "lima_odd" / "__init__.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nimport os; os._exit(0)")
    assert start("install", "--help").returncode == 0
    done = start("plugins", "retry", "lima-odd")
    assert done.stderr.startswith("Error: 'lima-odd' is not set aside for what happened at an earlier start.")
    assert start("uninstall", "-y", "lima-odd").returncode == 0
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("file", ["METADATA", "RECORD", "damaged", "version"])
def test_of_what_pip_cannot_remove_lima_says_what_to_delete(site, start, file):
    if file == "damaged":
        (info(site) / "RECORD").write_bytes(b'garbage\x00\xff,,\n"unclosed')
    elif file == "version":
        metadata = info(site) / "METADATA"
        metadata.write_text(metadata.read_text().replace("Version: 1.2\n", ""))
    else:
        (info(site) / file).unlink()
    done = start("uninstall", "-y", "lima-odd")
    paths = [site / "lima_odd", info(site)]
    assert done.returncode == 1
    assert done.stderr.endswith(f"To be rid of it, delete {paths[0]} and {paths[1]}.\n")
    listed = start("sources")
    half = "Warning: plugin 'lima_odd' is not loaded: its metadata have no name: it is half removed. To be rid of it,"
    assert (listed.returncode, half in listed.stderr) == (0, file == "METADATA")
    for path in paths:
        shutil.rmtree(path)
    assert json.loads(start("plugins", "--json", load="").stdout) == []


def test_a_plugin_for_another_lima_is_not_loaded_and_upgrading_is_advised(site, start):
    metadata = info(site) / "METADATA"
    metadata.write_text(metadata.read_text().replace("Version: 1.2\n", "Version: 1.2\nRequires-Dist: lima-tune>=9\n"))
    done = start("sources")
    assert done.returncode == 0
    assert (
        "it needs lima-tune >=9, and this is 0.1.0. Upgrade lima with `lima install --upgrade lima-tune`" in done.stderr
    )


@pytest.mark.parametrize(
    ("asked", "unmet"),
    [
        ("lima-tune>=0.1", ""),
        ("lima-tune", ""),
        ("lima-tune>=0.1.1", ">=0.1.1"),
        ("lima-tune (>=9)", ">=9"),
        ('lima-tune~=9.0; python_version > "3"', "~=9.0"),
        ("lima-tune<0.1", "<0.1"),
        ("lima-tune>=0.1,<99", ""),
        ("lima-tune what", ""),
        ("lima-tuner>=9", ""),
    ],
)
def test_versions_are_compared(asked, unmet):
    assert unmet_by(f"Name: x\nRequires-Dist: {asked}\n") == unmet


def test_a_typo_in_the_variable_is_not_a_reason_to_uninstall(start):
    done = start("sources", load="lima-od")
    assert "Did you mean 'lima-odd'?" in done.stderr
    assert "Correct LIMA_LOAD_PLUGINS, or unset it to load all." in done.stderr
    assert "uninstall" not in done.stderr


def test_a_process_that_is_told_to_end_leaves_no_mark(site, start, tmp_path):
    code = "print('now', flush=True)\nimport time, os\nif 'SLEEP' in os.environ: time.sleep(60)"
    (site / "lima_odd" / "__init__.py").write_text(code)
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(site)]))
    environment = os.environ | {"PYTHONPATH": path, "LIMA_LOAD_PLUGINS": "lima-odd", "SLEEP": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "lima"], env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr.readline() == "now\n"  # which it printed to standard output
        process.terminate()
        process.wait(60)
    assert process.returncode == -signal.SIGTERM
    assert "not loaded" not in start("sources").stderr


def test_a_mark_counts_when_its_process_has_ended_and_not_before(tmp_path):
    marks = Marks(tmp_path / "marks")
    with marks.during("lima-odd", "1", "its import"):
        assert Marks(tmp_path / "marks").left() == {}
        (file,) = (tmp_path / "marks").iterdir()
        shutil.copy(file, tmp_path / "marks" / "9-9.mark")  # as a process leaves it that has ended
        assert marks.left() == {"lima-odd": ("lima-odd", "1", "its import")}
    assert not marks.forget("lima-other")
    assert marks.forget("lima-odd")
    assert list((tmp_path / "marks").iterdir()) == []
    (tmp_path / "file").write_text("")
    with Marks(tmp_path / "file").during("lima-odd", "1", "its import"):  # where nothing can be written
        assert Marks(tmp_path / "file").left() == {}
