from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from encore import InputError, rating_entropy
from encore.theory import (
    expected_gradient,
    fitted_optimum,
    gaussian_gradient,
    gaussian_optimum,
    gradient_descent,
)

N = 200_000
LEVELS = np.arange(10) / 9


def entropy_share(*levels: NDArray[np.int64]) -> float:
    """Entropy of ten levels over its maximum, ln 10."""
    counts = np.bincount(np.concatenate(levels), minlength=10)
    return float(rating_entropy(counts) / np.log(10))


def test_the_gradient_by_hand() -> None:
    # One pair, d = (2, -1), w = (0, ln 3): w.d = -ln 3, so it is wrong with probability
    # 1 / (1 + 1/3) = 3/4, and the gradient is -3/4 (2, -1).
    np.testing.assert_allclose(expected_gradient([0, np.log(3)], [[2, -1]]), [-1.5, 0.75])


def test_the_gradient_is_the_slope_of_the_loss() -> None:
    rng = np.random.default_rng(0)
    margins, w = rng.normal(0.3, 1, (500, 3)), np.array([0.5, -1.0, 2.0])

    def loss(w: NDArray[np.float64]) -> float:
        return float(np.log1p(np.exp(-(margins @ w))).mean())

    slopes = [(loss(w + 1e-5 * e) - loss(w - 1e-5 * e)) / 2e-5 for e in np.eye(3)]
    np.testing.assert_allclose(expected_gradient(w, margins), slopes, atol=1e-8)


def test_on_many_gaussian_margins_it_is_the_exact_one() -> None:
    # Each entry is the mean of 200,000 numbers of deviation below 2: four errors are 0.02.
    mean, covariance = np.array([0.5, 0.2]), np.array([[1.0, 0.3], [0.3, 2.0]])
    margins = np.random.default_rng(0).multivariate_normal(mean, covariance, N)
    for w in ([0.0, 0.0], [1.0, -0.5]):
        exact = gaussian_gradient(w, mean, covariance)
        np.testing.assert_allclose(expected_gradient(w, margins), exact, atol=0.02)


# --- the theorem on rules of maximum entropy ------------------------------------------------


@settings(max_examples=30)
@given(weight=st.floats(-8, 8), other=st.floats(-3, 3))
def test_the_gradient_of_a_symmetric_independent_rule_has_the_sign_of_its_weight(
    weight: float, other: float
) -> None:
    # Exact: the margin of two even ratings of ten levels is a triangle on -1 to 1, the other rule's
    # margin is +1 (three times in four) or -1. The mean over all 200 cases, with their odds.
    differences = np.subtract.outer(LEVELS, LEVELS).ravel()
    d = np.array([(telling, own) for telling in (1, 1, 1, -1) for own in differences])
    gradient = expected_gradient([other, weight], d)[1]
    if weight == 0:
        assert abs(gradient) < 1e-15
    elif abs(weight) > 1e-6:
        assert np.sign(gradient) == np.sign(weight)


def test_a_rule_that_rates_at_random_has_maximum_entropy_and_no_share() -> None:
    # Standard errors: half of a mean margin of deviation 0.45 over 200,000 pairs, 0.0005.
    rng = np.random.default_rng(0)
    chosen, rejected = rng.integers(0, 10, (2, N))
    assert entropy_share(chosen, rejected) > 0.9999
    margins = np.column_stack([rng.normal(0.5, 1, N), (chosen - rejected) / 9])
    gradient = expected_gradient([0, 0], margins)
    assert gradient[0] == pytest.approx(-0.25, abs=0.005)
    assert gradient[1] == pytest.approx(0, abs=0.002)
    descent = gradient_descent(margins, n_steps=50)
    assert (descent.shares[:10, 1] < 0.01).all()
    assert np.abs(descent.gradients[:, 1]).max() < 0.002
    assert np.abs(descent.weights[:, 1]).max() < 0.02


def test_a_weight_that_is_not_zero_is_trained_back_to_zero() -> None:
    rng = np.random.default_rng(0)
    margins = np.column_stack(
        [rng.normal(0.5, 1, N), np.subtract(*rng.integers(0, 10, (2, N))) / 9]
    )
    assert expected_gradient([1, 0.7], margins)[1] > 0.02
    assert expected_gradient([1, -0.7], margins)[1] < -0.02
    # Its standard error is 1 / sqrt(200,000 * E[p (1 - p)] * Var(d)), about 0.012.
    assert fitted_optimum(margins)[1] == pytest.approx(0, abs=0.05)


def test_maximum_entropy_alone_does_not_make_the_gradient_zero() -> None:
    # Chosen responses have the upper five levels evenly, rejected ones the lower five: over all
    # responses every level is as frequent, H = ln 10; the rule is never wrong; the mean margin is
    # 5/9, the largest of the three, and so is its gradient at 0: half of that.
    rng = np.random.default_rng(0)
    upper, lower = rng.integers(5, 10, N), rng.integers(0, 5, N)
    assert entropy_share(upper, lower) > 0.9999
    assert (upper > lower).all()
    telling, chance = rng.normal(0.2, 0.1, N), np.subtract(*rng.integers(0, 10, (2, N))) / 9
    margins = np.column_stack([telling, chance, (upper - lower) / 9])
    gradient = expected_gradient([0, 0, 0], margins)
    assert gradient[2] == pytest.approx(-5 / 18, abs=0.002)
    shares = gradient_descent(margins, n_steps=1).shares[0]
    # 1/2 * 0.2 = 0.1 against 0.278: shares of 0.26 and 0.74.
    np.testing.assert_allclose(shares, [0.265, 0.0, 0.735], atol=0.005)


def test_two_levels_used_alike_can_part_all_pairs() -> None:
    # Ratings 1 for chosen and 0 for rejected: H = ln 2 is all there is, and every margin is 1.
    assert float(rating_entropy([500, 500])) == pytest.approx(np.log(2))
    assert expected_gradient([0], np.ones((500, 1))).tolist() == [-0.5]


def test_a_symmetric_rule_that_shares_another_s_noise_is_used_against_it() -> None:
    # mu = (1, 0), Sigma = [[1, r], [r, 1]]: w* = 2 / (1 - r^2) (1, -r); r = 0.8: (5.56, -4.44).
    mean, covariance = np.array([1.0, 0.0]), np.array([[1.0, 0.8], [0.8, 1.0]])
    assert gaussian_gradient([0, 0], mean, covariance)[1] == 0
    assert gaussian_gradient([1, 0], mean, covariance)[1] > 0.1
    expected = np.array([1, -0.8]) * 2 / (1 - 0.64)
    np.testing.assert_allclose(gaussian_optimum(mean, covariance), expected)


# --- descent --------------------------------------------------------------------------------


def test_descent_starts_at_zero_where_shares_are_those_of_the_mean_margins() -> None:
    margins = np.array([[1.0, 0.5, -0.25], [1.0, 0.5, -0.25]])
    descent = gradient_descent(margins, n_steps=3, rate=0.5)
    assert (descent.weights.shape, descent.gradients.shape) == ((4, 3), (3, 3))
    assert descent.weights[0].tolist() == [0, 0, 0]
    np.testing.assert_allclose(descent.shares[0], [4 / 7, 2 / 7, 1 / 7])
    # The step is the rate times half the mean margin.
    np.testing.assert_allclose(descent.weights[1], [0.25, 0.125, -0.0625])


def test_descent_comes_to_the_fitted_optimum() -> None:
    margins = np.random.default_rng(0).normal([0.8, 0.4], [1, 1.5], (2000, 2))
    descent = gradient_descent(margins, n_steps=400, rate=1.5)
    np.testing.assert_allclose(descent.weights[-1], fitted_optimum(margins), atol=1e-4)


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_shares_are_a_distribution_and_the_loss_falls(seed: int) -> None:
    margins = np.random.default_rng(seed).uniform(-1, 1, (50, 3)) + 0.2
    # A rate of 8 / E|d|^2 is the limit; |d|^2 is below 3 * 1.44.
    descent = gradient_descent(margins, n_steps=20, rate=1.5)
    np.testing.assert_allclose(descent.shares.sum(axis=1), 1.0)
    losses = np.log1p(np.exp(-(descent.weights @ margins.T))).mean(axis=1)
    assert (np.diff(losses) <= 1e-12).all()


def test_where_nothing_pulls_shares_are_unknown() -> None:
    descent = gradient_descent(np.zeros((4, 2)), n_steps=2)
    assert np.isnan(descent.shares).all()
    assert descent.weights.tolist() == [[0, 0]] * 3


# --- refusals -------------------------------------------------------------------------------


def test_weights_of_another_number_of_rules_are_refused() -> None:
    with pytest.raises(InputError, match=r"weights of shape \(3,\) for 2 rules"):
        expected_gradient([0, 0, 0], [[1, 1]])


def test_margins_with_an_unrated_cell_are_refused() -> None:
    with pytest.raises(InputError, match="Leave out pairs with an unrated cell"):
        gradient_descent([[1, np.nan]])


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan")])
def test_a_rate_that_is_not_positive_is_refused(rate: float) -> None:
    with pytest.raises(InputError, match="rate is"):
        gradient_descent([[1.0]], rate=rate)


def test_no_steps_are_refused() -> None:
    with pytest.raises(InputError, match="n_steps is 0"):
        gradient_descent([[1.0]], n_steps=0)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), 1e101])
def test_weights_beyond_what_can_be_multiplied_are_refused(wrong: float) -> None:
    with pytest.raises(InputError, match=r"more than 1e\+100 in size\. In a descent, use a lower"):
        expected_gradient([wrong, 1.0], [[0.0, 1.0]])


def test_a_descent_that_runs_away_says_so() -> None:
    # The gradient at 0 is minus half the mean margin: the first step goes to 5e307.
    with pytest.raises(InputError, match="use a lower rate"):
        gradient_descent([[1.0]], n_steps=2, rate=1e308)
