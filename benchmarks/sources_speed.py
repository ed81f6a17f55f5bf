"""How fast lima-wikihow and lima-reddit read a file, and in how much memory, beside a plain loop of csv or json over the same.

    python benchmarks/sources_speed.py [--megabytes 500]

The files are made of words drawn by a seed, in the published shapes: a table such as wikihowSep.csv, and comments of Pushshift
with their submissions, as JSON lines and as .zst. Every reader runs in a process of its own; the time is that of its processor,
the memory its peak.
"""

import argparse
import csv
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WORDS = """the a lamp went out at night and nobody in house said why she had kept it there for years but when river rose they
carried everything upstairs except letters which nobody had read since war ended"""
READERS = {
    "wikihow, csv": ("w.csv", "csv"),
    "wikihow": ("w.csv", "wikihow"),
    "reddit, json": ("x_comments.jsonl", "json"),
    "reddit": ("x_submissions.jsonl", "reddit"),
    "reddit, .zst": ("z/x_submissions.jsonl.zst", "reddit"),
}
"For each figure the file and how it is read"


def make(folder: Path, size: int) -> None:
    """The files, each of this size in bytes; of ten comments one is at first hand, of those half have a score of 10"""
    chance = random.Random(0)
    texts = [
        " ".join(chance.choices(WORDS.split(), k=chance.randrange(20, 300))).capitalize() + "." for _ in range(2000)
    ]
    with open(folder / "w.csv", "w", newline="") as file:
        table, number = csv.writer(file), 0
        table.writerow(("overview", "headline", "text", "sectionLabel", "title"))
        while file.tell() < size if number % 100 == 0 else True:
            text = chance.choice(texts)
            table.writerow((text[:200], f"\n{text[:40]}.", f"{text}\n", "Steps", f"How to Do It {number // 8}th"))
            number += 1
    with open(folder / "x_comments.jsonl", "w") as file:
        number = 0
        while file.tell() < size if number % 100 == 0 else True:
            post = f"t3_p{number // 100}"
            parent = post if number % 10 == 0 else f"t1_c{number - 1}"
            about = {
                "author": f"u{number % 997}",
                "subreddit": "WritingPrompts",
                "created_utc": 1434000000,
                "gilded": 0,
            }
            about |= {
                "edited": False,
                "distinguished": None,
                "stickied": False,
                "controversiality": 0,
                "retrieved_on": 1,
            }
            row = about | {"id": f"c{number}", "link_id": post, "parent_id": parent, "score": number % 20}
            file.write(json.dumps(row | {"body": "\n\n".join(chance.choices(texts, k=2))}) + "\n")
            number += 1
    with open(folder / "x_submissions.jsonl", "w") as file:
        for post in range(number // 100 + 1):
            row = {
                "id": f"p{post}",
                "subreddit": "WritingPrompts",
                "title": "[WP] " + chance.choice(texts)[:90],
                "score": post % 900,
            }
            file.write(
                json.dumps(row | {"author": "ann", "selftext": "", "created_utc": 1434000000, "over_18": False}) + "\n"
            )
    import zstandard

    (folder / "z").mkdir()
    for name in ("x_comments.jsonl", "x_submissions.jsonl"):
        with open(folder / name, "rb") as source, open(folder / "z" / f"{name}.zst", "wb") as target:
            zstandard.ZstdCompressor(level=3).copy_stream(source, target)


def read(kind: str, file: str) -> dict[str, float]:
    """Read a file in one of the ways, in this process"""
    base, started, kept, found = _peak(), time.process_time(), 0, 0
    if kind == "csv":
        with open(file, newline="") as stream:
            found = sum(1 for _ in csv.DictReader(stream))
    elif kind == "json":
        with open(file, "rb") as stream:
            found = sum(1 for line in stream if json.loads(line))
    else:
        from lima import Refused
        from lima_reddit.stories import Stories
        from lima_wikihow.source import Articles

        for one in (Stories() if kind == "reddit" else Articles()).with_options({"limit": 200}).examples(file):
            kept += not isinstance(one, Refused)
            found += one.rows if isinstance(one, Refused) else 1
    return {"seconds": time.process_time() - started, "kept": kept, "read": found, "base_mb": base, "peak_mb": _peak()}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--read", nargs=2, metavar=("KIND", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        print(json.dumps(read(*options.read)))
        return
    with tempfile.TemporaryDirectory() as made:
        make(Path(made), options.megabytes << 20)
        for name, (file, kind) in READERS.items():
            command = [sys.executable, __file__, "--read", kind, os.path.join(made, file)]
            done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=3600)
            figures = json.loads(done.stdout)
            rate = options.megabytes / figures["seconds"]
            print(json.dumps({"reader": name, "mb": options.megabytes, **figures, "mb_per_s": rate}), flush=True)


if __name__ == "__main__":
    main()
