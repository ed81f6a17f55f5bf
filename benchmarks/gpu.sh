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
PYTHONPATH="$here/..:$added${PYTHONPATH:+:$PYTHONPATH}" "$python" "$here/gpu" "$@"
