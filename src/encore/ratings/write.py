"""Writing tables: the ending decides the format, and no cell of a CSV runs in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from encore.errors import InputError
from encore.files import StrPath, atomic_write, is_stream, without_nan

if TYPE_CHECKING:
    import pyarrow as pa

_ENDINGS = {".parquet": "parquet", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
FORMATS = tuple(dict.fromkeys(_ENDINGS.values()))
"""What a table can be written as."""
# What a spreadsheet takes for a formula, with or without apostrophes before it.
FORMULA = r"'*[=+\-@\t\r]"
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")

_Write = Callable[["pa.Table"], None]


def table_format(out: StrPath, said: str | None = None) -> str:
    """A table's format by the file's ending; a stream has none, and gets *said* or JSON Lines.

    Raises
    ------
    InputError
        If the ending is unknown, or *said* contradicts it.

    Examples
    --------
    >>> table_format("rewards.csv"), table_format("-"), table_format("-", "parquet")
    ('csv', 'jsonl', 'parquet')
    """
    if said is not None and said not in FORMATS:
        raise InputError(f"unknown table format {said!r}. Known: {', '.join(FORMATS)}.")
    ending = _ENDINGS.get(Path(out).suffix.lower())
    if ending is None and is_stream(out):
        return said or "jsonl"
    if ending is None:
        raise InputError(f"{out}: unknown ending; expected one of {', '.join(_ENDINGS)}.")
    if said not in (None, ending):
        raise InputError(f"{out}: the ending means {ending}, not {said}; change one of them.")
    return ending


@contextmanager
def open_table(
    out: StrPath, *, format: str | None = None, metadata: Mapping[str, str] | None = None
) -> Iterator[_Write]:
    """Give a function that writes Arrow tables of the same columns to *out*, one after another.

    The file appears when the block ends without an error; see :func:`encore.files.atomic_write`.

    Parameters
    ----------
    out : path-like
        A ``.parquet``, ``.csv`` or ``.jsonl`` file; or a stream, see :func:`table_format`.
    format : {"parquet", "csv", "jsonl"}, optional
        The format of a stream.
    metadata : mapping of str to str, optional
        What a Parquet file states about the table; other formats cannot.

    Raises
    ------
    InputError
        If the ending is unknown; before anything is written.
    """
    writer = _WRITERS[table_format(out, format)]
    with atomic_write(out) as temporary, writer(temporary, metadata or {}) as write:
        yield write


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    r"""Rows as CSV that is safe to open in a spreadsheet; undefined values are empty.

    Examples
    --------
    >>> csv_text(["=1+1", "n"], [["-a", -1.5], ["-2", float("nan")]])
    "'=1+1,n\n'-a,-1.5\n-2,\n"
    """
    out = io.StringIO()
    _csv_rows(out)([columns, *rows])
    return out.getvalue()


def plain(cell: str) -> str:
    """The text of a CSV cell, without the apostrophe that guards a formula.

    Examples
    --------
    >>> plain("'=1+1"), plain("'tis"), plain("''-a")
    ('=1+1', "'tis", "'-a")
    """
    return cell[1:] if re.match(f"'{FORMULA}", cell) else cell


def _cell(value: Any) -> Any:
    """A value as a cell of a CSV, which :func:`plain` turns back."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, list | dict):
        return json.dumps(without_nan(value), ensure_ascii=False)
    if not isinstance(value, str) or _NUMBER.fullmatch(value):
        return value
    return f"'{value}" if re.match(FORMULA, value) else value


def _csv_rows(file: TextIO) -> Callable[[Iterable[Iterable[Any]]], None]:
    class Lines:
        """It quotes cells that hold a character of its line terminator; this then shortens that."""

        def write(self, row: str) -> None:
            file.write(f"{row[:-2]}\n")

    writer = csv.writer(Lines(), lineterminator="\r\n")
    return lambda rows: writer.writerows(map(_cell, row) for row in rows)


@contextmanager
def _parquet(path: Path, metadata: Mapping[str, str]) -> Iterator[_Write]:
    import pyarrow.parquet as pq

    from encore.ratings.readers import DIGEST, NO_DIGEST, seal_parquet

    writer: pq.ParquetWriter | None = None

    def write(table: pa.Table) -> None:
        nonlocal writer
        if writer is None:
            said = {**(table.schema.metadata or {}), **metadata}
            writer = pq.ParquetWriter(
                path, table.schema.with_metadata(said), write_page_checksum=True
            )
            writer.add_key_value_metadata({DIGEST: NO_DIGEST})
        writer.write_table(table.cast(writer.schema))

    try:
        yield write
    finally:
        if writer is not None:
            writer.close()
    if writer is not None:
        seal_parquet(path)


@contextmanager
def _csv(path: Path, metadata: Mapping[str, str]) -> Iterator[_Write]:
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = _csv_rows(file)

        def write(table: pa.Table) -> None:
            if not file.tell():
                rows([table.column_names])
            rows(zip(*(column.to_pylist() for column in table.columns), strict=True))

        yield write


@contextmanager
def _jsonl(path: Path, metadata: Mapping[str, str]) -> Iterator[_Write]:
    with path.open("w", encoding="utf-8", newline="") as file:

        def write(table: pa.Table) -> None:
            for row in table.to_pylist():
                file.write(f"{json.dumps(without_nan(row), ensure_ascii=False)}\n")

        yield write


_WRITERS: dict[str, Callable[[Path, Mapping[str, str]], AbstractContextManager[_Write]]] = {
    "parquet": _parquet,
    "csv": _csv,
    "jsonl": _jsonl,
}
