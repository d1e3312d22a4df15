"""Tables in files: the ending says the format, and what is written is read back."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encore import InputError, LevelScale, RatingsError, Rulebook
from encore.raters import Texts
from encore.ratings import as_pairs, as_ratings
from encore.ratings.files import read_batches, write_ratings
from encore.ratings.write import csv_text, open_table, plain, table_format

TABLE = pa.table({"id": ["=1", None], "n": [0.1, None], "list": [[1.5, None], None]})
# What a spreadsheet runs, what looks like what is written for it, and numbers, which stay.
HOSTILE = ["=1+1", "+a", "-a", "@x", "\tx", "\rx", "'=1+1", "''-a", "'tis", "-5", "-5e3", "-", "a"]


def write(path: Path, *tables: pa.Table) -> bytes:
    with open_table(path) as put:
        for table in tables:
            put(table)
    return path.read_bytes()


def test_the_ending_says_the_format(tmp_path: Path) -> None:
    assert write(tmp_path / "a.csv", TABLE) == b'id,n,list\n\'=1,0.1,"[1.5, null]"\n,,\n'
    rows = write(tmp_path / "a.jsonl", TABLE, TABLE.slice(1)).decode().splitlines()
    assert list(map(json.loads, rows)) == [
        {"id": "=1", "n": 0.1, "list": [1.5, None]},
        *[{"id": None, "n": None, "list": None}] * 2,
    ]
    write(tmp_path / "a.PARQUET", TABLE, TABLE)
    assert pq.read_table(tmp_path / "a.PARQUET") == pa.concat_tables([TABLE, TABLE])


@pytest.mark.parametrize("name", ["rewards", "rewards.txt", "rewards.xlsx", ".csv"])
def test_an_unknown_ending_is_refused_and_nothing_written(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected one of \.parquet, \.csv, \.jsonl"):
        write(tmp_path / name, TABLE)
    assert not list(tmp_path.iterdir())


def test_a_stream_has_no_ending_and_holds_what_is_said_or_json_lines(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for stream in ("-", "/dev/null", tmp_path / "fifo"):
        assert table_format(stream) == "jsonl" and table_format(stream, "parquet") == "parquet"
    with subprocess.Popen(["cat", tmp_path / "fifo"], stdout=subprocess.PIPE) as reader:
        with open_table(tmp_path / "fifo", format="csv") as put:
            put(TABLE.select(["id"]))
        assert reader.stdout is not None and reader.stdout.read() == b'id\n\'=1\n""\n'
    assert stat.S_ISFIFO(os.stat(tmp_path / "fifo").st_mode)


def test_what_is_said_must_not_contradict_the_ending() -> None:
    assert table_format("a.csv", "csv") == "csv"
    with pytest.raises(InputError, match="the ending means csv, not jsonl"):
        table_format("a.csv", "jsonl")
    with pytest.raises(InputError, match="unknown table format 'xml'"):
        table_format("-", "xml")


def test_a_later_table_takes_the_types_of_the_first(tmp_path: Path) -> None:
    none = pa.table({"id": pa.array([None], pa.null()), "n": [2], "list": pa.array([None])})
    write(tmp_path / "a.parquet", TABLE, none)
    assert pq.read_table(tmp_path / "a.parquet")["n"].to_pylist() == [0.1, None, 2.0]


# --- spreadsheets ---------------------------------------------------------------------------


def test_no_cell_and_no_header_of_a_csv_runs_in_a_spreadsheet() -> None:
    text = csv_text(["=1+1"], [[cell] for cell in HOSTILE])
    (header,), *rows = csv.reader(io.StringIO(text, newline=""))
    cells = [header, *(row[0] for row in rows)]
    numbers = ["-5", "-5e3"]
    assert [c for c in cells if c[0] in "=+-@\t\r" and c not in numbers] == []
    assert [plain(cell) for cell in cells[1:]] == HOSTILE


@given(cell=st.text("=+-@\t\r'a1 ", max_size=6))
def test_what_a_cell_stands_for_is_read_back_whatever_it_is(cell: str) -> None:
    text = csv_text(["x", "y"], [[cell, ""]])
    assert [[plain(c) for c in row] for row in csv.reader(io.StringIO(text, newline=""))] == [
        ["x", "y"],
        [cell, ""],
    ]


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_ids_of_rules_and_responses_come_back_from_every_format(
    ending: str, tmp_path: Path
) -> None:
    rules = Rulebook.from_ids(["=rule", "-b", "'@c"], LevelScale((0, 1)))
    ids = [cell for cell in HOSTILE if cell.strip() == cell]
    columns = {name: pa.array([0.0, 1.0, None] * len(ids)).slice(0, len(ids)) for name in rules.ids}
    table = pa.table({"prompt_id": ids[::-1], "response_id": ids, **columns})
    path = tmp_path / f"ratings.{ending}"
    write_ratings(path, table, rules, {})
    found = as_ratings(path, rules)
    assert found.responses is not None and list(found.responses.names) == ids
    again = as_ratings(table, rules)
    assert found.values.tobytes() == again.values.tobytes()


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_subsets_of_pairs_come_back_from_every_format(ending: str, tmp_path: Path) -> None:
    rules = Rulebook.from_ids(["a"], LevelScale((0, 1)))
    columns = {
        "id": ["@1", "-x"],
        "subset": ["=s", "\tt"],
        "chosen.a": [1, 1],
        "rejected.a": [0, 1],
    }
    write(tmp_path / f"pairs.{ending}", pa.table(columns))
    pairs = as_pairs(tmp_path / f"pairs.{ending}", rules)
    assert (list(pairs.ids), list(pairs.subsets.names)) == (["@1", "-x"], ["=s", "\tt"])


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_texts_to_rate_come_back_from_every_format(ending: str, tmp_path: Path) -> None:
    texts = pa.table({"response_id": HOSTILE, "prompt": HOSTILE, "response": HOSTILE})
    write(tmp_path / f"texts.{ending}", texts)
    items = list(Texts(tmp_path / f"texts.{ending}").items())
    assert [item.response for item in items] == HOSTILE
    assert [item.messages[0][1] for item in items] == HOSTILE


def test_a_cell_that_is_no_number_is_still_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n'=1\n")
    with pytest.raises(RatingsError, match='"\'=1" is not a number'):
        list(read_batches(tmp_path / "a.csv", Rulebook.from_ids(["a"], LevelScale((0, 1)))))
