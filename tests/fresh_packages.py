"""For tests of packages outside of this project: run modules as commands, install a package from its folder, run its tests."""

import json
import os
import subprocess
import sys
from pathlib import Path

OFFLINE = ("--no-deps", "--no-index", "--no-build-isolation")
# By name, because the metadata of a checkout may be older than this plugin of pytest.
STRICT = ("-q", "-p", "lima.testing.pytest", "-p", "no:cacheprovider", "--import-mode=importlib", "-W", "error")


def run(*command, cwd, **environment):
    """Standard output of `python -m …` there, with every plugin; AssertionError unless it ends with 0"""
    done = subprocess.run(
        [sys.executable, "-m", *map(str, command)],
        cwd=cwd,
        env={k: v for k, v in os.environ.items() if k != "LIMA_LOAD_PLUGINS"} | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def path_of(*folders):
    """The environment in which Python also looks into these folders"""
    return {"PYTHONPATH": os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), *map(str, folders)]))}


def installed(site, *folders):
    """Install packages from their folders into `site`, without a network"""
    run("pip", "install", "-q", *OFFLINE, "--target", site, *folders, cwd=Path(site).parent)


def all_pass(cwd, *arguments, **environment):
    """Their tests pass, and none is skipped"""
    said = run("pytest", *STRICT, *arguments, cwd=cwd, **environment)
    assert "passed" in said
    assert "skipped" not in said


def listed(cwd, **environment):
    """(status, remarks) of every plugin, by name"""
    rows = json.loads(run("lima", "plugins", "--json", cwd=cwd, **environment))
    return {r["name"]: (r["status"], r.get("remarks")) for r in rows}
