"""Rules, and ratings files in every format."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from encore.rules import LevelScale, Rulebook
from tests.ratings.columns import written


@pytest.fixture
def rules() -> Rulebook:
    """Two rules on the levels 1 to 5."""
    return Rulebook.from_ids(["harm", "privacy"], LevelScale((1, 2, 3, 4, 5)))


@pytest.fixture
def save(tmp_path: Path) -> Callable[[str, Mapping[str, Sequence[Any]]], Path]:
    """Write columns to a file of the format that its name says; None is an absent cell."""

    def write(name: str, columns: Mapping[str, Sequence[Any]]) -> Path:
        return written(tmp_path / name, columns)

    return write


@pytest.fixture
def text(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """Write a file's very contents."""

    def write(name: str, contents: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(contents.encode() if isinstance(contents, str) else contents)
        return path

    return write
