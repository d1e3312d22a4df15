from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from encore import LevelScale, RangeScale, RatingsTable, Rulebook
from encore.errors import DocumentError, InputError, MismatchError, RatingsError
from encore.ratings.arrow import (
    RULES_DIGEST,
    check_metadata,
    is_pairs,
    pairs_from,
    rating_columns,
    ratings_from,
    to_arrow,
    to_responses,
)
from encore.ratings.ids import Ids

NAN, INF = float("nan"), float("inf")
FIVE = Rulebook.from_ids(["harm", "privacy"], LevelScale((1, 2, 3, 4, 5)))
WIDE = Rulebook.from_ids(["harm", "privacy"], RangeScale(0, 10))
RATED: dict[str, Any] = {"harm": [5, 4, 3], "privacy": [1, 2, 3]}
PAIRED: dict[str, Any] = {
    "id": ["u", "v", "w"],
    "chosen.harm": [5, 4, 3],
    "chosen.privacy": [5, 5, 5],
    "rejected.harm": [1, 2, 3],
    "rejected.privacy": [1, 1, 1],
}


def read(columns: dict[str, Any], rules: Rulebook = FIVE) -> RatingsTable:
    return ratings_from(pa.table(columns), rules, "here")


def refused(columns: dict[str, Any], rules: Rulebook = FIVE) -> RatingsError:
    with pytest.raises(RatingsError) as caught:
        read(columns, rules)
    assert caught.value.source == "here"
    return caught.value


def names(ids: Ids | None) -> list[Any]:
    assert ids is not None
    return [ids.names[code] for code in ids.codes.tolist()]


# --- columns --------------------------------------------------------------------------------


def test_columns_are_found_by_name_in_any_order_and_others_are_left_alone() -> None:
    table = read(
        {"note": ["x", "y", "z"], "privacy": [1, 2, 3], "harm": [5, 4, 3], "other": [0.5] * 3}
    )
    assert table.values.tolist() == [[5, 1], [4, 2], [3, 3]]
    assert (table.prompts, table.responses, table.repeats, table.spread) == (None, None, None, None)


def test_a_rule_without_a_column_is_named_with_what_was_found_and_the_way_out() -> None:
    error = refused({"harm": [1], "privcy": [1]})
    assert error.message == (
        "no column for 1 of 2 ratings: ['privacy']. Found columns ['harm', 'privcy']. Is column "
        "'privcy' meant for 'privacy'? Name the columns after the rules' ids, or give the rules "
        "that these ratings were made with; `encore import` reads tables of other shapes and names "
        "(--rule-columns, --prefix)."
    )


def test_a_pair_needs_a_column_for_every_rule_on_both_sides() -> None:
    without = {name: PAIRED[name] for name in PAIRED if name != "rejected.privacy"}
    assert "no column for 1 of 4 ratings: ['rejected.privacy']" in refused(without).message


def test_a_long_list_of_columns_is_cut_short() -> None:
    rules = Rulebook.from_ids([f"rule{i}" for i in range(100)], LevelScale((0, 1)))
    with pytest.raises(RatingsError, match=r"no column for 100 of 100 ratings") as caught:
        rating_columns(rules, [f"column{i}" for i in range(100)], "here")
    assert len(str(caught.value)) < 700


def test_columns_that_stand_twice_are_refused() -> None:
    twins = pa.table([[1], [1], [1], [1]], names=["harm", "privacy", "harm", "note"])
    with pytest.raises(RatingsError) as caught:
        to_arrow(twins, "here")
    assert str(caught.value) == "here: duplicate columns: ['harm']. Keep one of each."


def test_the_layouts_are_told_apart_by_their_columns() -> None:
    assert is_pairs(["id", "chosen.harm", "rejected.harm"])
    # The texts of RewardBench's pairs are called chosen and rejected; they are no ratings.
    assert not is_pairs(["id", "chosen", "rejected", "harm"])


def test_a_spread_is_read_where_a_rule_has_one() -> None:
    table = read({**RATED, "harm": [5, 3.5, 3], "harm.spread": [0.0, 0.6, None]})
    np.testing.assert_array_equal(table.spread, [[0, NAN], [0.6, NAN], [NAN, NAN]])


def test_a_wrong_spread_is_placed_in_its_own_column() -> None:
    error = refused({**RATED, "harm.spread": [0, -1, 0]})
    assert (error.row, error.column) == (2, "harm.spread")


# --- types ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [
        pa.int8(),
        pa.uint64(),
        pa.float16(),
        pa.float32(),
        pa.float64(),
        pa.decimal128(5, 2),
        pa.decimal256(40, 2),
    ],
    ids=str,
)
def test_every_kind_of_number_is_read(kind: pa.DataType) -> None:
    values = [Decimal(5), Decimal(4), None] if pa.types.is_decimal(kind) else [5, 4, None]
    table = read({"harm": pa.array(values, kind), "privacy": [1, 2, 3]})
    np.testing.assert_array_equal(table.values, [[5, 1], [4, 2], [NAN, 3]])


def test_booleans_are_zero_and_one() -> None:
    two = Rulebook.from_ids(["harm", "privacy"], LevelScale((0, 1)))
    table = read({"harm": [True, False, None], "privacy": [1, 0, 1]}, two)
    np.testing.assert_array_equal(table.values, [[1, 1], [0, 0], [NAN, 1]])


def test_a_column_of_nulls_alone_is_unrated() -> None:
    table = read({"harm": pa.nulls(2), "privacy": [1, 2]})
    assert table.rated.tolist() == [[False, True], [False, True]]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()], ids=str)
def test_text_among_ratings_is_refused_in_its_first_row_that_has_any(kind: pa.DataType) -> None:
    error = refused({"harm": pa.array([None, "5", "4"], kind), "privacy": [1, 2, 3]})
    assert (error.row, error.column) == (2, "harm")
    assert f"'5' is of type {kind}; expected a number, or nothing where unrated" in error.message


def test_dates_and_lists_are_no_ratings() -> None:
    assert "[5] is of type list" in refused({"harm": [[5]], "privacy": [1]}).message
    dates = pa.array([1], pa.date32())
    assert "is of type date32[day]" in refused({"harm": dates, "privacy": [1]}).message


@pytest.mark.parametrize("value", [INF, -INF])
def test_an_infinite_rating_is_refused_in_its_row_and_column(value: float) -> None:
    error = refused({"harm": [5.0, value], "privacy": [1, 2]})
    assert (error.row, error.column) == (2, "harm")
    assert f"rating {value:g} is not finite" in error.message


# --- ids ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.dictionary(pa.int32(), pa.string()),
        pa.dictionary(pa.uint8(), pa.large_string()),
    ],
    ids=str,
)
def test_ids_are_read_from_every_kind_of_text(kind: pa.DataType) -> None:
    ids = {"prompt_id": ["p", "p", "q"], "response_id": ["x", "y", "x"]}
    encoded = {name: pa.array(values).cast(kind) for name, values in ids.items()}
    table = read({**encoded, **RATED})
    assert names(table.prompts) == ["p", "p", "q"]
    assert names(table.responses) == ["x", "y", "x"]


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.dictionary(pa.int32(), pa.string()),
        pa.dictionary(pa.uint32(), pa.string_view()),
    ],
    ids=str,
)
def test_pairs_have_ids_and_prompts_of_every_kind_of_text(kind: pa.DataType) -> None:
    ids = pa.array(["u", "v", "w"])
    ids = ids.cast(kind) if kind != pa.dictionary(pa.uint32(), pa.string_view()) else views(ids)
    pairs = pairs_from(pa.table({**PAIRED, "id": ids, "prompt_id": ids, "subset": ids}), FIVE, "x")
    assert names(pairs.prompts) == ["u", "v", "w"]
    assert names(pairs.ratings.responses)[:2] == ["u/chosen", "u/rejected"]
    assert names(pairs.subsets) == ["u", "v", "w"]


def views(texts: pa.Array) -> pa.Array:
    """What a polars Categorical is in Arrow."""
    codes = pa.array(range(len(texts)), pa.uint32())
    return pa.DictionaryArray.from_arrays(codes, texts.cast(pa.string_view()))


def test_ids_may_be_integers_and_are_read_as_text() -> None:
    table = read({"prompt_id": [7, 7, 9], "response_id": [1, 2, 1], **RATED})
    assert (names(table.prompts), names(table.responses)) == (list("779"), list("121"))
    pairs = pairs_from(pa.table({**PAIRED, "id": [7, 8, 9]}), FIVE, "here")
    assert names(pairs.ratings.responses)[-2:] == ["9/chosen", "9/rejected"]


def test_the_text_of_a_prompt_stands_for_its_id_where_there_is_none() -> None:
    texts = {"prompt": ["Hi", "Hi", "Ho"]}
    assert names(read({**texts, **RATED}).prompts) == ["Hi", "Hi", "Ho"]
    both = {**texts, "prompt_id": [1, 2, 3], **RATED}
    assert names(read(both).prompts) == ["1", "2", "3"]


def test_prompts_may_be_lists_of_chat_messages() -> None:
    hi, ho = ([{"role": "user", "content": text}] for text in ("Hi", "Ho"))
    prompts = read({"prompt": [hi, hi, ho], **RATED}).prompts
    assert prompts is not None and prompts.codes.tolist() == [0, 0, 1]
    pairs = pairs_from(pa.table({**PAIRED, "prompt": [hi, ho, hi]}), FIVE, "here")
    assert pairs.prompts.codes.tolist() == [0, 1, 0]


@pytest.mark.parametrize("name", ["prompt_id", "response_id", "prompt"])
def test_an_id_that_is_absent_is_refused_in_its_row_and_column(name: str) -> None:
    error = refused({name: ["x", None, "y"], **RATED})
    assert (error.row, error.column) == (2, name)
    assert error.message == "this id is empty; give every row one."


@pytest.mark.parametrize("name", ["id", "prompt_id", "prompt"])
def test_an_id_of_a_pair_that_is_absent_is_refused_in_its_row_and_column(name: str) -> None:
    error = refused({**PAIRED, name: ["x", "y", None]})
    assert (error.row, error.column) == (3, name)


def test_ids_that_are_lists_go_by_their_text() -> None:
    responses = read({"response_id": [[1], [2], [3]], **RATED}).responses
    assert responses is not None and list(responses.names) == ["[1]", "[2]", "[3]"]


def test_the_same_response_id_under_two_prompts_is_two_responses() -> None:
    assert read({"prompt_id": ["p", "p", "q"], "response_id": ["x", "y", "x"], **RATED}).n_rows == 3


def test_a_response_that_stands_twice_under_a_prompt_is_refused_with_both_rows() -> None:
    error = refused({"prompt_id": ["p", "q", "p"], "response_id": ["x", "x", "x"], **RATED})
    assert (error.row, error.column) == (3, "response_id")
    assert "response 'x' of one prompt is rated twice (also in row 1)" in error.message


def test_a_pair_that_stands_twice_is_refused_with_both_rows_and_its_own_column() -> None:
    error = refused({**PAIRED, "id": ["u", "v", "v"]})
    assert (error.row, error.column) == (3, "id")
    assert "also in row 2" in error.message


# --- repeats --------------------------------------------------------------------------------


def test_repeats_are_whole_numbers_of_any_type() -> None:
    repeats = pa.array([0, 1, 2]).cast(pa.float64())
    table = read({"response_id": ["x", "x", "x"], "repeat": repeats, **RATED})
    assert table.repeats is not None and table.repeats.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("repeat", "said"),
    [
        (0.5, "repeat 0.5 is not a whole number of 0 or more; expected 0"),
        (None, "repeat nan is not a whole number of 0 or more; expected 0"),
        (-1, "repeat -1 is not a whole number of 0 or more; expected 0"),
    ],
)
@pytest.mark.parametrize("layout", [{**RATED, "response_id": ["x", "y", "z"]}, PAIRED])
def test_a_repeat_that_is_none_is_refused_in_its_row(
    layout: dict[str, Any], repeat: float | None, said: str
) -> None:
    error = refused({**layout, "repeat": [0, 0, repeat]})
    assert (error.row, error.column) == (3, "repeat")
    assert said in error.message


def test_repeats_without_response_ids_are_refused() -> None:
    error = refused({"prompt_id": ["p", "p", "q"], "repeat": [0, 1, 0], **RATED})
    assert error.message.startswith("repeats need response ids ('response_id', or 'id' for pairs)")


def test_repeated_pairs_without_ids_are_refused() -> None:
    without = {name: values for name, values in PAIRED.items() if name != "id"}
    assert "repeats need" in refused({**without, "repeat": [0, 1, 0]}).message


def test_a_pair_rated_again_makes_no_second_pair() -> None:
    again = {**PAIRED, "id": ["u", "u", "w"], "repeat": [0, 1, 0]}
    pairs = pairs_from(pa.table(again), FIVE, "here")
    # Rows 0 and 2 of the file are pairs; each is two rows of ratings.
    assert (pairs.chosen.tolist(), pairs.rejected.tolist()) == ([0, 4], [1, 5])
    assert pairs.ratings.n_rows == 6


def test_repeats_may_be_numbered_from_one() -> None:
    # The lowest repeat of a response is its rating, whatever its number: nothing gets lost.
    pairs = pairs_from(pa.table({**PAIRED, "repeat": [1, 1, 1]}), FIVE, "here")
    assert pairs.n_pairs == 3
    table = RatingsTable(FIVE, [[5, 5], [4, 4], [1, 1]], None, ["x", "x", "y"], [2, 1, 1])
    assert table.is_first.tolist() == [False, True, True]


# --- pairs ----------------------------------------------------------------------------------


def test_a_pair_becomes_two_rows_chosen_first() -> None:
    table = read(PAIRED)
    assert table.values.tolist() == [[5, 5], [1, 1], [4, 5], [2, 1], [3, 5], [3, 1]]
    assert names(table.prompts) == ["u", "u", "v", "v", "w", "w"]


def test_pairs_without_ids_are_named_by_their_rows() -> None:
    without = {name: values for name, values in PAIRED.items() if name != "id"}
    responses = to_responses(pa.table(without), FIVE, "here", first_row=11)
    assert responses["response_id"].to_pylist()[:3] == ["11/chosen", "11/rejected", "12/chosen"]


@pytest.mark.parametrize("side", ["chosen", "rejected"])
@pytest.mark.parametrize("row", [1, 2, 3])
def test_a_wrong_rating_of_a_pair_is_placed_in_its_row_and_column(side: str, row: int) -> None:
    wrong = [5, 5, 5]
    wrong[row - 1] = 9
    error = refused({**PAIRED, f"{side}.privacy": wrong})
    assert (error.row, error.column) == (row, f"{side}.privacy")
    assert "rating 9 is not one of the rule's levels (1, 2, 3, 4, 5)" in error.message


def test_the_spread_that_an_expected_level_of_a_pair_needs_is_called_by_its_column() -> None:
    error = refused({**PAIRED, "rejected.privacy": [1, 1.5, 1]})
    assert "needs a 'rejected.privacy.spread' column" in error.message


def test_a_pair_may_have_a_spread_on_one_side_only() -> None:
    table = read({**PAIRED, "chosen.harm": [4.5, 4, 3], "chosen.harm.spread": [0.6, 0, 0]})
    np.testing.assert_array_equal(table.spread, [[x, NAN] for x in (0.6, NAN, 0, NAN, 0, NAN)])


def test_text_among_the_ratings_of_pairs_is_placed_in_its_column() -> None:
    error = refused({**PAIRED, "rejected.harm": [None, "1", "2"]})
    assert (error.row, error.column) == (2, "rejected.harm")


def test_subsets_are_kept_and_one_stands_for_all_where_there_is_none() -> None:
    named = pairs_from(pa.table({**PAIRED, "subset": ["s", "t", "s"]}), FIVE, "here")
    assert names(named.subsets) == ["s", "t", "s"]
    assert names(pairs_from(pa.table(PAIRED), FIVE, "here").subsets) == ["all"] * 3


def test_single_responses_are_refused_where_pairs_are_needed() -> None:
    with pytest.raises(RatingsError) as caught:
        pairs_from(pa.table(RATED), FIVE, "here")
    assert str(caught.value) == (
        "here: these are not pairs: expected columns 'chosen.<rule>' and 'rejected.<rule>', found "
        "['harm', 'privacy']. Only pairs say which response people chose. If each response has a "
        "label, such as a person's score, name that column: --label COLUMN (label=)."
    )


def test_no_rows_are_no_pairs() -> None:
    with pytest.raises(RatingsError, match="there are no pairs"):
        pairs_from(pa.table(PAIRED).slice(0, 0), FIVE, "here")


# --- provenance -----------------------------------------------------------------------------


def test_ratings_that_say_they_were_made_with_other_rules_are_refused() -> None:
    schema = pa.schema([("harm", pa.int8())]).with_metadata({RULES_DIGEST: WIDE.digest})
    with pytest.raises(MismatchError) as caught:
        check_metadata(schema, FIVE, "here")
    assert str(caught.value) == (
        f"here was made with other rules (digest {WIDE.digest[:12]}…) than these "
        f"(digest {FIVE.digest[:12]}…). Give the rules that it was made with, or weights for them."
    )
    check_metadata(schema, WIDE, "here")
    check_metadata(schema.remove_metadata(), FIVE, "here")


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        (
            {"encore.kind": "encore.rewards"},
            "here: expected a file of kind 'encore.ratings', got 'encore.rewards'.",
        ),
        (
            {"encore.schema_version": "2"},
            "here: schema version 2 of 'encore.ratings' is not one that this version of ENCORE "
            "reads (1 to 1). Install the version that wrote it, or a newer one.",
        ),
        ({"encore.schema_version": "one"}, "here: schema version 'one' of 'encore.ratings' is"),
    ],
)
def test_a_table_of_another_kind_or_of_a_newer_schema_is_refused(
    metadata: dict[str, str], said: str
) -> None:
    schema = pa.schema([("harm", pa.int8())]).with_metadata(metadata)
    with pytest.raises(DocumentError) as caught:
        check_metadata(schema, FIVE, "here")
    assert str(caught.value).startswith(said)


# --- frames ---------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [None, 3, "text", iter([1])])
def test_what_is_no_frame_is_refused_with_what_is(data: Any) -> None:
    with pytest.raises(InputError, match="Expected a NumPy array, an Arrow table, a polars or"):
        to_arrow(data, "here")


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(InputError, match="expected length 1 but got length 2"):
        to_arrow({"harm": [1], "privacy": [1, 2]}, "here")


def test_every_thing_that_speaks_arrow_is_a_table() -> None:
    table = pa.table(RATED)
    for form in (table, table.to_batches()[0], table.to_reader(), RATED):
        assert to_arrow(form, "here").equals(table)


def test_pandas_columns_that_stand_twice_are_refused_like_any(
    peer: Callable[[str], ModuleType],
) -> None:
    frame = peer("pandas").DataFrame([[1, 2, 3]], columns=["harm", "privacy", "harm"])
    with pytest.raises(RatingsError, match=r"duplicate columns: \['harm'\]"):
        to_arrow(frame, "here")
