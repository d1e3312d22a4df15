from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from encore import InputError
from encore.theory import (
    fitted_optimum,
    gaussian_accuracy,
    gaussian_gradient,
    gaussian_optimum,
)

NAN = float("nan")
SEEDS = st.integers(0, 2**32 - 1)


def gaussian(seed: int, n_rules: int = 3) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A mean and a covariance with correlations, of margins that are hard to tell from zero."""
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(n_rules, n_rules))
    return rng.normal(size=n_rules), factor @ factor.T + np.eye(n_rules)


def test_the_optimum_by_hand() -> None:
    # Sigma = [[1, 1.5], [1.5, 9]] has the determinant 9 - 2.25 = 6.75 and the inverse
    # [[9, -1.5], [-1.5, 1]] / 6.75: twice that times (1, 1) is (15, -1) / 6.75.
    found = gaussian_optimum([1, 1], [[1, 1.5], [1.5, 9]])
    np.testing.assert_allclose(found, [15 / 6.75, -1 / 6.75], rtol=1e-12)


def test_with_equal_means_and_independent_margins_it_is_proportional_to_inverse_variance() -> None:
    # 2 * 3 / (1, 2, 8): proportional to 8 : 4 : 1.
    found = gaussian_optimum([3, 3, 3], np.diag([1.0, 2.0, 8.0]))
    assert found.tolist() == [6.0, 3.0, 0.75]


def test_with_unequal_means_it_is_not() -> None:
    # Equal variances: the weights are proportional to the means instead.
    assert gaussian_optimum([1, 3], np.diag([2.0, 2.0])).tolist() == [1.0, 3.0]


@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
def test_the_log_odds_are_linear_with_these_weights(
    scale: float, peer: Callable[[str], ModuleType]
) -> None:
    # The derivation: x is N(mu, Sigma) or N(-mu, Sigma) with even odds.
    mean, covariance = gaussian(5)
    normal = peer("scipy.stats").multivariate_normal
    x = scale * np.random.default_rng(0).normal(size=(50, 3))
    odds = normal.logpdf(x, mean, covariance) - normal.logpdf(x, -mean, covariance)
    np.testing.assert_allclose(x @ gaussian_optimum(mean, covariance), odds, atol=1e-9)


@settings(max_examples=25)
@given(seed=SEEDS)
def test_the_loss_is_stationary_there(seed: int) -> None:
    mean, covariance = gaussian(seed)
    gradient = gaussian_gradient(gaussian_optimum(mean, covariance), mean, covariance)
    np.testing.assert_allclose(gradient, 0, atol=1e-9)


def test_it_is_stationary_by_quadrature_over_both_margins() -> None:
    # E[sigmoid(-w.d) d] = 0 on a grid of Gauss-Hermite nodes in the plane: d = mu + L z.
    mean, covariance = np.array([0.5, 0.3]), np.array([[1.0, 0.4], [0.4, 2.0]])
    z, weights = np.polynomial.hermite_e.hermegauss(60)
    both = np.stack(np.meshgrid(z, z), axis=-1).reshape(-1, 2)
    mass = np.outer(weights, weights).ravel() / (2 * np.pi)
    d = mean + both @ np.linalg.cholesky(covariance).T
    p_wrong = 1 / (1 + np.exp(d @ gaussian_optimum(mean, covariance)))
    np.testing.assert_allclose((mass * p_wrong) @ d, [0, 0], atol=1e-9)
    # And anywhere else the gradient is what the same quadrature says.
    w = np.array([0.7, -0.2])
    expected = -(mass / (1 + np.exp(d @ w))) @ d
    np.testing.assert_allclose(gaussian_gradient(w, mean, covariance), expected, atol=1e-9)


@settings(max_examples=4)
@given(seed=SEEDS)
def test_the_gradient_is_that_of_the_loss(seed: int, peer: Callable[[str], ModuleType]) -> None:
    # The expected loss is an integral over t = w.d alone; its slope by central differences.
    mean, covariance = gaussian(seed)
    rng = np.random.default_rng(seed)
    w, step = rng.normal(size=3) / 2, 1e-4
    quad, norm = peer("scipy.integrate").quad, peer("scipy.stats").norm

    def loss(w: NDArray[np.float64]) -> float:
        center, width = float(w @ mean), float(np.sqrt(w @ covariance @ w))
        return float(
            quad(
                lambda z: np.logaddexp(0, -(center + width * z)) * norm.pdf(z),
                *(-12, 12),
                points=[0],
                epsabs=1e-12,
            )[0]
        )

    slopes = [(loss(w + step * e) - loss(w - step * e)) / (2 * step) for e in np.eye(3)]
    np.testing.assert_allclose(gaussian_gradient(w, mean, covariance), slopes, atol=1e-6)


def test_at_zero_the_gradient_is_minus_half_the_mean() -> None:
    found = gaussian_gradient([0, 0], [1, -3], np.eye(2))
    np.testing.assert_allclose(found, [-0.5, 1.5], rtol=1e-14)


@pytest.mark.parametrize("n", [2_000, 200_000])
def test_weights_fitted_to_samples_come_to_the_optimum(n: int) -> None:
    # The Fisher information of a pair is E[p (1 - p) d d'], so the error falls as 1 / sqrt(n).
    mean, covariance = np.array([0.6, 0.6, 0.2]), np.diag([1.0, 2.0, 1.0])
    margins = np.random.default_rng(0).multivariate_normal(mean, covariance, n)
    best = gaussian_optimum(mean, covariance)
    p_wrong = 1 / (1 + np.exp(margins @ best))
    information = (margins * (p_wrong * (1 - p_wrong))[:, None]).T @ margins
    errors = np.sqrt(np.diagonal(np.linalg.inv(information)))
    assert errors.max() < 3 / np.sqrt(n)
    assert (np.abs(fitted_optimum(margins) - best) < 4 * errors).all()


def test_the_fit_by_hand() -> None:
    # Right on three of four pairs: odds of 3, so the weight is ln 3.
    found = fitted_optimum(np.array([[1.0], [1.0], [1.0], [-1.0]]))
    assert found[0] == pytest.approx(np.log(3), abs=1e-5)


def test_a_rule_that_never_resolves_a_pair_gets_nothing() -> None:
    found = fitted_optimum(np.array([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]]))
    assert found[1] == 0.0


def test_the_fit_may_be_negative() -> None:
    assert fitted_optimum(np.array([[-1.0], [-1.0], [1.0]]))[0] == pytest.approx(
        -np.log(2), abs=1e-5
    )


def test_accuracy_by_hand(peer: Callable[[str], ModuleType]) -> None:
    # w.d is N(1 + 1, 1 + 3): right with probability Phi(2 / 2).
    found = gaussian_accuracy([1, 1], [1, 1], np.diag([1.0, 3.0]))
    assert found == pytest.approx(float(peer("scipy.stats").norm.cdf(1)), abs=1e-15)


@settings(max_examples=25)
@given(seed=SEEDS)
def test_no_weights_are_right_more_often_than_the_optimum(seed: int) -> None:
    mean, covariance = gaussian(seed)
    best = gaussian_optimum(mean, covariance)
    other = np.random.default_rng(seed).normal(size=3)
    at_best = gaussian_accuracy(best, mean, covariance)
    assert gaussian_accuracy(other, mean, covariance) <= at_best + 1e-12
    # And only the direction counts.
    assert gaussian_accuracy(7 * best, mean, covariance) == pytest.approx(at_best, abs=1e-12)


def test_the_variance_that_needs_no_labels_does_for_the_whole_matrix_but_not_for_its_diagonal() -> (
    None
):
    # Sherman and Morrison: (Sigma + mu mu')^-1 mu = Sigma^-1 mu / (1 + mu' Sigma^-1 mu).
    mean, covariance = gaussian(1)
    best = gaussian_optimum(mean, covariance)
    unlabelled = gaussian_optimum(mean, covariance + np.outer(mean, mean))
    np.testing.assert_allclose(unlabelled, best / (1 + mean @ best / 2), rtol=1e-9)
    # Variances 1/10 and 1 with means 1: 10 : 1 with labels, (1 / 1.1) : (1 / 2) without.
    labelled, alone = (
        gaussian_optimum([1, 1], np.diag(variances)) for variances in ([0.1, 1.0], [1.1, 2.0])
    )
    assert labelled[0] / labelled[1] == pytest.approx(10)
    assert alone[0] / alone[1] == pytest.approx(2 / 1.1)


# --- refusals -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mean", "covariance"),
    [([1.0], [[1.0, 0.0], [0.0, 1.0]]), ([[1.0]], [[1.0]]), (1.0, 1.0), ([1.0, 1.0], [1.0, 1.0])],
)
def test_shapes_that_disagree_are_refused(mean: list[float], covariance: list[list[float]]) -> None:
    with pytest.raises(InputError, match=r"expected \(n_rules,\) and \(n_rules, n_rules\)"):
        gaussian_optimum(mean, covariance)


@pytest.mark.parametrize(
    "covariance",
    [
        [[1.0, 1.0], [1.0, 1.0]],
        [[1.0, 0.5], [0.2, 1.0]],
        [[-1.0, 0.0], [0.0, 1.0]],
        [[np.nan] * 2] * 2,
    ],
)
def test_what_is_no_covariance_is_refused(covariance: list[list[float]]) -> None:
    with pytest.raises(InputError, match="symmetric and positive definite"):
        gaussian_optimum([1.0, 1.0], covariance)


def test_weights_of_another_number_of_rules_are_refused() -> None:
    with pytest.raises(InputError, match=r"weights of shape \(3,\) for 2 rules"):
        gaussian_gradient([0, 0, 0], [1, 1], np.eye(2))


def test_the_accuracy_of_no_weights_is_refused() -> None:
    with pytest.raises(InputError, match="all weights are 0"):
        gaussian_accuracy([0, 0], [1, 1], np.eye(2))


@pytest.mark.parametrize("margins", [np.ones(3), np.ones((0, 2)), np.array([[np.nan]])])
def test_margins_that_cannot_be_fitted_are_refused(margins: NDArray[np.float64]) -> None:
    with pytest.raises(InputError, match="margins of shape"):
        fitted_optimum(margins)


@pytest.mark.parametrize("size", [1e-300, 1e-200, 1.0, 1e200, 1e300])
def test_accuracy_depends_on_the_direction_of_the_weights_alone(size: float) -> None:
    mean, covariance = [1.0, 0.5], [[2.0, 0.5], [0.5, 1.0]]
    # w = (1, 2): w.mean = 2, w'Sw = 2 + 2 + 4 = 8, and Phi(2 / sqrt 8) = Phi(0.7071) = 0.76025.
    assert gaussian_accuracy([size, 2 * size], mean, covariance) == pytest.approx(0.76025, abs=1e-5)


@pytest.mark.parametrize("size", [1e-12, 1e-6, 1.0, 1e12])
def test_a_covariance_is_symmetric_or_not_on_every_scale(size: float) -> None:
    with pytest.raises(InputError, match="symmetric and positive definite"):
        gaussian_optimum([1, 1], np.array([[size, size / 10], [0, size]]))
    optimum = gaussian_optimum([size, size], [[2 * size, 0.0], [0.0, 4 * size]])
    np.testing.assert_allclose(optimum, [1, 0.5])


def test_numbers_that_leave_the_range_of_floats_are_refused() -> None:
    unit = [[1.0, 0.0], [0.0, 1.0]]
    for too_large in (
        lambda: gaussian_optimum([1e308, 1], unit),
        lambda: gaussian_optimum([1, 1], [[1e-320, 0.0], [0.0, 1.0]]),
        lambda: gaussian_gradient([1e200, 1], [1, 1], unit),
        lambda: gaussian_accuracy([1, 1], [1e200, 1], [[1e-320, 0], [0, 1e-320]]),
    ):
        with pytest.raises(InputError, match="leave the range of 64-bit floats"):
            too_large()
    for wrong in (NAN, np.inf):
        with pytest.raises(InputError, match="a weight is not finite"):
            gaussian_accuracy([wrong, 1], [1, 1], unit)
    with pytest.raises(InputError, match=r"finite and at most 1e\+100 in size"):
        fitted_optimum(np.array([[1e200, 1.0]]))
