"""What came after LIMA, on a pretrained base: responses alone, one task alone, in context; more and more examples; token shift.

The base of lima-village has never been tuned for instructions, so these questions can be asked of it. (SmolLM2 of lima-smollm2
has: there the same commands only show that they run.) Run: python examples/07_since_lima.py
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from lima import Store, load_plugins

here, folder = Path(__file__).parent, Path(tempfile.mkdtemp(prefix="lima-example-"))
database = folder / "lima.db"


def study(*arguments):
    """What `lima study …` says, as data"""
    command = [sys.executable, "-m", "lima", "study", *map(str, arguments), "-d", str(database), "--json"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def scores(told):
    """The figures of the evaluation's grader"""
    ((_, figures),) = told["more"].items()
    return figures


grid = here / "grids" / "village-since-lima.toml"
for one in scores(study("ablate", grid, "--workers", 2))["means"]:
    print(f"{one['arm']:15} mean grade {one['value']:.2f} of 2, over {one['units']} requests")

graded = (
    "--evaluation",
    "village-prompts-validation",
    "--samples",
    1,
    "--max-new-tokens",
    64,
    "--repetition-penalty",
    1.0,
)
sizes = study("scaling", "village-forms:128", "--base", "village", "--sizes", "16,32,64,128", "--seeds", 1, "--workers", 2,
              "--same-steps", "--recipe", here / "grids" / "village-recipe.toml", *graded)  # fmt: skip
curve = scores(sizes)["further"]
low, high = curve["slope_interval"]
print(f"each doubling of the examples: {curve['slope']:+.2f} [{low:+.2f}, {high:+.2f}] grade points")

with Store(database) as store:
    tuned = next(row for row in store.runs() if Path(row["folder"]).name == "tuned-seed0")["folder"]
requests = load_plugins().registry("evaluations").find("village-prompts-validation").conversations()
prompts = folder / "prompts.jsonl"
prompts.write_text("".join(json.dumps({"id": c.id, "prompt": c.turns[0].user}) + "\n" for c in list(requests)[::5]))
base = "base=in-context:village?k=6&ask=Question:&answer=Answer:&preface=&examples=village-forms"
shift = study("token-shift", f"tuned={tuned}", "--base", base, "--prompts", prompts, "--max-new-tokens", 64)
for one in shift["more"]["shares"]:
    unshifted, _, shifted = one["shares"]
    print(f"token {one['name']:15} {unshifted:4.0%} the base's first choice, {shifted:4.0%} below its third")
print(f"the reports are in {folder}")
