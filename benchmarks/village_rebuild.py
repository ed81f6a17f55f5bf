"""Whether a village base that was built again is as good as the one that comes with lima-village.

    lima village build --out rebuilt          # add --precision float32 where the processor has no bfloat16
    python benchmarks/village_rebuild.py rebuilt --out benchmarks/results/village_rebuild.json

Both are fine-tuned as `lima demo` does, three seeds an arm, and hold the validation conversations, which no test holds. One
process after the other on two workers; the figures are replies, not seconds. Ends with 1 when the rebuilt base is not within
BOUND of the shipped one, in either arm.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from lima.record.store import Store
from lima_dialogue_eval import compare
from lima_studies import Arm, Grid, Holding
from lima_village.base_model import record, verified
from lima_village.demo import ARMS, result
from lima_village.experiment import GREEDY, Experiment, recipe_of

EVALUATION = "village-validation"
BOUND = 0.1
"""As good is a base whose mean grade, of 0 to 2, differs by less, with all of its 95 % interval over conversations"""


def arms_of(base: Path, kind: str) -> list[Arm]:
    """The demo's two arms, on this base"""
    return [
        Arm(f"{kind}-{name}", "", {"sources": sources, "base": str(base)}, seconds=i)
        for i, (name, sources) in enumerate(ARMS.items())
    ]


def report(store: Store, bases: Mapping[str, Path], runs: Mapping[tuple[str, str], Sequence[str]]) -> dict[str, Any]:
    """What both bases became, and how far they are apart in each arm; `runs` are the dialogue runs by base and arm"""
    apart = {}
    for name in ARMS:
        found = compare(store, *(runs[kind, name] for kind in bases), pool_anyway=True)
        apart[name] = {"difference": found.difference, "interval": list(found.interval), "p_value": found.p_value}
    return {
        "date": str(date.today()),
        "bases": {
            kind: {**record(base), **result(compare(store, *(runs[kind, name] for name in ARMS), pool_anyway=True))}
            for kind, base in bases.items()
        },
        "rebuilt less shipped, mean grade of 0 to 2": apart,
        "within_bound": all(abs(end) < BOUND for one in apart.values() for end in one["interval"]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rebuilt", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    bases = {"shipped": verified(), "rebuilt": verified(options.rebuilt.resolve())}
    arms = tuple(arm for kind, base in bases.items() for arm in arms_of(base, kind))
    database = Path(tempfile.mkdtemp()) / "rebuild.db"
    holdings = (Holding(EVALUATION, EVALUATION, sampling=GREEDY),)
    grid = Grid("A village base built again", recipe_of(), arms, seeds=options.seeds, holdings=holdings)
    experiment = Experiment.of(database, grid, "rebuild")
    experiment.run(lambda event: None)
    with Store(database) as store:
        runs = {
            (kind, name): experiment.dialogue_runs(store, f"{kind}-{name}", EVALUATION)
            for kind in bases
            for name in ARMS
        }
        found = report(store, bases, runs)
    text = json.dumps(found, indent=2) + "\n"
    if options.out:
        options.out.write_text(text)
    print(f"{text}Database: {database}")
    sys.exit(not found["within_bound"])


if __name__ == "__main__":
    main()
