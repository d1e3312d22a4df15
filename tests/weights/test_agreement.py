from __future__ import annotations

import numpy as np
import pytest

from encore import Calibration, InputError, LevelScale, Rulebook, calibrate
from encore.weights import Agreement

N = 20_000


def independent_raters(*accuracies: float) -> Calibration:
    """Rules that say which of two responses is better, each right on its own with its accuracy."""
    rng = np.random.default_rng(0)
    right = rng.random((N, len(accuracies))) < np.array(accuracies)
    better_first = rng.random((N, 1)) < 0.5
    first = right == better_first
    values = np.stack([first, ~first], axis=1).reshape(2 * N, -1).astype(float)
    rules = Rulebook.from_ids([f"r{i}" for i in range(len(accuracies))], LevelScale((0, 1)))
    return calibrate(values, rules, prompts=(np.arange(2 * N) // 2).tolist())


def test_loadings_recover_the_accuracies_of_independent_raters() -> None:
    # The margin is ±1 and its mean given the better response is 2a - 1, so Cov = (2a-1)(2b-1):
    # loadings are 2a - 1. Standard error about 1 / sqrt(20000) = 0.007, over loadings near 0.4.
    accuracies = np.array([0.9, 0.8, 0.7, 0.6, 0.55])
    weights = Agreement()(independent_raters(*accuracies))
    np.testing.assert_allclose(weights.values, 2 * accuracies - 1, atol=0.05)
    assert (np.diff(weights.values) < 0).all()


def test_a_rule_worse_than_chance_is_clipped_and_named() -> None:
    weights = Agreement()(independent_raters(0.9, 0.8, 0.7, 0.2))
    assert weights.values[3] == 0.0
    assert "rule 'r3' runs against the others (loading -0.6" in weights.notes[0]


def test_two_rules_are_too_few() -> None:
    with pytest.raises(InputError, match="three rules whose margins vary; 2 of 2 do"):
        Agreement()(independent_raters(0.9, 0.8))


def test_a_constant_rule_is_not_counted_and_gets_nothing() -> None:
    rules = Rulebook.from_ids(["a", "b", "stuck"], LevelScale((0, 1)))
    found = calibrate([[0, 0, 1], [1, 1, 1]], rules, prompts=["p", "p"])
    with pytest.raises(InputError, match="2 of 3 do"):
        Agreement()(found)


def test_without_margins_there_is_no_agreement() -> None:
    rules = Rulebook.from_ids(["a", "b", "c"], LevelScale((0, 1)))
    with pytest.raises(InputError, match="no margins within a prompt"):
        Agreement()(calibrate([[0, 0, 1], [1, 1, 1]], rules))


def test_too_many_rules_are_refused_with_the_reason() -> None:
    rules = Rulebook.from_ids([f"r{i}" for i in range(1025)], LevelScale((0, 1)))
    values = np.random.default_rng(0).integers(0, 2, (4, 1025)).astype(float)
    with pytest.raises(InputError, match="1025 rules are too many for a covariance"):
        Agreement()(calibrate(values, rules, prompts=["p", "p", "q", "q"]))
