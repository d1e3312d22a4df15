"""Workbooks: which sheet, what its cells are, and what is refused before it takes memory."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import encore
from encore.cli.main import main
from encore.errors import MissingExtraError, UnknownNameError
from encore.ratings.importing import UnsureError, import_ratings
from tests.hostile import Bounds
from tests.ratings.importing.workbooks import Day, sheet_of, write_workbook

pytest.importorskip("python_calamine", reason="needs the extra 'import'")
ROWS: list[list[Any]] = [
    ["prompt", "response", "tone", "polite", "seen"],
    ["p", "a", 1, True, Day(45000)],
    [None, None, None, None, None],
    ["p", "b", 5.0, False, Day(45000.5)],
    ["q", 7.0, 3, None, None],
    [None, "  ", None, None, None],
]


def test_cells_are_what_they_are(tmp_path: Path) -> None:
    done = import_ratings(write_workbook(tmp_path / "judge.xlsx", {"Sheet 1": ROWS}))
    assert done.table["tone"].to_pylist() == [1, 5, 3]
    assert done.table["polite"].to_pylist() == [1, 0, None]
    assert done.table["response"].to_pylist() == ["a", "b", "7"]
    # Day 45000 of the calendar that begins on 1899-12-30 is 2023-03-15.
    assert done.table["seen"].to_pylist() == ["2023-03-15", "2023-03-15T12:00:00", None]
    assert done.understood.n_found == 3


def test_an_error_names_the_row_below_the_header_with_empty_ones_counted(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "judge.xlsx", {"Sheet 1": ROWS})
    with pytest.raises(encore.RatingsError, match=r"judge.xlsx, row 3, column 'tone'.*'5'"):
        import_ratings(path, scale={"tone": "1-4"})


def test_several_sheets_are_refused_and_empty_ones_do_not_count(tmp_path: Path) -> None:
    other = [ROWS[0], ["p", "c", 1, True, None], ["p", "d", 4, False, None], ["q", "e", 5, 1, None]]
    path = write_workbook(tmp_path / "judge.xlsx", {"one": ROWS, "the rest": other, "Sheet3": []})
    with pytest.raises(UnsureError, match=r"--sheet=one or '--sheet=the rest'"):
        import_ratings(path)
    out = tmp_path / "out.parquet"
    done = import_ratings(path, out, ask=lambda question: list(question.answers)[1])
    assert done.table["response"].to_pylist() == ["c", "d", "e"]
    assert done.table.equals(import_ratings(path, sheet="the rest").table)
    again = CliRunner().invoke(main, shlex.split(done.command)[1:])
    assert again.exit_code == 0, again.output
    assert pq.read_table(out).equals(done.table)
    with pytest.raises(UnknownNameError, match=r"no sheet is called 'Sheet 1'"):
        import_ratings(path, sheet="Sheet 1")
    only = write_workbook(tmp_path / "only.xlsx", {"one": ROWS, "Sheet2": []})
    assert import_ratings(only).table["tone"].to_pylist() == [1, 5, 3]


def test_twins_and_a_header_alone_are_refused(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "judge.xlsx", {"a": [["tone", "tone"], [1, 2]]})
    with pytest.raises(encore.RatingsError, match="tone"):
        import_ratings(path)
    for rows in ([], ROWS[:1], [*ROWS[:1], [None, "  "]]):
        path = write_workbook(tmp_path / "judge.xlsx", {"a": rows})
        with pytest.raises(encore.RatingsError, match="no rows"):
            import_ratings(path)


def test_without_the_library_the_line_that_installs_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    path = write_workbook(tmp_path / "judge.xlsx", {"a": ROWS})
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[import\]'"):
        import_ratings(path)


def test_a_damaged_an_old_and_another_archive_are_refused(tmp_path: Path) -> None:
    whole = write_workbook(tmp_path / "judge.xlsx", {"a": ROWS}).read_bytes()
    path = tmp_path / "broken.xlsx"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(encore.RatingsError, match=r"broken.xlsx: cannot be read as a workbook"):
        import_ratings(path)
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    with pytest.raises(encore.RatingsError, match="an old workbook, or one with a password"):
        import_ratings(path)
    write_workbook(path, {"a": "<worksheet><sheetData><row>"})
    with pytest.raises(encore.RatingsError, match=r"broken.xlsx"):
        import_ratings(path)


def far(place: str) -> str:
    """A sheet with a cell far from the first."""
    near = '<row r="1"><c r="A1"><v>1</v></c></row>'
    cell = f'<row><c r="{place}"><v>1</v></c></row>'
    return sheet_of([]).replace("<sheetData>", f"<sheetData>{near}{cell}")


MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
SHARED = '<row><c t="s"><v>0</v></c></row>'
BOMBS: dict[str, tuple[dict[str, Any], dict[str, str], str]] = {
    "a cell at the far corner": ({"a": far("XFD1048576")}, {}, "cells up to column 16384"),
    "a row that is far": ({"a": far("ZZ999999").replace("<row>", '<row r="9">')}, {}, "cells up"),
    "much of nothing": ({"a": ROWS}, {"more": " " * (300 << 20)}, "more than 256 MiB"),
    "one long text in many cells": (
        {
            "a": sheet_of([]).replace(
                "<sheetData>", "<sheetData>" + '<row><c t="s"><v>0</v></c></row>' * 20_000
            )
        },
        {"sharedStrings": f"<sst {MAIN}><si><t>{'a' * (1 << 20)}</t></si></sst>"},
        "more than 1 GiB of text",
    ),
}


@pytest.mark.parametrize(("sheets", "more", "said"), BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb_is_refused_and_takes_no_memory(
    sheets: dict[str, Any], more: dict[str, str], said: str, tmp_path: Path
) -> None:
    path = write_workbook(tmp_path / "bomb.xlsx", sheets, **more)
    with Bounds(), pytest.raises(encore.RatingsError, match=said):
        import_ratings(path)
