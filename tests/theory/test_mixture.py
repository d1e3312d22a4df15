from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray

from encore import InputError, LevelScale, RangeScale, calibrate
from encore.rules.scale import Scale
from encore.theory import Mixture

SCALES: list[Scale] = [
    RangeScale(-2, 2),
    RangeScale(3, -1, bins=7),
    LevelScale((1, 2, 3, 4, 5)),
    LevelScale((5, 4, 2, 1)),
]


def rules_of(
    chosen: ArrayLike,
    rejected: ArrayLike,
    noise: ArrayLike,
    scale: Scale,
    correlation: float = 0.0,
) -> Mixture:
    return Mixture(np.asarray(chosen), np.asarray(rejected), np.asarray(noise), scale, correlation)


def mixture(scale: Scale, correlation: float = 0.0) -> Mixture:
    return rules_of([0.5, 1.0, 3.0], [-0.5, 0.5, 2.0], [0.5, 1.0, 3.0], scale, correlation)


def test_level_probabilities_by_scipy(peer: Callable[[str], ModuleType]) -> None:
    # Levels 1, 2 and 4: a latent value goes to the nearest, so the borders are 1.5 and 3.
    norm = peer("scipy.stats").norm
    found = rules_of([2.5], [1.0], [0.8], LevelScale((1, 2, 4))).level_probabilities
    for side, mean in enumerate((2.5, 1.0)):
        low, high = norm.cdf([1.5, 3.0], mean, 0.8)
        np.testing.assert_allclose(found[side, 0], [low, high - low, 1 - high], atol=1e-14)


def test_on_a_cost_scale_the_best_level_is_the_lowest(peer: Callable[[str], ModuleType]) -> None:
    # Best is 0, so the last of two bins of 4 to 0 is what lies below 2.
    found = rules_of([1.0], [3.0], [1.0], RangeScale(4, 0, bins=2)).level_probabilities
    below = float(peer("scipy.stats").norm.cdf(1.0))
    np.testing.assert_allclose(found[:, 0], [[1 - below, below], [below, 1 - below]], atol=1e-14)


def test_a_coin_by_hand() -> None:
    # Both responses have their mean at the border of the two levels: each level has 1/2, H = ln 2,
    # Var = 1/4 + 1/4, and half of the verdicts are right.
    coin = rules_of([0.5], [0.5], [1.0], LevelScale((0, 1)))
    assert coin.level_probabilities.tolist() == [[[0.5, 0.5]], [[0.5, 0.5]]]
    assert coin.entropy[0] == pytest.approx(np.log(2), abs=1e-15)
    assert (coin.ends_share[0], coin.margin_mean[0], coin.margin_variance[0]) == (1.0, 0.0, 0.5)
    assert coin.accuracy[0] == 0.5


def test_accuracy_on_levels_by_hand() -> None:
    # Chosen is 1 with probability p = Phi(1), rejected with 1 - p: it wins p^2, ties 2 p (1 - p),
    # so half credit is p^2 + p (1 - p) = p = 0.8413.
    found = rules_of([1.5], [-0.5], [1.0], LevelScale((0, 1)))
    assert found.accuracy[0] == pytest.approx(0.8413447460685429, abs=1e-14)
    # The margin's mean is p - (1 - p), its variance 2 p (1 - p).
    assert found.margin_mean[0] == pytest.approx(0.6826894921370859, abs=1e-14)
    assert found.margin_variance[0] == pytest.approx(0.2669675284, abs=1e-9)
    assert found.unlabelled_variance[0] == pytest.approx(0.2669675284 + 0.6826894921**2, abs=1e-9)


@pytest.mark.parametrize("scale", SCALES, ids=str)
@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_what_is_exact_is_what_simulation_comes_to(scale: Scale, correlation: float) -> None:
    # 100,000 pairs, 24 numbers a scale: 4.5 standard errors of each, none smaller than 1e-4.
    n = 100_000
    rules = mixture(scale, correlation)
    pairs = rules.simulate(n, rng=7)
    margins = pairs.margins

    def close(sample: NDArray[Any], exact: NDArray[np.float64]) -> None:
        error = np.maximum(sample.std(axis=0), 0.01) / np.sqrt(n)
        assert (np.abs(sample.mean(axis=0) - exact) < 4.5 * error).all()

    close(margins, rules.margin_mean)
    close((margins - rules.margin_mean) ** 2, rules.margin_variance)
    close((margins > 0) + (margins == 0) / 2, rules.accuracy)
    levels = rules.rules.level_of(pairs.ratings.values)
    for side, rows in enumerate((pairs.chosen, pairs.rejected)):
        for level in range(scale.n_levels):
            close(levels[rows] == level, rules.level_probabilities[side, :, level])


@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_a_calibration_of_many_pairs_comes_to_the_exact_entropy_and_variance(scale: Scale) -> None:
    # Without labels: the variance of two responses in either order.
    rules = mixture(scale)
    calibration = calibrate(rules.simulate(50_000, rng=3), rules.rules)
    np.testing.assert_allclose(calibration.entropy(), rules.entropy, atol=0.02)
    np.testing.assert_allclose(calibration.margin_variance, rules.unlabelled_variance, rtol=0.05)


@settings(max_examples=50)
@given(
    means=st.tuples(st.floats(-10, 10), st.floats(-10, 10)),
    noise=st.floats(1e-3, 1e3),
    scale=st.sampled_from(SCALES),
)
def test_everything_stays_in_its_range(
    means: tuple[float, float], noise: float, scale: Scale
) -> None:
    rules = rules_of([means[0]], [means[1]], [noise], scale)
    np.testing.assert_allclose(rules.level_probabilities.sum(axis=-1), 1.0, atol=1e-12)
    assert 0 <= rules.normalised_entropy[0] <= 1
    assert 0 <= rules.ends_share[0] <= 1 + 1e-12
    assert 0 <= rules.margin_variance[0] <= 0.5 + 1e-12
    assert abs(rules.margin_mean[0]) <= 1 + 1e-12
    assert -1e-12 <= rules.accuracy[0] <= 1 + 1e-12


@settings(max_examples=30)
@given(
    means=st.tuples(st.floats(-3, 3), st.floats(-3, 3)),
    noise=st.floats(0.1, 10),
    scale=st.sampled_from(SCALES),
)
def test_exchanging_the_responses_turns_the_margin_round(
    means: tuple[float, float], noise: float, scale: Scale
) -> None:
    one, other = (rules_of([a], [b], [noise], scale) for a, b in (means, means[::-1]))
    assert one.margin_mean[0] == pytest.approx(-other.margin_mean[0], abs=1e-12)
    assert one.margin_variance[0] == pytest.approx(other.margin_variance[0], abs=1e-12)
    assert one.accuracy[0] == pytest.approx(1 - other.accuracy[0], abs=1e-9)


def test_on_a_fine_scale_entropy_is_that_of_the_gaussian() -> None:
    # H = 1/2 ln(2 pi e s^2) - ln(bin) with s^2 = noise^2 + (gap / 2)^2, bins of 0.1 and s near 1.
    rule = rules_of([0.1], [-0.1], [1.0], RangeScale(-10, 10, bins=200))
    expected = 0.5 * np.log(2 * np.pi * np.e * (1.0 + 0.1**2)) - np.log(0.1)
    assert rule.entropy[0] == pytest.approx(expected, abs=1e-3)
    # Margins are in units of the span, 20: Var = 2 / 400.
    assert rule.margin_variance[0] == pytest.approx(2 / 400, rel=1e-6)


@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_unbounded_noise_is_a_coin_with_two_sides(scale: Scale) -> None:
    rule = rules_of([2.0], [1.0], [1e9], scale)
    assert rule.entropy[0] == pytest.approx(np.log(2), abs=1e-6)
    assert rule.ends_share[0] == pytest.approx(1.0, abs=1e-6)
    assert rule.margin_variance[0] == pytest.approx(0.5, abs=1e-6)
    assert rule.accuracy[0] == pytest.approx(0.5, abs=1e-6)


def test_hardly_any_noise_is_one_level_a_side() -> None:
    rule = rules_of([4.0], [2.0], [1e-12], LevelScale((1, 2, 3, 4, 5)))
    assert rule.level_probabilities[:, 0].tolist() == [[0, 0, 0, 1, 0], [0, 1, 0, 0, 0]]
    assert rule.entropy[0] == pytest.approx(np.log(2), abs=1e-15)
    assert (rule.margin_mean[0], rule.margin_variance[0], rule.accuracy[0]) == (0.5, 0.0, 1.0)
    assert rule.simulate(5, rng=0).margins.ravel().tolist() == [0.5] * 5


@pytest.mark.parametrize("scale", [RangeScale(0, 1), LevelScale((0, 0.5, 1))], ids=str)
def test_all_mass_at_one_end_says_nothing(scale: Scale) -> None:
    rule = rules_of([9.0], [8.0], [0.1], scale)
    assert (rule.entropy[0], rule.ends_share[0]) == (0.0, 1.0)
    assert (rule.margin_mean[0], rule.margin_variance[0], rule.accuracy[0]) == (0.0, 0.0, 0.5)


def test_the_noise_of_rules_is_correlated_as_asked_and_the_responses_are_not() -> None:
    # 20,000 pairs: a correlation's standard error is below 1 / sqrt(20,000) = 0.007.
    rules = rules_of([0.0] * 3, [0.0] * 3, [1.0, 2.0, 3.0], RangeScale(-50, 50), correlation=0.7)
    pairs = rules.simulate(20_000, rng=1)
    np.testing.assert_allclose(
        np.corrcoef(pairs.margins.T), np.full((3, 3), 0.7) + 0.3 * np.eye(3), atol=0.03
    )
    unit = pairs.ratings.unit
    assert abs(np.corrcoef(unit[pairs.chosen, 0], unit[pairs.rejected, 0])[0, 1]) < 0.03
    # Var of a latent margin is 2 sigma^2, and the covariance 2 * 0.7 * sigma sigma'.
    np.testing.assert_allclose(rules.latent_covariance[0], [2.0, 2.8, 4.2])


def test_the_latent_mean_points_to_the_best_end() -> None:
    assert mixture(RangeScale(0, 5)).latent_mean.tolist() == [1.0, 0.5, 1.0]
    assert mixture(RangeScale(5, 0)).latent_mean.tolist() == [-1.0, -0.5, -1.0]


def test_the_same_seed_gives_the_same_pairs() -> None:
    one, other = (
        mixture(SCALES[0], 0.2).simulate(50, rng) for rng in (5, np.random.default_rng(5))
    )
    np.testing.assert_array_equal(one.margins, other.margins)


# --- refusals -------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [[0.0], [-1.0]])
def test_noise_that_is_not_positive_is_refused(noise: list[float]) -> None:
    with pytest.raises(InputError, match="standard deviations above 0"):
        rules_of([1.0], [0.0], noise, RangeScale(0, 1))


@pytest.mark.parametrize(
    ("chosen", "rejected", "noise"),
    [([1.0, 1.0], [0.0], [1.0]), ([1.0], [0.0], [1.0, 1.0]), ([], [], []), (1.0, 0.0, 1.0)],
)
def test_shapes_that_disagree_are_refused(
    chosen: list[float], rejected: list[float], noise: list[float]
) -> None:
    with pytest.raises(InputError, match="one number per rule"):
        rules_of(chosen, rejected, noise, RangeScale(0, 1))


def test_numbers_that_are_not_finite_are_refused() -> None:
    with pytest.raises(InputError, match="must be finite"):
        rules_of([np.nan], [0.0], [1.0], RangeScale(0, 1))


@pytest.mark.parametrize("correlation", [-0.1, 1.0, float("nan")])
def test_a_correlation_out_of_range_is_refused(correlation: float) -> None:
    with pytest.raises(InputError, match="0 to below 1"):
        mixture(RangeScale(0, 1), correlation)


def test_no_pairs_are_refused() -> None:
    with pytest.raises(InputError, match="n_pairs is 0"):
        mixture(RangeScale(0, 1)).simulate(0, rng=0)


@pytest.mark.parametrize("scale", [RangeScale(-1, 1), LevelScale((-1, 1))])
def test_hardly_any_noise_is_none(scale: Scale) -> None:
    # Means at a quarter and three quarters, or clipped to the ends: no rating varies.
    for noise, reach in ((1e-320, 0.5), (1e-300, 0.5), (1.0, 1e300), (1.0, 1e308)):
        chosen, rejected, deviation = np.array([[reach], [-reach], [noise]])
        mixture = Mixture(chosen, rejected, deviation, scale)
        assert mixture.accuracy.tolist() == pytest.approx([1.0], abs=1e-12)
        assert mixture.margin_variance.tolist() == [0.0]
        is_range = isinstance(scale, RangeScale) and reach < 1
        assert mixture.margin_mean.tolist() == [0.5 if is_range else 1.0]


def test_noise_that_vanishes_beside_the_scale_is_refused() -> None:
    with pytest.raises(InputError, match="expected standard deviations above 0"):
        Mixture(np.array([0.5]), np.array([-0.5]), np.array([1e-320]), RangeScale(-1e10, 1e10))
