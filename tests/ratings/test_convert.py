from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from encore import (
    LevelScale,
    PreferencePairs,
    RangeScale,
    RatingsTable,
    Rulebook,
    calibrate,
    compose,
    weights,
)
from encore.errors import InputError, MismatchError, RatingsError
from encore.ratings import Ids
from encore.ratings.convert import as_pairs, as_ratings

Save = Callable[[str, Mapping[str, Sequence[Any]]], Path]
Peer = Callable[[str], ModuleType]
NAN = float("nan")
RATED: dict[str, list[Any]] = {
    "prompt_id": ["p", "p", "q"],
    "response_id": ["x", "y", "x"],
    "harm": [5, 4, None],
    "privacy": [1.0, None, 3.0],
    "note": ["a", "b", "c"],
}
PAIRED: dict[str, list[Any]] = {
    "id": ["u", "v"],
    "prompt": ["Hi", "Ho"],
    "subset": ["s", "t"],
    "chosen.harm": [5, 4],
    "chosen.privacy": [5, None],
    "rejected.harm": [1, 2],
    "rejected.privacy": [1, 1],
}


def same_ids(left: Ids | None, right: Ids | None) -> bool:
    if left is None or right is None:
        return left is right
    named = [[str(ids.names[code]) for code in ids.codes.tolist()] for ids in (left, right)]
    return named[0] == named[1]


def same(left: RatingsTable, right: RatingsTable) -> bool:
    return (
        np.array_equal(left.values, right.values, equal_nan=True)
        and same_ids(left.prompts, right.prompts)
        and same_ids(left.responses, right.responses)
    )


def of_arrow(rules: Rulebook) -> RatingsTable:
    table = as_ratings(pa.table(RATED), rules)
    np.testing.assert_array_equal(table.values, [[5, 1], [4, NAN], [NAN, 3]])
    return table


# --- forms of ratings -----------------------------------------------------------------------


@pytest.mark.parametrize("form", [np.array, list, tuple])
def test_an_array_or_a_list_of_rows_is_ratings(form: Any, rules: Rulebook) -> None:
    table = as_ratings(form([[5, 4], [NAN, 1]]), rules, prompts=["p", "q"])
    np.testing.assert_array_equal(table.values, [[5, 4], [NAN, 1]])
    assert table.prompts is not None and table.prompts.codes.tolist() == [0, 1]


def test_a_ratings_table_is_itself(rules: Rulebook) -> None:
    table = RatingsTable(rules, np.array([[5.0, 4.0]]))
    assert as_ratings(table, rules) is table


def test_pairs_are_the_ratings_of_their_responses(rules: Rulebook) -> None:
    pairs = PreferencePairs.from_arrays([[5, 5]], [[1, 1]], rules)
    assert as_ratings(pairs, rules) is pairs.ratings
    assert as_pairs(pairs, rules) is pairs


def test_a_mapping_of_columns_is_a_frame(rules: Rulebook) -> None:
    assert same(as_ratings(RATED, rules), of_arrow(rules))


def test_a_polars_frame_gives_the_same_table_as_arrow(peer: Peer, rules: Rulebook) -> None:
    assert same(as_ratings(peer("polars").DataFrame(RATED), rules), of_arrow(rules))


def test_a_pandas_frame_gives_the_same_table_as_arrow(peer: Peer, rules: Rulebook) -> None:
    assert same(as_ratings(peer("pandas").DataFrame(RATED), rules), of_arrow(rules))


def test_a_slice_of_a_pandas_frame_keeps_its_rows(peer: Peer, rules: Rulebook) -> None:
    frame = peer("pandas").DataFrame(RATED)[1:]
    assert same(as_ratings(frame, rules), of_arrow(rules).take(slice(1, None)))


def test_nullable_pandas_columns_and_polars_nan_are_unrated(peer: Peer, rules: Rulebook) -> None:
    nullable = peer("pandas").DataFrame(RATED).astype({"harm": "Int64", "privacy": "Float64"})
    assert same(as_ratings(nullable, rules), of_arrow(rules))
    with_nan = peer("polars").DataFrame({**RATED, "privacy": [1.0, NAN, 3.0]})
    assert same(as_ratings(with_nan, rules), of_arrow(rules))


def test_categories_are_ids_like_any(peer: Peer, rules: Rulebook) -> None:
    polars, pandas = peer("polars"), peer("pandas")
    categorical = polars.DataFrame(RATED).with_columns(
        polars.col("prompt_id").cast(polars.Categorical)
    )
    assert same(as_ratings(categorical, rules), of_arrow(rules))
    frame = pandas.DataFrame(RATED).astype({"prompt_id": "category", "response_id": "category"})
    assert same(as_ratings(frame, rules), of_arrow(rules))


@pytest.mark.parametrize("name", ["polars", "pandas"])
def test_text_among_the_ratings_of_a_frame_is_refused_in_its_place(
    name: str, peer: Peer, rules: Rulebook
) -> None:
    frame = peer(name).DataFrame({**RATED, "harm": ["5", "4", "3"]})
    with pytest.raises(RatingsError, match=r"'5' is of type .*; expected a number") as caught:
        as_ratings(frame, rules)
    assert (caught.value.source, caught.value.row, caught.value.column) == ("ratings", 1, "harm")


def test_text_among_numbers_of_a_pandas_column_is_refused_by_its_name(
    peer: Peer, rules: Rulebook
) -> None:
    frame = peer("pandas").DataFrame({**RATED, "harm": [5, "four", 3]})
    with pytest.raises(InputError, match="column harm"):
        as_ratings(frame, rules)


@pytest.mark.parametrize("name", ["polars", "pandas"])
def test_a_frame_of_pairs_gives_the_same_pairs_as_arrow(
    name: str, peer: Peer, rules: Rulebook
) -> None:
    pairs, expected = (as_pairs(f(PAIRED), rules) for f in (peer(name).DataFrame, pa.table))
    assert same(pairs.ratings, expected.ratings)
    assert same_ids(pairs.subsets, expected.subsets)
    # (5-1)/4, (5-1)/4; (4-2)/4, unrated
    np.testing.assert_array_equal(pairs.margins, [[1, 1], [1 / 2, NAN]])


def test_polars_categories_are_ids_of_pairs(peer: Peer, rules: Rulebook) -> None:
    polars = peer("polars")
    frame = polars.DataFrame(PAIRED).with_columns(
        polars.col("id", "prompt", "subset").cast(polars.Categorical)
    )
    assert same(as_pairs(frame, rules).ratings, as_pairs(pa.table(PAIRED), rules).ratings)


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_a_file_gives_the_same_table_as_arrow(suffix: str, save: Save, rules: Rulebook) -> None:
    path = save(f"ratings.{suffix}", RATED)
    assert same(as_ratings(path, rules), of_arrow(rules))
    assert same(as_ratings(str(path), rules), of_arrow(rules))
    assert as_ratings(path, rules).source == str(path)


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_a_file_of_pairs_gives_the_same_pairs_as_arrow(
    suffix: str, save: Save, rules: Rulebook
) -> None:
    pairs = as_pairs(save(f"pairs.{suffix}", PAIRED), rules)
    expected = as_pairs(pa.table(PAIRED), rules)
    assert same(pairs.ratings, expected.ratings)
    assert same_ids(pairs.subsets, expected.subsets)


def test_a_pass_or_fail_rule_reads_alike_from_all_three_formats(save: Save) -> None:
    rules = Rulebook.from_ids(["harm"], LevelScale((0, 1)))
    for name in ("a.parquet", "a.jsonl"):
        table = as_ratings(save(name, {"harm": [True, False, None]}), rules)
        np.testing.assert_array_equal(table.values, [[1], [0], [NAN]])
    numbers = as_ratings(save("a.csv", {"harm": [1, 0, None]}), rules)
    np.testing.assert_array_equal(numbers.values, [[1], [0], [NAN]])


# --- refusals -------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [None, 7, object()])
def test_what_holds_no_ratings_is_refused_with_what_does(data: Any, rules: Rulebook) -> None:
    with pytest.raises(InputError, match=r"is not a ratings table .* Expected a NumPy array"):
        as_ratings(data, rules)


def test_rows_of_unequal_length_are_refused_as_ratings(rules: Rulebook) -> None:
    with pytest.raises(RatingsError):
        as_ratings([[5, 4], [3]], rules)


def test_none_in_a_list_is_refused_with_what_stands_for_unrated(rules: Rulebook) -> None:
    with pytest.raises(RatingsError, match="expected numbers, with NaN where unrated"):
        as_ratings([[5, None]], rules)


def test_prompts_go_with_arrays_alone(rules: Rulebook) -> None:
    with pytest.raises(InputError, match="prompts go with an array of ratings; a Table names its"):
        as_ratings(pa.table(RATED), rules, prompts=["p", "p", "q"])


def test_prompts_of_an_array_may_be_lists_of_chat_messages(rules: Rulebook) -> None:
    hi, ho = ([{"role": "user", "content": text}] for text in ("Hi", "Ho"))
    prompts = as_ratings([[5, 5], [4, 4], [3, 3]], rules, prompts=[hi, hi, ho]).prompts
    assert prompts is not None and prompts.codes.tolist() == [0, 0, 1]


def test_an_absent_prompt_of_an_array_is_refused_as_in_a_file(rules: Rulebook) -> None:
    with pytest.raises(RatingsError, match="this id is empty"):
        as_ratings([[5, 5], [4, 4]], rules, prompts=["p", None])


@pytest.mark.parametrize("convert", [as_ratings, as_pairs])
def test_ratings_of_other_rules_are_refused_with_both_lists(
    convert: Callable[[Any, Rulebook], Any], rules: Rulebook
) -> None:
    pairs = PreferencePairs.from_arrays([[5, 5]], [[1, 1]], rules)
    others = Rulebook.from_ids(["harm", "honesty"], LevelScale((1, 2, 3, 4, 5)))
    with pytest.raises(MismatchError) as caught:
        convert(pairs, others)
    assert str(caught.value) == (
        "these rules: rules [harm, honesty]; pairs: rules [harm, privacy]. "
        "Use files made from the same rules, in the same order."
    )


def test_ratings_on_another_scale_are_refused_with_the_rules_that_differ(rules: Rulebook) -> None:
    others = Rulebook.from_ids(rules.ids, RangeScale(1, 5))
    with pytest.raises(MismatchError, match=r"hold rules \[harm, privacy\] with different texts"):
        as_ratings(RatingsTable(rules, np.array([[5.0, 4.0]])), others)


def test_an_array_holds_no_pairs(rules: Rulebook) -> None:
    with pytest.raises(InputError):
        as_pairs(np.array([[5, 4]]), rules)


def test_a_frame_of_responses_holds_no_pairs(rules: Rulebook) -> None:
    with pytest.raises(RatingsError, match="Only pairs say which response people chose"):
        as_pairs(pa.table(RATED), rules)


# --- sizes ----------------------------------------------------------------------------------


def test_one_response_under_one_rule_goes_the_whole_road() -> None:
    rules = Rulebook.from_ids(["harm"], LevelScale((1, 2, 3, 4, 5)))
    calibration = calibrate([[4]], rules)
    # One rating has no entropy: the weight is 1, and (4 - 1) / (5 - 1) the reward.
    assert compose([[4]], weights.Linear()(calibration)).tolist() == [3 / 4]


def test_ten_thousand_rules_go_the_whole_road_in_bounded_memory() -> None:
    n_rules = 10_000
    rules = Rulebook.from_ids([f"rule {i}" for i in range(n_rules)], LevelScale((1, 2, 3, 4, 5)))
    # Even rules give both responses to a prompt the same level, odd ones 1 and 5.
    values = np.ones((20, n_rules))
    values[1::2, 1::2] = 5
    tracemalloc.start()
    calibration = calibrate(values, rules, prompts=[row // 2 for row in range(20)])
    linear = weights.Linear()(calibration)
    rewards = compose(values, linear)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # A covariance of margins would be 10,000 squared float64, 800 MB.
    assert peak < 100e6
    # H is 0 for even rules and ln 2 for odd ones, so the weights are 1 and 1 - ln 2 / ln 5. The
    # first response is rated 0 throughout, the second 1 by the odd rules.
    odd = 1 - np.log(2) / np.log(5)
    np.testing.assert_allclose(linear.values[:2], [1, odd])
    np.testing.assert_allclose(rewards[:2], [0, odd / (1 + odd)], atol=1e-12)
    np.testing.assert_allclose(calibration.margin_variance[:2], [0, 1], atol=1e-12)
    with pytest.raises(InputError, match="10000 rules are too many for a covariance of their"):
        weights.Agreement()(calibration)
