"""How long `lima --help` takes, and what 20 plugins that do next to nothing add to it.

Each plugin is a distribution with metadata of the usual length, a command and a source. Both cases run in turn, each in a process
of its own. Prints the least and the middle of wall-clock and processor time. Usage: python benchmarks/plugin_start.py [RUNS]
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

PLUGIN = """
import click, lima

class Source:
    description, licence = "one example", "CC0-1.0"
    def examples(self, argument):
        yield lima.Example(id="1", prompt="a", response="b")

@lima.hookimpl
def register_sources(register):
    register("NAME", Source())

@lima.hookimpl
def register_commands(cli):
    @cli.command("NAME")
    def command():
        "A command"
"""
NAMES = [f"lima-trivial{number:02d}" for number in range(20)]


def install(site: Path, name: str) -> None:
    """A distribution as pip leaves it"""
    module, info = name.replace("-", "_"), site / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (site / f"{module}.py").write_text(PLUGIN.replace("NAME", name))
    metadata = f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\nSummary: One\nRequires-Dist: lima-tune>=0.1\n\n"
    (info / "METADATA").write_text(metadata + "A line of its readme.\n" * 100)
    (info / "entry_points.txt").write_text(f"[lima]\n{name} = {module}\n")
    (info / "RECORD").write_text(f"{module}.py,,\n")


def once(environment: dict[str, str]) -> tuple[float, float]:
    """(wall-clock, processor) milliseconds of one `lima --help`"""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-m", "lima", "--help"], env=environment, check=True, capture_output=True)
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - start
    return 1000 * wall, 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with tempfile.TemporaryDirectory() as folder:
        for name in NAMES:
            install(Path(folder) / "site", name)
        path = os.pathsep.join(filter(None, [f"{folder}/site", os.environ.get("PYTHONPATH")]))
        environment = os.environ | {"PYTHONPATH": path, "LIMA_USER_PATH": f"{folder}/user"}
        # What is installed is compiled; the first run does it here.
        environment |= {"PYTHONPYCACHEPREFIX": f"{folder}/compiled", "PYTHONDONTWRITEBYTECODE": ""}
        cases = {"none": "", "20": ",".join(NAMES)}
        times: dict[str, list[tuple[float, float]]] = {case: [] for case in cases}
        for _ in range(runs + 1):
            for case, chosen in cases.items():
                times[case].append(once(environment | {"LIMA_LOAD_PLUGINS": chosen}))
    for at, what in enumerate(("wall-clock", "processor")):
        found = {case: [one[at] for one in ones[1:]] for case, ones in times.items()}  # the first one compiles
        for how, pick in (("least", min), ("middle", median)):
            none, many = pick(found["none"]), pick(found["20"])
            print(f"{what:10}  {how:6}  none {none:6.1f} ms  20 plugins {many:6.1f} ms  more {many - none:+6.1f} ms")


if __name__ == "__main__":
    main()
