"""How fast the sources of lima-stackexchange read a dump, and in how much memory, beside a plain loop of lxml over the same.

    python benchmarks/stackexchange_speed.py DUMP… [--gigabytes 2]

The rows of each DUMP, a Posts.xml with its Comments.xml beside it where it has one, are repeated with new ids until there are so
many bytes, and go through a pipe: nothing of that size is on the disk. Every reader runs in a process of its own; the time is
that of its processor, the memory its peak. lxml is not needed by lima: `pip install lxml` for the loop.
"""

import argparse
import itertools
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

STEP = 100_000
"By which ids grow from one repetition to the next"


def repeated(dump: Path, kind: str, size: int) -> Iterator[bytes]:
    """The XML of a dump again and again, with ids that are new each time"""
    rows = [line.strip() for line in dump.read_bytes().splitlines() if line.strip().startswith(b"<row ")]
    split = [re.split(rb'(?<= )((?:Id|ParentId|PostId|AcceptedAnswerId)=")(\d+)', row) for row in rows]
    yield f'<?xml version="1.0" encoding="utf-8"?>\n<{kind}>\n'.encode()
    sent = 0
    for turn in itertools.count():
        for parts in split:
            row = list(parts)
            for place in range(2, len(row), 3):
                row[place] = b"%d" % (int(row[place]) + turn * STEP)
            line = b"".join(row) + b"\n"
            sent += len(line)
            yield line
        if sent >= size:
            break
    yield f"</{kind}>\n".encode()


def feed(pipe: Path, dump: Path, kind: str, size: int) -> None:
    """Write the repeated dump into a named pipe, until it is all read"""
    with pipe.open("wb", buffering=1 << 20) as out:
        for line in repeated(dump, kind, size):
            out.write(line)


def read(reader: str, folder: str, limit: int) -> dict[str, float]:
    """Read the pipes in a folder with one of the readers, in this process"""
    base, started = _peak(), time.process_time()
    if reader == "lxml":
        from lxml import etree

        found = 0
        with open(Path(folder) / "Posts.xml", "rb") as stream:
            for _, row in etree.iterparse(stream, tag="row", resolve_entities=False, load_dtd=False, no_network=True):
                found += row.get("PostTypeId") == "1"
                row.clear()
                while row.getprevious() is not None:
                    del row.getparent()[0]
        kept = 0
    else:
        from lima import Refused
        from lima_stackexchange.questions import Questions
        from lima_stackexchange.threads import Threads

        source = {"stackexchange": Questions, "stackexchange-threads": Threads}[reader]()
        kept = found = 0
        for one in source.with_options({"limit": limit}).examples(folder):
            kept += not isinstance(one, Refused)
            found += one.rows if isinstance(one, Refused) else 1
    return {"seconds": time.process_time() - started, "kept": kept, "read": found, "base_mb": base, "peak_mb": _peak()}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def comments_of(dump: Path) -> Path:
    """The file of comments that belongs to one of posts"""
    return dump.with_name(dump.name.replace("Posts", "Comments").replace("posts", "comments"))


def measured(reader: str, dump: Path, size: int, limit: int) -> dict[str, object]:
    """The figures of one reader over a repeated dump"""
    comments = dump.with_name(
        re.sub("(?i)posts", lambda word: "Comments" if word[0][0] == "P" else "comments", dump.name)
    )
    share = comments.stat().st_size / (dump.stat().st_size + comments.stat().st_size) if comments.is_file() else 0
    share = share if reader == "stackexchange-threads" else 0
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "bench.stackexchange.com"
        folder.mkdir()
        threads = []
        for kind, file, part in (("posts", dump, 1 - share), ("comments", comments, share)):
            if part:
                pipe = folder / f"{kind.capitalize()}.xml"
                os.mkfifo(pipe)
                threads.append(threading.Thread(target=feed, args=(pipe, file, kind, int(size * part)), daemon=True))
        for thread in threads:
            thread.start()
        command = [sys.executable, __file__, "--read", reader, str(folder), "--limit", str(limit)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=3600)
    figures = json.loads(done.stdout)
    return {
        "reader": reader,
        "dump": dump.name,
        "mb": size >> 20,
        **figures,
        "mb_per_s": (size >> 20) / figures["seconds"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dumps", nargs="*", type=Path)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--read", nargs=2, metavar=("READER", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        print(json.dumps(read(*options.read, options.limit)))
        return
    for dump, reader in itertools.product(options.dumps, ("lxml", "stackexchange", "stackexchange-threads")):
        if not reader.endswith("threads") or comments_of(dump).is_file():
            print(json.dumps(measured(reader, dump, int(options.gigabytes * (1 << 30)), options.limit)), flush=True)


if __name__ == "__main__":
    main()
