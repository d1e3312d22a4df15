"""The outputs of tools that tests read, and how a document comes from a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from encore.ratings.importing.tools import opener_of, tool_of

FOLDER = Path(__file__).with_name("samples")
SAMPLES = sorted(path for path in FOLDER.rglob("*.*") if path.suffix != ".md")

Row = dict[str, Any]


def document(path: Path) -> Any:
    """The parsed content of a file."""
    tool = opener_of(path)
    if tool is not None and tool.open is not None:
        return tool.open(path)
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in text.splitlines()]
    return json.loads(text)


def read(path: Path) -> list[Row]:
    """The long rows of a file, without what they leave unsaid."""
    found = document(path)
    tool = tool_of(found)
    assert tool is not None, path
    return [
        {key: value for key, value in row.items() if value is not None}
        for row in tool.rows(found, str(path))
    ]


def rated(rows: list[Row], *keys: str) -> list[tuple[Any, ...]]:
    """Some fields of every row, in its order."""
    return [tuple(row.get(key) for key in keys) for row in rows]
