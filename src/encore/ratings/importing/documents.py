"""JSON and JSON Lines as columns: objects are taken apart, lists of ratings become rows."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from encore.errors import RatingsError
from encore.parsing import json_value
from encore.ratings.importing.coded import Coded, Found
from encore.ratings.importing.names import role_of
from encore.ratings.importing.sources import Opened
from encore.ratings.importing.tools import opener_of, tool_of
from encore.ratings.readers import json_rows

_MAX_BYTES = 1 << 30
_MAX_COLUMNS = 10_000


def read_json(file: Opened) -> Found:
    """A file of JSON or JSON Lines, of a known tool or of anyone.

    Raises
    ------
    RatingsError
        If it is neither, or holds no rows.
    """
    first = _first_line(file)
    if first is not None:
        tool = tool_of([first])
        if tool is not None:
            rows = [row for _, row in _lines(file)]
            return found_in_rows(enumerate(tool.rows(rows, file.name), 1), file.name, tool.name)
        return found_in_rows(_lines(file), file.name)
    return found_in_document(_whole(file), file.name)


def read_archive(file: Opened) -> Found:
    """A file that only a tool can open.

    Raises
    ------
    RatingsError
        If no known tool writes such files.
    """
    tool = opener_of(Path(file.name))
    if tool is None or tool.open is None:
        raise RatingsError(
            "a ZIP archive, or a workbook that is not .xlsx; unpack it, or save its sheet as "
            "CSV, and import that.",
            source=file.name,
        )
    rows = tool.rows(tool.open(file.path), file.name)
    return found_in_rows(enumerate(rows, 1), file.name, tool.name)


def found_in_document(document: Any, source: str) -> Found:
    """What a whole JSON document holds: rows, columns, or rows inside."""
    if (tool := tool_of(document)) is not None:
        return found_in_rows(enumerate(tool.rows(document, source), 1), source, tool.name)
    return found_in_rows(enumerate(_rows_in(document, source), 1), source)


def _rows_in(document: Any, source: str) -> list[Any]:
    if isinstance(document, list):
        return document
    if not isinstance(document, dict) or not document:
        raise RatingsError(
            f"expected a list of objects, got {type(document).__name__}.", source=source
        )
    lists = {k: v for k, v in document.items() if isinstance(v, list)}
    others = {k: v for k, v in document.items() if k not in lists and not isinstance(v, dict)}
    tables = {k: v for k, v in lists.items() if v and all(isinstance(row, dict) for row in v)}
    if len(tables) == 1 and role_of(tables, "response") is None:
        (rows,) = tables.values()
        return [{**others, **row} for row in rows]
    if len(lists) > 1 and len({len(values) for values in lists.values()}) == 1:
        rows = [dict(zip(lists, cells, strict=True)) for cells in zip(*lists.values(), strict=True)]
        return [{**others, **row} for row in rows]
    if len(document) > 1 and all(isinstance(value, dict) for value in document.values()):
        columns = list(document.values())
        if len({tuple(column) for column in columns}) == 1 and all(
            key.isdigit() for key in columns[0]
        ):  # as pandas writes a frame: {"column": {"0": …, "1": …}}
            return [{name: column[key] for name, column in document.items()} for key in columns[0]]
        return [{"id": name, **value} for name, value in document.items()]
    return [document]


def found_in_rows(rows: Iterable[tuple[int, Any]], source: str, tool: str | None = None) -> Found:
    """Rows of plain data, each with its number, as columns.

    Raises
    ------
    RatingsError
        If a row is no object, there is none, or there are too many columns.
    """
    gathering = _Gathering(source)
    for number, row in rows:
        if not isinstance(row, dict):
            raise RatingsError(
                f"expected an object, got {type(row).__name__}.", source=source, row=number
            )
        gathering.add(number, row)
    if not gathering.numbers:
        raise RatingsError("no rows; expected at least one response.", source=source)
    return Found.of_one(source, gathering.columns(), gathering.numbers, tool=tool)


class _Column:
    """A column that grows: its codes, and what they stand for."""

    __slots__ = ("codes", "index", "values")

    def __init__(self) -> None:
        self.codes = array("i")
        self.index: dict[Any, int] = {}
        self.values: list[Any] = []

    def code(self, key: Any, value: Any) -> int:
        """The code of a value, a new one if need be."""
        code = self.index.setdefault(key, len(self.values))
        if code == len(self.values):
            self.values.append(value)
        return code


class _Gathering:
    """Columns that grow row by row."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.numbers = array("q")
        self.named: dict[str, _Column] = {}

    def add(self, number: int, row: dict[str, Any]) -> None:
        """One row; as many as it has ratings, where it holds a list of them."""
        place = _place_of_ratings(row)
        if place is None:
            self.numbers.append(number)
            self._fields(row, "")
            return
        rest, ratings = _without(row, place)
        for item in ratings:
            self.numbers.append(number)
            self._fields(rest, "")
            self._fields(item, f"{'.'.join(place)}.")

    def _fields(self, row: dict[str, Any], prefix: str) -> None:
        before = len(self.numbers) - 1
        named = self.named
        for name, value in row.items():
            kind = type(value)
            if kind is str:
                key = value
            elif value is None or value != value:
                continue
            elif kind is dict:
                self._fields(value, f"{prefix}{name}.")
                continue
            else:
                key = (kind, json.dumps(value, default=str) if kind is list else value)
            full = prefix + name if prefix else name
            column = named.get(full) or self._new(full)
            codes = column.codes
            short = before - len(codes)
            if short > 0:
                codes.extend(array("i", [-1]) * short)
            if short >= 0:
                codes.append(column.code(key, value))
            else:
                codes[-1] = column.code(key, value)

    def _new(self, name: str) -> _Column:
        if len(self.named) == _MAX_COLUMNS:
            raise RatingsError(
                f"more than {_MAX_COLUMNS:,} different keys; are ids written as keys?",
                source=self.source,
                row=self.numbers[-1],
            )
        return self.named.setdefault(name, _Column())

    def columns(self) -> dict[str, Coded]:
        """The columns, each as long as there are rows."""
        n_rows, found = len(self.numbers), {}
        for name in list(self.named):
            column = self.named.pop(name)
            column.codes.extend(array("i", [-1]) * (n_rows - len(column.codes)))
            del column.index
            values: Any = column.values
            if all(type(value) is str for value in values):
                values = pa.array(values, pa.string())
            found[name] = Coded(np.frombuffer(column.codes, dtype=np.int32), values)
        return found


def _place_of_ratings(row: dict[str, Any]) -> tuple[str, ...] | None:
    """The keys that lead to a row's list of ratings; None if it has none."""
    for name, value in row.items():
        if type(value) is list and _is_ratings(value):
            return (name,)
        if type(value) is dict and (inner := _place_of_ratings(value)) is not None:
            return (name, *inner)
    return None


def _without(row: dict[str, Any], place: tuple[str, ...]) -> tuple[dict[str, Any], list[Any]]:
    """The row without its list of ratings, and the list, in which the rule is called so."""
    name, *inner = place
    if inner:
        rest, ratings = _without(row[name], tuple(inner))
        return {**row, name: rest}, ratings
    ratings = row[name]
    if role_of(ratings[0], "rule") is None:
        ratings = [{("rule" if k == "name" else k): v for k, v in item.items()} for item in ratings]
    return {key: value for key, value in row.items() if key != name}, ratings


def _is_ratings(value: list[Any]) -> bool:
    """Whether a list is of ratings, each an object with a rule and a score."""
    first = value[0] if value else None
    if not isinstance(first, dict) or not all(isinstance(item, dict) for item in value):
        return False
    has_rule = "name" in first or role_of(first, "rule") is not None
    return has_rule and role_of(first, "score") is not None


def _first_line(file: Opened) -> dict[str, Any] | None:
    """The first object, if the file has one in a line and more lines, or is called JSON Lines."""
    with file.path.open("rb") as lines:
        given = (line for line in lines if line.strip() and line.strip() != b"\xef\xbb\xbf")
        try:
            value = json_value(next(given, b""), finite=False)
        except ValueError:
            return None
        several = next(given, None) is not None or file.ending in (".jsonl", ".ndjson")
    return value if isinstance(value, dict) and several else None


def _lines(file: Opened) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        yield from enumerate(json_rows(file.path), 1)
    except RatingsError as error:
        raise RatingsError(error.message, source=file.name, row=error.row) from error


def _whole(file: Opened) -> Any:
    if file.path.stat().st_size > _MAX_BYTES:
        raise RatingsError(
            f"more than {_MAX_BYTES >> 30} GB of one JSON value; write JSON Lines.",
            source=file.name,
        )
    try:
        return json_value(file.path.read_bytes(), finite=False)
    except ValueError as error:
        if file.ending in (".jsonl", ".ndjson"):
            next(_lines(file), None)  # which names the line
        said = getattr(error, "msg", None) or str(error)
        raise RatingsError(f"not JSON: {said}.", source=file.name) from error
