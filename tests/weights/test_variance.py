from __future__ import annotations

import numpy as np
import pytest

from encore import InputError, LevelScale, RangeScale, Rulebook, calibrate
from encore.weights import InverseVariance


def test_inverse_variance_by_hand() -> None:
    # Two prompts of two responses. Margins of a: 1/4 and 1/2, mean square 5/32. Of b: 1, 1.
    rules = Rulebook.from_ids(["a", "b"], LevelScale((1, 2, 3, 4, 5)))
    found = calibrate([[1, 1], [2, 5], [3, 5], [5, 1]], rules, prompts=["p", "p", "q", "q"])
    np.testing.assert_allclose(InverseVariance()(found).values, [32 / 5, 1.0])


def test_inverse_variance_matches_the_closed_form_of_gaussian_noise() -> None:
    # x = quality + noise of deviation s, the same quality within a prompt: Var(x_i - x_j) = 2 s².
    deviations = np.array([0.02, 0.05, 0.1])
    rng = np.random.default_rng(0)
    quality = np.repeat(rng.uniform(0.4, 0.6, 20_000), 2)[:, None]
    values = quality + deviations * rng.normal(size=(40_000, 3))
    rules = Rulebook.from_ids(["a", "b", "c"], RangeScale(0, 1))
    found = calibrate(values, rules, prompts=(np.arange(40_000) // 2).tolist())
    # 20,000 margins: the variance's relative standard error is sqrt(2 / 20000) = 1 %.
    np.testing.assert_allclose(InverseVariance()(found).values, 1 / (2 * deviations**2), rtol=0.05)


def test_a_rule_that_never_resolves_a_pair_gets_nothing_and_is_named() -> None:
    rules = Rulebook.from_ids(["moves", "stuck"], LevelScale((0, 1)))
    weights = InverseVariance()(calibrate([[0, 1], [1, 1]], rules, prompts=["p", "p"]))
    assert weights.values.tolist() == [1.0, 0.0]
    assert weights.notes == ("rule 'stuck' never resolves a pair and gets 0",)


def test_a_margin_of_rounding_alone_is_none() -> None:
    # 1e-9 apart, a variance of 1e-18: one over it would outweigh all other rules together.
    rules = Rulebook.from_ids(["moves", "stuck"], RangeScale(0, 1))
    weights = InverseVariance()(calibrate([[0, 0.5], [1, 0.5 + 1e-9]], rules, prompts=["p", "p"]))
    assert weights.values.tolist() == [1.0, 0.0]


def test_without_margins_there_is_no_variance() -> None:
    rules = Rulebook.from_ids(["a"], LevelScale((0, 1)))
    with pytest.raises(InputError, match=r"no prompt has two responses .* 'prompt_id' column"):
        InverseVariance()(calibrate([[0], [1]], rules))
