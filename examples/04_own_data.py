"""Your own data, as it comes: a CSV file with columns that say nothing, a row without an answer, and one that counts half.

Run: python examples/04_own_data.py
"""

import tempfile
from pathlib import Path

from lima import LimaError, Recipe, Store, fine_tune, load_plugins, open_source

folder = Path(tempfile.mkdtemp(prefix="lima-example-"))
file = folder / "garden.csv"
file.write_text(
    "prompt,response,weight,colleague\n"
    "Name a fruit.,An apple.,1,Ann\n"
    "Name a tree.,An oak.,0.5,Ann\n"
    "Name a flower.,,1,Bob\n"
    "Name a herb.,Mint.,1,Bob\n"
)
plugins = load_plugins()
try:
    open_source(str(file), plugins)
except LimaError as e:
    print(f"lima says what it does not understand:\n{e}\n")

# `colleague` is no part of what is learnt, and a row without an answer is left out: both are decided by you, and recorded.
options = {"lima-tune": {"ignore": ["colleague"], "skip_bad": True}}
source = open_source(str(file), plugins, options)
for example in source.records:
    print(f"{example.provenance.rpartition('/')[2]}: {example.prompt} → {example.response} (weight {example.weight})")

recipe = Recipe(
    base="village",
    sources=(str(file),),
    renderer="plain",
    out=str(folder / "tuned"),
    epochs=3,
    residual_dropout=0.0,
    plugins=options,
)
with Store(folder / "lima.db") as store:
    run = fine_tune(recipe, store, plugins)
    for row in store.rows("select example, status, reason from run_examples where run = ? order by position", [run.id]):
        print(f"{row['status']:8} {row['example'].rpartition('/')[2]} {row['reason'] or ''}")
