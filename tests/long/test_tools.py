"""The tools' samples, written again by the tools themselves: each in an environment of its own.

Some hundred megabytes each, from the package index; ``ENCORE_TOOL_ENVIRONMENTS`` names a folder
that keeps them. With ``ENCORE_TOOL_VERSIONS=newest`` the newest versions are tried instead.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ratings.importing.tools.outputs import FOLDER, Row, read

pytestmark = pytest.mark.long

SCRIPTS = Path(__file__).parents[2] / "tools" / "samples"
NEWEST = os.environ.get("ENCORE_TOOL_VERSIONS") == "newest"
MADE = [
    ("inspect_ai", "inspect_ai", "0.3.285", "inspect_ai"),
    ("autorubric", "autorubric", "1.6.1", "autorubric"),
    ("deepeval", "deepeval", "4.3.1", "deepeval"),
    ("lm_eval", "lm_eval", "0.4.13", "lm_eval"),
    ("verifiers_traces", "verifiers", "0.4.0", "verifiers"),
    ("verifiers_results", "verifiers", "0.2.1", "verifiers"),
]
"""Script, package, version, and the samples' folder."""
# Nothing newer writes these any more.
CASES = [each for each in MADE if not NEWEST or each[0] != "verifiers_results"]


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    kept = os.environ.get("ENCORE_TOOL_ENVIRONMENTS")
    yield Path(kept) if kept else tmp_path_factory.mktemp("environments")


def interpreter(folder: Path, package: str, version: str) -> Path:
    """A Python that has the package; made where there is none yet."""
    wanted = package if NEWEST else f"{package}=={version}"
    python = folder / wanted / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(python.parents[1])], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", wanted], check=True)
    return python


def without_reasons(rows: list[Row]) -> list[Row]:
    """Rows in an order of their own; reasons quote other packages' versions."""
    kept = [{key: value for key, value in row.items() if key != "reason"} for row in rows]
    return sorted(kept, key=repr)


@pytest.mark.parametrize(
    ("script", "package", "version", "folder"), CASES, ids=lambda value: str(value)
)
def test_a_tool_writes_what_is_read(
    environments: Path, tmp_path: Path, script: str, package: str, version: str, folder: str
) -> None:
    python = interpreter(environments, package, version)
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    subprocess.run(
        [str(python), str(SCRIPTS / f"{script}.py"), str(tmp_path)], check=True, env=clean
    )
    written = sorted(path for path in tmp_path.iterdir() if path.is_file())
    assert written
    for path in written:
        assert without_reasons(read(path)) == without_reasons(read(FOLDER / folder / path.name))
