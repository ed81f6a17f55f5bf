"""Whether a village base that was built again is as good as the one that comes with lima-village.

    lima village build --out rebuilt          # add --precision float32 where the processor has no bfloat16
    python benchmarks/village_rebuild.py rebuilt

Both are fine-tuned as `lima demo` does, three seeds an arm, and hold the validation conversations, which no test holds. One
process after the other on two workers; the figures are replies, not seconds.
"""

import argparse
import json
import tempfile
from pathlib import Path

from lima.store import Store
from lima_dialogue_eval import compare
from lima_village.arm import CONVERSATIONS, Arm, Sets
from lima_village.base_model import record, verified
from lima_village.demo import ARMS, RECIPE, result
from lima_village.experiment import Experiment

EVALUATION = "village-validation"


def arms_of(base: Path, kind: str, seeds: int) -> list[Arm]:
    """The demo's two arms, on this base"""
    changes = {"base": str(base)}
    return [
        Arm(
            name=f"{kind}-{name}",
            text="",
            sources=tuple(sources),
            held=(CONVERSATIONS,),
            seeds=seeds,
            seconds=i,
            changes=changes,
        )
        for i, (name, sources) in enumerate(ARMS.items())
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rebuilt", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    bases = {"shipped": verified(), "rebuilt": verified(options.rebuilt.resolve())}
    arms = [arm for kind, base in bases.items() for arm in arms_of(base, kind, options.seeds)]
    database = Path(tempfile.mkdtemp()) / "rebuild.db"
    experiment = Experiment.new(database, arms, "rebuild", sets=Sets(EVALUATION, ""), recipe=RECIPE)
    experiment.run(lambda arm, event: None)
    with Store(database) as store:
        for kind, base in bases.items():
            runs = (experiment.dialogue_runs(store, f"{kind}-{name}", EVALUATION) for name in ARMS)
            print(json.dumps({"base": kind, **record(base), **result(compare(store, *runs))}))
    print(f"Database: {database}")


if __name__ == "__main__":
    main()
