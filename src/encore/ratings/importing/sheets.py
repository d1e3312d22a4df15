"""Sheets of ``.xlsx`` workbooks, whose size is looked at before they are unpacked."""

from __future__ import annotations

import datetime
import itertools
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

from encore.errors import EncoreError, RatingsError, UnknownNameError
from encore.extras import require
from encore.ratings.arrow import refuse_twins
from encore.ratings.importing.choices import Question, UnsureError
from encore.ratings.importing.coded import Found
from encore.ratings.importing.documents import found_in_rows
from encore.ratings.importing.sources import Opened

_MOST_BYTES = 1 << 28  # of all parts, unpacked
_MOST_CELLS = 20_000_000  # of the rectangle around a sheet's cells, each of which takes memory
_MOST_TEXT = 1 << 30  # of all cells together, which may share one long text
_BLOCK = 1 << 20
_PLACE = re.compile(rb"\br\s*=\s*[\"']([A-Z]{0,3})(\d{1,10})[\"']")
_SHARED = re.compile(rb"\bt\s*=\s*[\"']s[\"'][^<]*<(?:[^/][^<]*<)*?(?:\w+:)?v[^>]*>\s*(\d{1,9})")
_TEXT = re.compile(rb"<(?:\w+:)?si\b")
_BROKEN = (
    *(ValueError, OSError, EOFError, RuntimeError, struct.error, zlib.error),
    *(zipfile.BadZipFile, KeyError, OverflowError, MemoryError, NotImplementedError),
)


def is_workbook(file: Opened) -> bool:
    """Whether a ZIP archive is a workbook, by what it holds."""
    try:
        with zipfile.ZipFile(file.path) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except _BROKEN:
        return file.ending in (".xlsx", ".xlsm")


def read_sheet(file: Opened, sheet: str | None) -> Found:
    """The rows of one sheet, under the names in its first row.

    Raises
    ------
    UnsureError
        If several sheets hold something and none is said.
    UnknownNameError
        If there is no such sheet.
    RatingsError
        If the workbook is damaged or unpacks to too much, or two columns share a name.
    MissingExtraError
        If the library that reads workbooks is not installed.
    """
    calamine = require("python_calamine", extra="import", feature="Reading a workbook")
    _check_size(file)
    try:
        with calamine.CalamineWorkbook.from_path(str(file.path)) as book:
            sheets = [s for s in book.sheets_metadata if s.typ == calamine.SheetTypeEnum.WorkSheet]
            rows = _cells(book, [s.name for s in sheets], file, sheet)
    except EncoreError:
        raise
    except (calamine.CalamineError, *_BROKEN) as error:
        raise _broken(file, error) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # Rust's, which is no Exception
            raise
        raise _broken(file, error) from error
    return _found(file, rows)


def _cells(book: Any, names: list[str], file: Opened, sheet: str | None) -> list[list[Any]]:
    if sheet is not None and sheet not in names:
        raise UnknownNameError("sheet", sheet, names)
    wanted = names if sheet is None else [sheet]
    filled = {}
    for name in wanted:
        if rows := book.get_sheet_by_name(name).to_python():
            filled[name] = rows
    if len(filled) > 1:
        answers = {name: f"--sheet={name}" for name in filled}
        question = Question("sheet", (), f"{len(filled)} sheets hold something.", answers)
        raise UnsureError((question,), file.name)
    if not filled:
        raise RatingsError("no rows; expected at least one response.", source=file.name)
    return next(iter(filled.values()))


def _found(file: Opened, rows: list[list[Any]]) -> Found:
    names = ["" if (value := _plain(cell)) is None else str(value).strip() for cell in rows[0]]
    names = [name or f"column {place}" for place, name in enumerate(names, 1)]
    refuse_twins(names, file.name)

    def filled() -> Iterator[tuple[int, dict[str, Any]]]:
        for number, row in enumerate(rows[1:], 1):
            cells = [_plain(cell) for cell in row]
            if any(cell is not None for cell in cells):
                yield number, dict(zip(names, cells, strict=False))

    return found_in_rows(filled(), file.name)


def _plain(cell: Any) -> Any:
    """A cell as JSON would have it: whole numbers as such, dates as text, empty ones as None."""
    if isinstance(cell, str):
        return cell if cell.strip() else None
    if isinstance(cell, float) and cell.is_integer():
        return int(cell)
    if isinstance(cell, datetime.datetime) and cell.time() == datetime.time():
        return cell.date().isoformat()
    if isinstance(cell, datetime.date | datetime.time):
        return cell.isoformat()
    return str(cell) if isinstance(cell, datetime.timedelta) else cell


def _broken(file: Opened, error: BaseException) -> RatingsError:
    return RatingsError(
        f"cannot be read as a workbook: {error}. Save it anew as .xlsx, without a password, or its "
        f"sheet as CSV.",
        source=file.name,
    )


def _check_size(file: Opened) -> None:
    """Refuse what would take far more memory than it has bytes.

    Raises
    ------
    RatingsError
        If it does, or is damaged.
    """
    try:
        with zipfile.ZipFile(file.path) as archive:
            left = _MOST_BYTES
            lengths: list[int] = []
            sheets = []
            for entry in archive.infolist():
                left -= (n_bytes := _unpacked(archive, entry, left))
                lower = entry.filename.lower()
                if left < 0:
                    raise _too_large(file, f"unpacks to more than {_MOST_BYTES >> 20} MiB")
                if "sharedstrings" in lower and n_bytes:
                    lengths += _lengths(archive.read(entry))
                elif lower.endswith(".xml") and "sheet" in lower:
                    sheets.append(entry)
            for entry in sheets:
                _check_sheet(file, archive.read(entry), lengths)
    except _BROKEN as error:
        raise _broken(file, error) from error


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int) -> int:
    """How many bytes a part has, whatever the archive says; no more than *most* are unpacked."""
    n_bytes = 0
    with archive.open(entry) as packed:
        while n_bytes <= most and (block := packed.read(_BLOCK)):
            n_bytes += len(block)
    return n_bytes


def _lengths(texts: bytes) -> list[int]:
    """At most how many bytes each of the texts has that cells share."""
    starts = [match.start() for match in _TEXT.finditer(texts)]
    return [end - start for start, end in itertools.pairwise([*starts, len(texts)])]


def _check_sheet(file: Opened, sheet: bytes, lengths: list[int]) -> None:
    columns, numbers = [1], [1]
    for letters, number in _PLACE.findall(sheet):
        place = 0
        for letter in letters:
            place = 26 * place + letter - 64
        columns.append(place)
        numbers.append(int(number))
    # A cell that says no place stands after the one before it.
    n_cells = max(columns) * max(numbers)
    if n_cells > _MOST_CELLS:
        raise _too_large(file, f"has cells up to column {max(columns)} of row {max(numbers)}")
    shared = (int(number) for number in _SHARED.findall(sheet))
    if sum(lengths[at] for at in shared if at < len(lengths)) > _MOST_TEXT:
        raise _too_large(file, f"holds more than {_MOST_TEXT >> 30} GiB of text")


def _too_large(file: Opened, what: str) -> RatingsError:
    return RatingsError(f"{what}. Save the sheet as CSV and import that.", source=file.name)
