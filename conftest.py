"""Every fenced block of the documentation runs, each page in its own folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

# Tests already run on all cores. Threads of numerical libraries would only wait for each other, at
# barriers that take a hundred times as long as the work between them.
os.environ.setdefault("OMP_NUM_THREADS", "1")

_ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "COLUMNS": "100",
}


def in_own_folder(namespace: dict[str, Any]) -> None:
    namespace["_home"] = os.getcwd()
    namespace["_folder"] = tempfile.mkdtemp()
    os.chdir(namespace["_folder"])


def back_home(namespace: dict[str, Any]) -> None:
    os.chdir(namespace["_home"])
    shutil.rmtree(namespace["_folder"])


def _bash(script: str) -> subprocess.CompletedProcess[str]:
    command = ["bash", "-euo", "pipefail", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, env=_ENVIRONMENT, check=False)


def run_bash(example: Example) -> str | None:
    """A ``bash`` block must succeed."""
    done = _bash(example.parsed)
    return None if done.returncode == 0 else f"exit {done.returncode}\n{done.stdout}{done.stderr}"


def run_console(example: Example) -> str | None:
    """A ``console`` block holds ``$ commands`` and their exact output, both streams."""
    wrong = []
    for part in ("\n" + example.parsed).split("\n$ ")[1:]:
        command, _, expected = part.partition("\n")
        done = _bash(f"{command} 2>&1")
        if _lines(done.stdout) != _lines(expected):
            wrong.append(f"$ {command}\n{done.stdout}\nexpected:\n{expected}")
    return "\n".join(wrong) or None


def write_file(name: str) -> Callable[[Example], None]:
    """A ``toml`` or ``json`` block is written to a file that later blocks can use."""

    def write(example: Example) -> None:
        Path(name).write_text(example.parsed, encoding="utf-8")

    return write


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]


pytest_collect_file = Sybil(
    parsers=[
        PythonCodeBlockParser(),
        CodeBlockParser("bash", run_bash),
        CodeBlockParser("console", run_console),
        CodeBlockParser("toml", write_file("rules.toml")),
        CodeBlockParser("json", write_file("by_hand.json")),
    ],
    patterns=["README.md", "docs/**/*.md"],
    setup=in_own_folder,
    teardown=back_home,
).pytest()
