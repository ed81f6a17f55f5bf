"""The README's figures of `lima effect`: three folds and three seeds on SmolLM2, as JSON without the places of this machine.

    python benchmarks/effect.py [OPTION…]       # options of `lima effect`; writes docs/effect.json, for `make docs`

If it is stopped, the same command continues; of a finished experiment it only writes the file.
"""

import json
import subprocess
import sys
from pathlib import Path

RESULT = Path(__file__).parents[1] / "docs" / "effect.json"
PLACES = ("database", "report")


def main() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lima", "effect", "--json", *sys.argv[1:]], stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        sys.exit(done.returncode)
    result = {key: value for key, value in json.loads(done.stdout).items() if key not in PLACES}
    RESULT.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
