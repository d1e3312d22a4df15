from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from encore import Calibration, LevelScale, RangeScale, RatingsTable, Rule, Rulebook, calibrate
from encore.errors import InputError, MismatchError, RatingsError
from encore.ratings.convert import as_pairs, as_ratings
from encore.ratings.files import read_arrow, read_batches, write_ratings
from tests.ratings.columns import written

Save = Callable[[str, Mapping[str, Sequence[Any]]], Path]
Text = Callable[[str, str | bytes], Path]
NAN = float("nan")
FORMATS = ["parquet", "csv", "jsonl"]
FIVE = Rulebook.from_ids(["harm", "privacy"], LevelScale((1, 2, 3, 4, 5)))
ONE = Rulebook.from_ids(["harm"], LevelScale((1, 2, 3, 4, 5)))
RATED: dict[str, list[Any]] = {
    "prompt_id": ["p", "p", "q", "q", "r"],
    "response_id": ["x", "y", "x", "y", "x"],
    "harm": [5, 4, 3, 2, 1],
    "privacy": [1, 2, 3, 4, None],
}
PAIRED: dict[str, list[Any]] = {
    "id": ["u", "v", "w", "x", "y"],
    "prompt_id": ["p", "p", "q", "r", "r"],
    "chosen.harm": [5, 5, 5, 5, 5],
    "chosen.privacy": [5, 5, 5, 5, 5],
    "rejected.harm": [1, 2, 3, 4, 5],
    "rejected.privacy": [1, 1, 1, 1, 1],
}


def refused(path: Path, rules: Rulebook = FIVE, batch_rows: int = 65_536) -> RatingsError:
    """The error of streaming a file: it names the file, in one line."""
    with pytest.raises(RatingsError) as caught:
        list(read_batches(path, rules, batch_rows=batch_rows))
    assert caught.value.source == str(path)
    assert len(str(caught.value).splitlines()) == 1
    return caught.value


def without(name: str) -> dict[str, list[Any]]:
    return {column: values for column, values in RATED.items() if column != name}


def with_last(layout: Mapping[str, list[Any]], name: str, value: Any) -> dict[str, list[Any]]:
    """The layout with another value in the last row of one column."""
    return {**layout, name: [*layout[name][:-1], value]}


def joined(tables: Sequence[RatingsTable]) -> tuple[list[str], list[str], list[list[float]]]:
    """Prompts, responses and values of tables laid end to end, unrated as -1."""
    prompts, responses, values = [], [], []
    for table in tables:
        assert table.prompts is not None and table.responses is not None
        prompts += [str(table.prompts.names[code]) for code in table.prompts.codes]
        responses += [str(table.responses.names[code]) for code in table.responses.codes]
        values += np.nan_to_num(table.values, nan=-1).tolist()
    return prompts, responses, values


def same(left: Calibration, right: Calibration) -> None:
    """Equal to the last bit."""
    assert left.statistics == right.statistics


# --- the three formats ----------------------------------------------------------------------


def test_csv_jsonl_and_parquet_of_the_same_data_give_the_same_table(save: Save) -> None:
    expected = (
        ["p", "p", "q", "q", "r"],
        ["x", "y", "x", "y", "x"],
        [[5, 1], [4, 2], [3, 3], [2, 4], [1, -1]],
    )
    for form in [*FORMATS, "ndjson"]:
        assert joined([as_ratings(save(f"a.{form}", RATED), FIVE)]) == expected


@pytest.mark.parametrize("form", FORMATS)
def test_repeats_and_spreads_are_read_from_every_format(form: str, save: Save) -> None:
    columns: dict[str, list[Any]] = {
        "response_id": ["x", "x", "y"],
        "repeat": [0, 1, 0],
        "harm": [2.5, 3.0, 4.0],
        "harm.spread": [0.6, 0.5, None],
    }
    table = as_ratings(save(f"a.{form}", columns), ONE)
    assert table.repeats is not None and table.repeats.tolist() == [0, 1, 0]
    np.testing.assert_array_equal(table.spread, [[0.6], [0.5], [NAN]])


@pytest.mark.parametrize("form", FORMATS)
def test_a_repeat_is_not_counted_twice(form: str, save: Save) -> None:
    columns: dict[str, list[Any]] = {
        "response_id": ["x", "x", "y"],
        "repeat": [0, 1, 0],
        "harm": [1, 5, 5],
    }
    calibration = calibrate(save(f"a.{form}", columns), ONE)
    assert calibration.n_responses == 2
    assert calibration.statistics.counts.tolist() == [[1, 0, 0, 0, 1]]


@pytest.mark.parametrize("form", FORMATS)
def test_levels_and_a_range_stand_in_one_file_and_values_beyond_it_are_counted(
    form: str, save: Save
) -> None:
    rules = Rulebook(
        (Rule("harm", "h", LevelScale((1, 2, 3, 4, 5))), Rule("cost", "c", RangeScale(4, 0, 4)))
    )
    path = save(f"a.{form}", {"harm": [5, 4, 3], "cost": [0.25, -1.0, 9.5]})
    # (0.25 - 4) / (0 - 4) = 15/16; -1 and 9.5 are beyond the best end, 0, and the worst, 4.
    np.testing.assert_array_equal(
        as_ratings(path, rules).unit, [[1, 15 / 16], [3 / 4, 1], [1 / 2, 0]]
    )
    assert calibrate(path, rules).statistics.n_outside.tolist() == [0, 2]


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_of_one_row_and_one_rule_is_enough(form: str, save: Save) -> None:
    calibration = calibrate(save(f"a.{form}", {"harm": [4]}), ONE)
    assert (calibration.n_responses, calibration.n_prompts) == (1, 0)
    assert calibration.statistics.counts.tolist() == [[0, 0, 0, 1, 0]]


@pytest.mark.parametrize("form", FORMATS)
def test_extra_columns_are_not_even_looked_at(form: str, save: Save) -> None:
    extra: dict[str, list[Any]] = {"note": ["five", None, "x", "y", "z"], "other.spread": [-1] * 5}
    assert as_ratings(save(f"a.{form}", {**extra, **RATED}), FIVE).n_rows == 5


@pytest.mark.parametrize("form", FORMATS)
def test_a_rule_without_a_column_is_named(form: str, save: Save) -> None:
    error = refused(save(f"a.{form}", without("privacy")))
    assert error.message.startswith(
        "no column for 1 of 2 ratings: ['privacy']. Found columns ['prompt_id', 'response_id', "
    )
    assert "Name the columns after the rules' ids, or give the rules" in error.message


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_response_id_under_two_prompts_is_two_responses(form: str, save: Save) -> None:
    assert calibrate(save(f"a.{form}", RATED), FIVE).n_responses == 5


@pytest.mark.parametrize("form", FORMATS)
def test_messages_for_a_prompt_and_integers_for_ids_are_read(form: str, save: Save) -> None:
    if form == "csv":
        path = save("a.csv", {**without("prompt_id"), "prompt_id": [1, 1, 2, 2, 3]})
    else:
        chats: list[Any] = [[{"role": "user", "content": c}] for c in "aabbc"]
        path = save(f"a.{form}", {**without("prompt_id"), "prompt": chats, "response_id": range(5)})
    assert [t.n_rows for t in read_batches(path, FIVE, batch_rows=10)] == [4, 1]
    assert calibrate(path, FIVE).n_prompts == 3


def test_the_suffix_may_be_in_capitals(save: Save) -> None:
    path = save("a.csv", RATED)
    assert as_ratings(path.rename(path.with_suffix(".CSV")), FIVE).n_rows == 5


@pytest.mark.parametrize("name", ["a.json", "a.tsv", "a", "a.csv.gz"])
def test_a_suffix_that_says_nothing_is_refused_with_those_that_do(name: str, text: Text) -> None:
    path = text(name, "harm\n1\n")
    with pytest.raises(InputError) as caught:
        as_ratings(path, FIVE)
    assert str(caught.value) == (
        f"{path}: not a table. Expected a name ending in .parquet, .csv, .jsonl, .ndjson; "
        f"`encore import` reads others."
    )


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_that_is_not_there_is_named_by_the_system(form: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"nowhere.{form}"):
        calibrate(tmp_path / f"nowhere.{form}", FIVE)


# --- empty files ----------------------------------------------------------------------------


@pytest.mark.parametrize("read", [read_arrow, calibrate])
@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_a_file_without_rows_is_refused(
    form: str, read: Callable[[Path, Rulebook], Any], save: Save
) -> None:
    none = {name: pa.array([], pa.float64()) for name in RATED}
    path = save(f"a.{form}", none)
    with pytest.raises(RatingsError) as caught:
        read(path, FIVE)
    assert str(caught.value) == f"{path}: no rows; expected at least one response."


@pytest.mark.parametrize("form", ["csv", "jsonl", "ndjson"])
@pytest.mark.parametrize("contents", ["", "\n\n"])
def test_a_text_file_of_nothing_is_refused(form: str, contents: str, text: Text) -> None:
    assert refused(text(f"a.{form}", contents)).message.startswith("no rows; expected")


def test_a_parquet_file_of_nothing_is_refused(text: Text) -> None:
    message = refused(text("a.parquet", b"")).message
    assert message == (
        "cannot be read: Parquet file size is 0 bytes. "
        "Is it complete, and in the format that its name says?"
    )


# --- broken files ---------------------------------------------------------------------------


def test_a_truncated_parquet_file_is_refused(save: Save) -> None:
    path = save("a.parquet", RATED)
    path.write_bytes(path.read_bytes()[:-20])
    assert "Is it complete, and in the format that its name says?" in refused(path).message


def test_a_file_that_is_no_parquet_is_refused(text: Text) -> None:
    path = text("a.parquet", "harm\n" + "1\n" * 20)
    assert "cannot be read: Parquet magic bytes" in refused(path).message


@pytest.mark.parametrize("at", [4, 100, 2000])
def test_a_parquet_file_with_bytes_overwritten_is_refused_in_one_line(at: int, save: Save) -> None:
    path = save("a.parquet", {"harm": [1.0] * 5000, "prompt_id": [str(i) for i in range(5000)]})
    whole = path.read_bytes()
    path.write_bytes(whole[:at] + b"\xff" * 40 + whole[at + 40 :])
    assert "cannot be read: " in refused(path, ONE).message


def test_a_csv_file_that_is_not_utf8_is_refused(text: Text) -> None:
    path = text("a.csv", "prompt_id,harm\né,5\n".encode("latin-1"))
    assert "Is it complete, and in the format that its name says?" in refused(path, ONE).message


def test_a_byte_that_is_not_utf8_far_down_a_csv_file_is_refused(text: Text) -> None:
    path = text("a.csv", b"prompt_id,harm\n" + b"x,5\n" * 4000 + "é,5\n".encode("latin-1"))
    assert "invalid UTF8 data" in refused(path, ONE).message


def test_a_json_file_that_is_not_utf8_is_refused(text: Text) -> None:
    path = text("a.jsonl", '{"harm": 5, "prompt_id": "é"}\n'.encode("latin-1"))
    assert "'utf-8' codec can't decode byte 0xe9" in refused(path, ONE).message


@pytest.mark.parametrize(("line", "n_columns"), [("5", 1), ("5,5,5", 3)])
def test_a_ragged_csv_line_is_refused(line: str, n_columns: int, text: Text) -> None:
    message = refused(text("a.csv", f"harm,privacy\n5,5\n{line}\n")).message
    assert f"{n_columns} cells; expected 2, as in the header" in message


def test_a_ragged_csv_line_is_named_by_its_row(text: Text) -> None:
    assert refused(text("a.csv", "harm,privacy\n5,5\n5,5\n5\n")).row == 3


def test_a_ragged_csv_line_that_holds_a_line_break_is_refused_in_one_line(text: Text) -> None:
    path = text("a.csv", 'prompt,harm,privacy\nHi,5,5\n"Ho\nHo",5\n')
    assert "2 cells; expected 3, as in the header" in refused(path).message


def test_a_file_of_one_endless_line_is_refused_as_csv(text: Text) -> None:
    error = refused(text("a.csv", '{"harm": ' + "5" * 200_000 + "}"))
    assert "field larger than field limit" in error.message
    assert "in the format that its name says?" in error.message


@pytest.mark.parametrize(
    ("line", "kind"), [("[1, 2]", "list"), ("3", "int"), ('"x"', "str"), ("null", "NoneType")]
)
@pytest.mark.parametrize("row", [1, 3])
def test_a_json_line_that_is_no_object_is_refused_in_its_row(
    line: str, kind: str, row: int, text: Text
) -> None:
    lines = ['{"harm": 5}'] * 3
    lines[row - 1] = line
    error = refused(text("a.jsonl", "\n".join(lines)), ONE, batch_rows=2)
    assert (error.row, error.message) == (row, f"expected one object per line, got {kind}.")


@pytest.mark.parametrize("line", ['{"harm": 5', "harm: 5", '{"harm": 5} {"harm": 5}'])
def test_a_line_that_is_no_json_is_refused_in_its_row(line: str, text: Text) -> None:
    error = refused(text("a.jsonl", f'{{"harm": 5}}\n\n{{"harm": 5}}\n{line}\n'), ONE, batch_rows=2)
    # Empty lines are no rows.
    assert error.row == 3
    assert error.message.startswith("not a JSON object: ")


def test_a_key_that_stands_twice_in_a_json_line_is_refused(text: Text) -> None:
    assert "harm" in str(refused(text("a.jsonl", '{"harm": 1, "harm": 5}\n'), ONE))


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_columns_that_stand_twice_are_refused(form: str, text: Text, tmp_path: Path) -> None:
    if form == "csv":
        path = text("a.csv", "harm,privacy,harm\n5,5,1\n")
    else:
        path = tmp_path / "a.parquet"
        pq.write_table(pa.table([[5], [5], [1]], names=["harm", "privacy", "harm"]), path)
    assert refused(path).message == "duplicate columns: ['harm']. Keep one of each."


# --- cells ----------------------------------------------------------------------------------


def test_text_in_a_rating_is_refused_in_its_row_of_a_parquet_file(save: Save) -> None:
    path = save("a.parquet", {**RATED, "privacy": [None, "4", "3", "2", "1"]})
    error = refused(path, batch_rows=2)
    assert (error.row, error.column) == (2, "privacy")
    assert "'4' is of type string; expected a number, or nothing where unrated" in error.message


def test_text_in_a_rating_is_refused_in_its_row_of_a_csv_file(save: Save) -> None:
    error = refused(save("a.csv", with_last(RATED, "privacy", "good")))
    assert (error.row, error.column) == (5, "privacy")
    assert error.message.startswith(
        "'good' is not a number; expected one, or nothing where unrated. `encore import` reads"
    )


@pytest.mark.parametrize("value", ["5", "good", [5], {"level": 5}])
def test_what_is_no_number_is_refused_in_its_row_of_a_json_file(value: Any, save: Save) -> None:
    error = refused(save("a.jsonl", with_last(RATED, "privacy", value)), batch_rows=3)
    assert (error.row, error.column) == (5, "privacy")
    assert error.message.startswith(
        f"{value!r} is not a number; expected one, or null where unrated. `encore import` reads"
    )


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("value", [float("inf"), -float("inf")])
def test_an_infinite_rating_is_refused_in_its_row_of_every_format(
    form: str, value: float, save: Save
) -> None:
    path = save(f"a.{form}", with_last({**RATED, "privacy": [1.0] * 5}, "privacy", value))
    error = refused(path, batch_rows=2)
    assert (error.row, error.column) == (5, "privacy")
    assert f"rating {value:g} is not finite" in error.message


@pytest.mark.parametrize("form", FORMATS)
def test_nan_and_an_empty_cell_are_unrated_in_every_format(form: str, save: Save) -> None:
    path = save(f"a.{form}", {"harm": [NAN, None, 3.0], "privacy": [1, 2, 3]})
    assert as_ratings(path, FIVE).rated[:, 0].tolist() == [False, False, True]


@pytest.mark.parametrize("form", FORMATS)
def test_a_value_between_levels_is_refused_without_a_spread_and_read_with_one(
    form: str, save: Save
) -> None:
    columns = with_last(RATED, "harm", 1.5)
    error = refused(save(f"a.{form}", columns), batch_rows=2)
    assert (error.row, error.column) == (5, "harm")
    assert "rating 1.5 is not one of the rule's levels (1, 2, 3, 4, 5)" in error.message
    path = save(f"b.{form}", {**columns, "harm.spread": [0, 0, 0, 0, 0.7]})
    # (1.5 - 1) / (5 - 1)
    assert as_ratings(path, FIVE).unit[4, 0] == 1 / 8


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", ["prompt_id", "response_id"])
def test_an_absent_id_is_refused_in_its_row_of_every_format(
    form: str, name: str, save: Save
) -> None:
    error = refused(save(f"a.{form}", with_last(RATED, name, None)), batch_rows=2)
    assert (error.row, error.column) == (5, name)
    assert error.message == "this id is empty; give every row one."


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    ("repeat", "said"),
    [(0.5, "repeat 0.5 is not a whole"), (-1, "repeat -1 is not a whole")],
)
def test_a_repeat_that_is_none_is_refused_in_its_row_of_every_format(
    form: str, repeat: float, said: str, save: Save
) -> None:
    error = refused(save(f"a.{form}", {**RATED, "repeat": [0, 0, 0, 0, repeat]}), batch_rows=2)
    assert (error.row, error.column) == (5, "repeat")
    assert said in error.message


@pytest.mark.parametrize("form", FORMATS)
def test_repeats_without_response_ids_are_refused_in_every_format(form: str, save: Save) -> None:
    path = save(f"a.{form}", {**without("response_id"), "repeat": [0, 1, 0, 0, 0]})
    assert "repeats need response ids" in refused(path).message


@pytest.mark.parametrize("form", FORMATS)
def test_a_response_that_stands_twice_is_refused_with_both_rows_in_every_format(
    form: str, save: Save
) -> None:
    twice = {**RATED, "response_id": ["x", "y", "x", "x", "x"]}
    error = refused(save(f"a.{form}", twice), batch_rows=2)
    assert (error.row, error.column) == (4, "response_id")
    assert "response 'x' of one prompt is rated twice (also in row 3)" in error.message


def test_csv_text_with_quotes_commas_and_line_breaks_is_one_cell(save: Save) -> None:
    texts = ['He said "no",\nand left', "a,b", "\r\n", "", "plain"]
    path = save("a.csv", {"prompt": texts, **RATED})
    expected = [[5, 1], [4, 2], [3, 3], [2, 4], [1, -1]]
    assert joined([as_ratings(path, FIVE)])[2] == expected
    # A row is a record, not a line.
    wrong = refused(save("b.csv", {"prompt": texts, **with_last(RATED, "harm", 9)}))
    assert wrong.row == 5


def test_csv_prompts_with_line_breaks_are_told_apart(save: Save) -> None:
    path = save("a.csv", {**without("prompt_id"), "prompt": ["a\n1", "a\n1", "a\n2", "a\n2", "b"]})
    assert [t.n_rows for t in read_batches(path, FIVE)] == [4, 1]


def test_csv_may_begin_with_a_byte_order_mark_and_end_its_lines_the_other_way(text: Text) -> None:
    path = text("a.csv", b"\xef\xbb\xbfharm,privacy\r\n5,4\r\n,1\r\n")
    np.testing.assert_array_equal(as_ratings(path, FIVE).values, [[5, 4], [NAN, 1]])


def test_a_csv_text_of_several_megabytes_is_read_past(text: Text) -> None:
    path = text("a.csv", f"prompt,harm\n{'x' * 3_000_000},5\nHi,4\n")
    assert as_ratings(path, ONE).values.tolist() == [[5], [4]]


@pytest.mark.parametrize(
    ("key", "kept"), [("prompt_id", "prompts"), ("repeat", "repeats"), ("harm.spread", "spread")]
)
def test_a_json_key_that_first_stands_in_a_later_line_is_read_or_refused_but_not_dropped(
    key: str, kept: str, text: Text
) -> None:
    lines = [{"response_id": "x", "harm": 5}, {"response_id": "y", "harm": 4, key: 1}]
    path = text("a.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    try:
        table = as_ratings(path, ONE)
    except RatingsError as error:
        assert key in str(error)
    else:
        assert getattr(table, kept) is not None


def test_ids_that_change_their_type_along_a_json_file_are_text(text: Text) -> None:
    lines = "".join(f'{{"prompt_id": {name}, "harm": 5}}\n' for name in ("1", "2", '"a"', '"b"'))
    tables = list(read_batches(text("a.jsonl", lines), ONE, batch_rows=2))
    found = [
        table.prompts.names[code]
        for table in tables
        if table.prompts
        for code in table.prompts.codes
    ]
    assert found == ["1", "2", "a", "b"]


# --- streams --------------------------------------------------------------------------------


@st.composite
def rated_rows(draw: st.DrawFn) -> list[tuple[str, int | None, int | None]]:
    """Rows of prompt, harm, privacy; prompts come back, in runs."""
    level = st.none() | st.integers(1, 5)
    runs = draw(st.lists(st.tuples(st.sampled_from("pqrs"), st.integers(1, 4)), min_size=1))
    return [(name, draw(level), draw(level)) for name, size in runs[:8] for _ in range(size)]


def columns_of(rows: list[tuple[str, int | None, int | None]]) -> dict[str, list[Any]]:
    prompts, harm, privacy = (list(column) for column in zip(*rows, strict=True))
    ids = [f"r{row}" for row in range(len(rows))]
    return {"prompt_id": prompts, "response_id": ids, "harm": harm, "privacy": privacy}


def write(path: Path, columns: Mapping[str, Sequence[Any]]) -> Path:
    if path.suffix == ".jsonl":
        rows = zip(*columns.values(), strict=True)
        lines = (json.dumps(dict(zip(columns, row, strict=True))) for row in rows)
        path.write_text("\n".join(lines))
    else:
        kinds = {n: pa.float64() if n in FIVE.ids else None for n in columns}
        pq.write_table(pa.table({n: pa.array(v, kinds[n]) for n, v in columns.items()}), path)
    return path


@settings(max_examples=60)
@given(rated_rows(), st.integers(1, 9), st.sampled_from(["a.parquet", "a.jsonl"]))
def test_whatever_the_batch_the_rows_are_the_same_and_no_run_of_a_prompt_is_split(
    rows: list[tuple[str, int | None, int | None]], batch_rows: int, name: str
) -> None:
    columns = columns_of(rows)
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / name, columns)
        tables = list(read_batches(path, FIVE, batch_rows=batch_rows))
    values = [[-1 if level is None else level for level in row[1:]] for row in rows]
    assert joined(tables) == (columns["prompt_id"], columns["response_id"], values)
    ends = [(joined([t])[0][0], joined([t])[0][-1]) for t in tables]
    assert all(before[1] != after[0] for before, after in pairwise(ends))


@settings(max_examples=40)
@given(rated_rows(), st.integers(1, 9))
def test_whatever_the_batch_no_run_of_pairs_of_a_prompt_is_split(
    rows: list[tuple[str, int | None, int | None]], batch_rows: int
) -> None:
    columns = columns_of(rows)
    paired = {
        "id": columns["response_id"],
        "prompt_id": columns["prompt_id"],
        **{f"{side}.{rule}": columns[rule] for side in ("chosen", "rejected") for rule in FIVE.ids},
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.parquet"
        kinds = {n: pa.string() if n in ("id", "prompt_id") else pa.float64() for n in paired}
        pq.write_table(pa.table({n: pa.array(v, kinds[n]) for n, v in paired.items()}), path)
        tables = list(read_batches(path, FIVE, batch_rows=batch_rows))
    prompts, responses, _ = joined(tables)
    assert prompts == [name for name in columns["prompt_id"] for _ in range(2)]
    both = [f"{name}/{side}" for name in columns["response_id"] for side in ("chosen", "rejected")]
    assert responses == both
    ends = [(joined([t])[0][0], joined([t])[0][-1]) for t in tables]
    assert all(before[1] != after[0] for before, after in pairwise(ends))


@settings(max_examples=40)
@given(rated_rows(), st.randoms(use_true_random=False))
def test_rows_in_any_order_give_the_calibration_of_rows_sorted_by_prompt(
    rows: list[tuple[str, int | None, int | None]], random: Any
) -> None:
    assume(any(rating is not None for _, *ratings in rows for rating in ratings))
    shuffled = random.sample(rows, len(rows))
    with tempfile.TemporaryDirectory() as folder:
        found, expected = (
            calibrate(write(Path(folder) / name, columns_of(order)), FIVE)
            for name, order in (("a.parquet", shuffled), ("b.jsonl", sorted(rows, key=str)))
        )
    same(found, expected)
    assert found.n_split_prompts == 0


def test_one_prompt_out_of_order_among_thousands_is_brought_together(save: Save) -> None:
    prompts = [str(row // 2) for row in range(4000)]
    harm = [1, 5] * 2000
    # One response more to prompt 77, at the end of the file or in its place.
    apart = save("a.parquet", {"prompt_id": [*prompts, "77"], "harm": [*harm, 3]})
    at = 2 * 77 + 2
    inside: dict[str, list[Any]] = {
        "prompt_id": [*prompts[:at], "77", *prompts[at:]],
        "harm": [*harm[:at], 3, *harm[at:]],
    }
    same(calibrate(apart, ONE), calibrate(save("b.parquet", inside), ONE))


@pytest.mark.parametrize("named", [True, False])
def test_a_response_that_stands_twice_is_found_however_far_apart(named: bool, save: Save) -> None:
    n_rows = 70_000
    responses = [str(row) for row in range(n_rows)]
    columns: dict[str, list[Any]] = {"response_id": [*responses, "0"], "harm": [5] * (n_rows + 1)}
    if named:
        columns["prompt_id"] = [f"p{row // 2}" for row in range(n_rows)] + ["p0"]
    path = save("a.parquet", columns)
    with pytest.raises(RatingsError, match="response '0' of one prompt is rated twice"):
        calibrate(path, ONE)


def test_repeats_at_the_end_of_a_long_file_give_their_spread(save: Save) -> None:
    n_rows = 70_000
    columns: dict[str, list[Any]] = {
        "response_id": [str(row) for row in range(n_rows)] * 2,
        "repeat": [0] * n_rows + [1] * n_rows,
        "harm": [1] * n_rows + [5] * n_rows,
    }
    calibration = calibrate(save("a.parquet", columns), ONE)
    # Every response was rated 1 and then 5: ln 2 + 1/4 nats by Miller and Madow.
    np.testing.assert_allclose(calibration.spread, [np.log(2) + 1 / 4])
    assert calibration.n_responses == n_rows


def test_files_without_prompts_are_cut_anywhere(save: Save) -> None:
    path = save("a.parquet", {"harm": [5, 4, 3, 2, 1]})
    assert [t.n_rows for t in read_batches(path, ONE, batch_rows=2)] == [2, 2, 1]


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
@pytest.mark.parametrize("row", [1, 2, 3, 4, 5])
def test_rows_are_counted_on_from_batch_to_batch(form: str, row: int, save: Save) -> None:
    harm = [5, 5, 5, 5, 5]
    harm[row - 1] = 9
    for batch_rows in (1, 2, 3):
        error = refused(save(f"a.{form}", {**RATED, "harm": harm}), batch_rows=batch_rows)
        assert (error.row, error.column) == (row, "harm")


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
@pytest.mark.parametrize("side", ["chosen", "rejected"])
@pytest.mark.parametrize("row", [1, 2, 3, 4, 5])
def test_rows_of_pairs_are_counted_on_from_batch_to_batch(
    form: str, side: str, row: int, save: Save
) -> None:
    harm = [5, 5, 5, 5, 5]
    harm[row - 1] = 9
    path = save(f"a.{form}", {**PAIRED, f"{side}.harm": harm})
    for batch_rows in (1, 2, 3):
        error = refused(path, batch_rows=batch_rows)
        assert (error.row, error.column) == (row, f"{side}.harm")
    with pytest.raises(RatingsError, match=f"row {row}, column '{side}.harm': rating 9 is not"):
        as_pairs(path, FIVE)


def test_rows_of_a_csv_file_are_counted_on_from_block_to_block(save: Save) -> None:
    # Blocks of a CSV file are of a megabyte; 2 megabytes of text make more than one.
    n_rows = 4000
    columns: dict[str, list[Any]] = {"prompt": ["x" * 500] * n_rows, "harm": [5] * n_rows}
    for wrong, said in (("good", "'good' is not a number"), (9, "rating 9 is not one of")):
        columns["harm"][n_rows - 2] = wrong
        error = refused(save("a.csv", columns), ONE)
        assert (error.row, error.column) == (n_rows - 1, "harm")
        assert said in error.message


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_an_absent_id_of_a_pair_is_named_in_a_later_batch(form: str, save: Save) -> None:
    error = refused(save(f"a.{form}", with_last(PAIRED, "id", None)), batch_rows=2)
    assert (error.row, error.column) == (5, "id")


def test_dictionaries_that_differ_from_batch_to_batch_are_joined(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    parts = [
        {"prompt_id": pa.array(list(names)).dictionary_encode(), "harm": [5] * len(names)}
        for names in ("ppq", "qr", "p")
    ]
    pq.write_table(pa.concat_tables(map(pa.table, parts)), path, row_group_size=2)
    # Batches of the file are pp, qq, rp; the run of a prompt at a batch's end waits for the next.
    tables = list(read_batches(path, ONE, batch_rows=2))
    prompts = [[t.prompts.names[code] for code in t.prompts.codes] for t in tables if t.prompts]
    assert prompts == [["p", "p"], ["q", "q", "r"], ["p"]]
    assert calibrate(path, ONE).n_prompts == 3


def test_rule_ids_that_begin_alike_are_read_from_their_own_columns(save: Save) -> None:
    rules = Rulebook.from_ids(["harm", "harm.self"], LevelScale((1, 2, 3, 4, 5)))
    path = save("a.parquet", {"harm.self": [1.0], "harm": [5.0], "harm.self.spread": [0.5]})
    table = as_ratings(path, rules)
    assert table.values.tolist() == [[5, 1]]
    np.testing.assert_array_equal(table.spread, [[NAN, 0.5]])


def test_the_messages_of_pairs_may_stand_beside_their_ratings(save: Save) -> None:
    chat = [[{"role": "assistant", "content": "Hi"}]] * 5
    path = save("a.parquet", {"chosen": chat, "rejected": chat, **PAIRED})
    # (5 - 1)/4 less (1, 2, 3, 4, 5 less 1)/4
    assert as_pairs(path, FIVE).margins[:, 0].tolist() == [1, 3 / 4, 1 / 2, 1 / 4, 0]


# --- 10,000 rules ---------------------------------------------------------------------------


def test_ten_thousand_rules_are_read_from_a_parquet_file(tmp_path: Path) -> None:
    rules = Rulebook.from_ids([f"rule{i}" for i in range(10_000)], LevelScale((0, 1)))
    columns = {rule_id: [place % 2, 1] for place, rule_id in enumerate(rules.ids)}
    pq.write_table(pa.table({"prompt_id": ["p", "p"], **columns}), tmp_path / "a.parquet")
    calibration = calibrate(tmp_path / "a.parquet", rules)
    # Even rules rate 0 and 1, which is ln 2 of ln 2; odd ones 1 and 1.
    assert calibration.normalised_entropy()[:4].tolist() == [1, 0, 1, 0]
    assert calibration.resolved_share[:4].tolist() == [1, 0, 1, 0]


# --- writing --------------------------------------------------------------------------------


def test_written_ratings_come_back_with_what_they_were_made_from(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table(RATED).replace_schema_metadata({b"own": b"kept"})
    write_ratings(path, table, FIVE, {"rater": "a judge", "cost": 1.5})
    assert joined([as_ratings(path, FIVE)])[2] == [[5, 1], [4, 2], [3, 3], [2, 4], [1, -1]]
    metadata = pq.read_schema(path).metadata
    assert json.loads(metadata[b"encore.provenance"]) == {"rater": "a judge", "cost": 1.5}
    assert metadata[b"encore.kind"] == b"encore.ratings"
    assert metadata[b"encore.schema_version"] == b"1"
    assert metadata[b"encore.rules_digest"].decode() == FIVE.digest
    assert metadata[b"own"] == b"kept"


def test_written_pairs_come_back(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_ratings(path, pa.table(PAIRED), FIVE, {})
    assert as_pairs(path, FIVE).n_pairs == 5


@pytest.mark.parametrize("read", [as_ratings, as_pairs, calibrate])
def test_ratings_made_with_other_rules_are_refused_by_the_digest_they_carry(
    read: Callable[[Path, Rulebook], Any], tmp_path: Path
) -> None:
    path = tmp_path / "a.parquet"
    write_ratings(path, pa.table(PAIRED), FIVE, {})
    others = Rulebook.from_ids(FIVE.ids, LevelScale((5, 4, 3, 2, 1)))
    with pytest.raises(MismatchError) as caught:
        read(path, others)
    assert str(caught.value) == (
        f"{path} was made with other rules (digest {FIVE.digest[:12]}…) than these "
        f"(digest {others.digest[:12]}…). Give the rules that it was made with, or weights "
        "for them."
    )


def test_writing_into_no_folder_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_ratings(tmp_path / "none" / "a.parquet", pa.table(RATED), FIVE, {})
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_text("old")
    with pytest.raises(TypeError):
        write_ratings(path, pa.table(RATED), FIVE, {"rater": object()})
    assert ([p.name for p in tmp_path.iterdir()], path.read_text()) == (["a.parquet"], "old")


def test_files_that_polars_and_pandas_write_are_read(
    peer: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    polars, pandas = peer("polars"), peer("pandas")
    frame = polars.DataFrame(RATED).with_columns(polars.col("prompt_id").cast(polars.Categorical))
    frame.write_parquet(tmp_path / "a.parquet")
    polars.DataFrame(RATED).write_csv(tmp_path / "b.csv")
    polars.DataFrame(RATED).write_ndjson(tmp_path / "c.jsonl")
    pandas.DataFrame(RATED).to_parquet(tmp_path / "d.parquet")
    pandas.DataFrame(RATED).to_csv(tmp_path / "e.csv")
    pandas.DataFrame(RATED).to_json(tmp_path / "f.jsonl", orient="records", lines=True)
    tables = [joined(list(read_batches(p, FIVE, batch_rows=2))) for p in tmp_path.iterdir()]
    assert len(tables) == 6
    assert all(table == tables[0] for table in tables)


# --- what stands beside the ratings ---------------------------------------------------------

CELLS = st.sampled_from(["rated", "unrated", "not applicable", "half", "spread out"])


def cell_columns(name: str, cells: Sequence[str], form: str) -> dict[str, list[Any]]:
    """The columns of one rule, as another program would write them."""
    rating = {"rated": 5, "half": 4}
    applies = {"rated": 1, "unrated": None, "not applicable": 0, "half": 0.5, "spread out": 1}
    p = {"spread out": [0.5, 0, 0, 0, 0.5]}
    lists = [p.get(cell) for cell in cells]
    return {
        name: [rating.get(cell) for cell in cells],
        f"{name}.applies": [applies[cell] for cell in cells],
        f"{name}.p": [json.dumps(p) if form == "csv" and p else p for p in lists],
    }


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("prefixes", [("",), ("chosen.", "rejected.")])
@given(cells=st.lists(st.tuples(CELLS, CELLS, CELLS, CELLS), min_size=1, max_size=6))
@settings(max_examples=25)
def test_no_format_confuses_unrated_with_not_applicable(
    form: str, prefixes: tuple[str, ...], cells: list[tuple[str, ...]]
) -> None:
    columns: dict[str, list[Any]] = {"id": [f"p{n}" for n in range(len(cells))]}
    if prefixes == ("",):
        columns = {"response_id": columns["id"]}
    names = [f"{prefix}{rule}" for prefix in prefixes for rule in FIVE.ids]
    for place, name in enumerate(names):
        columns |= cell_columns(name, [row[place] for row in cells], form)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"ratings.{form}"
        again = Path(folder) / f"again.{form}"
        read = as_ratings(written(path, columns), FIVE)
        # and by our own writer
        write_ratings(again, pa.table(columns), FIVE, {})
        assert as_ratings(again, FIVE) == read
    states = [list(row[at : at + 2]) for row in cells for at in range(0, len(names), 2)]
    flat = np.array(states)
    np.testing.assert_array_equal(read.unrated, flat == "unrated")
    np.testing.assert_array_equal(read.not_applicable, flat == "not applicable")
    np.testing.assert_array_equal(read.rated, np.isin(flat, ["rated", "half", "spread out"]))
    expected = np.full(flat.shape, NAN)
    for state, value in {"rated": 5, "half": 4, "spread out": 3}.items():
        expected[flat == state] = value
    np.testing.assert_array_equal(read.values, expected)


@pytest.mark.parametrize("form", FORMATS)
def test_the_wrong_number_of_level_probabilities_is_refused_in_its_row(
    form: str, save: Save
) -> None:
    lists: list[Any] = [[0, 0, 0, 0, 1], [1], None, None, None]
    cells = [json.dumps(p) if form == "csv" and p else p for p in lists]
    error = refused(save(f"a.{form}", {**RATED, "harm.p": cells}))
    assert (error.row, error.column) == (2, "harm.p")
    assert "1 level probabilities; expected 5" in str(error)


def test_probabilities_alone_are_ratings(save: Save) -> None:
    columns = {**without("harm"), "harm.p": [[0, 0, 0, 0, 1.0]] * 5}
    assert as_ratings(save("a.parquet", columns), FIVE).values[:, 0].tolist() == [5.0] * 5


@pytest.mark.parametrize("form", FORMATS)
def test_whether_a_rule_applies_is_read_whatever_the_batch(form: str, save: Save) -> None:
    path = save(f"a.{form}", {**RATED, "harm.applies": [True, False, True, False, True]})
    for batch_rows in (1, 2, 5):
        parts = [t.not_applicable for t in read_batches(path, FIVE, batch_rows=batch_rows)]
        assert np.concatenate(parts)[:, 0].tolist() == [False, True, False, True, False]
