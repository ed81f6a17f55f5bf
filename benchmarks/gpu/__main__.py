"""Every figure of a GPU in one command: rows in the order of their value, each printed and written as soon as it is there.

    benchmarks/gpu.sh                         # all rows, at most eight minutes on an H100 or H200
    benchmarks/gpu.sh --only "lora"           # the rows with this in their names
    benchmarks/gpu.sh --dry                   # the same code on tiny shapes, on any machine

Each row runs in a process of its own, which imports and prepares while the row before it has the device; what no time is left
for, does not fit, fails or is not installed is a row that says so.
"""

import argparse
import contextlib
import faulthandler
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent)]
os.environ.setdefault("LIMA_LOAD_PLUGINS", "")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import answering  # noqa: E402
import correctness  # noqa: E402
import training  # noqa: E402
from shapes import SHAPES, make_folder, tiny  # noqa: E402

IMPORTED = (
    *("torch", "torch._inductor.compile_fx", "transformers", "accelerate", "peft", "safetensors.torch"),
    *("transformers.models.qwen2.modeling_qwen2", "transformers.models.qwen3.modeling_qwen3"),
    *("transformers.models.llama.modeling_llama", "transformers.generation.utils"),
    *("lima.train.start", "lima.train.plan", "lima.answer.decode", "lima.testing", "lima.record.store", "sqlite_utils"),
)
"While the row before has the device"
AHEAD = 2
"Rows that prepare meanwhile"
Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Row:
    """One thing to measure"""

    name: str
    kind: str
    "correct, lima, trl or answer"
    shape: str = ""
    limit: float = 90
    "Seconds"
    compile: bool = False
    tokens: int = 32_768
    "micro_batch_tokens"


def rows() -> list[Row]:
    """In the order of their value"""
    # As large as fits into 80 GB: `lima plan` says so.
    sizes = {"full 1.5B": 8192, "full 8B": 4096, "full 8B, 8 of 32 layers": 4096}
    sizes |= {"lora 0.6B": 16_384, "lora 1.7B": 12_288, "lora 8B": 4096}
    full = ("full 0.5B", "full 1.5B", "full 8B", "full 8B, 8 of 32 layers")
    lora = ("lora 0.6B", "lora 1.7B", "lora 8B")

    def lima(shapes: tuple[str, ...], compile: bool) -> list[Row]:
        name = "compiled" if compile else "not compiled"
        return [Row(f"{s}, {name}", "lima", s, 100, compile, sizes.get(s, 32_768)) for s in shapes]

    return [
        Row("correct", "correct", limit=100),
        *lima(full, False),
        *lima(lora, False),
        Row("answer 0.5B", "answer", "answer 0.5B"),
        Row("answer 8B", "answer", "answer 8B"),
        *lima(full[:2], True),
        *lima(lora[:1], True),
        Row("correct, compiled", "correct", compile=True),
        *(Row(f"{s}, TRL", "trl", s) for s in ("full 0.5B", "full 1.5B", "lora 0.6B")),
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, help="JSON, written again after every row")
    parser.add_argument(
        "--only", action="append", default=[], help="only rows with this in their name; may be repeated"
    )
    parser.add_argument("--seconds", type=float, default=470)
    parser.add_argument(
        "--dry", action="store_true", help="tiny shapes on the CPU: a check of the code, no measurement"
    )
    parser.add_argument("--row", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--profile", type=Path, help="folder for tables of kernels; rows are slower with it")
    options = parser.parse_args()
    if options.row:
        name, folder, device, profile = options.row
        one_row(name, Path(folder), device, Path(profile) if profile else None)
        return
    ends = time.monotonic() + options.seconds
    card = {} if options.dry else card_here()
    device = "cpu" if options.dry else "cuda"
    report = {
        "date": str(date.today()),
        **(card or {"card": "none: a check of the code, no measurement"}),
        "versions": {n: installed(n) for n in ("torch", "transformers", "accelerate", "peft", "trl", "triton")}
        | {"python": sys.version.split()[0]},
        "formula": training.FORMULA,
        "rows": [],
    }

    def add(row: dict[str, Any]) -> None:
        report["rows"].append(row)
        hidden = ("losses", "seconds", "lima_seconds", "transformers_seconds", "formula")
        print(json.dumps({k: v for k, v in row.items() if k not in hidden}), flush=True)
        if options.out:
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.write_text(json.dumps(report, indent=2) + "\n")

    print(json.dumps({k: v for k, v in report.items() if k != "rows"}), flush=True)
    chosen = [row for row in rows() if not options.only or any(wanted in row.name for wanted in options.only)]
    with tempfile.TemporaryDirectory(prefix="lima-gpu-") as folder:
        run_all(chosen, Path(folder), device, options.profile, ends, add)


def run_all(chosen: list[Row], folder: Path, device: str, profile: Path | None, ends: float, add: Report) -> None:
    """One row after the other has the device, while the next one prepares"""
    arms: list[Arm] = []
    for number, row in enumerate(chosen):
        for later in chosen[len(arms) : number + 1 + (AHEAD if device == "cuda" else 0)]:
            arms.append(Arm(later, folder, device, profile))
        if row.kind == "trl" and not installed("trl"):
            add({"row": row.name, "error": "trl is not installed"})
            arms[number].stop()
        elif (left := ends - time.monotonic()) < 10:
            add({"row": row.name, "error": "not run: no time was left"})
            arms[number].stop()
        else:
            # The limits are of a GPU's minutes: a try of the code may take what a busy machine needs.
            arms[number].measure(min(row.limit, left) if device == "cuda" else left, add)


class Arm:
    """The process of one row: it imports and prepares at once, and waits for `measure` before it touches the device"""

    def __init__(self, row: Row, folder: Path, device: str, profile: Path | None) -> None:
        self.row, self.log = row, folder / f"{row.name}.log"
        about = [row.name, str(folder), device, str(profile or "")]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(HERE), "--row", *about],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,  # compilers that it starts are stopped with it
            )

    def measure(self, seconds: float, add: Report) -> None:
        """Let it run, at most so long, and add what it says"""
        began, said = time.monotonic(), False
        stopper = threading.Timer(max(seconds, 0), self.stop)
        stopper.start()
        try:
            self.process.stdin.write("go\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # its log says why
        for line in self.process.stdout:
            if line.startswith("RESULT "):
                said = True
                took = round(time.monotonic() - began, 1)
                add({"row": self.row.name, **json.loads(line.removeprefix("RESULT ")), "wall_seconds": took})
        code = self.process.wait()
        stopper.cancel()
        if time.monotonic() - began >= seconds:
            add(
                {
                    "row": self.row.name,
                    "error": f"stopped after {max(seconds, 0):.0f} s: its time was up",
                    "at": self.where(),
                }
            )
        elif code or not said:
            add({"row": self.row.name, "error": f"ended with {code}: {self.log.read_text()[-600:]}"})

    def where(self) -> list[str]:
        """The innermost calls of the last trace in its log"""
        lines = self.log.read_text().splitlines()
        start = max((i for i, line in enumerate(lines) if "(most recent call first)" in line), default=len(lines))
        return [line.strip() for line in lines[start + 1 :][:40:3]]

    def stop(self) -> None:
        """Kill it and what it started; its log says what it was doing"""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGUSR1)
            time.sleep(0.5)
            os.killpg(self.process.pid, signal.SIGKILL)


def one_row(name: str, folder: Path, device: str, profile: Path | None) -> None:
    """In a process of its own: prepare a row, wait for a line, run it, and print what it gives as lines of JSON"""
    faulthandler.register(signal.SIGUSR1)
    results = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever else is printed goes to the log
    row = next(row for row in rows() if row.name == name)

    def send(found: dict[str, Any]) -> None:
        results.write(f"RESULT {json.dumps(found)}\n")

    try:
        for module in IMPORTED:
            importlib.import_module(module)
        dry = device == "cpu"
        base = None
        if row.shape:
            shape = tiny(SHAPES[row.shape]) if dry else SHAPES[row.shape]
            base = make_folder(folder / f"{row.name} base", shape, 0.1 if dry else 1.0)
        action = prepared(row, base, device, profile, send)
        sys.stdin.readline()
        action()
    except Exception as e:
        traceback.print_exc()
        where = traceback.extract_tb(e.__traceback__)[-1]
        place = f"{Path(where.filename).name}:{where.lineno}"
        send({"error": f"{type(e).__name__} ({place}): {' '.join(str(e).split())[:300]}"})


def prepared(row: Row, base: Path | None, device: str, profile: Path | None, send: Report) -> Callable[[], None]:
    """What is left to do when the row has the device"""
    from lima.model import compiled

    dry = device == "cpu"
    if dry:  # the same graphs, without minutes of C++
        compiled.BACKEND = "aot_eager"
    if row.kind == "correct":
        return lambda: correctness.run_checks(device, row.compile, send)
    if row.kind == "answer":
        return lambda: send(answering.run_answers(base, device, 8 if dry else answering.LONGEST))
    if row.kind == "trl":
        return lambda: send(training.run_trl(row.shape, base, device))
    table = profile / f"{row.name}.txt" if profile else None
    tokens = 2048 if dry else row.tokens
    measured = training.prepare_lima(row.shape, base, device, row.compile, tokens, table)
    return lambda: send(measured())


def card_here() -> dict[str, str]:
    """Name, driver and memory of the card, asked without touching it"""
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        found = subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines()[0].split(", ")
    except (OSError, subprocess.CalledProcessError, IndexError):
        sys.exit("No GPU is seen here. --dry tries the code on this machine.")
    return dict(zip(("card", "driver", "memory"), found, strict=True))


def installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


if __name__ == "__main__":
    main()
