from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encore.theory.normal import clipped_moments, clipped_wins, cumulative, density

MEANS, DEVIATIONS = st.floats(-3, 4), st.floats(0.01, 20)
GRID = np.linspace(0, 1, 50_001)


@given(x=st.lists(st.floats(-37, 37), min_size=1, max_size=20))
def test_the_normal_distribution_equals_scipy(
    x: list[float], peer: Callable[[str], ModuleType]
) -> None:
    norm = peer("scipy.stats").norm
    np.testing.assert_allclose(cumulative(x), norm.cdf(x), rtol=1e-12, atol=0)
    np.testing.assert_allclose(density(np.array(x)), norm.pdf(x), rtol=1e-12, atol=0)


@settings(max_examples=25)
@given(mean=MEANS, deviation=DEVIATIONS)
def test_moments_of_a_clipped_number_equal_simpson_s_rule(
    mean: float, deviation: float, peer: Callable[[str], ModuleType]
) -> None:
    # The second road: integrate over the inside on an even grid, and add the upper end.
    simpson, norm = peer("scipy.integrate").simpson, peer("scipy.stats").norm(mean, deviation)
    first, second = (float(simpson(GRID**k * norm.pdf(GRID), x=GRID) + norm.sf(1)) for k in (1, 2))
    found_mean, found_variance = clipped_moments(np.array([mean]), np.array([deviation]))
    assert found_mean[0] == pytest.approx(first, abs=1e-10)
    assert found_variance[0] == pytest.approx(second - first**2, abs=1e-10)


@pytest.mark.parametrize("deviation", [1e3, 1e6, 1e12])
def test_a_huge_deviation_leaves_a_coin(deviation: float) -> None:
    # The chance of staying inside is below 1 / deviation, so the moments are those of 0 and 1.
    mean, variance = clipped_moments(np.array([0.3]), np.array([deviation]))
    assert mean[0] == pytest.approx(0.5, abs=1 / deviation)
    assert variance[0] == pytest.approx(0.25, abs=1 / deviation)


def test_a_small_variance_keeps_its_digits() -> None:
    # Far from the ends nothing is clipped: the variance is that of the number itself, 1e-16.
    mean, variance = clipped_moments(np.array([0.7]), np.array([1e-8]))
    assert mean[0] == 0.7
    assert variance[0] == pytest.approx(1e-16, rel=1e-12, abs=0)


def test_a_number_beyond_an_end_is_that_end() -> None:
    mean, variance = clipped_moments(np.array([-5.0, 9.0]), np.array([0.1, 0.1]))
    assert mean.tolist() == [0.0, 1.0]
    assert variance.tolist() == [0.0, 0.0]


@settings(max_examples=15)
@given(chosen=MEANS, rejected=MEANS, deviation=DEVIATIONS)
def test_wins_equal_an_integral_over_the_rejected_response(
    chosen: float, rejected: float, deviation: float, peer: Callable[[str], ModuleType]
) -> None:
    # The other way about: fix the rejected rating and ask how often the chosen one is above it.
    norm = peer("scipy.stats").norm
    c, r = norm(chosen, deviation), norm(rejected, deviation)
    inside = peer("scipy.integrate").simpson(r.pdf(GRID) * c.sf(GRID), x=GRID)
    at_worst = r.cdf(0) * (c.sf(0) + c.cdf(0) / 2)
    at_best = r.sf(1) * c.sf(1) / 2
    found = clipped_wins(np.array([chosen]), np.array([rejected]), np.array([deviation]))
    assert found[0] == pytest.approx(inside + at_worst + at_best, abs=1e-10)


def test_on_a_scale_that_is_never_left_wins_are_those_of_the_gap() -> None:
    # P(c > r) = Phi(gap / (sigma sqrt 2)): 0.2 / (0.02 sqrt 2) is seven deviations, 0.02 is 0.7071.
    found = clipped_wins(np.array([0.6, 0.51]), np.array([0.4, 0.49]), np.array([0.02, 0.02]))
    np.testing.assert_allclose(found, [1.0, 0.7602499389], atol=1e-9)
