"""Ids of texts are those that the ratings' readers read."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from encore import LevelScale, RatingsError, Rulebook
from encore.raters import Recorded, Texts, rate
from encore.ratings import as_pairs

Peer = Callable[[str], ModuleType]
RULES = Rulebook.from_ids(["kind"], LevelScale((1, 2, 3, 4, 5)))
GUESSABLE = ["001", "true", "1e3", " 7 ", "1_000", "nan", "NA", "null", "2020-01-01", "7.0", "inf"]


def pairs_of(ids: Any, **more: Any) -> dict[str, Any]:
    texts = [f"text {k}" for k in range(len(ids))]
    return {"id": ids, **more, "prompt": texts, "chosen": texts, "rejected": texts}


def as_csv(path: Path, columns: dict[str, list[str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([list(columns), *zip(*columns.values(), strict=True)])
    return path


@pytest.mark.parametrize(
    ("column", "ids"),
    [
        (pa.array([7, 8]), ["7", "8"]),
        (pa.array([7.0, 8.0]), ["7", "8"]),
        (pa.array([True, False]), ["true", "false"]),
        (pa.array(["7", "007"]), ["7", "007"]),
        (pa.array([b"7", b"8"]), ["7", "8"]),
        (pa.array([18_263, 18_264], pa.date32()), ["2020-01-02", "2020-01-03"]),
        (pa.array([7.0, None]), ["7", "2"]),  # one without an id goes by its row
    ],
)
def test_ids_of_texts_are_read_as_those_of_ratings(
    column: Any, ids: list[str], tmp_path: Path
) -> None:
    table = pa.table({**pairs_of(column), "subset": column})
    pq.write_table(table, tmp_path / "t.parquet")
    rows = list(Texts(tmp_path / "t.parquet"))
    assert [row.ids["id"] for row in rows] == ids
    assert rows[0].ids["subset"] == ids[0]
    if not column.null_count:
        ratings = {"id": column, "chosen.kind": [5, 4], "rejected.kind": [1, 2]}
        assert list(as_pairs(pa.table(ratings), RULES).ids) == ids
        pq.write_table(pa.table(ratings), tmp_path / "r.parquet")
        rated = rate(tmp_path / "t.parquet", RULES, Recorded(tmp_path / "r.parquet"))
        assert rated.table["chosen.kind"].to_pylist() == [5, 4]


def test_what_is_no_id_is_refused_in_its_place(tmp_path: Path) -> None:
    pq.write_table(pa.table(pairs_of(pa.array([7.0, 2.0**53]))), tmp_path / "t.parquet")
    with pytest.raises(RatingsError, match="too large for a float to hold exactly") as caught:
        list(Texts(tmp_path / "t.parquet"))
    assert (caught.value.row, caught.value.column) == (2, "id")


def test_a_folder_of_csv_is_read_as_text(tmp_path: Path, peer: Peer) -> None:
    peer("datasets")
    columns = pairs_of(GUESSABLE, prompt_id=GUESSABLE, subset=GUESSABLE)
    columns["chosen"] = GUESSABLE[::-1]
    folder = tmp_path / "folder"
    folder.mkdir()
    as_csv(folder / "train.csv", columns)
    found = list(Texts(folder))
    assert [row.ids for row in found] == [
        {"id": name, "prompt_id": name, "subset": name} for name in GUESSABLE
    ]
    assert [item.response for item in Texts(folder).items()][::2] == GUESSABLE[::-1]
    assert list(Texts(folder)) == list(Texts(as_csv(tmp_path / "one.csv", columns)))


@pytest.mark.parametrize("ids", [["001", "002"], ["true", "false"], ["1.50", "2"], ["", "NA"]])
def test_a_column_of_one_type_in_a_folder_of_csv_is_text(
    ids: list[str], tmp_path: Path, peer: Peer
) -> None:
    peer("datasets")
    as_csv(tmp_path / "train.csv", pairs_of(ids, prompt_id=ids))
    as_csv(tmp_path / "test.csv", pairs_of(ids[::-1], prompt_id=ids))
    found = [row.ids["id"] for row in Texts(tmp_path, split="train")]
    assert found == [name or "1" for name in ids]  # one without an id goes by its row


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_blank_line_of_a_single_column_is_a_row(end: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(end.join(["response", "Yes", "", "No", ""]).encode())
    assert [row["response"] for row in Texts(path).rows()] == ["Yes", "", "No"]
    path.write_bytes(end.join(["response", "Yes", "", "No, never", ""]).encode())
    with pytest.raises(RatingsError, match="too few or too many cells") as caught:
        list(Texts(path).rows())
    assert caught.value.row == 3
