from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encore import LevelScale, RangeScale, RatingsTable, Rule, Rulebook, calibrate
from encore.errors import RatingsError
from encore.ratings import Ids, Origin

NAN, INF = float("nan"), float("inf")
FIVE = Rulebook.from_ids(["harm", "privacy"], LevelScale((1, 2, 3, 4, 5)))
MIXED = Rulebook(
    (
        Rule("harm", "Does no harm.", LevelScale((1, 2, 3, 4, 5))),
        Rule("cost", "Costs little.", RangeScale(worst=4.0, best=0.0, bins=4)),
        Rule("kind", "Is kind.", LevelScale((0, 1))),
    )
)


def table(values: Any, rules: Rulebook = FIVE, **columns: Any) -> RatingsTable:
    return RatingsTable(rules, values, **columns)


def refused(values: Any, rules: Rulebook = FIVE, **columns: Any) -> RatingsError:
    with pytest.raises(RatingsError) as caught:
        table(values, rules, **columns)
    return caught.value


# --- values ---------------------------------------------------------------------------------


def test_nan_is_unrated() -> None:
    ratings = table([[5, NAN], [NAN, NAN]])
    assert ratings.rated.tolist() == [[True, False], [False, False]]
    # (5 - 1) / (5 - 1), and an unrated cell maps to nothing, not to 0.
    np.testing.assert_array_equal(ratings.unit, [[1.0, NAN], [NAN, NAN]])


@pytest.mark.parametrize(("value", "shown"), [(INF, "inf"), (-INF, "-inf")])
def test_an_infinite_rating_is_refused_with_its_place_and_the_way_out(
    value: float, shown: str
) -> None:
    error = refused([[5, 4], [3, value]])
    assert (error.source, error.row, error.column) == ("ratings", 2, "privacy")
    assert str(error) == (
        f"ratings, row 2, column 'privacy': rating {shown} is not finite. "
        "Leave an unrated cell empty (NaN)."
    )


@pytest.mark.parametrize("value", [INF, -INF])
def test_an_infinite_rating_is_refused_on_a_range_too(value: float) -> None:
    assert refused([[5, value, 1]], MIXED).column == "cost"


def test_a_value_between_levels_is_refused_without_a_spread() -> None:
    error = refused([[5, 4], [3, 2.5]])
    assert (error.row, error.column) == (2, "privacy")
    assert "rating 2.5 is not one of the rule's levels (1, 2, 3, 4, 5)" in error.message
    assert "Correct the rating or the rule's scale" in error.message
    assert "an expected level needs a 'privacy.spread' column" in error.message


def test_a_value_between_levels_is_accepted_with_its_spread() -> None:
    ratings = table([[5, 2.5]], spread=[[0.0, 0.69]])
    # (2.5 - 1) / (5 - 1) = 3/8
    np.testing.assert_array_equal(ratings.unit, [[1.0, 3 / 8]])


def test_the_spread_of_one_cell_excuses_no_other() -> None:
    error = refused([[2.5, 4], [2.5, 4]], spread=[[0.5, NAN], [NAN, 0.5]])
    assert (error.row, error.column) == (2, "harm")


@pytest.mark.parametrize("value", [0.5, 5.5])
def test_a_spread_excuses_no_value_beyond_the_levels(value: float) -> None:
    assert f"rating {value:g} is not one of" in refused([[5, value]], spread=[[0, 0.5]]).message


def test_float32_rounding_is_not_off_a_level() -> None:
    tenths = Rulebook.from_ids(["harm"], LevelScale((0.1, 0.2, 0.3)))
    # The float32 nearest 0.1 is 0.100000001490116…
    assert table(np.array([[0.1], [0.3]], dtype=np.float32), tenths).n_rows == 2


def test_values_beyond_a_range_are_clipped_and_counted() -> None:
    values = [[5, 5.0, 1], [4, -1.0, 0], [3, 2.0, 1], [2, 4.0, 1]]
    # cost runs from 4 (worst) to 0 (best): 5 is beyond the worst end, -1 beyond the best,
    # 2 is the middle and 4 the worst end itself.
    assert table(values, MIXED).unit[:, 1].tolist() == [0.0, 1.0, 0.5, 0.0]
    assert calibrate(values, MIXED).outside_share.tolist() == [0.0, 2 / 4, 0.0]


def test_levels_and_a_range_stand_side_by_side_in_one_table() -> None:
    # (4 - 1) / (5 - 1); (1 - 4) / (0 - 4); (0 - 0) / (1 - 0)
    np.testing.assert_array_equal(table([[4, 1.0, 0]], MIXED).unit, [[3 / 4, 3 / 4, 0.0]])


def test_in_a_mixed_table_only_the_levels_must_be_met() -> None:
    error = refused([[5, 1.234, 1], [5, 1.234, 0.5]], MIXED)
    assert (error.row, error.column) == (2, "kind")
    assert "the rule's levels (0, 1)" in error.message


def test_the_first_wrong_cell_is_named_row_by_row() -> None:
    assert (refused([[5, 5], [5, 9], [9, 5]]).row, refused([[9, 8]]).column) == (2, "harm")


def test_a_cost_scale_maps_its_highest_value_to_zero() -> None:
    cost = Rulebook.from_ids(["harm"], LevelScale((5, 4, 3, 2, 1)))
    # (5 - 5) / (1 - 5) and (1 - 5) / (1 - 5)
    np.testing.assert_array_equal(table([[5], [1]], cost).unit, [[0.0], [1.0]])


@given(st.lists(st.sampled_from([1, 2, 3, 4, 5, NAN]), min_size=1, max_size=8))
def test_unit_ratings_are_unrated_or_within_zero_and_one(column: list[float]) -> None:
    unit = table(np.array(column)[:, None], Rulebook.from_ids(["a"], LevelScale((1, 2, 3, 4, 5))))
    rated = unit.unit[unit.rated]
    assert ((rated >= 0) & (rated <= 1)).all()
    assert int(np.isnan(unit.unit).sum()) == sum(value != value for value in column)


@pytest.mark.parametrize(
    ("values", "kind"),
    [([["5", "4"]], "<U1"), ([[5, None]], "object"), ([[Decimal(5), Decimal(4)]], "object")],
)
def test_what_numpy_does_not_hold_as_numbers_is_refused(values: Any, kind: str) -> None:
    message = refused(values).message
    assert message == f"values are of type {kind}; expected numbers, with NaN where unrated."


def test_booleans_are_zero_and_one() -> None:
    two = Rulebook.from_ids(["harm", "privacy"], LevelScale((0, 1)))
    assert table([[True, False]], two).values.tolist() == [[1.0, 0.0]]


# --- shapes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [[1, 2], [[1]], [[1, 2, 3]], [[[1, 2]]]])
def test_a_wrong_shape_is_refused_with_the_right_one(values: Any) -> None:
    shape = np.asarray(values).shape
    expected = f"ratings have shape {shape}; expected (n_rows, 2), one column per rule."
    assert refused(values).message == expected


def test_one_row_and_one_rule_are_enough() -> None:
    one = Rulebook.from_ids(["harm"], LevelScale((0, 1)))
    assert table([[1]], one).unit.tolist() == [[1.0]]


@pytest.mark.parametrize("name", ["prompts", "responses", "repeats"])
def test_a_column_of_another_length_is_refused_with_both_numbers(name: str) -> None:
    message = refused([[5, 5], [4, 4]], FIVE, **{name: [0, 1, 2]}).message
    assert message == f"3 {name} for 2 rows of ratings; expected one per row."


def test_a_spread_of_another_shape_is_refused_with_both_shapes() -> None:
    assert "shape (2, 1); expected (1, 2)" in refused([[5, 5]], spread=[[0.1], [0.1]]).message


def test_a_spread_that_is_not_a_number_is_refused() -> None:
    assert "spread are of type <U1" in refused([[5, 5]], spread=[["a", "b"]]).message


@pytest.mark.parametrize("value", [-0.1, INF])
def test_a_spread_that_is_no_entropy_is_refused(value: float) -> None:
    error = refused([[5, 5], [5, 5]], spread=[[0, 0], [0, value]])
    assert error.row == 2
    assert error.message == f"spread {value:g} is not an entropy in nats, 0 or more."


def test_a_wrong_spread_is_placed_in_the_column_of_the_spread() -> None:
    assert refused([[5, 5]], spread=[[0, -1]]).column == "privacy.spread"


# --- ids ------------------------------------------------------------------------------------


def test_one_response_of_one_prompt_may_stand_once() -> None:
    error = refused([[5, 5], [4, 4], [3, 3]], prompts=list("ppp"), responses=list("xyx"))
    assert (error.row, error.column) == (3, "response_id")
    assert error.message == (
        "response 'x' of one prompt is rated twice (also in row 1). "
        "Remove one, or number them in a 'repeat' column."
    )


def test_one_response_id_may_stand_under_two_prompts() -> None:
    ratings = table([[5, 5], [4, 4]], prompts=["p", "q"], responses=["x", "x"])
    assert ratings.n_rows == 2


def test_without_prompts_one_response_id_may_stand_once() -> None:
    assert refused([[5, 5], [4, 4]], responses=["x", "x"]).row == 2


def test_the_rows_of_a_response_need_not_stand_together_to_be_found() -> None:
    error = refused([[5, 5], [4, 4], [3, 3]], prompts=list("pqp"), responses=list("xxx"))
    assert error.row == 3


def test_a_response_rated_again_is_welcome_under_another_repeat() -> None:
    ratings = table([[5, 5], [4, 4]], responses=["x", "x"], repeats=[0, 1])
    assert ratings.repeats is not None and ratings.repeats.tolist() == [0, 1]


def test_one_repeat_of_one_response_may_stand_once() -> None:
    assert refused([[5, 5]] * 3, responses=["x"] * 3, repeats=[0, 1, 1]).row == 3


def test_repeats_without_response_ids_are_refused() -> None:
    message = refused([[5, 5], [4, 4]], repeats=[0, 1]).message
    assert message.startswith("repeats need response ids ('response_id', or 'id' for pairs)")


def test_repeats_that_are_all_zero_need_no_response_ids() -> None:
    assert table([[5, 5], [4, 4]], repeats=[0, 0]).n_rows == 2


def test_a_negative_repeat_is_refused_in_its_row() -> None:
    error = refused([[5, 5], [4, 4]], responses=["x", "x"], repeats=[0, -1])
    assert (error.row, error.column) == (2, "repeat")
    assert "repeat -1 is not a whole number of 0 or more; expected 0 for a rating" in error.message


@pytest.mark.parametrize("repeat", [1.5, NAN])
def test_a_repeat_that_is_no_whole_number_is_refused(repeat: float) -> None:
    error = refused([[5, 5], [4, 4]], responses=["x", "x"], repeats=[0, repeat])
    assert "is not a whole number" in error.message


def test_repeats_are_counted_once_and_give_the_spread() -> None:
    one = Rulebook.from_ids(["harm"], LevelScale((0, 1)))
    ratings = table([[1], [0], [0], [0]], one, responses=["x", "x", "y", "y"], repeats=[0, 1, 0, 1])
    calibration = calibrate(ratings, one)
    # Two responses, first rated 1 and 0: H = ln 2. x was rated 1 then 0, which is ln 2 + 1/4
    # nats (Miller-Madow: one level more than one, over twice two ratings); y wavered not at all.
    assert calibration.n_responses == 2
    np.testing.assert_allclose(calibration.entropy(), [np.log(2)])
    np.testing.assert_allclose(calibration.spread, [(np.log(2) + 1 / 4) / 2])


def test_ids_count_in_order_of_first_appearance() -> None:
    ids = Ids.of(["b", "a", "b", 7])
    assert (ids.codes.tolist(), list(ids.names)) == ([0, 1, 0, 2], ["b", "a", 7])


def test_taking_rows_keeps_what_belongs_to_them() -> None:
    ratings = table(
        [[5, 4], [3, 2.5], [1, 1]],
        prompts=["p", "p", "q"],
        responses=["x", "y", "z"],
        repeats=[0, 0, 1],
        spread=[[0, 0], [0, 0.5], [0, 0]],
    ).take(np.array([2, 1]))
    assert ratings.values.tolist() == [[1, 1], [3, 2.5]]
    assert ratings.prompts is not None and ratings.responses is not None
    assert [ratings.prompts.names[code] for code in ratings.prompts.codes] == ["q", "p"]
    assert [ratings.responses.names[code] for code in ratings.responses.codes] == ["z", "y"]
    assert ratings.repeats is not None and ratings.repeats.tolist() == [1, 0]
    assert ratings.spread is not None and ratings.spread.tolist() == [[0, 0], [0, 0.5]]


def test_errors_count_rows_from_where_a_batch_begins_in_its_source() -> None:
    error = refused([[5, 5], [5, 9]], origin=Origin("ratings.csv", 101))
    assert str(error).startswith("ratings.csv, row 102, column 'privacy': rating 9 ")


def test_a_table_does_not_change_the_array_it_was_made_of() -> None:
    values = np.array([[5.0, NAN]])
    table(values).unit.sum()
    np.testing.assert_array_equal(values, [[5.0, NAN]])


# --- how far a rule applies -----------------------------------------------------------------


def test_a_cell_is_rated_unrated_or_not_applicable() -> None:
    found = table([[5, NAN], [NAN, 2], [4, 3]], applies=[[1, 0], [0.25, NAN], [0.5, 0.49]])
    assert found.rated.tolist() == [[True, False], [False, True], [True, True]]
    assert found.not_applicable.tolist() == [[False, True], [False, False], [False, False]]
    assert found.unrated.tolist() == [[False, False], [True, False], [False, False]]
    assert found.counted.tolist() == [[True, False], [False, True], [True, False]]
    assert found.applies is not None and found.applies[1, 1] == 1.0  # nothing said: it applies


def test_without_applies_every_rule_applies() -> None:
    found = table([[5, NAN]])
    assert found.counted.tolist() == found.rated.tolist() == [[True, False]]
    assert not found.not_applicable.any()
    assert found.unrated.tolist() == [[False, True]]
    assert table([[5, NAN]], applies=[[1, NAN]]) == found


def test_a_rating_under_a_rule_that_does_not_apply_counts_for_nothing() -> None:
    given = np.array([[5.0, 2.5]])
    found = table(given, spread=[[NAN, 0.7]], applies=[[True, False]])
    assert np.isnan(found.values).tolist() == [[False, True]]
    assert found.spread is not None and np.isnan(found.spread).all()
    assert given.tolist() == [[5.0, 2.5]]  # the caller's own is untouched


def test_a_rating_under_a_rule_that_does_not_apply_is_still_looked_at() -> None:
    assert "rating 9 is not one of" in str(refused([[5, 9]], applies=[[1, 0]]))


@pytest.mark.parametrize("value", [-0.01, 1.01, INF, -INF])
def test_what_is_not_within_0_and_1_is_not_how_far_a_rule_applies(value: float) -> None:
    error = refused([[5, 5]], applies=[[1, value]])
    assert str(error) == (
        f"ratings, row 1, column 'privacy.applies': {value:g} is not how far a rule applies; "
        "expected 0 (not at all) to 1."
    )


def test_applies_of_another_shape_is_refused() -> None:
    assert "applies has shape (2, 1); expected (1, 2)" in str(refused([[5, 5]], applies=[[1], [1]]))


def test_by_prompt_a_rule_applies_on_average_over_responses() -> None:
    found = table(
        [[5, NAN], [4, 1], [5, 5], [3, NAN], [2, 2]],
        prompts="ppqpr",
        responses="xyxxx",
        repeats=[0, 0, 0, 1, 0],
        applies=[[1, 0], [0.5, 1], [0.25, 1], [0.9, 0.1], [1, 0]],
    ).applies_by_prompt()
    # p has two responses: (1 + 0.5)/2 and (0 + 1)/2; the repeat of x counts for neither.
    assert found.applies is not None
    assert found.applies.tolist() == [[0.75, 0.5], [0.75, 0.5], [0.25, 1], [0.75, 0.5], [1, 0]]
    # Where x talked a rule away, its rating is unknown, no longer not needed.
    assert found.unrated[0].tolist() == [False, True]
    assert found.not_applicable.tolist()[4] == [False, True]


# --- level probabilities --------------------------------------------------------------------


def test_a_missing_rating_and_spread_follow_from_level_probabilities() -> None:
    p = np.full((2, 2, 5), NAN)
    p[0, 0] = [0.5, 0, 0, 0, 0.5]
    p[1, 1] = [0, 0, 0, 0.25, 0.75]
    found = table([[NAN, 3], [1, 4]], probabilities=p)
    assert found.values.tolist() == [[3.0, 3.0], [1.0, 4.0]]  # (1 + 5)/2; a given 4 stays
    assert found.spread is not None
    expected = [[np.log(2), NAN], [NAN, -(0.25 * np.log(0.25) + 0.75 * np.log(0.75))]]
    np.testing.assert_allclose(found.spread, expected)


def test_rules_with_fewer_levels_have_no_probability_beyond_them() -> None:
    rules = Rulebook(
        (
            Rule("harm", "Does no harm.", LevelScale((3, 2, 1))),
            Rule("kind", "Is kind.", LevelScale((0, 1))),
        )
    )
    p = [[[0.0, 0.5, 0.5], [0.25, 0.75, NAN]]]
    found = table([[NAN, NAN]], rules, probabilities=p)
    assert found.values.tolist() == [[1.5, 0.75]]
    assert found.probabilities is not None and found.probabilities[0, 1].tolist() == [0.25, 0.75, 0]
    assert "'kind.p'" in str(refused([[1, 1]], rules, probabilities=[[[1, 0, 0], [0.5, 0, 0.5]]]))


@pytest.mark.parametrize(
    "cell",
    [[0.5, 0.4, 0, 0, 0], [1.5, -0.5, 0, 0, 0], [1, NAN, NAN, NAN, NAN], [INF, 0, 0, 0, 0]],
)
def test_what_is_no_distribution_over_the_levels_is_refused(cell: list[float]) -> None:
    error = refused([[5, 5]], probabilities=[[[0, 0, 0, 0, 1], cell]])
    assert (error.row, error.column) == (1, "privacy.p")


def test_a_continuous_scale_has_no_level_probabilities() -> None:
    p = np.full((1, 3, 5), NAN)
    p[0, 1, 0] = 1
    assert "A continuous scale has none" in str(refused([[5, 1.0, 1]], MIXED, probabilities=p))
