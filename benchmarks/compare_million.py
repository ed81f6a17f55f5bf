"""How long a comparison of a million turns takes: few conversations with many seeds, and many with few.

    python benchmarks/compare_million.py --rounds 5 --command --out benchmarks/results/compare_million.json

Grades are drawn, a quarter undecided; replies and prompts are texts of a real length. Each round is a process of its own that
opens the database, compares, and says how long that took. `--command` also times `lima dialogues compare` as a whole.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from lima import Store, now

SHAPES = ((100, 10, 500), (10_000, 10, 5))
"""Conversations, turns of each, and seeds of each arm"""
ARMS = ("before", "after")
NAMES = ("fail", "pass", "excellent", None)
MEASURE = """
import json, resource, sys, time
from lima import Store
from lima_dialogue_eval import compare
started, used = time.perf_counter(), time.process_time()
with Store(sys.argv[1]) as store:
    comparison = compare(store, *sys.argv[2:4])
print(json.dumps({"seconds": time.perf_counter() - started, "processor": time.process_time() - used,
    "turns": comparison.before.turns + comparison.after.turns, "p_value": comparison.p_value,
    "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))
"""


def make(path: Path, conversations: int, turns: int, seeds: int) -> None:
    """Both arms' rows"""
    draw = np.random.default_rng(0)
    with Store(path) as store:
        for arm in ARMS:
            codes = draw.integers(0, 4, size=(turns, seeds, conversations)).tolist()
            with store.write() as db:
                db["dialogue_runs"].insert(_run(arm, seeds))
                for table, rows in (
                    ("dialogue_conversations", _conversations(arm, conversations, turns, seeds)),
                    *_turns(arm, codes),
                ):
                    first = next(rows)
                    marks = ", ".join(f":{name}" for name in first)
                    sql = f"insert into {table} ({', '.join(first)}) values ({marks})"
                    db.conn.execute(sql, first)
                    db.conn.executemany(sql, rows)


def _run(arm: str, seeds: int) -> dict[str, Any]:
    empty = dict.fromkeys(("message", "primary_test", "run"), "")
    return {
        **empty,
        "id": arm,
        "created": now(),
        "status": "done",
        "evaluation": "made",
        "evaluation_hash": "e" * 64,
        "model": arm,
        "arm": arm,
        "seeds": json.dumps(list(range(seeds))),
        "sampling": '{"temperature": 0.7}',
        "grader": "reader",
        "grader_hash": "a" * 64,
        "plugins": "[]",
        "environment": "{}",
    }


def _conversations(arm: str, conversations: int, turns: int, seeds: int) -> Iterator[dict[str, Any]]:
    for seed in range(seeds):
        for c in range(conversations):
            key = {"dialogue_run": arm, "conversation": f"conversation-{c:05d}", "seed": seed}
            yield {**key, "topic": f"About {c}", "turns": turns, "status": "complete", "message": ""}


def _turns(arm: str, codes: list[list[list[int]]]) -> list[tuple[str, Iterator[dict[str, Any]]]]:
    """Turn by turn, as a run writes them; `codes` by turn, seed and conversation"""
    keys = [
        {"dialogue_run": arm, "conversation": f"conversation-{c:05d}", "seed": seed, "turn": turn}
        for turn, of_turn in enumerate(codes, 1)
        for seed, of_seed in enumerate(of_turn)
        for c, _ in enumerate(of_seed)
    ]
    flat = [code for of_turn in codes for of_seed in of_turn for code in of_seed]
    said = {
        "user": "And then?",
        "requirements": "[]",
        "reply": "word " * 60,
        "prompt_ids": str(list(range(1000, 1150))),
    }
    how = {"stop": "eot", "seconds": 0.5, "reply_tokens": 60, "status": "answered", "message": "", "created": now()}
    kinds = ("opening", "shorter", "follow-up")
    turns = ({**key, "kind": kinds[min(key["turn"], 3) - 1], **said, **how} for key in keys)
    judged = {
        "grader": "reader",
        "rater": "",
        "reason": "All 2 requirements met.",
        "created": now(),
        "grader_hash": "a" * 64,
    }
    grades = (
        {**key, **judged, "grade": NAMES[code], "status": "undecided" if code == 3 else "graded"}
        for key, code in zip(keys, flat, strict=True)
    )
    return [("dialogue_turns", turns), ("dialogue_grades", grades)]


def command(path: Path) -> float:
    """Seconds of the whole command, until it has printed"""
    started = time.perf_counter()
    line = [sys.executable, "-m", "lima", "dialogues", "compare", *ARMS, "-d", str(path)]
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def measured(shape: tuple[int, int, int], rounds: int, whole: bool) -> dict[str, Any]:
    """Medians of the rounds, on a database of this shape"""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lima.db"
        make(path, *shape)
        line = [sys.executable, "-c", MEASURE, str(path), *ARMS]
        found = [
            json.loads(subprocess.run(line, check=True, capture_output=True, text=True).stdout) for _ in range(rounds)
        ]
        commands = {"command_seconds": [round(command(path), 2) for _ in range(rounds)]} if whole else {}
        return {
            **dict(zip(("conversations", "turns_each", "seeds"), shape, strict=True)),
            "turns": found[0]["turns"],
            "database_mb": path.stat().st_size // 2**20,
            **{key: round(statistics.median(r[key] for r in found), 2) for key in ("seconds", "processor", "peak_mb")},
            "rounds": found,
            **commands,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--command", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    shapes = [measured(shape, options.rounds, options.command) for shape in SHAPES]
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    text = json.dumps({"date": str(date.today()), "machine": machine, "shapes": shapes}, indent=2) + "\n"
    if options.out:
        options.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
