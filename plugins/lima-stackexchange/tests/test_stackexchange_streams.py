"""A dump of any size is read in the same memory, also from a pipe: nothing of it is kept but the index on the disk."""

import json
import os
import subprocess
import sys
import threading

import pytest

from .conftest import LONG, SITE, answer, question

READ = """
import json, re, sys
from lima import Refused
from lima_stackexchange.questions import Questions
found = list(Questions().with_options({"limit": 3}).examples(sys.argv[1]))
kept = [one.id for one in found if not isinstance(one, Refused)]
refused = sum(one.rows for one in found if isinstance(one, Refused))
peak = re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1]  # getrusage counts the parent's, too
print(json.dumps([kept, refused, int(peak) / 1024]))
"""


def read_through_a_pipe(folder, posts):
    """(ids that were kept, how many rows were refused, peak of memory in MB) of so many questions"""
    folder.mkdir()
    os.mkfifo(folder / "Posts.xml")

    def feed():
        with open(folder / "Posts.xml", "w", encoding="utf-8") as out:
            out.write("<posts>\n")
            for id in range(1, 2 * posts, 2):
                out.write(f"{question(id, body=LONG)}\n{answer(id + 1, of=id, score=id % 20)}\n")
            out.write("</posts>\n")

    thread = threading.Thread(target=feed, daemon=True)
    thread.start()
    command = [sys.executable, "-c", READ, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    thread.join(timeout=60)
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the peak of memory is asked of Linux")
def test_memory_does_not_grow_with_the_dump(tmp_path):
    few_kept, _, few = read_through_a_pipe(tmp_path / SITE, 2_000)
    kept, refused, many = read_through_a_pipe(tmp_path / f"meta.{SITE}", 30_000)  # about 90 MB
    assert [one.rpartition("/")[2] for one in few_kept] == [one.rpartition("/")[2] for one in kept]
    assert len(kept) + refused == 30_000
    assert many < few + 60  # SQLite's cache of 32 MB is full by then
    assert many < 300
