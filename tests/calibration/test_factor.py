from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from encore.calibration.factor import common_factor


@given(
    loadings=st.lists(st.floats(0.1, 1.0), min_size=3, max_size=8),
    noise=st.lists(st.floats(0.0, 5.0), min_size=8, max_size=8),
)
def test_a_rank_one_matrix_is_recovered_whatever_the_noise_on_its_diagonal(
    loadings: list[float], noise: list[float]
) -> None:
    v = np.array(loadings)
    covariance = np.outer(v, v) + np.diag(noise[: len(v)])
    np.testing.assert_allclose(common_factor(covariance), v, atol=1e-6)


def test_one_loud_noisy_rule_does_not_outweigh_those_that_agree() -> None:
    # Ten rules share 0.02; the eleventh is alone with a variance of 1. The leading eigenvector
    # with the diagonal left in is the noisy rule's (eigenvalue 1 against 0.05 + 9 * 0.02 = 0.23).
    covariance = np.full((11, 11), 0.02)
    covariance[10, :] = covariance[:, 10] = 0.0
    np.fill_diagonal(covariance, [0.05] * 10 + [1.0])
    assert np.argmax(np.abs(np.linalg.eigh(covariance)[1][:, -1])) == 10
    np.testing.assert_allclose(common_factor(covariance), [np.sqrt(0.02)] * 10 + [0.0], atol=1e-6)


def test_a_rule_against_the_rest_has_a_negative_loading() -> None:
    v = np.array([0.5, 0.5, 0.5, -0.3])
    np.testing.assert_allclose(common_factor(np.outer(v, v)), v, atol=1e-6)


def test_rules_that_share_nothing_have_no_loading() -> None:
    np.testing.assert_array_equal(common_factor(np.diag([1.0, 2.0, 3.0])), np.zeros(3))
    np.testing.assert_array_equal(common_factor(np.zeros((2, 2))), np.zeros(2))


def test_an_unknown_covariance_counts_as_none() -> None:
    v = np.array([0.5, 0.4, 0.3])
    covariance = np.pad(np.outer(v, v), (0, 1), constant_values=np.nan)
    np.testing.assert_allclose(common_factor(covariance), [*v, 0.0], atol=1e-6)


# Two fits of the first are optima, (.38, -.42, .26, .34) and the better (.33, -.07, 1, -.09), in
# units of the square root of 210. The best fit of the second is reached from the rule that
# covaries third most: the leading eigenvector and the first two rules lead to one whose residual
# is 5 % larger.
TWO_OPTIMA = [
    [126, -4.5, 72, 25.5],
    [-4.5, 120, -21, -66],
    [72, -21, 210, -34.5],
    [25.5, -66, -34.5, 123],
]
FROM_THE_THIRD = [
    [159, 22, 2, 7, -29],
    [22, 95, 37, 21, 27],
    [2, 37, 110, 16, -33],
    [7, 21, 16, 148, -9],
    [-29, 27, -33, -9, 119],
]


@pytest.mark.parametrize("entries", [TWO_OPTIMA, FROM_THE_THIRD])
def test_of_several_optima_the_best_counts_whatever_the_order(
    entries: list[list[float]], peer: Callable[[str], ModuleType]
) -> None:
    # SciPy from fifty starts is the second road.
    covariance = np.array(entries)
    n_rules = len(covariance)
    bound, above = np.sqrt(np.diagonal(covariance)), np.triu_indices(n_rules, 1)

    def residual(v: NDArray[np.float64]) -> float:
        return float(((covariance - np.outer(v, v))[above] ** 2).sum())

    rng = np.random.default_rng(0)
    minimize = peer("scipy.optimize").minimize
    starts = rng.uniform(-bound, bound, (50, n_rules))
    limits = list(zip(-bound, bound, strict=True))
    least = min(minimize(residual, start, bounds=limits).fun for start in starts)
    for order in (np.arange(n_rules), *(rng.permutation(n_rules) for _ in range(3))):
        found = np.empty(n_rules)
        found[order] = common_factor(covariance[np.ix_(order, order)])
        assert residual(found) <= least * (1 + 1e-6)
        np.testing.assert_allclose(found, common_factor(covariance), atol=1e-6)
