"""The GPU benchmark runs on a CPU with tiny shapes, so that nothing silly stops it where there is a GPU for a few minutes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def rows_of(tmp_path, *only):
    out = tmp_path / "gpu.json"
    chosen = [word for name in only for word in ("--only", name)]
    done = subprocess.run(
        ["bash", "benchmarks/gpu.sh", "--dry", "--out", str(out), *chosen],
        env={**os.environ, "PYTHON": sys.executable},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(out.read_text())
    assert report["card"].startswith("none")
    assert report["versions"]["torch"]
    return report["rows"]


@pytest.mark.slow
def test_every_check_passes_on_the_cpu(tmp_path):
    rows = rows_of(tmp_path, "correct")
    assert [r for r in rows if not r.get("ok")] == []
    assert len(rows) == 11


@pytest.mark.slow
def test_every_kind_of_row_gives_its_figures(tmp_path):
    rows = rows_of(tmp_path, "full 0.5B, not", "full 0.5B, compiled", "lora 0.6B, not", "answer 0.5B", "lora 0.6B, TRL")
    assert [r["row"] for r in rows] == [
        "full 0.5B, not compiled",
        "lora 0.6B, not compiled",
        "answer 0.5B",
        "full 0.5B, compiled",
        "lora 0.6B, TRL",
    ]
    *lima, trl = rows
    assert [r.get("error") for r in lima] == [None] * 4
    # TRL is optional, and its own dependencies may not suit this Python.
    assert "tokens_per_second" in trl or trl["error"].startswith(("trl is not installed", "ModuleNotFoundError"))
    full, lora, answer, _ = lima
    assert full["tokens_per_second"] > 0 < lora["tokens_per_second"]
    assert answer["identical_replies"] == answer["batch"] == 30


def test_without_a_gpu_it_says_so(tmp_path):
    done = subprocess.run(
        [sys.executable, "benchmarks/gpu"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": str(tmp_path)},
    )
    assert done.returncode == 1
    assert done.stderr.strip() == "No GPU is seen here. --dry tries the code on this machine."


def test_operations_are_those_of_the_formula(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / "gpu"))
    from training import operations

    config = {"hidden_size": 8, "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 16}
    (tmp_path / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3, "vocab_size": 100}))
    # A block: query and output 8 × 8 each, key and value 8 × 4 each, three of the MLP 8 × 16.
    block = 2 * 64 + 2 * 32 + 3 * 128
    full = 6 * 3 * block * 10 + 6 * 100 * 8 * 7 + 6 * 3 * 8 * 10**2
    assert operations(tmp_path, [(10, 7)], lora=False) == full / 10
    assert operations(tmp_path, [(10, 7)], lora=True) == (4 * 3 * block * 10 + 4 * 100 * 8 * 7 + 6 * 3 * 8 * 100) / 10
