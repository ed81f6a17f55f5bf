"""The example of a package: built, installed from its wheel into an environment without the checkout, used and tested there."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from fresh_packages import OFFLINE, run

ROOT = Path(__file__).parents[1]


@pytest.fixture
def clean(tmp_path):
    """clean(*arguments): what `python …` prints in an environment with lima's wheel, the example's, and libraries alone"""
    shutil.copytree(ROOT / "examples" / "06_plugin", tmp_path / "package")
    for folder in (ROOT, tmp_path / "package"):
        run("build", "--no-isolation", "--outdir", tmp_path / "dist", folder, cwd=tmp_path)
    # Nothing of the package is left but its wheel and its tests.
    (tmp_path / "package" / "tests").rename(tmp_path / "tests")
    shutil.rmtree(tmp_path / "package")
    run("venv", "--without-pip", tmp_path / "venv", cwd=tmp_path)
    (site,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    run("pip", "install", "-q", *OFFLINE, "--target", site, *(tmp_path / "dist").glob("*.whl"), cwd=tmp_path)
    # The libraries of this environment; a .pth in that folder, such as an editable installation's, is not read there.
    (site / "libraries.pth").write_text(str(Path(pytest.__file__).parents[1]))
    environment = {
        "PATH": "/usr/bin:/bin",
        "LIMA_USER_PATH": str(tmp_path / "user"),
        "LIMA_LOAD_PLUGINS": "lima-limericks",
    }

    def python(*arguments):
        command = [str(tmp_path / "venv" / "bin" / "python"), *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    return python


@pytest.mark.slow
def test_the_example_package_works_from_its_wheel_away_from_the_checkout(clean, tmp_path):
    where = clean("-c", "import lima, lima_limericks as own; print(lima.__file__); print(own.__file__)").splitlines()
    assert all(Path(place).is_relative_to(tmp_path / "venv") for place in where), where
    gone = clean("-c", "from importlib.util import find_spec; print(find_spec('lima_chat'))")
    assert gone.strip() == "None"
    rows = json.loads(clean("-m", "lima", "plugins", "--json"))
    assert [(r["name"], r["status"], r["hooks"]) for r in rows] == [
        ("lima-limericks", "loaded", ["register_sources"]),
        ("lima-limericks:losses", "loaded", ["after_step"]),
    ]
    assert "licence   CC0-1.0" in clean("-m", "lima", "sources", "show", "limericks")
    said = clean("-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "tests")
    assert "passed" in said
    assert "skipped" not in said
