"""What `lima plan` says about time beside the seconds of real steps, on CPU; prints one JSON object a shape and precision.

    python benchmarks/plan_time.py [--precision float32 bfloat16]

Three steps of a real run each, of which the faster of the last two counts. Where the ratio strays from 1,
`lima.train.plan.REACHED` is what to look at, or `REACHED_QUICK`.
"""

import argparse
import json
import tempfile
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from lima import Recipe, Store, fine_tune, load_plugins
from lima.data.dataset import prepare
from lima.testing import tiny_tokenizer
from lima.train.plan import matrix_speed, plan

BASE = {"num_attention_heads": 8, "vocab_size": 8000, "max_position_embeddings": 2048}
SHAPES = {
    "llama": {**BASE, "hidden_size": 256, "intermediate_size": 704, "num_hidden_layers": 6},
    "qwen2": {**BASE, "hidden_size": 512, "intermediate_size": 1536, "num_hidden_layers": 4, "num_key_value_heads": 2},
    "mistral": {
        **BASE,
        "hidden_size": 384,
        "intermediate_size": 1024,
        "num_hidden_layers": 8,
        "num_key_value_heads": 4,
    },
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--precision", nargs="+", default=["float32", "bfloat16"])
    options = parser.parse_args()
    torch.set_num_threads(min(2, torch.get_num_threads()))
    folder = Path(tempfile.mkdtemp())
    rows = [{"prompt": "what is it", "response": "the quick brown fox " * (5 + 7 * i)} for i in range(16)]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    planned = {}
    # All of it before the first step, as `lima plan` does it.
    for shape, values in SHAPES.items():
        base = folder / shape
        AutoModelForCausalLM.from_config(AutoConfig.for_model(shape, **values)).save_pretrained(base)
        tiny_tokenizer().save_pretrained(base)
        for precision in options.precision:
            recipe = Recipe(
                base=str(base),
                sources=(str(folder / "pairs.jsonl"),),
                out=str(folder / f"{shape}-{precision}"),
                epochs=3,
                batch_size=16,
                micro_batch_tokens=2048,
                precision=precision,
                device="cpu",
            )
            half = precision == "bfloat16"
            found = plan(recipe, prepare(recipe, load_plugins()), half)
            speed = matrix_speed("cpu", half, found.micro_batch_tokens, found.width, quick=found.quick)
            planned[shape, precision] = recipe, found.seconds(speed) / 3, speed
    for (shape, precision), (recipe, seconds, speed) in planned.items():
        with Store(folder / "l.db") as store:
            run = fine_tune(recipe, store)
            taken = store.rows("select min(seconds) as s from steps where run = ? and step > 1", [run.id])[0]["s"]
        figures = {"planned": seconds, "taken": taken, "ratio": seconds / taken, "matrix_speed": speed / 1e9}
        print(json.dumps({"shape": shape, "precision": precision, **{k: round(v, 3) for k, v in figures.items()}}))


main()
