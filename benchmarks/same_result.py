"""Whether two commits give the same result: weights, losses and replies of small runs, a run resumed across them, a database.

    python benchmarks/same_result.py 728282d HEAD

Each commit is checked out into a folder of its own and runs in a process of its own, with the packages of this Python. Compared
are, of a full fine-tune and of LoRA, dropout on, dev prompts and every epoch kept: the SHA-256 of all weights, the losses, the
replies to the dev prompts and to two questions; then a run that the first commit started and that was stopped there is resumed
by the second, beside one that never stopped; and the second opens the first one's database.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

RUNS = r"""
import hashlib, json, sqlite3, sys
from pathlib import Path
from lima import CheckpointModel, Recipe, Sampling, Store, load_plugins
try:
    from lima import fine_tune, resume
except ImportError:
    from lima.train import fine_tune, resume
from lima.testing import tiny_base

work, action = Path(sys.argv[1]), sys.argv[2]
words = "the quick brown fox jumps over a lazy dog while seven eggs boil in clear water".split()
if not (work / "pairs.jsonl").exists():
    texts = [(words[i % 9 : i % 9 + 1 + i % 5], words[: 3 + i * 7 % 11]) for i in range(40)]
    rows = [{"prompt": " ".join(asked), "response": " ".join(answered)} for asked, answered in texts]
    (work / "pairs.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows[:32]))
    (work / "dev.jsonl").write_text("".join(json.dumps({**r, "prompt": "say: " + r["prompt"]}) + "\n" for r in rows[32:36]))
    tiny_base(work / "base", "llama")

class Stop(Exception):
    pass

def recipe(name, **changes):
    return Recipe().with_values({
        "base": str(work / "base"), "sources": [str(work / "pairs.jsonl")], "out": str(work / name), "renderer": "plain",
        "epochs": 3, "batch_size": 8, "learning_rate": 1e-3, "final_learning_rate": 1e-6, "residual_dropout": 0.3,
        "micro_batch_tokens": 200, "device": "cpu", "save_every": 2, "max_tokens": 64, **changes})

def stop_at(last):
    def on_step(step, steps, metrics):
        if step >= last:
            raise Stop
    return on_step

def told(name):
    folder, found = work / name, {}
    for file in sorted(folder.rglob("*.safetensors")):
        found[str(file.relative_to(folder))] = hashlib.sha256(file.read_bytes()).hexdigest()
    with Store(work / f"{name}.db") as store:
        losses = [r["loss"] for r in store.rows("select loss from steps order by step")]
        replies = store.rows("select epoch, position, reply, stop from generations order by 1, 2")
    model = CheckpointModel(folder, load_plugins().registry("renderers").find("plain"), device="cpu")
    asked = [r.text for r in model.reply(["the quick", "seven eggs"], Sampling(max_new_tokens=20), 7)]
    return {"weights": found, "losses": losses, "dev replies": replies, "asked": asked}

dev = {"keep_epochs": True, "dev": [str(work / "dev.jsonl")]}
if action == "run":
    for name, changes in {"full": {}, "lora": {"lora_rank": 4, "lora_dropout": 0.1}, "bf16": {"precision": "bfloat16"}}.items():
        with Store(work / f"{name}.db") as store:
            fine_tune(recipe(name, **dev, **changes), store)
    with Store(work / "resumed.db") as store:
        fine_tune(recipe("resumed"), store)
    print("FOUND " + json.dumps({name: told(name) for name in ("full", "lora", "bf16", "resumed")}))
elif action == "stop":
    with Store(work / "resumed.db") as store:
        try:
            fine_tune(recipe("resumed"), store, on_step=stop_at(5))
        except Stop:
            pass
elif action == "resume":
    changes = {"out": str(work / "resumed")} if sys.argv[3:] else {}
    with Store(work / "resumed.db") as store:
        resume(store.rows("select id from runs")[0]["id"], store, changes=changes)
    print("FOUND " + json.dumps({"resumed": told("resumed")}))
elif action == "open":
    with Store(work / "full.db") as store:
        print("FOUND " + json.dumps(store.rows("select id, status, steps from run_summary")))
"""


def checkout(commit: str, folder: Path) -> Path:
    """The commit's files in a folder"""
    tree = folder / commit.replace("/", "-")
    tree.mkdir()
    packed = subprocess.run(["git", "archive", commit], check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", tree], input=packed, check=True)
    return tree


def run(tree: Path, work: Path, *action: str) -> dict:
    """Run an action in a process with the code of that tree"""
    work.mkdir(exist_ok=True)
    paths = [tree, *sorted((tree / "plugins").glob("lima-*"))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "LIMA_LOAD_PLUGINS": ""}
    done = subprocess.run(
        [sys.executable, "-c", RUNS, str(work), *action], capture_output=True, text=True, env=environment
    )
    if done.returncode:
        sys.exit(f"{tree.name} {action}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.partition("FOUND ")[2] or "{}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("before")
    parser.add_argument("after", nargs="?", default="HEAD")
    options = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory(prefix="lima-same-") as name:
        folder = Path(name)
        trees = [checkout(commit, folder) for commit in (options.before, options.after)]
        # In one place, one after the other: a run's card names its folder.
        before, after = (run(tree, folder / f"work-{i}", "run") for i, tree in enumerate(trees))
        for arm, found in before.items():
            for what, value in found.items():
                same = after[arm][what] == value
                failed |= not same
                print(f"{arm:<8} {what:<12} {'the same' if same else f'DIFFERS: {value} / {after[arm][what]}'}")
        across = folder / "work-across"
        run(trees[0], across, "stop")
        resumed = run(trees[1], across, "resume", "named")["resumed"]
        same = {key: resumed[key] == before["resumed"][key] for key in ("weights", "losses", "asked")}
        failed |= not all(same.values())
        print(f"stopped by {options.before}, resumed by {options.after}: {same}")
        opened = run(trees[1], folder / "work-0", "open")
        print(f"a database of {options.before}, opened: {opened}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
