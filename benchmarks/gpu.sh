#!/usr/bin/env bash
# Every GPU figure in one command; see benchmarks/gpu/__main__.py. Nothing is downloaded: what this Python lacks
# comes from the wheels that gpu_wheels.sh collected in benchmarks/wheels.
#
#     benchmarks/gpu.sh [--only ROW] [--out FILE.json] [--seconds 470] [--dry]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
added=$(mktemp -d)
trap 'rm -rf "$added"' EXIT
for wheel in "$here"/wheels/*.whl; do
    [ -e "$wheel" ] || continue
    name=$(basename "$wheel" | cut -d- -f1)
    "$python" -c "import importlib.metadata as m; m.version('$name')" 2>/dev/null ||
        "$python" -m pip install -q --no-index --no-deps --disable-pip-version-check --upgrade --target "$added" "$wheel" ||
        echo "gpu.sh: $wheel does not suit this Python; the rows that need it will say so" >&2
done
# lima itself runs from the checkout; its entry points are all that an installation would add.
"$python" - "$here/../pyproject.toml" "$added" <<'EOF'
import sys, tomllib
from pathlib import Path

project = tomllib.loads(Path(sys.argv[1]).read_text())["project"]
folder = Path(sys.argv[2]) / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
folder.mkdir()
(folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
points = "".join(f"{name} = {where}\n" for name, where in project["entry-points"]["lima"].items())
(folder / "entry_points.txt").write_text(f"[lima]\n{points}")
EOF
PYTHONPATH="$here/..:$added${PYTHONPATH:+:$PYTHONPATH}" "$python" "$here/gpu" "$@"
