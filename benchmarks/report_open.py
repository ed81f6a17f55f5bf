"""How large a report of 300 conversations, four turns and three seeds is, and how long Chromium takes to open it.

    python benchmarks/report_open.py --rounds 5

Two arms, replies of a real length, ticks with quotes by a judge, checks besides, two people on a fifth of the replies, and token
ids of every prompt with a tokenizer. Opened is: the list with all filters and counts stands, and the page was painted.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import sync_playwright

from lima import Store, load_tokenizer, now
from lima.testing import tiny_tokenizer
from lima_dialogue_eval import compare, write_report
from lima_dialogue_eval.record.log import DialogueLog
from lima_dialogue_eval.statistics import PRIMARY

CONVERSATIONS, TURNS, SEEDS = 300, 4, 3
CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    f"--{flag}"
    for flag in (
        "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
        "disable-component-update", "disable-sync",
    )
]  # fmt: skip
WORDS = (
    "kettle",
    "warm",
    "water",
    "boils",
    "tea",
    "waits",
    "bus",
    "comes",
    "nine",
    "ten",
    "past",
    "every",
    "hour",
    "the",
    "is",
)
NAMES = ("fail", "pass", "excellent", None)


def make(path: Path, model: str, sizes: tuple[int, int, int] = (CONVERSATIONS, TURNS, SEEDS)) -> None:
    """Both arms' rows"""
    draw, tokenizer = np.random.default_rng(0), load_tokenizer(model)
    path.unlink(missing_ok=True)
    with Store(path) as store:
        for arm in ("before", "after"):
            log = DialogueLog(store, arm)
            places = [(f"c{c:03d}", s) for c in range(sizes[0]) for s in range(sizes[2])]
            log.start(_run(arm, model, sizes[2]), [_conversation(c, s, sizes[1]) for c, s in places])
            turns = [turn for c, s in places for turn in _dialogue(draw, tokenizer, c, s, sizes[1])]
            ended = [{"conversation": c, "seed": s, "status": "complete", "message": ""} for c, s in places]
            log.turns(turns, ended)
            log.grades(grade for turn in turns for grade in _grades(draw, turn))
            log.mark("done", "", 1.0)


def _run(arm: str, model: str, seeds: int) -> dict[str, Any]:
    return {
        "evaluation": "drawn", "evaluation_hash": "h" * 64, "model": model, "arm": arm, "seeds": json.dumps(list(range(seeds))),
        "sampling": json.dumps({"temperature": 0.7}), "grader": "judge:drawn", "grader_hash": "a" * 64, "primary_test": PRIMARY,
        "plugins": "[]", "environment": json.dumps({"torch": "2"}),
    }  # fmt: skip


def _conversation(conversation: str, seed: int, turns: int) -> dict[str, Any]:
    return {
        "conversation": conversation,
        "seed": seed,
        "topic": f"About {conversation} and what it is for",
        "turns": turns,
    }


def _dialogue(draw: Any, tokenizer: Any, conversation: str, seed: int, turns: int) -> Iterator[dict[str, Any]]:
    """Replies of 40 to 120 words, each after a prompt that begins with the one before"""
    said = ""
    for turn in range(1, turns + 1):
        user, reply = f"What of the {WORDS[turn]} of {conversation}, and why?", _said(draw, int(draw.integers(40, 120)))
        said += f"User: {user}\nAssistant:"
        ids = tokenizer(said).input_ids
        said += f" {reply}\n"
        yield {
            "conversation": conversation, "seed": seed, "turn": turn, "kind": "opening" if turn == 1 else "follow-up",
            "user": user, "reply": reply, "prompt_ids": json.dumps(ids), "prompt_tokens": len(ids), "reply_tokens": 90,
            "requirements": json.dumps([{"text": "names the kettle"}, {"text": "is at most 120 words", "must": False}]),
            "stop": "eot" if draw.random() > 0.02 else "length", "seconds": 0.5, "message": "", "status": "answered",
        }  # fmt: skip


def _said(draw: Any, words: int) -> str:
    return " ".join(WORDS[i] for i in draw.integers(0, len(WORDS), size=words))


def _grades(draw: Any, turn: dict[str, Any]) -> list[dict[str, Any]]:
    key = {name: turn[name] for name in ("conversation", "seed", "turn")}
    quote = turn["reply"][:40]
    ticks = [
        {"requirement": text, "met": bool(draw.random() > 0.3), "quote": quote} for text in ("names it", "is short")
    ]
    found = [_grade(key, draw, "judge:drawn", "a" * 64, json.dumps(ticks)), _grade(key, draw, "requirements", "b" * 64)]
    return [
        *found,
        *([_grade(key, draw, "people", None, rater=name) for name in ("Ann", "Ben")] if draw.random() < 0.2 else []),
    ]


def _grade(
    key: dict[str, Any], draw: Any, grader: str, hash: str | None, ticks: str | None = None, rater: str = ""
) -> dict[str, Any]:
    grade = NAMES[int(draw.integers(0, 4))]
    status = "graded" if grade else "undecided"
    reason = _said(draw, 14)
    return {
        **key,
        "grader": grader,
        "grader_hash": hash,
        "grade": grade,
        "reason": reason,
        "status": status,
        "ticks": ticks,
        "rater": rater,
    }


def opened(address: str, rounds: int) -> list[tuple[float, float]]:
    """Milliseconds from the navigation until the list is painted, and until all conversations are read; each in a new browser"""
    found = []
    for _ in range(rounds):
        with sync_playwright() as p:
            browser = p.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(address, wait_until="commit")
            page.wait_for_selector("html.ready", state="attached")
            page.wait_for_load_state("load")
            page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)))")
            ready = "performance.getEntriesByName('report-ready')[0].startTime"
            paint = "(performance.getEntriesByName('first-contentful-paint')[0] || {startTime: 0}).startTime"
            loaded = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
            found.append(tuple(page.evaluate(f"[Math.max({ready}, {paint}), {loaded}]")))
            browser.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="A folder that keeps the database and the page")
    parser.add_argument("--model", type=Path, help="A folder with a tokenizer  [default: one of some hundred tokens]")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = options.keep or Path(folder)
        place.mkdir(exist_ok=True)
        if options.model is None:
            tiny_tokenizer().save_pretrained(place / "model")
        make(place / "lima.db", str(options.model or place / "model"))
        with Store(place / "lima.db") as store:
            started, used = time.perf_counter(), time.process_time()
            path = write_report(store, compare(store, "before", "after"), place / "report.html")
            wrote = time.perf_counter() - started, time.process_time() - used
        times = opened(path.as_uri(), options.rounds)
        print(json.dumps({
            "date": now()[:10], "megabytes": round(path.stat().st_size / 1e6, 2),
            "written_s": [round(s, 2) for s in wrote], "opened_ms": round(statistics.median(shown for shown, _ in times)),
            "read_ms": round(statistics.median(read for _, read in times)),
            "each_ms": [[round(t) for t in both] for both in times],
        }, indent=2))  # fmt: skip


if __name__ == "__main__":
    main()
