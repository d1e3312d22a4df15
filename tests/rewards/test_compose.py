from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from encore import (
    InputError,
    LevelScale,
    MismatchError,
    RatingsTable,
    Rulebook,
    UnknownNameError,
    Weights,
    compose,
)
from encore.evaluation import outcomes

FIVE = LevelScale((1, 2, 3, 4, 5))
NAN = float("nan")


def weights(*values: float) -> Weights:
    rules = Rulebook.from_ids([f"r{i}" for i in range(len(values))], FIVE)
    return Weights(rules, np.array(values))


def test_the_reward_is_the_weighted_mean_of_unit_ratings() -> None:
    # Shares 3/4 and 1/4; units 1, 0 and 1/2, 1/2.
    np.testing.assert_allclose(compose([[5, 1], [3, 3]], weights(3, 1)), [3 / 4, 1 / 2])


def test_an_unrated_rule_s_share_goes_to_the_others_up_to_max_missing() -> None:
    # Shares 0.5, 0.3, 0.2. Without the last: (0.5 * 1 + 0.3 * 0) / 0.8.
    of = weights(5, 3, 2)
    assert compose([[5, 1, NAN]], of)[0] == pytest.approx(0.5 / 0.8)
    # 0.3 unrated is more than 0.2: unknown, not zero.
    assert np.isnan(compose([[5, NAN, 1]], of)[0])
    assert compose([[5, NAN, 1]], of, max_missing=0.3)[0] == pytest.approx(0.5 / 0.7)


def test_a_response_without_any_rating_is_unknown() -> None:
    assert np.isnan(compose([[NAN, NAN]], weights(1, 1), max_missing=0.99)[0])


def test_an_unrated_rule_without_weight_is_not_missed() -> None:
    assert compose([[5, NAN]], weights(1, 0), max_missing=0).tolist() == [1.0]


@given(
    values=npst.arrays(np.float64, (6, 4), elements=st.sampled_from([1.0, 2.0, 4.0, 5.0, NAN])),
    raw=st.lists(st.floats(0.01, 10), min_size=4, max_size=4),
    max_missing=st.sampled_from([0.0, 0.2, 0.5, 0.9]),
)
def test_rewards_equal_a_loop_and_stay_within_0_and_1(
    values: np.ndarray[tuple[int, int], np.dtype[np.float64]], raw: list[float], max_missing: float
) -> None:
    of = weights(*raw)
    for row, reward in zip(values, compose(values, of, max_missing=max_missing), strict=True):
        rated = [k for k in range(4) if not np.isnan(row[k])]
        present = sum(raw[k] for k in rated) / sum(raw)
        if present < 1 - max_missing - 1e-9 or not rated:
            assert np.isnan(reward)
        elif present > 1 - max_missing + 1e-9:
            total = sum(raw[k] * (row[k] - 1) / 4 for k in rated)
            assert reward == pytest.approx(total / sum(raw[k] for k in rated), abs=1e-12)
            assert 0 <= reward <= 1 + 1e-12


@given(
    chosen=npst.arrays(np.int64, (20, 7), elements=st.integers(1, 5)),
    rejected=npst.arrays(np.int64, (20, 7), elements=st.integers(1, 5)),
    raw=st.lists(st.integers(1, 9), min_size=7, max_size=7),
)
def test_ties_are_those_of_exact_arithmetic(
    chosen: np.ndarray[tuple[int, int], np.dtype[np.int64]],
    rejected: np.ndarray[tuple[int, int], np.dtype[np.int64]],
    raw: list[int],
) -> None:
    verdicts = outcomes(compose(chosen, weights(*raw)), compose(rejected, weights(*raw)))

    def exact(row: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Fraction:
        units = [Fraction(int(level) - 1, 4) for level in row]
        return sum((w * u for w, u in zip(raw, units, strict=True)), Fraction(0)) / sum(raw)

    for i in range(20):
        a, b = exact(chosen[i]), exact(rejected[i])
        assert (verdicts.win[i], verdicts.tie[i]) == (a > b, a == b)


def test_without_a_tolerance_rounding_would_decide_true_ties() -> None:
    # Why TIE_TOLERANCE exists: ten rules of five levels with equal weights. Every pair here is a
    # permutation of the same ratings, so a tie in exact arithmetic.
    rng = np.random.default_rng(0)
    ratings = rng.integers(1, 6, (2000, 10))
    of = weights(*[1.0] * 10)
    first, second = compose(ratings, of), compose(rng.permuted(ratings, axis=1), of)
    assert 0.2 < (first != second).mean() < 0.8
    verdicts = outcomes(first, second)
    assert verdicts.tie.all() and not verdicts.win.any()


def test_ratings_of_other_rules_are_refused() -> None:
    other = RatingsTable(Rulebook.from_ids(["x"], FIVE), np.array([[5.0]]))
    with pytest.raises(MismatchError, match=r"these rules: rules \[r0\]; ratings: rules \[x\]"):
        compose(other, weights(1))


@pytest.mark.parametrize("max_missing", [-0.1, 1.0, NAN])
def test_a_max_missing_that_means_nothing_is_refused(max_missing: float) -> None:
    with pytest.raises(InputError, match="0 or more and less than 1"):
        compose([[1]], weights(1), max_missing=max_missing)


def test_a_response_without_any_rating_has_no_reward_whatever_may_be_missing() -> None:
    # The tolerance of 1e-12 would let all of the weight be absent.
    assert np.isnan(compose([[NAN, NAN]], weights(3, 1), max_missing=1 - 1e-13)).all()


# How far rules apply.

applying = npst.arrays(np.float64, (6, 4), elements=st.sampled_from([0.0, 0.05, 0.1, 0.5, 1.0]))
ratings = npst.arrays(np.float64, (6, 4), elements=st.sampled_from([1.0, 2.0, 4.0, 5.0, NAN]))
Array = np.ndarray[tuple[int, int], np.dtype[np.float64]]


def applied(values: list[list[float]], applies: list[list[float]], of: Weights) -> list[float]:
    found: list[float] = compose(RatingsTable(of.rules, values, applies=applies), of).tolist()
    return found


def test_rules_are_weighed_by_share_times_how_far_they_apply() -> None:
    # Shares 1/2, 1/4, 1/4 and a = 1/2, 1, 0: weights 1/4, 1/4, 0 of 1/2. Units 1, 0, any.
    of = weights(2, 1, 1)
    assert applied([[5, 1, 1]], [[0.5, 1, 0]], of) == [0.5]


def test_a_rule_that_does_not_apply_is_not_missed_and_one_that_is_unrated_is() -> None:
    of = weights(5, 3, 2)
    # 0.3 + 0.2 of the shares do not apply: all of what applies is rated.
    assert applied([[4, NAN, NAN]], [[1, 0, 0]], of) == [0.75]
    # Half of the shares is unrated: unknown.
    assert np.isnan(applied([[4, NAN, NAN]], [[1, 1, 1]], of))
    # Unrated is 0.3 a of 0.5 + 0.3 a, which is 0.2 at a = 5 / 12.
    known = [not np.isnan(applied([[4, NAN, NAN]], [[1, a, 0]], of)[0]) for a in (0.41, 0.42)]
    assert known == [True, False]


@pytest.mark.parametrize(
    ("applies", "known"),
    [
        ([0.0, 0.0], False),
        ([0.09, 0.09], False),
        ([0.1, 0.0], True),
        ([np.float32(0.1), 0.0], True),
        ([0.3 / 3, 0.05], True),
        ([1.0, 0.0], True),
    ],
)
def test_where_no_rule_applies_at_a_tenth_there_is_no_reward(
    applies: list[float], known: bool
) -> None:
    found = compose(
        RatingsTable(weights(1, 1).rules, [[5, 5]], applies=[applies]),
        weights(1, 1),
        contributions=True,
    )
    assert found.reasons == ("" if known else "no rule applies",)
    assert np.isnan(found.rewards[0]) != known


def test_a_rule_that_applies_but_has_no_weight_makes_no_reward() -> None:
    of = weights(1, 0)
    table = RatingsTable(of.rules, [[NAN, 5]], applies=[[0, 1]])
    found = compose(table, of, contributions=True)
    assert np.isnan(found.rewards[0]) and found.reasons == ("no rule applies",)


def test_that_no_rule_applies_is_said_before_that_one_is_unrated() -> None:
    of = weights(1, 1)
    table = RatingsTable(of.rules, [[NAN, NAN], [NAN, NAN]], applies=[[0, 0.09], [0, 0.1]])
    reasons = compose(table, of, contributions=True).reasons
    assert reasons == ("no rule applies", "too much is unrated")


@given(values=ratings, applies=applying, raw=st.lists(st.floats(0, 9), min_size=4, max_size=4))
def test_composing_equals_a_loop_over_the_rules_that_apply(
    values: Array, applies: Array, raw: list[float]
) -> None:
    raw[0] += 0.1
    of = weights(*raw)
    found = compose(RatingsTable(of.rules, values, applies=applies), of)
    for row in range(6):
        on = [k for k in range(4) if applies[row, k] > 0]
        rated = [k for k in on if not np.isnan(values[row, k])]
        all_, present = (sum(raw[k] * applies[row, k] for k in part) for part in (on, rated))
        applicable = any(raw[k] > 0 and applies[row, k] >= 0.1 for k in on)
        if not applicable or not present or (all_ - present) / all_ > 0.2 + 1e-9:
            assert np.isnan(found[row])
        elif (all_ - present) / all_ < 0.2 - 1e-9:
            total = sum(raw[k] * applies[row, k] * (values[row, k] - 1) / 4 for k in rated)
            assert found[row] == pytest.approx(total / present, abs=1e-12)


def before_rules_could_not_apply(
    values: Array, shares: list[float], max_missing: float
) -> list[float]:
    """The weighted mean as it was composed when every rule applied, row by row."""
    rewards = []
    for row in ((values - 1) / 4).tolist():
        total = present = 0.0
        for unit, share in zip(row, shares, strict=True):
            total += share * (0.0 if np.isnan(unit) else unit)
            present += share * (not np.isnan(unit))
        if np.isnan(row).any():
            enough = present > 0 and 1 - present <= max_missing + 1e-12
            total = total / present if enough else NAN
        rewards.append(total)
    return rewards


@given(values=ratings, raw=st.lists(st.floats(0.01, 9), min_size=4, max_size=4))
def test_where_every_rule_applies_nothing_changes_to_the_last_bit(
    values: Array, raw: list[float]
) -> None:
    of = weights(*raw)
    plain = compose(values, of)
    np.testing.assert_array_equal(
        plain, before_rules_could_not_apply(values, of.shares.tolist(), max_missing=0.2)
    )
    # Said of all rules; and beside a response to which no rule applies, so that it cannot be
    # left unsaid.
    ones = RatingsTable(of.rules, values, applies=np.ones(values.shape))
    np.testing.assert_array_equal(compose(ones, of), plain)
    beside = RatingsTable(
        of.rules,
        np.vstack([values, values[:1]]),
        applies=np.vstack([np.ones(values.shape), np.zeros((1, 4))]),
    )
    np.testing.assert_array_equal(compose(beside, of)[:-1], plain)


@given(
    values=npst.arrays(np.float64, (6, 4), elements=st.sampled_from([1.0, 2.0, 4.0, 5.0])),
    applies=npst.arrays(np.float64, (6, 4), elements=st.floats(0.1, 1)),
    raw=st.lists(st.floats(0.01, 9), min_size=4, max_size=4),
    form=st.sampled_from(["mean", "geometric", "power:exponent=0.5", "pessimistic"]),
)
def test_composing_is_continuous_in_how_far_rules_apply(
    values: Array, applies: Array, raw: list[float], form: str
) -> None:
    of = weights(*raw)
    one, other = (
        compose(RatingsTable(of.rules, values, applies=a), of, form=form)
        for a in (applies, np.clip(applies + 1e-9, 0.1, 1))
    )
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


@pytest.mark.parametrize("form", ["mean", "geometric", "power", "pessimistic"])
def test_a_rule_that_applies_ever_less_leaves_the_reward_without_a_jump(form: str) -> None:
    of = weights(1, 1)
    values = [[5, 1]] * 4
    applies = np.array([[1, 1e-3], [1, 1e-6], [1, 1e-9], [1, 0]])
    *near, none = compose(RatingsTable(of.rules, values, applies=applies), of, form=form)
    np.testing.assert_allclose(near, none, atol=2e-2)
    assert abs(near[2] - none) < 1e-7 and none == 1


def test_by_prompt_no_response_talks_a_rule_away() -> None:
    # The second response says that rule 2, which it breaks, does not apply to it.
    of = weights(1, 1)
    applies = np.array([[1, 1], [1, 0.2]])
    table = RatingsTable(of.rules, [[5, 5], [5, 1]], ["p", "p"], applies=applies)
    # By response: 0.5 * 1 / (0.5 + 0.1). By prompt a is 0.6: 0.5 / (0.5 + 0.3).
    assert compose(table, of).tolist() == pytest.approx([1, 0.5 / 0.6])
    assert compose(table, of, applies_by="prompt").tolist() == pytest.approx([1, 0.5 / 0.8])


def test_by_prompt_needs_prompts_where_rules_apply_in_part() -> None:
    of = weights(1, 1)
    assert compose([[5, 5]], of, applies_by="prompt").tolist() == [1]
    table = RatingsTable(of.rules, [[5, 5]], applies=np.array([[1, 0.5]]))
    with pytest.raises(InputError, match="these ratings name no prompts"):
        compose(table, of, applies_by="prompt")
    with pytest.raises(UnknownNameError, match="Known: response, prompt"):
        compose([[5, 5]], of, applies_by="rule")  # type: ignore[call-overload]
