"""Fine-tune on conversations in OpenAI's format through a chat template, and show exactly which tokens carried loss.

Run: python examples/02_train_on_conversations.py
"""

import json
import tempfile
from pathlib import Path

from lima import Recipe, Store, fine_tune, load_plugins, prepare

folder = Path(tempfile.mkdtemp(prefix="lima-example-"))
talk = [("user", "Name a fruit."), ("assistant", "An apple."), ("user", "Another?"), ("assistant", "A pear.")]
(folder / "talks.jsonl").write_text(json.dumps({"messages": [{"role": r, "content": c} for r, c in talk]}) + "\n")

recipe = Recipe(
    base="village",
    sources=(str(folder / "talks.jsonl"),),
    renderer="lima",
    out=str(folder / "tuned"),
    epochs=5,
    residual_dropout=0.0,
)
ready = prepare(recipe, load_plugins())
(row,) = ready.rendered[0]  # one row, or one for each answer where no one row is what inference sees
for token, weight in zip(row.ids, row.weights, strict=True):
    print(f"{ready.tokenizer.decode([token])!r:>14}  {'trained' if weight else ''}")

with Store(folder / "lima.db") as store:
    run = fine_tune(recipe, store)
    print(store.rows("select source, examples, tokens, trained_tokens from run_sources where run = ?", [run.id]))
