"""Fine-tune the embedded village model on a handful of pairs, from Python, and ask it something.

Run: python examples/01_train_on_pairs.py
"""

import json
import tempfile
from pathlib import Path

from lima import CheckpointModel, Recipe, Sampling, Store, fine_tune, load_plugins

folder = Path(tempfile.mkdtemp(prefix="lima-example-"))
pairs = [("Name a fruit.", "An apple."), ("Name a colour.", "Blue."), ("Name a tree.", "An oak.")]
(folder / "pairs.jsonl").write_text("".join(json.dumps({"prompt": p, "response": r}) + "\n" for p, r in pairs))

recipe = Recipe(
    base="village",
    sources=(str(folder / "pairs.jsonl"),),
    out=str(folder / "tuned"),
    epochs=60,
    batch_size=3,
    learning_rate=3e-3,
    final_learning_rate=1e-4,
    residual_dropout=0.0,
)
with Store(folder / "lima.db") as store:
    run = fine_tune(recipe, store)
    losses = [row["loss"] for row in store.rows("select loss from steps where run = ? order by step", [run.id])]
print(f"loss {losses[0]:.2f} → {losses[-1]:.2f} in {len(losses)} steps")

model = CheckpointModel(run.folder, load_plugins().registry("renderers").find(run.renderer))
for reply in model.reply(
    [p for p, _ in pairs], Sampling(temperature=0, repetition_penalty=1.0, max_new_tokens=20), seed=0
):
    print(f"{reply.text}  [{reply.stop}]")
