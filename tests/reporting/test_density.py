from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encore.reporting.density import N_POINTS, density


def test_it_is_scipy_s_density_where_no_end_is_near(peer: Callable[[str], ModuleType]) -> None:
    stats = peer("scipy.stats")
    values = np.random.default_rng(0).normal(0.5, 0.08, 800)
    expected = stats.gaussian_kde(values)(np.linspace(0, 1, N_POINTS))
    # What the sharing out between points costs: some thousandths of the peak of about 5.
    assert density(values, 0.0, 1.0) == pytest.approx(expected, abs=0.02)


def test_it_is_scipy_s_density_mirrored_at_both_ends(peer: Callable[[str], ModuleType]) -> None:
    stats = peer("scipy.stats")
    values = np.random.default_rng(0).beta(0.8, 0.5, 600)
    x, found = np.linspace(0, 1, N_POINTS), stats.gaussian_kde(values)
    expected = found(x) + found(-x) + found(2 - x)
    assert density(values, 0.0, 1.0) == pytest.approx(expected, abs=0.02)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50))
def test_it_integrates_to_one(values: list[float]) -> None:
    found = density(values, 0.0, 1.0)
    trapezoids = (found[:-1] + found[1:]) / 2 / (N_POINTS - 1)
    # Those of a kernel of one step miss some thousandths.
    assert trapezoids.sum() == pytest.approx(1.0, abs=0.01)


def test_what_is_unknown_is_left_out() -> None:
    assert density([0.2, np.nan], 0.0, 1.0).tolist() == density([0.2], 0.0, 1.0).tolist()
    assert np.isnan(density([np.nan], 0.0, 1.0)).all()
