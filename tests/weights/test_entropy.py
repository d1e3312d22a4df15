from __future__ import annotations

import math

import numpy as np
import pytest

from encore import Calibration, InputError, LevelScale, Rulebook, UnknownNameError, calibrate
from encore.weights import Linear, Softmax


def with_normalised_entropies(*targets: float) -> Calibration:
    """Ratings of two levels whose normalised entropies are *targets* to 1e-5, by bisection of p."""
    n = 200_000
    columns = []
    for target in targets:
        low, high = 0.0, 0.5
        for _ in range(60):
            p = (low + high) / 2
            h = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
            low, high = (p, high) if h < target else (low, p)
        columns.append((np.arange(n) < round(p * n)).astype(float))
    rules = Rulebook.from_ids([f"r{i}" for i in range(len(targets))], LevelScale((0, 1)))
    return calibrate(np.column_stack(columns), rules)


def quarters() -> Calibration:
    """H = 0, ln 2 and ln 4 over four levels: normalised 0, 1/2 and 1."""
    rules = Rulebook.from_ids(["a", "b", "c"], LevelScale((1, 2, 3, 4)))
    return calibrate([[1, 1, 1], [1, 1, 2], [1, 2, 3], [1, 2, 4]], rules)


def test_the_source_s_example() -> None:
    # Normalised entropies 0.10, 0.18, 0.85, 0.92 get weights 0.90, 0.82, 0.15, 0.08.
    weights = Linear()(with_normalised_entropies(0.10, 0.18, 0.85, 0.92))
    np.testing.assert_allclose(weights.values, [0.90, 0.82, 0.15, 0.08], atol=1e-4)


def test_linear_by_hand() -> None:
    np.testing.assert_allclose(Linear()(quarters()).values, [1, 1 / 2, 0], atol=1e-15)


def test_strength_is_a_power_from_uniform_to_sharp() -> None:
    np.testing.assert_allclose(Linear(strength=0)(quarters()).values, [1, 1, 1])
    np.testing.assert_allclose(Linear(strength=3)(quarters()).values, [1, 1 / 8, 0], atol=1e-15)


def test_softmax_by_hand() -> None:
    # exp(-ln 2 / 1) = 1/2, exp(-ln 4 / 1) = 1/4; at temperature 2 their square roots.
    np.testing.assert_allclose(Softmax(temperature=1)(quarters()).values, [1, 1 / 2, 1 / 4])
    np.testing.assert_allclose(Softmax()(quarters()).values, [1, 2**-0.5, 1 / 2])


def test_softmax_counts_nats_where_linear_normalises() -> None:
    # Two levels evenly: H = ln 2. Four levels evenly: H = ln 4. Normalised, both are 1.
    rules = Rulebook(
        (
            *Rulebook.from_ids(["two"], LevelScale((0, 1))),
            *Rulebook.from_ids(["four"], LevelScale((0, 1, 2, 3))),
        )
    )
    found = calibrate([[0, 0], [1, 1], [0, 2], [1, 3]], rules)
    np.testing.assert_allclose(Softmax(temperature=1)(found).values, [1 / 2, 1 / 4])
    with pytest.raises(
        InputError, match="'linear' gives every rule of this calibration a weight of 0"
    ):
        Linear()(found)


def test_miller_madow_weighs_on_the_corrected_entropy() -> None:
    # Two of four levels in four ratings: H = ln 2 + (2 - 1) / (2 * 4).
    values = Softmax(temperature=1, estimator="miller_madow")(quarters()).values
    np.testing.assert_allclose(values[:2], [1, np.exp(-(np.log(2) + 1 / 8))])


def test_a_rule_that_was_never_rated_is_not_weighed_zero() -> None:
    rules = Rulebook.from_ids(["rated", "never"], LevelScale((0, 1)))
    for scheme in (Linear(), Softmax()):
        with pytest.raises(
            InputError, match=r"rules \['never'\] cannot be weighed: they were never"
        ):
            scheme(calibrate([[0, np.nan], [1, np.nan]], rules))


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_options_that_mean_nothing_are_refused(value: float) -> None:
    with pytest.raises(InputError, match=r"strength is .*0 or more"):
        Linear(strength=value)
    with pytest.raises(InputError, match=r"temperature is .*above 0"):
        Softmax(temperature=value)


def test_zero_temperature_is_refused() -> None:
    with pytest.raises(InputError, match="above 0"):
        Softmax(temperature=0)


@pytest.mark.parametrize("scheme", [Linear, Softmax])
def test_an_unknown_estimator_is_refused(scheme: type[Linear] | type[Softmax]) -> None:
    with pytest.raises(UnknownNameError, match="entropy estimator"):
        scheme(estimator="mm")  # type: ignore[arg-type]


def noisy() -> Calibration:
    """Three rules none of which is constant: H = ln 2, ln 3 and ln 4."""
    rules = Rulebook.from_ids(["a", "b", "c"], LevelScale((1, 2, 3, 4)))
    rows = [[1 + k % 2, 1 + k % 3, 1 + k % 4] for k in range(12)]
    return calibrate(rows, rules)


# exp(-H / t) is 2^(-1 / t) for the first: below the smallest float under t = 1/1074.
@pytest.mark.parametrize("temperature", [1e-2, 2e-3, 1e-3, 9e-4, 1e-4, 1e-300, 5e-324])
def test_a_low_temperature_has_the_shares_of_the_formula(temperature: float) -> None:
    weights = Softmax(temperature=temperature)(noisy())
    # Ratios of the weights, in exact arithmetic: (2/3)^(1/t) and (2/4)^(1/t).
    logs = [-(math.log(n) - math.log(2)) / temperature for n in (2, 3, 4)]
    exact = [math.exp(log) for log in logs]
    np.testing.assert_allclose(weights.shares, np.array(exact) / sum(exact), rtol=1e-9, atol=0)
    assert weights.shares[0] == pytest.approx(1.0)
    is_raw = temperature == 1e-2
    assert bool(weights.notes) is not is_raw
    if is_raw:
        np.testing.assert_allclose(weights.values[0], 2.0**-100, rtol=1e-9)
    else:
        assert weights.values[0] == 1
        assert "given relative to the largest" in weights.notes[0]


def test_equal_entropies_have_equal_weights_at_every_temperature() -> None:
    rules = Rulebook.from_ids(["a", "b"], LevelScale((0, 1)))
    calibration = calibrate([[0, 1], [1, 0]], rules)
    for temperature in (5e-324, 1e-3, 1.0, 1e308):
        assert Softmax(temperature=temperature)(calibration).shares.tolist() == [0.5, 0.5]


@pytest.mark.parametrize("strength", [100, 1e3, 1e6, 1e300])
def test_a_great_strength_has_the_shares_of_the_formula(strength: float) -> None:
    # 1 - H is 1/2 and 1 - ln 3 / ln 4.
    rules = Rulebook.from_ids(["a", "b"], LevelScale((1, 2, 3, 4)))
    calibration = calibrate([[1 + k % 2, 1 + k % 3] for k in range(6)], rules)
    weights = Linear(strength=strength)(calibration)
    ratio = (2 * (1 - math.log(3) / math.log(4))) ** strength
    np.testing.assert_allclose(weights.shares, np.array([1, ratio]) / (1 + ratio), rtol=1e-9)


def test_weights_that_are_all_zero_stay_an_error_at_any_strength() -> None:
    rules = Rulebook.from_ids(["a"], LevelScale((0, 1)))
    with pytest.raises(InputError, match="gives every rule of this calibration a weight of 0"):
        Linear(strength=1e300)(calibrate([[0], [1]], rules))
