"""The README's example in English: real replies before and after the thirty dialogues, and how long each command takes.

    python benchmarks/english.py                # writes docs/english.json, from which `make docs` makes the README's part

Every command is a process of its own, in an empty folder with an empty user folder: cold, but for what pip has in its cache.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from lima import load_plugins, open_source

RESULT = Path(__file__).parents[1] / "docs" / "english.json"
QUESTIONS = (
    "My tomato plants have yellow leaves at the bottom. What should I check first?",
    "Shorten this: I am writing to you today in order to ask whether it might be possible to move our meeting to Friday.",
)
SETTINGS = {
    "epochs": 1,
    "batch_size": 3,
    "max_tokens": 512,
    "learning_rate": 5e-5,
    "final_learning_rate": 5e-6,
    "residual_dropout": 0,
    "micro_batch_tokens": 1024,
}
FETCH = "lima base-models fetch smollm2"
TRAIN = "lima train --base smollm2 --source dialogues --renderer template --out english " + " ".join(
    f"--set {key}={value}" for key, value in SETTINGS.items()
)
ASK = "--temperature 0 --max-new-tokens 60"


def timed(command: str, folder: Path) -> tuple[str, dict[str, float]]:
    """What a command prints, and the seconds that it took: on the clock, and of processor time"""
    environment = os.environ | {"LIMA_USER_PATH": str(folder / "user")}
    environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, shell=True, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{command} ended with status {done.returncode}")
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{command}: {time.monotonic() - began:.0f} s, {used:.0f} s of processor time", file=sys.stderr)
    return done.stdout, {"seconds": round(time.monotonic() - began, 1), "processor": round(used, 1)}


def replies(model: str, folder: Path) -> list[dict]:
    """The model's replies to the questions"""
    asked = " ".join(f"'{question}'" for question in QUESTIONS)
    printed, _ = timed(f"lima ask {model} {asked} {ASK} --json", folder)
    return [{"prompt": row["prompt"], "reply": row["reply"], "stop": row["stop"]} for row in json.loads(printed)]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _, fetch = timed(FETCH, folder)
        before = replies("smollm2", folder)
        _, train = timed(TRAIN, folder)
        after = replies("english", folder)
    dialogues = open_source("dialogues", load_plugins()).hash
    result = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "cores": os.cpu_count(), "dialogues": dialogues, "ask": ASK}
    result |= {"fetch": {"command": FETCH, **fetch}, "train": {"command": TRAIN, **train}}
    result |= {"before": before, "after": after}
    RESULT.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
