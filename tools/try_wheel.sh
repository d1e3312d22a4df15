#!/bin/sh
# Build the wheel, install it alone into a bare virtual environment with the oldest dependency versions
# that it claims to support, and run the demo and the tests there.
# Usage: tools/try_wheel.sh PYTHON (one that has `build`)
set -eu
python=$1
root=$(pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" -m build --wheel --outdir "$work/dist" . >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
"$python" -m venv "$work/venv"
pip="$work/venv/bin/python -m pip --disable-pip-version-check install --quiet -c $root/constraints-oldest.txt"
$pip "$work"/dist/*.whl

cd "$work"
"$work/venv/bin/encore" demo --out demo >demo.txt
grep -q "distinguishable from uniform" demo.txt
"$work/venv/bin/python" - <<'PYTHON'
from importlib.metadata import distributions
from pathlib import Path

import encore

core = {"encore-reward", "numpy", "pyarrow", "click", "rich", "markdown-it-py", "mdurl", "pygments"}
extra = {d.metadata["Name"].lower() for d in distributions()} - core - {"pip", "setuptools"}
assert not extra, f"the wheel brings more than its core dependencies: {extra}"
assert (Path(encore.__file__).parent / "py.typed").is_file(), "py.typed is not in the wheel"
PYTHON
echo "wheel: runs the demo with its core dependencies alone"

# The test runner is installed only now; the libraries that tests compare with stay out.
$pip pytest pytest-xdist hypothesis
cp -r "$root/tests" "$work/tests"
cp "$root/pyproject.toml" "$work/"
ENCORE_BARE=1 "$work/venv/bin/python" -m pytest -q -n auto -p no:cacheprovider tests --ignore tests/test_docs.py
