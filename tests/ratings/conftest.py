"""Ratings files in every format, written by other hands than the library's."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from encore.rules import LevelScale, Rulebook


@pytest.fixture
def rules() -> Rulebook:
    """Two rules on the levels 1 to 5."""
    return Rulebook.from_ids(["harm", "privacy"], LevelScale((1, 2, 3, 4, 5)))


@pytest.fixture
def save(tmp_path: Path) -> Callable[[str, Mapping[str, Sequence[Any]]], Path]:
    """Write columns to a file of the format that its name says; None is an absent cell."""

    def write(name: str, columns: Mapping[str, Sequence[Any]]) -> Path:
        path = tmp_path / name
        rows = list(zip(*columns.values(), strict=True))
        if path.suffix == ".parquet":
            pq.write_table(pa.table(dict(columns)), path)
        elif path.suffix == ".csv":
            with path.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([list(columns), *rows])
        else:
            lines = [json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows]
            path.write_text("".join(lines), encoding="utf-8")
        return path

    return write


@pytest.fixture
def text(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """Write a file's very contents."""

    def write(name: str, contents: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(contents.encode() if isinstance(contents, str) else contents)
        return path

    return write
