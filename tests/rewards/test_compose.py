from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from encore import InputError, LevelScale, MismatchError, RatingsTable, Rulebook, Weights, compose
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
