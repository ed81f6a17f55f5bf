"""The seconds a step that `lima plan --measure` foretells beside those of a real run, on CPU; prints a JSON object each.

    python benchmarks/plan_time.py [--precision float32 bfloat16]

Three steps of a real run each, of which the mean of the last two counts: the first makes room for AdamW's moments.
"""

import argparse
import json
import tempfile
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from lima import Recipe, Store, fine_tune, load_plugins, prepare
from lima.testing import tiny_tokenizer
from lima.train.measure import measure

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
            planned = measure(recipe, prepare(recipe, load_plugins())).seconds_per_step
            with Store(folder / "l.db") as store:
                run = fine_tune(recipe, store)
                (row,) = store.rows("select avg(seconds) as s from steps where run = ? and step > 1", [run.id])
            figures = {"planned": planned, "taken": row["s"], "ratio": planned / row["s"]}
            print(json.dumps({"shape": shape, "precision": precision, **{k: round(v, 3) for k, v in figures.items()}}))


main()
