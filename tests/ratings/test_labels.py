"""Labels of single responses, from whatever holds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from encore import RatingsTable, Rulebook
from encore.errors import InputError, RatingsError, UnknownNameError
from encore.ratings import as_pairs

Save = Callable[[str, Mapping[str, Sequence[Any]]], Path]
RATED: dict[str, Sequence[Any]] = {
    "prompt_id": ["p", "p", "q", "q"],
    "response_id": ["a", "b", "c", "d"],
    "harm": [5, 1, 2, 4],
    "privacy": [5, 3, 2, 1],
    "score": [0.5, 4, None, 1],
}
ENDINGS = ("parquet", "csv", "jsonl")


def ids(data: Any, rules: Rulebook, label: Any = "score", **how: Any) -> tuple[str, ...]:
    return as_pairs(data, rules, label=label, **how).ids


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_column_of_a_file_is_read_in_every_format(
    rules: Rulebook, save: Save, ending: str
) -> None:
    pairs = as_pairs(save(f"rated.{ending}", RATED), rules, label="score")
    assert pairs.ids == ("b > a",)
    assert pairs.labels is not None and pairs.pairing is not None
    np.testing.assert_array_equal(pairs.labels, [0.5, 4, np.nan, 1])
    assert (pairs.pairing.n_responses, pairs.pairing.n_labelled) == (4, 3)
    assert pairs.ratings.values[pairs.chosen].tolist() == [[1, 3]]


def test_every_form_of_ratings_gives_the_same_pairs(
    rules: Rulebook, peer: Callable[[str], ModuleType]
) -> None:
    pandas, polars = peer("pandas"), peer("polars")
    arrow = pa.table({**RATED})
    values = np.column_stack([RATED["harm"], RATED["privacy"]])
    table = RatingsTable(rules, values, RATED["prompt_id"], RATED["response_id"])
    labels = np.array(RATED["score"], dtype=float)
    for form in (arrow, dict(RATED), polars.from_arrow(arrow), pandas.DataFrame(RATED)):
        assert ids(form, rules) == ("b > a",)
        assert ids(form, rules, labels) == ("b > a",)
    assert ids(table, rules, labels) == ("b > a",)
    assert ids(table, rules, np.ma.masked_invalid(labels)) == ("b > a",)
    assert ids(values, rules, [1, 2, 3, 4], across_prompts=True, gap=0)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    "outcome",
    [[True, False, None, True], ["true", "False", "", " TRUE "], ["1", "0", None, "1.0"]],
    ids=["booleans", "words", "numbers as text"],
)
def test_outcomes_are_booleans_or_these_words(
    rules: Rulebook, save: Save, ending: str, outcome: list[Any]
) -> None:
    path = save(f"rated.{ending}", {**RATED, "ok": outcome})
    pairs = as_pairs(path, rules, label="ok")
    assert pairs.ids == ("a > b",) and pairs.pairing is not None and pairs.pairing.is_outcome


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("words", [("pass", "fail"), ("Yes", "NO"), ("true", "false")])
def test_words_for_an_outcome_are_1_and_0(
    rules: Rulebook, save: Save, ending: str, words: tuple[str, str]
) -> None:
    good, bad = words
    path = save(f"rated.{ending}", {**RATED, "verdict": [good, bad, None, good]})
    numbers = save(f"numbers.{ending}", {**RATED, "verdict": [1, 0, None, 1]})
    assert ids(path, rules, "verdict") == ids(numbers, rules, "verdict")


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    ("labels", "cell"),
    [
        (["good", "poor", "good", None], "'good'"),
        (["pass", "refused", "fail", "pass"], "'refused'"),
        (["1", "2", "B", "3"], "'B'"),
        (["1_0", "2", "1", "3"], "'1_0'"),
        (["3/5", "2/5", "1/5", ""], "'3/5'"),
        (["1", "none", "2", "NA"], "'none'"),
        (["true", "3", "2", "1"], "'true'"),
    ],
)
def test_other_words_are_refused_with_the_next_step(
    rules: Rulebook, save: Save, ending: str, labels: list[Any], cell: str
) -> None:
    with pytest.raises(
        RatingsError, match="encore import --label verdict --map verdict:"
    ) as caught:
        ids(save(f"rated.{ending}", {**RATED, "verdict": labels}), rules, "verdict")
    assert caught.value.column == "verdict" and f"the label {cell} is not" in str(caught.value)
    assert caught.value.row == labels.index(cell.strip("'")) + 1


@pytest.mark.parametrize("value", [float("inf"), -float("inf")])
def test_an_infinite_label_is_refused(rules: Rulebook, value: float) -> None:
    with pytest.raises(RatingsError, match=r"row 3, column 'score': the label -?inf is not finite"):
        ids({**RATED, "score": [1.0, 2, value, 3]}, rules)


@pytest.mark.parametrize("labels", [[[1], [2], [3], [4]], [{"a": 1}] * 4])
def test_lists_are_no_labels(rules: Rulebook, labels: list[Any]) -> None:
    with pytest.raises(RatingsError, match="column 'score'"):
        ids({**RATED, "score": labels}, rules)


def test_a_near_miss_of_the_column_is_suggested(rules: Rulebook, save: Save) -> None:
    for data in (save("rated.csv", RATED), dict(RATED)):
        with pytest.raises(UnknownNameError, match=r"Did you mean 'score'\? Known: score"):
            ids(data, rules, "scores")


@pytest.mark.parametrize("name", ["harm", "harm.spread", "harm.p", "prompt_id", "repeat", "prompt"])
def test_a_column_that_holds_something_else_is_refused(rules: Rulebook, name: str) -> None:
    with pytest.raises(InputError, match=r"compared with itself|holds no labels"):
        ids(dict(RATED), rules, name)


def test_a_person_may_label_what_a_rule_is_about(rules: Rulebook) -> None:
    frame = {**RATED, "harm.human": RATED["score"]}
    assert ids(frame, rules, "harm.human", lower_is_better=False) == ("b > a",)


def test_pairs_are_not_made_into_pairs(rules: Rulebook, save: Save) -> None:
    sides = {f"{side}.{rule}": [1, 2] for side in ("chosen", "rejected") for rule in rules.ids}
    path = save("pairs.csv", {**sides, "score": [1, 2]})
    for data in (path, as_pairs(path, rules)):
        with pytest.raises(InputError, match="pairs already"):
            ids(data, rules)


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("score", "a RatingsTable has no columns: give the labels themselves"),
        ([1, 2, 3], r"labels have shape \(3,\) for 4 rows"),
        (["a", "b", "c", "d"], "labels are of type <U1; expected numbers"),
    ],
)
def test_labels_of_a_table_are_numbers_one_for_each_row(
    rules: Rulebook, label: Any, said: str
) -> None:
    table = RatingsTable(rules, np.ones((4, 2)), ["p", "p", "q", "q"])
    with pytest.raises(InputError, match=said):
        ids(table, rules, label)


def test_how_pairs_are_made_goes_with_labels(rules: Rulebook) -> None:
    for how in ({"gap": 1}, {"max_per_prompt": 3}, {"across_prompts": True}):
        with pytest.raises(InputError, match=f"^{next(iter(how))}: .* give the labels too"):
            as_pairs({}, rules, **how)
