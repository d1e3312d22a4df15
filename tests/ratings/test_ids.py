from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encore import LevelScale, RatingsTable, Rulebook, calibrate
from encore.errors import RatingsError
from encore.ratings import Ids, as_pairs, as_ratings
from encore.ratings.ids import as_id
from encore.rewards import load_rewards, save_rewards
from tests.ratings.columns import written

Peer = Callable[[str], ModuleType]
NAN = float("nan")
RULES = Rulebook.from_ids(["a"], LevelScale((1, 2, 3, 4, 5)))
# What a reader that guesses types would take for something else.
HOSTILE = [
    *("7", "007", "7.0", "+7", "-7", " 7 ", "1_000", "1e3", "0x10", "9007199254740993", "٧"),
    *("true", "True", "TRUE", "nan", "NaN", "null", "NA", "N/A", "None", "inf", "-", "#N/A"),
    *("2020-01-01", "2020-01-01T00:00:00", "12:30", "[1]", '{"a": 1}', "a,b", 'say "x"', "'=x"),
    *("=1+1", "''-a", "\t", "\r\n", "a\nb", "é", "é", "a/chosen", "\x00", "﻿x", " "),
]
IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
SOME_IDS = st.lists(st.one_of(IDS, st.sampled_from(HOSTILE)), min_size=1, max_size=8, unique=True)


def pairs_of(ids: Any, **more: Any) -> dict[str, Any]:
    return {"id": ids, **more, "chosen.a": [5] * len(ids), "rejected.a": [1] * len(ids)}


# --- one id -----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", HOSTILE)
def test_text_is_an_id_as_it_stands(text: str) -> None:
    assert as_id(text) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *[(7, "7"), (-7, "-7"), (2**64, "18446744073709551616"), (np.uint8(7), "7")],
        *[(True, "true"), (np.False_, "false"), (np.str_("a"), "a"), (b"a", "a")],
        *[(7.0, "7"), (-0.0, "0"), (7.5, "7.5"), (np.float32(0.1), "0.1")],
        (2.0**53 - 1, "9007199254740991"),
        *[(decimal.Decimal("7.00"), "7"), (decimal.Decimal("8.10"), "8.1")],
        *[(datetime.date(2020, 1, 2), "2020-01-02"), ([1, "a"], '[1, "a"]')],
        *[("", None), (None, None), (NAN, None), (b"", None), (np.ma.masked, None)],
        (np.datetime64("NaT").astype(object), None),
    ],
)  # fmt: skip
def test_anything_else_is_an_id_by_one_rule(value: Any, text: str | None) -> None:
    assert as_id(value) == text


@pytest.mark.parametrize(
    "value",
    [
        *(2.0**53, 1e300, float("inf"), np.float32(2**24), np.float16(2**11)),
        *(decimal.Decimal("Infinity"), "\ud800", b"\xff", 1j, object(), datetime.timedelta(1)),
    ],
)
def test_what_may_be_several_ids_is_none(value: Any) -> None:
    with pytest.raises(ValueError, match=r"too large|not a number|surrogates|codec|is of type"):
        as_id(value)


def test_a_number_of_pandas_with_a_gap_is_the_number(peer: Peer) -> None:
    pandas = peer("pandas")
    assert (as_id(pandas.NA), as_id(pandas.NaT)) == (None, None)
    ids = pandas.Series([7, None, 9])  # floats: pandas has no other way to leave one out
    assert [as_id(value) for value in ids] == ["7", None, "9"]


# --- a column of them, in every format ----------------------------------------------------------


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_no_format_reads_hostile_ids_as_anything_else(ending: str, tmp_path: Path) -> None:
    # A CSV's own reader takes one apostrophe off before a formula, as its writer put one on.
    ids = [name for name in HOSTILE if not (ending == "csv" and name.startswith("'"))]
    columns = pairs_of(ids, prompt_id=ids[::-1], subset=ids)
    pairs = as_pairs(written(tmp_path / f"p.{ending}", columns), RULES)
    assert list(pairs.ids) == ids
    assert [pairs.prompts.names[code] for code in pairs.prompts.codes] == ids[::-1]
    assert [pairs.subsets.names[code] for code in pairs.subsets.codes] == ids


@given(SOME_IDS, st.sampled_from(["csv", "jsonl", "parquet"]))
def test_ids_that_are_written_are_read_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, ids: list[str], ending: str
) -> None:
    folder = tmp_path_factory.mktemp("ids")
    pairs = as_pairs(written(folder / "p.parquet", pairs_of(ids)), RULES)
    rewards = np.arange(2.0 * len(ids)).reshape(-1, 2)
    save_rewards(ids[::-1], rewards[::-1], folder / f"r.{ending}")
    np.testing.assert_array_equal(load_rewards(folder / f"r.{ending}", pairs), rewards)


ARROW_IDS = {
    "int64": (pa.array([7, 8]), ["7", "8"]),
    "uint64": (pa.array([2**63, 2**64 - 1], pa.uint64()), [str(2**63), str(2**64 - 1)]),
    "double": (pa.array([7.0, 8.5]), ["7", "8.5"]),
    "float": (pa.array([7.0, 0.1], pa.float32()), ["7", "0.1"]),
    "decimal": (pa.array([decimal.Decimal("7.0"), decimal.Decimal("8.1")]), ["7", "8.1"]),
    "bool": (pa.array([True, False]), ["true", "false"]),
    "date": (pa.array([18_263, 18_264], pa.date32()), ["2020-01-02", "2020-01-03"]),
    "large": (pa.array(["7", "007"], pa.large_string()), ["7", "007"]),
    "view": (pa.array(["7", "007"], pa.string_view()), ["7", "007"]),
    "binary": (pa.array([b"7", b"007"]), ["7", "007"]),
    "categories": (pa.array(["7", "007"]).dictionary_encode(), ["7", "007"]),
    "numbered categories": (pa.array([7, 8]).dictionary_encode(), ["7", "8"]),
    "runs": (pa.RunEndEncodedArray.from_arrays([1, 2], pa.array(["7", "007"])), ["7", "007"]),
}  # fmt: skip


@pytest.mark.parametrize("kind", ARROW_IDS)
def test_ids_of_every_arrow_type_are_text(kind: str, tmp_path: Path) -> None:
    column, expected = ARROW_IDS[kind]
    table = pa.table(pairs_of(column, subset=column))
    pairs = as_pairs(table, RULES)
    assert list(pairs.ids) == list(pairs.subsets.names) == expected
    responses = as_ratings(
        pa.table({"response_id": column, "prompt_id": column, "a": [1, 2]}), RULES
    )
    assert responses.prompts is not None and responses.responses is not None
    assert list(responses.prompts.names) == list(responses.responses.names) == expected
    if kind == "runs":  # which Parquet does not hold
        return
    rewards = {"id": column, "chosen.reward": [2.0, 4.0], "rejected.reward": [1.0, 3.0]}
    pq.write_table(pa.table(rewards), tmp_path / "r.parquet")
    np.testing.assert_array_equal(load_rewards(tmp_path / "r.parquet", pairs), [[2, 1], [4, 3]])


@pytest.mark.parametrize(
    ("column", "row", "said"),
    [
        (pa.array(["x", None]), 2, "this id is empty"),
        (pa.array(["x", ""]), 2, "this id is empty"),
        (pa.array([1.0, NAN]), 2, "this id is empty"),
        (pa.nulls(2), 1, "this id is empty"),
        (pa.array([1.0, 2.0**53]), 2, "too large for a float to hold exactly"),
        (pa.array([1, 2**24], pa.float32()), 2, "too large for a float to hold exactly"),
        (pa.array([b"x", b"\xff"]), 2, "can't decode"),
        (pa.array([1, 2], pa.duration("s")), 1, "is of type timedelta; an id is text"),
    ],
)
@pytest.mark.parametrize("name", ["id", "subset", "prompt_id"])
def test_a_cell_that_is_no_id_is_refused_in_its_place(
    name: str, column: Any, row: int, said: str, tmp_path: Path
) -> None:
    table = pa.table({**pairs_of(pa.array(["x", "y"])), name: column})
    with pytest.raises(RatingsError, match=said) as caught:
        as_pairs(table, RULES)
    assert (caught.value.row, caught.value.column) == (row, name)


@pytest.mark.parametrize("value", ["1e400", "9007199254740992.0", "1e300"])
def test_a_number_of_json_that_may_be_several_ids_is_refused(value: str, tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"id": "x", "chosen.a": 5, "rejected.a": 1}\n'
                    f'{{"id": {value}, "chosen.a": 5, "rejected.a": 1}}\n')  # fmt: skip
    with pytest.raises(RatingsError, match="too large for a float") as caught:
        as_pairs(path, RULES)
    assert (caught.value.row, caught.value.column) == (2, "id")


def test_the_number_1_and_the_text_1_of_one_file_are_one_id(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"prompt_id": 1, "a": 5}\n{"prompt_id": "1", "a": 1}\n')
    calibration = calibrate(path, RULES)
    # Unit ratings 1 and 0 of one prompt: its margin's square is 1.
    assert (calibration.n_prompts, calibration.margin_variance.tolist()) == (1, [1.0])


# --- pairs in subsets ---------------------------------------------------------------------------


@pytest.mark.parametrize("more", [{}, {"prompt_id": ["p", "p"]}], ids=["no prompt", "one prompt"])
def test_two_subsets_may_have_a_pair_of_one_id(more: dict[str, Any], tmp_path: Path) -> None:
    columns = pairs_of(["1", "1"], subset=["s", "t"], **more)
    path = written(tmp_path / "p.csv", columns)
    pairs = as_pairs(path, RULES)
    assert pairs.ids == ("1", "1")
    n_prompts = 1 if more else 2
    assert len(set(pairs.prompts.codes.tolist())) == n_prompts
    calibration = calibrate(path, RULES)
    assert (calibration.n_responses, calibration.n_prompts) == (4, n_prompts)
    assert calibration.n_split_prompts == 0


def test_a_pair_that_stands_twice_in_a_subset_is_refused() -> None:
    with pytest.raises(RatingsError, match=r"response '1/chosen' of one prompt is rated twice"):
        as_pairs(pa.table(pairs_of(["1", "1"], subset=["s", "s"])), RULES)


@pytest.mark.parametrize(
    ("subsets", "ids"), [(["a", "ab"], ["bc", "c"]), (["a:b", "a"], ["c", "b:c"])]
)
def test_no_subset_and_id_run_together(subsets: list[str], ids: list[str]) -> None:
    pairs = as_pairs(pa.table(pairs_of(ids, subset=subsets)), RULES)
    assert len(set(pairs.prompts.codes.tolist())) == 2


# --- ids in memory ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prompts",
    [
        *([1, "1"], [True, 1], [True, "true"], [0.5, "0.5"], [b"a", "a"], [1, 10]),
        *([["a"], '["a"]'], [["a"], "['a']"], ["ab", "a b"]),
        [datetime.date(2020, 1, 1), "2020-01-01"],
    ],
)  # fmt: skip
def test_two_prompts_in_memory_are_two_in_the_table_and_by_hash(prompts: list[Any]) -> None:
    # Each prompt twice, in one run: were their hashes alike, one prompt would seem split.
    doubled = [prompts[0], prompts[0], prompts[1], prompts[1]]
    calibration = calibrate([[5], [1], [5], [5]], RULES, prompts=doubled)
    assert (calibration.n_prompts, calibration.n_split_prompts) == (2, 0)
    # Margins of 1 and 0: their mean square is 1/2.
    assert calibration.margin_variance.tolist() == [0.5]


@pytest.mark.parametrize(
    "prompts", [[1, 1.0], [np.int64(1), 1], [np.str_("a"), "a"], [("a",), ["a"]]]
)
def test_one_prompt_in_two_types_of_the_same_is_one(prompts: list[Any]) -> None:
    assert calibrate([[5], [1]], RULES, prompts=prompts).n_prompts == 1


@pytest.mark.parametrize("empty", [None, NAN, "", np.ma.masked])
@pytest.mark.parametrize("name", ["prompts", "responses"])
def test_an_empty_id_in_memory_is_refused_in_its_row(name: str, empty: Any) -> None:
    with pytest.raises(RatingsError, match="this id is empty") as caught:
        columns: dict[str, Any] = {name: ["x", empty]}
        RatingsTable(RULES, [[5], [1]], **columns)
    assert caught.value.row == 2


def test_ids_of_responses_in_memory_are_text() -> None:
    with pytest.raises(RatingsError, match="response '1' of one prompt is rated twice"):
        RatingsTable(RULES, [[5], [1]], responses=[1, "1"])


@given(st.lists(st.one_of(IDS, st.integers(), st.booleans(), st.lists(IDS, max_size=2))))
def test_codes_are_those_of_a_loop_over_types_and_values(values: list[Any]) -> None:
    seen: list[Any] = []
    for value in values:
        if not any(type(value) is type(other) and value == other for other in seen):
            seen.append(value)
    codes = [
        next(k for k, other in enumerate(seen) if type(value) is type(other) and value == other)
        for value in values
    ]
    assert Ids.of(values).codes.tolist() == codes
