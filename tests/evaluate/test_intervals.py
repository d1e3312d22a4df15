from __future__ import annotations

from collections.abc import Callable
from itertools import product
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from encore.evaluate.intervals import (
    ClusterBootstrap,
    accuracy_interval,
    holm,
    percentile_interval,
    sign_flip_p_values,
)
from encore.ratings import Ids

Floats = NDArray[np.float64]


def mean(sums: Floats) -> Floats:
    return np.asarray(sums[..., 0] / sums[..., 1])


def rows(values: Floats) -> Floats:
    return np.column_stack([values, np.ones(len(values))])


def sign_flip_p_value(differences: Floats, prompts: Ids, rng: np.random.Generator) -> float:
    return float(sign_flip_p_values(differences[:, None], prompts, rng)[0])


def test_the_interval_of_a_mean_is_scipy_s(peer: Callable[[str], ModuleType]) -> None:
    values = np.random.default_rng(0).normal(size=300)
    found = ClusterBootstrap(Ids.distinct(300), np.random.default_rng(1)).interval(
        rows(values), mean
    )
    expected = (
        peer("scipy.stats")
        .bootstrap((values,), np.mean, n_resamples=2000, method="percentile", rng=2)
        .confidence_interval
    )
    assert found.value == pytest.approx(values.mean())
    # Two bootstraps of 2,000 draws: their ends agree to a few per cent of the width, 0.23.
    assert found.low == pytest.approx(expected.low, abs=0.015)
    assert found.high == pytest.approx(expected.high, abs=0.015)


def test_pairs_of_one_prompt_stay_together() -> None:
    # 400 pairs of 40 prompts, all ten of a prompt alike: the interval must be that of 40 values,
    # about sqrt(10) as wide as one that took the pairs for independent.
    values = np.repeat(np.random.default_rng(0).normal(size=40), 10)
    prompts = Ids.of(np.repeat(np.arange(40), 10).tolist())
    clustered = ClusterBootstrap(prompts, np.random.default_rng(1))
    naive = ClusterBootstrap(Ids.distinct(400), np.random.default_rng(1))
    wide, narrow = (b.interval(rows(values), mean) for b in (clustered, naive))
    ratio = (wide.high - wide.low) / (narrow.high - narrow.low)
    assert clustered.n_prompts == 40
    assert ratio == pytest.approx(np.sqrt(10), rel=0.15)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    # 95 % nominal, 120 prompts of two pairs; 300 trials: 3 standard errors are 3.8 points.
    rng = np.random.default_rng(0)
    prompts = Ids.of(np.repeat(np.arange(120), 2).tolist())
    hits = 0
    for _ in range(300):
        chance = np.repeat(rng.beta(4, 1, 120), 2)
        values = (rng.random(240) < chance).astype(float)
        found = ClusterBootstrap(prompts, rng, n_resamples=400).interval(rows(values), mean)
        hits += found.low <= 0.8 <= found.high
    assert 0.91 <= hits / 300 <= 0.99


def test_all_statistics_see_the_same_draws() -> None:
    values = np.random.default_rng(0).normal(size=50)
    bootstrap = ClusterBootstrap(Ids.distinct(50), np.random.default_rng(1))
    np.testing.assert_array_equal(bootstrap.sums(rows(values)), bootstrap.sums(rows(values)))
    # So a constant difference has an interval of no width.
    difference = mean(bootstrap.sums(rows(values + 1))) - mean(bootstrap.sums(rows(values)))
    np.testing.assert_allclose(difference, np.ones(2000), atol=1e-12)


def test_resamples_that_are_undefined_are_left_out() -> None:
    found = percentile_interval(0.5, np.array([np.nan, 0.4, 0.6, np.nan]))
    assert 0.4 <= found.low <= found.high <= 0.6
    nothing = percentile_interval(float("nan"), np.array([np.nan]))
    assert np.isnan([nothing.low, nothing.high]).all()


@given(values=st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]), min_size=1, max_size=8))
def test_few_prompts_get_the_exact_p_value(values: list[float]) -> None:
    found = sign_flip_p_value(np.array(values), Ids.distinct(len(values)), np.random.default_rng(0))
    moved = [value for value in values if value]
    flips = product((1, -1), repeat=len(moved))
    sums = [abs(sum(s * v for s, v in zip(signs, moved, strict=True))) for signs in flips]
    expected = np.mean([total >= abs(sum(moved)) - 1e-12 for total in sums])
    assert found == pytest.approx(expected)


def test_many_prompts_get_the_sign_test_s_p_value(peer: Callable[[str], ModuleType]) -> None:
    # Differences of one size: the test is the binomial sign test. 70 of 110 up; 9,999 flips leave
    # a standard error of 0.0007 on a p-value of 0.005.
    differences = np.repeat([1.0, -1.0], [70, 40])
    found = sign_flip_p_value(differences, Ids.distinct(110), np.random.default_rng(0))
    expected = peer("scipy.stats").binomtest(70, 110).pvalue
    assert found == pytest.approx(expected, abs=0.003)


def test_flips_are_of_prompts_not_of_pairs() -> None:
    # Three prompts whose four pairs agree: 2 of 8 flips reach the sum, whatever the pairs.
    prompts = Ids.of(np.repeat([0, 1, 2], 4).tolist())
    assert sign_flip_p_value(np.ones(12), prompts, np.random.default_rng(0)) == 0.25


def test_no_difference_is_no_evidence() -> None:
    assert sign_flip_p_value(np.zeros(5), Ids.distinct(5), np.random.default_rng(0)) == 1.0
    unknown = np.array([np.nan, 0.0])
    assert sign_flip_p_value(unknown, Ids.distinct(2), np.random.default_rng(0)) == 1.0


def test_p_values_under_no_difference_are_even() -> None:
    # Of 400 trials without a difference, 5 % fall below 0.05: 20, standard error 4.4.
    rng = np.random.default_rng(0)
    ids = Ids.distinct(40)
    found = [sign_flip_p_value(rng.normal(size=40), ids, rng) for _ in range(400)]
    assert 7 <= sum(p < 0.05 for p in found) <= 34


def test_holm_by_hand() -> None:
    # Sorted 0.01, 0.02, 0.04 times 3, 2, 1 is 0.03, 0.04, 0.04; then never falling.
    np.testing.assert_allclose(holm(np.array([0.04, 0.01, 0.02])), [0.04, 0.03, 0.04])
    np.testing.assert_array_equal(holm(np.array([np.nan, 0.9, 0.8])), [np.nan, 1.0, 1.0])


@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_holm_only_raises_and_keeps_the_order(p: list[float]) -> None:
    before, after = np.array(p), holm(np.array(p))
    assert (after >= before).all() and (after <= 1).all()
    assert (np.diff(after[np.argsort(before)]) >= 0).all()


def test_every_column_has_the_p_value_that_it_has_alone() -> None:
    # One column that moves few prompts (enumerated) beside one that moves many (drawn).
    rng = np.random.default_rng(0)
    few, many = np.zeros(200), rng.normal(0.1, 1, 200)
    few[:4] = 1.0
    both = sign_flip_p_values(np.column_stack([few, many]), Ids.distinct(200), rng)
    assert both[0] == 2 / 2**4
    assert both[1] == pytest.approx(sign_flip_p_value(many, Ids.distinct(200), rng), abs=0.02)


def test_all_right_is_not_certainty(peer: Callable[[str], ModuleType]) -> None:
    # Five of five: the exact binomial interval starts at (0.05 / 2) ** (1 / 5) = 0.478.
    exact = peer("scipy.stats").binomtest(5, 5).proportion_ci(0.95)
    found = accuracy_interval(1.0, np.ones(10), 5)
    assert found.low == pytest.approx(exact.low) and found.high == 1.0
    none = accuracy_interval(0.0, np.zeros(10), 5)
    assert none.low == 0.0 and none.high == pytest.approx(1 - exact.low)


def test_several_tables_are_resampled_as_each_alone() -> None:
    values = np.random.default_rng(0).normal(size=50)
    bootstrap = ClusterBootstrap(Ids.distinct(50), np.random.default_rng(1))
    first, second = bootstrap.sums_of([rows(values), rows(values + 1)])
    np.testing.assert_array_equal(first, bootstrap.sums(rows(values)))
    np.testing.assert_array_equal(second, bootstrap.sums(rows(values + 1)))
