"""Files that are tables already: Parquet, Feather, and text with one delimiter or another."""

from __future__ import annotations

import contextlib
import csv
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.feather

from encore.errors import RatingsError
from encore.ratings.arrow import refuse_twins
from encore.ratings.importing.coded import Coded, Found
from encore.ratings.importing.documents import found_in_rows
from encore.ratings.importing.sources import Opened
from encore.ratings.readers import BROKEN, open_parquet, unreadable
from encore.ratings.write import FORMULA, plain

_DELIMITERS = (",", ";", "\t", "|")
_BLOCK_BYTES = 32 << 20
_CODED_TEXT = pa.dictionary(pa.int32(), pa.string())


def read_arrow_file(file: Opened) -> Found:
    """A Parquet or Feather file.

    Raises
    ------
    RatingsError
        If it is damaged, or two columns share a name.
    """
    try:
        if file.kind == "parquet":
            with open_parquet(file.path) as whole:
                table = whole.read()
        else:
            table = pyarrow.feather.read_table(file.path, memory_map=False)
        table.validate(full=True)
        return found_in_table(table, file.name)
    except RatingsError as error:
        raise RatingsError(error.message, source=file.name) from error
    except BROKEN as error:
        raise unreadable(file.name, error) from error


def found_in_table(table: pa.Table, source: str) -> Found:
    """An Arrow table; one with nested columns is taken row by row."""
    refuse_twins(table.column_names, source)
    if any(pa.types.is_nested(_plain_type(field.type)) for field in table.schema):
        return found_in_rows(enumerate(table.to_pylist(), 1), source)
    columns = {name: Coded.of(_simple(table[name])) for name in table.column_names}
    return Found.of_one(source, columns)


def _plain_type(kind: Any) -> Any:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _simple(column: Any) -> Any:
    """A column of a type that can be taken apart."""
    kind = _plain_type(column.type)
    if pa.types.is_string_view(kind) or pa.types.is_decimal(kind):
        return column.cast(pa.string() if pa.types.is_string_view(kind) else pa.float64())
    return column


def read_delimited(file: Opened, *, delimiter: str | None, decimal: str | None) -> Found:
    """A text with delimiters between its cells and names in its first line.

    Raises
    ------
    RatingsError
        If a row has too few or too many cells, or two columns share a name.
    """
    said = delimiter or _delimiter(file)
    with file.path.open(encoding="utf-8-sig", newline="") as text:
        try:
            written = next(csv.reader(text, delimiter=said), [])
        except csv.Error as error:
            raise unreadable(file.name, error) from error
    names = [plain(name).strip() for name in written]
    names = [name or f"column {place}" for place, name in enumerate(names, 1)]
    if not names:
        raise RatingsError("no rows; expected at least one response.", source=file.name)
    refuse_twins(names, file.name)
    parse = pyarrow.csv.ParseOptions(
        delimiter=said, newlines_in_values=True, ignore_empty_lines=len(names) != 1
    )
    convert = pyarrow.csv.ConvertOptions(
        column_types=dict.fromkeys(names, _CODED_TEXT), strings_can_be_null=False
    )
    read = pyarrow.csv.ReadOptions(
        column_names=names, skip_rows_after_names=1, block_size=_BLOCK_BYTES
    )
    try:
        table = pyarrow.csv.read_csv(file.path, read, parse, convert)
    except BROKEN as error:
        raise _ragged(file, said) or unreadable(file.name, error) from error
    table = table.unify_dictionaries()
    columns = {name: _cells(table[name]) for name in names}
    mark = decimal or ("," if said != "," and _has_commas(columns) else ".")
    return Found.of_one(file.name, columns, decimal=mark)


def _cells(column: Any) -> Coded:
    """Cells without the apostrophe that guards a formula; blank ones are empty."""
    coded = Coded.of(column)
    values = pc.replace_substring_regex(coded.values, f"^'({FORMULA})", r"\1")
    blank = pc.equal(pc.utf8_trim_whitespace(values), "").to_numpy(zero_copy_only=False)
    codes = coded.codes.copy()
    codes[np.append(blank, True)[codes]] = -1
    return Coded(codes, values)


_COMMA = re.compile(r"\s*[+-]?\d+,\d+\s*%?\s*")
_POINT = re.compile(r"\s*[+-]?\d+\.\d+\s*%?\s*")


def _has_commas(columns: dict[str, Coded]) -> bool:
    """Whether numbers are written with decimal commas: some are, and none with a point."""
    commas = points = False
    for coded in columns.values():
        for text in coded.objects()[:1000]:
            commas = commas or bool(_COMMA.fullmatch(text))
            points = points or bool(_POINT.fullmatch(text))
    return commas and not points


def _delimiter(file: Opened) -> str:
    """What cuts the first rows into the same number of cells, and into the most."""
    if file.ending == ".tsv":
        return "\t"
    with file.path.open(encoding="utf-8-sig", newline="") as text:
        lines = [line for _, line in zip(range(200), text, strict=False)]
    best, most = ",", 1
    for mark in _DELIMITERS:
        with contextlib.suppress(csv.Error):
            rows = [row for row in csv.reader(lines, delimiter=mark) if row][:20]
            width = len(rows[0]) if rows else 0
            even = sum(len(row) == width for row in rows[:-1] or rows)
            if width > most and even * 2 > len(rows[:-1] or rows):
                best, most = mark, width
    return best


def _ragged(file: Opened, delimiter: str) -> RatingsError | None:
    """The first row with too few or too many cells."""
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    with (
        contextlib.suppress(csv.Error),
        Path(file.path).open(encoding="utf-8-sig", errors="replace", newline="") as text,
    ):
        rows = csv.reader(text, delimiter=delimiter)
        n_columns = len(next(rows, []))
        for number, row in enumerate((r for r in rows if r or n_columns == 1), start=1):
            if len(row or [""]) != n_columns:
                return RatingsError(
                    f"{len(row)} cells; expected {n_columns}, as in the header. Quote text that "
                    f"holds {delimiter!r} or line breaks, or say --delimiter.",
                    source=file.name,
                    row=number,
                )
    return None
