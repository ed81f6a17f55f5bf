"""Hold the ten village conversations with a quick fine-tune and with a model that answers from the facts, and compare.

Run: python examples/03_before_and_after.py
"""

import tempfile
from pathlib import Path

from lima import Recipe, Sampling, Store, fine_tune
from lima_dialogue_eval import compare, run_evaluation, write_report

folder = Path(tempfile.mkdtemp(prefix="lima-example-"))
greedy = Sampling(temperature=0, repetition_penalty=1.0, max_new_tokens=48)
recipe = Recipe(
    base="village",
    sources=("village-singles:200",),
    renderer="lima",
    out=str(folder / "tuned"),
    epochs=2,
    batch_size=16,
    learning_rate=6e-4,
    final_learning_rate=6e-5,
    residual_dropout=0.0,
)
with Store(folder / "lima.db") as store:
    run = fine_tune(recipe, store)
    tuned = run_evaluation(store, "village", run.id, arm="200 singles", seeds=[0], sampling=greedy, run_id=run.id)
    perfect = run_evaluation(store, "village", "village-perfect", arm="facts", seeds=[0], sampling=greedy)
    comparison = compare(store, tuned, perfect)
    report = write_report(store, comparison, folder / "report.html", title="A quick fine-tune beside the facts")
print(
    f"excellent {comparison.before.excellent}/{comparison.before.turns} → {comparison.after.excellent}/{comparison.after.turns}"
)
print(f"exact sign-flip p = {comparison.p_value:.4f}; report: {report}")
