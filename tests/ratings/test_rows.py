"""Rows that a reader could drop, and repeats that are none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from encore import RatingsTable, Rulebook, Weights, score
from encore.errors import RatingsError
from encore.ratings import as_ratings
from encore.rules import LevelScale

Text = Callable[[str, str | bytes], Path]
NAN = float("nan")


# --- blank lines, and repeats that are none -------------------------------------------------


@pytest.mark.parametrize(
    ("body", "values"),
    [
        ("1\n\n3\n", [1, NAN, 3]),
        ("\n1\n", [NAN, 1]),
        ("1\n\n", [1, NAN]),
        ("1\r\n\r\n3\r\n", [1, NAN, 3]),
        ('1\n""\n3', [1, NAN, 3]),
    ],
)
def test_a_blank_line_of_a_single_column_is_an_unrated_row(
    body: str, values: list[float], text: Text
) -> None:
    rules = Rulebook.from_ids(["harm"], LevelScale((1, 2, 3)))
    path = text("r.csv", f"harm\n{body}")
    np.testing.assert_array_equal(as_ratings(path, rules).values[:, 0], values)
    # 1 is the worst level, 3 the best.
    rewards = score(path, Weights(rules, np.ones(1))).column("reward").to_pylist()
    assert rewards == [None if value != value else (value - 1) / 2 for value in values]


def test_the_row_of_a_single_column_counts_blank_lines(text: Text) -> None:
    rules = Rulebook.from_ids(["harm"], LevelScale((1, 2, 3)))
    for body, said in [("1\n\n3,4\n", "2 cells; expected 1"), ("1\n\nx\n", "'x' is not a number")]:
        with pytest.raises(RatingsError, match=said) as caught:
            as_ratings(text("r.csv", f"harm\n{body}"), rules)
        assert caught.value.row == 3


def test_a_blank_line_among_several_columns_is_nothing(text: Text) -> None:
    rules = Rulebook.from_ids(["harm"], LevelScale((1, 2, 3)))
    table = as_ratings(text("r.csv", "prompt_id,harm\np,1\n\nq,3\n"), rules)
    assert table.values[:, 0].tolist() == [1, 3]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        *[(str(2**63), "is too large"), (str(2**53), "is too large"), ("1e300", "is too large")],
        *[("-1", "not a whole number of 0 or more"), ("0.5", "not a whole number of 0 or more")],
        *[("1e400", "not a whole number of 0 or more"), ("true", "is not a number")],
    ],
)
@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_repeat_is_a_small_whole_number(ending: str, value: str, said: str, text: Text) -> None:
    rules = Rulebook.from_ids(["harm"], LevelScale((1, 2, 3)))
    bodies = {
        "csv": f"response_id,repeat,harm\nx,0,1\nx,{value},2\n",
        "jsonl": '{"response_id": "x", "repeat": 0, "harm": 1}\n'
        f'{{"response_id": "x", "repeat": {value}, "harm": 2}}\n',
    }
    with pytest.raises(RatingsError, match=said) as caught:
        as_ratings(text(f"r.{ending}", bodies[ending]), rules)
    assert (caught.value.row, caught.value.column) == (2, "repeat")


@pytest.mark.parametrize(
    "repeats",
    [pa.array([0, 2**63], pa.uint64()), pa.array([2**53, 2**53 + 1]), pa.array([False, True])],
)
def test_a_repeat_of_arrow_is_a_small_whole_number(repeats: pa.Array) -> None:
    rules = Rulebook.from_ids(["harm"], LevelScale((1, 2, 3)))
    table = pa.table({"response_id": ["x", "x"], "repeat": repeats, "harm": [1, 2]})
    with pytest.raises(RatingsError, match=r"is too large|is of type bool") as caught:
        as_ratings(table, rules)
    assert caught.value.column == "repeat"


@pytest.mark.parametrize("repeats", [[0, 2**63], [0, 2**53], [0, 1e300], [False, True], ["0", "1"]])
def test_a_repeat_in_memory_is_a_small_whole_number(repeats: list[Any]) -> None:
    with pytest.raises(RatingsError, match=r"is too large|true or false|are of type"):
        RatingsTable(["harm"], [[1], [2]], responses=["x", "x"], repeats=repeats, scale=[1, 2, 3])
