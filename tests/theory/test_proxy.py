from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from encore import InputError, LevelScale, RangeScale
from encore.rules.scale import Scale
from encore.theory import (
    NEAR,
    STAND_INS,
    Mixture,
    Setting,
    Study,
    gaussian_optimum,
    saturation_grid,
    study_stand_ins,
)
from encore.theory.proxy import pearson

HALF = np.full(4, 0.5)


def rules_of(chosen: ArrayLike, rejected: ArrayLike, noise: ArrayLike, scale: Scale) -> Mixture:
    return Mixture(np.asarray(chosen), np.asarray(rejected), np.asarray(noise), scale)


@pytest.fixture(scope="module")
def study() -> Study:
    return study_stand_ins(saturation_grid(), rng=0)


def test_stand_ins_by_hand() -> None:
    # A coin on two levels: 1 - H = 0, e^-2H = 1/4, Var = 1/2 with labels and without.
    coin = rules_of([0.5], [0.5], [1.0], LevelScale((0, 1)))
    values = {name: float(of(coin)[0]) for name, of in STAND_INS.items()}
    assert values == pytest.approx(
        {
            "one_minus_entropy": 0.0,
            "inverse_entropy_power": 0.25,
            "inverse_variance": 2.0,
            "inverse_unlabelled_variance": 2.0,
        },
        abs=1e-12,
    )


def test_a_rule_that_never_resolves_a_pair_has_no_inverse_variance() -> None:
    stuck = rules_of([9.0], [8.0], [0.1], RangeScale(0, 1))
    assert STAND_INS["inverse_variance"](stuck).tolist() == [0.0]
    assert STAND_INS["inverse_unlabelled_variance"](stuck).tolist() == [0.0]


def test_on_a_fine_scale_that_is_never_left_entropy_power_is_the_inverse_variance() -> None:
    # Bins of 1/5 of the least noise; a gap of 0.1 adds 0.05^2 / 0.5^2 = 1 % to the least variance.
    rules = rules_of(HALF / 10, -HALF / 10, [0.5, 1, 2, 2.5], RangeScale(-10, 10, bins=200))
    power, variance = (
        STAND_INS[f"inverse_{name}"](rules) for name in ("entropy_power", "variance")
    )
    np.testing.assert_allclose(power / power[1], variance / variance[1], rtol=0.012)


@settings(max_examples=25)
@given(
    x=st.lists(st.integers(-9, 9), min_size=3, max_size=9),
    y=st.lists(st.integers(-9, 9), min_size=9, max_size=9),
)
def test_correlations_equal_scipy(
    x: list[int], y: list[int], peer: Callable[[str], ModuleType]
) -> None:
    from encore.theory.proxy import _ranks

    y = y[: len(x)]
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert np.isnan(pearson(x, y))
        return
    stats = peer("scipy.stats")
    assert pearson(x, y) == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-9)
    ranked = (_ranks(np.array(values, dtype=np.float64)) for values in (x, y))
    assert pearson(*ranked) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-9)


def test_a_correlation_of_two_rules_is_unknown() -> None:
    assert np.isnan(pearson([1, 2], [1, 2]))


# --- the claim of the page ------------------------------------------------------------------


def test_entropy_ranks_the_rules_right_until_the_ends_fill_and_then_in_reverse(
    study: Study,
) -> None:
    by_ends = [(found.ends, found) for found in study.settings]
    assert [ends for ends, _ in by_ends] == sorted(ends for ends, _ in by_ends)
    for ends, found in by_ends:
        if ends < 0.1:
            assert found.pearson["one_minus_entropy"] > NEAR
            assert found.spearman["one_minus_entropy"] == 1
        if ends > 0.4:
            assert found.pearson["one_minus_entropy"] < -0.8
            assert found.spearman["one_minus_entropy"] < -0.9
        assert found.pearson["inverse_variance"] > 0.98


def test_a_reward_weighed_by_entropy_then_falls_below_the_plain_mean(study: Study) -> None:
    wide, narrow = study.settings[0].accuracy, study.settings[-2].accuracy
    assert wide["one_minus_entropy"] > wide["uniform"] + 0.02
    assert narrow["one_minus_entropy"] < narrow["uniform"] - 0.1
    for found in study.settings:
        # The fit is the best there is, up to the sampling of 20,000 pairs.
        assert found.accuracy["fitted"] >= max(found.accuracy.values()) - 0.002


def test_without_labels_the_variance_too_is_turned_around_in_the_end(study: Study) -> None:
    values = [found.pearson["inverse_unlabelled_variance"] for found in study.settings]
    assert min(values[:-1]) > NEAR
    assert values[-1] < -0.5


def test_on_a_wide_scale_the_fitted_weights_are_the_closed_form(study: Study) -> None:
    # Hardly clipped, margins are Gaussian, in units of the span: w = 2 mu / Var of unit margins.
    # 20,000 pairs, few of them wrong: within a sixth.
    wide = study.settings[0]
    rules = wide.mixture
    closed = gaussian_optimum(rules.margin_mean, np.diag(rules.margin_variance))
    np.testing.assert_allclose(wide.weights, closed, rtol=1 / 6)
    span = 12.0
    latent = gaussian_optimum(rules.latent_mean, rules.latent_covariance)
    np.testing.assert_allclose(closed, span * latent, rtol=0.05)


def test_the_sentence_says_so_with_the_numbers(study: Study) -> None:
    correlations = [found.pearson["one_minus_entropy"] for found in study.settings]
    ends = [100 * found.ends for found in study.settings]
    assert study.sentence == (
        f"1 - H is nearly the Bradley-Terry weight (Pearson {correlations[0]:.2f} to "
        f"{correlations[2]:.2f}) where {ends[0]:.1f} to {ends[2]:.1f} % of the ratings lie on the "
        f"ends of the scale, and runs against it ({correlations[5]:.2f} to {correlations[4]:.2f}) "
        f"where {ends[4]:.1f} to {ends[5]:.1f} % do; 1/Var of the margin correlates at 0.99 to "
        f"1.00 throughout."
    )


def _settings(*correlations: float) -> tuple[Setting, ...]:
    coin = rules_of([0.5], [0.5], [1.0], LevelScale((0, 1)))
    return tuple(
        Setting(coin, HALF, {"one_minus_entropy": r, "inverse_variance": 1.0}, {}, {})
        for r in correlations
    )


def test_the_sentence_leaves_out_what_does_not_occur() -> None:
    assert Study(_settings(0.95), 1).sentence == (
        "1 - H is nearly the Bradley-Terry weight (Pearson 0.95) where 100.0 % of the ratings lie "
        "on the ends of the scale; 1/Var of the margin correlates at 1.00 throughout."
    )
    assert Study(_settings(0.2, float("nan")), 1).sentence == (
        "1 - H is nowhere near the Bradley-Terry weight (Pearson 0.9 or more); 1/Var of the margin "
        "correlates at 1.00 throughout."
    )


def test_one_rule_has_weights_but_no_correlation() -> None:
    only = study_stand_ins([rules_of([0.5], [-0.5], [1.0], RangeScale(-3, 3))], rng=0, n_pairs=500)
    found = only.settings[0]
    assert found.weights.shape == (1,)
    assert np.isnan([*found.pearson.values(), *found.spearman.values()]).all()
    assert len(set(found.accuracy.values())) == 1


def test_rules_that_say_nothing_have_accuracy_one_half() -> None:
    stuck = rules_of([9.0] * 3, [8.0] * 3, [0.1] * 3, RangeScale(0, 1))
    found = study_stand_ins([stuck], rng=0, n_pairs=50).settings[0]
    assert found.weights.tolist() == [0, 0, 0]
    assert set(found.accuracy.values()) == {0.5}


def test_the_same_seed_gives_the_same_study_and_another_seed_another() -> None:
    one, again, other = (
        study_stand_ins(saturation_grid()[:1], rng=seed, n_pairs=500).to_dict()
        for seed in (1, 1, 2)
    )
    assert one == again
    assert one != other


def test_plain_data_holds_a_row_per_rule(study: Study) -> None:
    first = study.to_dict()["settings"][0]
    assert [row["rule"] for row in first["rules"]] == [f"rule {k}" for k in range(1, 8)]
    assert first["rules"][3]["noise"] == pytest.approx(1.0)
    assert first["scale"] == {"worst": -6.0, "best": 6.0, "bins": 10}
    assert set(first["pearson"]) == set(first["spearman"]) == set(STAND_INS)
    assert set(first["accuracy"]) == {"uniform", "fitted", *STAND_INS}


def test_no_mixture_is_refused() -> None:
    with pytest.raises(InputError, match="no mixture to study"):
        study_stand_ins([], rng=0)


def test_no_pairs_are_refused() -> None:
    with pytest.raises(InputError, match="n_pairs is 0"):
        study_stand_ins(saturation_grid(), rng=0, n_pairs=0)


@pytest.mark.parametrize("size", [1e-320, 1e-200, 1.0, 1e200, 1e307])
def test_a_correlation_is_the_same_on_every_scale(size: float) -> None:
    x, y = np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 4.0])
    # Deviations (-4, -1, 5) / 3 and (-5, 1, 4) / 3: 39 / sqrt(42 * 42).
    assert pearson(size * x, y) == pytest.approx(39 / 42, abs=1e-3)
    assert pearson(size * x, size * y) == pytest.approx(39 / 42, abs=1e-3)
