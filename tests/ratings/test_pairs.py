from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encore import LevelScale, PreferencePairs, RatingsTable, Rulebook
from encore.errors import InputError, RatingsError
from encore.ratings import Ids

NAN = float("nan")
FIVE = Rulebook.from_ids(["harm", "privacy"], LevelScale((1, 2, 3, 4, 5)))


def refused(chosen: Any, rejected: Any, **columns: Any) -> RatingsError:
    with pytest.raises(RatingsError) as caught:
        PreferencePairs.from_arrays(chosen, rejected, FIVE, **columns)
    return caught.value


def test_margins_are_the_chosen_less_the_rejected_unit_rating() -> None:
    pairs = PreferencePairs.from_arrays([[5, 1], [3, 4]], [[1, 1], [4, 2]], FIVE)
    # (5 - 1)/4 - (1 - 1)/4, 0; (3 - 1)/4 - (4 - 1)/4, (4 - 1)/4 - (2 - 1)/4
    assert pairs.margins.tolist() == [[1.0, 0.0], [-1 / 4, 1 / 2]]


def test_a_margin_with_an_unrated_side_is_unknown() -> None:
    pairs = PreferencePairs.from_arrays([[5, NAN]], [[NAN, 1]], FIVE)
    assert np.isnan(pairs.margins).all()


def test_one_pair_of_one_rule_is_enough() -> None:
    one = Rulebook.from_ids(["harm"], LevelScale((0, 1)))
    pairs = PreferencePairs.from_arrays([[1]], [[0]], one)
    assert (pairs.n_pairs, pairs.margins.tolist()) == (1, [[1.0]])


def test_pairs_that_name_no_prompt_have_one_each() -> None:
    pairs = PreferencePairs.from_arrays([[5, 5]] * 3, [[1, 1]] * 3, FIVE)
    assert pairs.prompts.codes.tolist() == [0, 1, 2]


def test_both_responses_of_a_pair_answer_its_prompt() -> None:
    pairs = PreferencePairs.from_arrays(
        [[5, 5]] * 3, [[1, 1]] * 3, FIVE, prompts=["p", "q", "p"], subsets=["s", "t", "s"]
    )
    assert pairs.prompts.codes.tolist() == [0, 1, 0]
    assert pairs.ratings.prompts is not None
    assert pairs.ratings.prompts.codes.tolist() == [0, 0, 1, 1, 0, 0]
    assert [pairs.subsets.names[code] for code in pairs.subsets.codes] == ["s", "t", "s"]


def test_pairs_that_name_no_subset_share_one() -> None:
    pairs = PreferencePairs.from_arrays([[5, 5]] * 2, [[1, 1]] * 2, FIVE)
    assert (list(pairs.subsets.names), pairs.subsets.codes.tolist()) == (["all"], [0, 0])


def test_ratings_without_prompts_give_every_pair_its_own() -> None:
    ratings = RatingsTable(FIVE, np.array([[5, 5], [1, 1], [4, 4], [2, 2]]))
    first = np.array([0, 2])
    pairs = PreferencePairs(ratings, first, first + 1, Ids.of(["all", "all"]))
    assert pairs.prompts.codes.tolist() == [0, 1]


@given(
    st.lists(
        st.tuples(*[st.sampled_from([1, 2, 3, 4, 5, NAN])] * 4).map(np.array),
        min_size=1,
        max_size=6,
    )
)
def test_swapping_the_sides_turns_every_margin_round(rows: list[Any]) -> None:
    both = np.array(rows)
    ahead = PreferencePairs.from_arrays(both[:, :2], both[:, 2:], FIVE).margins
    behind = PreferencePairs.from_arrays(both[:, 2:], both[:, :2], FIVE).margins
    np.testing.assert_array_equal(ahead, -behind)


def test_sides_of_unequal_length_are_refused_with_both_numbers() -> None:
    assert str(refused([[5, 5]] * 2, [[1, 1]])) == (
        "pairs: 1 rejected responses for 2 pairs; expected one per pair."
    )


def test_no_pairs_are_refused() -> None:
    assert "there are no pairs" in str(refused(np.empty((0, 2)), np.empty((0, 2))))


def test_subsets_of_another_length_are_refused_with_the_numbers() -> None:
    message = str(refused([[5, 5]] * 2, [[1, 1]] * 2, subsets=["s"] * 3))
    assert "3 subsets for 2 pairs; expected one per pair" in message


def test_prompts_of_another_length_are_refused_with_the_numbers_of_pairs() -> None:
    message = str(refused([[5, 5]] * 2, [[1, 1]] * 2, prompts=["p"] * 3))
    assert "3 prompts" in message and "2 pairs" in message


def test_a_wrong_rating_is_placed_on_its_side_and_row() -> None:
    error = refused([[5, 5], [5, 5]], [[1, 1], [1, 9]])
    assert (error.source, error.row, error.column) == ("pairs", 2, "rejected.privacy")
    assert refused([[5, 5], [0, 5]], [[1, 1], [1, 1]]).column == "chosen.harm"


def test_the_side_that_holds_no_table_of_numbers_is_named() -> None:
    assert refused([[5, 5]], [["1", "x"]]).source == "rejected"
    assert refused([[5, 5], [1]], [[1, 1], [1, 1]]).source == "chosen"


def test_the_ratings_of_both_sides_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []
    off_level = Rulebook.off_level

    def watched(self: Rulebook, values: Any) -> Any:
        seen.append(np.shape(values))
        return off_level(self, values)

    monkeypatch.setattr(Rulebook, "off_level", watched)
    PreferencePairs.from_arrays([[5, 5]] * 3, [[1, 1]] * 3, FIVE)
    assert seen == [(6, 2)]  # two rows a pair


@pytest.mark.parametrize(
    "rows", [np.array([False, True, True]), np.array([1, 2]), [1, 2], slice(1, None)], ids=str
)
def test_some_pairs_keep_their_ratings_and_their_subsets(rows: Any) -> None:
    whole = PreferencePairs.from_arrays(
        [[5, 1], [4, 1], [3, 1]], [[1, 1]] * 3, FIVE, prompts="pqp", subsets=["s", "t", "t"]
    )
    some = whole.take(rows)
    assert some.ratings is whole.ratings
    assert some.margins[:, 0].tolist() == [3 / 4, 2 / 4]  # (4 - 1)/4, (3 - 1)/4
    assert [some.subsets.names[code] for code in some.subsets.codes] == ["t", "t"]
    assert some.prompts.codes.tolist() == [1, 0]


def test_pairs_are_taken_in_the_order_asked_for() -> None:
    pairs = PreferencePairs.from_arrays([[5, 1], [4, 1]], [[1, 1]] * 2, FIVE)
    assert pairs.take([1, 0]).margins[:, 0].tolist() == [3 / 4, 1.0]


def test_no_pairs_cannot_be_taken() -> None:
    pairs = PreferencePairs.from_arrays([[5, 1]], [[1, 1]], FIVE)
    with pytest.raises(RatingsError, match="there are no pairs"):
        pairs.take(np.array([False]))


def test_a_side_of_another_shape_is_refused_with_the_right_one() -> None:
    assert "shape (1, 3); expected (n_rows, 2)" in str(refused([[5, 5]], [[1, 1, 1]]))


@pytest.mark.parametrize(
    "rows",
    [
        *([0.5], ["0"], [2], [-3], [[0]], [True], [True, False, True], 1),
        *(np.ma.array([0, 1], mask=[False, True]), np.ma.array([True, True], mask=[False, True])),
    ],
)
def test_what_takes_no_pairs_is_refused(rows: Any) -> None:
    rules = Rulebook.from_ids(["a"], LevelScale((0, 1)))
    pairs = PreferencePairs.from_arrays([[1], [0]], [[0], [1]], rules)
    with pytest.raises(InputError, match="pairs to take are"):
        pairs.take(rows)


@pytest.mark.parametrize(
    "rows", [[1.0, 0.0], [True, False], ["0", "1"], np.ma.array([0, 0], mask=[False, True])]
)
def test_rows_of_pairs_are_whole_numbers(rows: Any) -> None:
    rules = Rulebook.from_ids(["a"], LevelScale((0, 1)))
    ratings = RatingsTable(rules, [[1], [0]])
    with pytest.raises(RatingsError, match=r"chosen (are of type|refers to rows -1)"):
        PreferencePairs(ratings, rows, np.array([1, 0]), Ids.of(["all"] * 2))


def test_a_margin_counts_where_the_rule_applies_at_least_half_to_both_sides() -> None:
    applies: Any = [[1, 0.4], [0.5, 1], [1, 1], [1, 0.5]]
    ratings = RatingsTable(FIVE, [[5, 5], [1, 1], [5, 5], [1, 1]], "ppqq", applies=applies)
    pairs = PreferencePairs(ratings, np.array([0, 2]), np.array([1, 3]), Ids.of(["a", "a"]))
    assert np.nan_to_num(pairs.margins, nan=-9).tolist() == [[1, -9], [1, 1]]


def test_sides_that_differ_much_in_what_applies_are_uneven() -> None:
    #          unequal by 0.6 | by 0.5 | not applicable on one side | on both
    applies: Any = [[1, 1], [1, 0.4], [1, 1], [1, 0.5], [1, 1], [0, 1], [0, 1], [0, 1]]
    ratings = RatingsTable(FIVE, [[5, 5]] * 8, "ppqqrrss", applies=applies)
    first = np.arange(0, 8, 2)
    pairs = PreferencePairs(ratings, first, first + 1, Ids.of(["a"] * 4))
    assert pairs.uneven.tolist() == [True, False, True, False]
    assert pairs.n_uneven == 2


def test_a_margin_weighs_as_far_as_its_rule_applies() -> None:
    applies: Any = [[1, 0.5], [0.5, 0.5], [0, 1], [1, 1]]
    values: Any = [[5, 5], [1, 1], [5, NAN], [1, 1]]
    ratings = RatingsTable(FIVE, values, "ppqq", applies=applies)
    pairs = PreferencePairs(ratings, np.array([0, 2]), np.array([1, 3]), Ids.of(["a", "a"]))
    # (1 + 0.5)/2 times 1, (0.5 + 0.5)/2 times 1; not applicable on one side, unrated on one side
    assert np.nan_to_num(pairs.applied_margins, nan=-9).tolist() == [[0.75, 0.5], [0, -9]]
    plain = PreferencePairs.from_arrays([[5, NAN]], [[1, 1]], FIVE)
    np.testing.assert_array_equal(plain.applied_margins, plain.margins)
