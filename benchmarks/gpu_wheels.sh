#!/usr/bin/env bash
# Collect in benchmarks/wheels what gpu.sh needs on a machine with PyTorch and transformers but without a network:
# lima's other dependencies, and TRL for the rows beside it. For CPython 3.12 on x86-64 Linux, or as PLATFORM and VERSION say.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
mkdir -p "$here/wheels"
"$python" -m pip download -q --no-deps --disable-pip-version-check --only-binary :all: --dest "$here/wheels" \
    --python-version "${VERSION:-3.12}" --implementation cp --platform "${PLATFORM:-manylinux_2_28_x86_64}" \
    --platform manylinux2014_x86_64 \
    sqlite-utils==4.2.1 sqlite-fts4 click-default-group==1.2.4 trl==1.16.0 datasets dill multiprocess xxhash
du -ch "$here"/wheels/*.whl
