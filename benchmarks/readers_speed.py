"""How fast lima-chitchat, lima-natural-instructions and lima-hub read, and in how much memory, beside plain loops and `datasets`.

    python benchmarks/readers_speed.py [--megabytes 200]

Reads the package chitchat-dataset, and two things that are made here: a task file of Super-Natural Instructions, and a local copy
of a data set, as JSON lines and as Parquet. Every reader runs in a process of its own; the time is that of its processor, the
memory its peak, with that of Python. `datasets` is read as it streams and as it converts to its own files (in an empty cache).
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

WORDS = (
    "the",
    "rain",
    "fell",
    "on",
    "the",
    "roof",
    "while",
    "they",
    "waited",
    "for",
    "the",
    "bus",
    "that",
    "never",
    "came",
)


def text(number: int, words: int) -> str:
    """A text of this number of words, another for each `number`"""
    return f"{number}: " + " ".join(WORDS[(number * 7 + at * at) % len(WORDS)] for at in range(words))


def make(folder: Path, size: int) -> None:
    """Write a task file, and a data set in two formats, each of about this size in bytes"""
    import pyarrow
    import pyarrow.parquet

    instances = size // 1000
    head = {"Categories": ["Summarization"], "Definition": ["Say it briefly."]}
    head |= {
        "Input_language": ["English"],
        "Output_language": ["English"],
        "Positive Examples": [],
        "Negative Examples": [],
    }
    with open(folder / "task1_made_summary.json", "w") as out:
        out.write(json.dumps(head)[:-1] + ', "Instances": [')
        for number in range(instances):
            one = {"id": f"t-{number}", "input": text(number, 190), "output": [text(number, 10)]}
            out.write(",\n" * bool(number) + json.dumps(one))
        out.write("]}")
    rows = [
        {"messages": [{"role": "user", "content": text(n, 40)}, {"role": "assistant", "content": text(n, 150)}]}
        for n in range(instances)
    ]
    for kind in ("jsonl", "parquet"):
        (folder / kind).mkdir()
    with open(folder / "jsonl" / "train.jsonl", "w") as out:
        out.writelines(json.dumps(row) + "\n" for row in rows)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "parquet" / "train.parquet")


def _lima(source: type, argument: str | None, **options: object) -> int:
    from lima import Refused

    found = source().with_options(options).examples(argument)
    return sum(one.rows if isinstance(one, Refused) else 1 for one in found)


def _chitchat() -> Path:
    spec = find_spec("chitchat_dataset")
    return Path(spec.submodule_search_locations[0]) / "dataset.json"  # type: ignore


def chitchat(folder: Path) -> int:
    from lima_chitchat.source import Chitchat

    return _lima(Chitchat, None)


def chitchat_json(folder: Path) -> int:
    with open(_chitchat()) as file:
        return len(json.load(file))


def tasks(folder: Path) -> int:
    from lima_natural_instructions.source import NaturalInstructions

    return _lima(NaturalInstructions, str(folder / "task1_made_summary.json"))


def tasks_json(folder: Path) -> int:
    with open(folder / "task1_made_summary.json") as file:
        return len(json.load(file)["Instances"])


def hub_jsonl(folder: Path) -> int:
    from lima_hub.source import Hub

    return _lima(Hub, str(folder / "jsonl"))


def hub_parquet(folder: Path) -> int:
    from lima_hub.source import Hub

    return _lima(Hub, str(folder / "parquet"))


def core_jsonl(folder: Path) -> int:
    from lima import find_source, load_plugins

    found = find_source(str(folder / "jsonl" / "train.jsonl"), load_plugins())
    return sum(1 for _ in found.source.examples(found.argument))


def lines_json(folder: Path) -> int:
    with open(folder / "jsonl" / "train.jsonl") as file:
        return sum(1 for line in file if json.loads(line))


def _datasets(folder: Path, kind: str, streaming: bool) -> int:
    import datasets

    datasets.disable_progress_bars()
    return sum(1 for _ in datasets.load_dataset(str(folder / kind), split="train", streaming=streaming))


def datasets_stream_jsonl(folder: Path) -> int:
    return _datasets(folder, "jsonl", True)


def datasets_convert_jsonl(folder: Path) -> int:
    return _datasets(folder, "jsonl", False)


def datasets_stream_parquet(folder: Path) -> int:
    return _datasets(folder, "parquet", True)


READERS: dict[str, tuple[Callable[[Path], int], str]] = {
    one.__name__: (one, file)
    for one, file in (
        (chitchat, ""),
        (chitchat_json, ""),
        (tasks, "task1_made_summary.json"),
        (tasks_json, "task1_made_summary.json"),
        (hub_jsonl, "jsonl/train.jsonl"),
        (core_jsonl, "jsonl/train.jsonl"),
        (lines_json, "jsonl/train.jsonl"),
        (datasets_stream_jsonl, "jsonl/train.jsonl"),
        (datasets_convert_jsonl, "jsonl/train.jsonl"),
        (hub_parquet, "parquet/train.parquet"),
        (datasets_stream_parquet, "parquet/train.parquet"),
    )
}


def read(reader: str, folder: Path) -> dict[str, float]:
    """Read with one of the readers, in this process"""
    started = time.process_time()
    rows = READERS[reader][0](folder)
    return {"seconds": time.process_time() - started, "rows": rows, "peak_mb": _peak()}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--make", metavar="FOLDER", help=argparse.SUPPRESS)
    parser.add_argument("--read", nargs=2, metavar=("READER", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        make(Path(options.make), options.megabytes * 1_000_000)
        return
    if options.read:
        print(json.dumps(read(options.read[0], Path(options.read[1]))))
        return
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        # In another process: a new one begins with the memory of the one that starts it.
        command = [sys.executable, __file__, "--make", made, "--megabytes", str(options.megabytes)]
        subprocess.run(command, check=True, timeout=3600)
        for reader, (_, file) in READERS.items():
            environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / f"cache-{reader}")}
            command = [sys.executable, __file__, "--read", reader, made]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=3600, env=environment)
            size = ((folder / file) if file else _chitchat()).stat().st_size / 1e6
            figures = json.loads(done.stdout.splitlines()[-1])
            print(
                json.dumps({"reader": reader, "mb": size, **figures, "mb_per_s": size / figures["seconds"]}), flush=True
            )


if __name__ == "__main__":
    main()
