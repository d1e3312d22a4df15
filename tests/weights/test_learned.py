from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from encore import InputError, LevelScale, PreferencePairs, RangeScale, RatingsTable, Rulebook
from encore.ratings import Ids
from encore.weights import BradleyTerry, fit_bradley_terry

NAN = float("nan")
SEEDS = st.integers(0, 2**32 - 1)


def margins(seed: int, n_pairs: int = 200) -> NDArray[np.float64]:
    """Margins of four rules, one of which is wrong more often than right."""
    rng = np.random.default_rng(seed)
    return np.asarray(rng.uniform(-1, 1, (n_pairs, 4)) + np.array([0.4, 0.2, 0.0, -0.3]))


@settings(max_examples=20)
@given(seed=SEEDS, ridge=st.sampled_from([0.01, 1.0, 30.0]))
def test_newton_finds_scikit_learn_s_optimum(
    seed: int, ridge: float, peer: Callable[[str], ModuleType]
) -> None:
    x = margins(seed)
    # Both signs of every pair: scikit-learn needs two classes. It doubles the loss, so C halves.
    model = peer("sklearn.linear_model").LogisticRegression(
        C=1 / (2 * ridge), fit_intercept=False, tol=1e-12, max_iter=10_000
    )
    model.fit(np.concatenate([x, -x]), np.repeat([1, 0], len(x)))
    np.testing.assert_allclose(fit_bradley_terry(x, ridge=ridge), model.coef_[0], atol=1e-5)


@settings(max_examples=20)
@given(seed=SEEDS)
def test_the_bounded_fit_is_scipy_s_bounded_optimum(
    seed: int, peer: Callable[[str], ModuleType]
) -> None:
    x = margins(seed)

    def objective(w: NDArray[np.float64]) -> float:
        return float(np.log1p(np.exp(-(x @ w))).sum() + 0.5 * w @ w)

    found = fit_bradley_terry(x, non_negative=True)
    best = peer("scipy.optimize").minimize(
        objective,
        np.full(4, 0.5),
        bounds=[(0, None)] * 4,
        method="L-BFGS-B",
        options={"ftol": 1e-15, "gtol": 1e-9},
    )
    assert (found >= 0).all()
    assert objective(found) <= best.fun + 1e-8
    np.testing.assert_allclose(found, best.x, atol=1e-3)


def test_the_gradient_is_zero_at_the_optimum() -> None:
    x = margins(3)
    w = fit_bradley_terry(x, ridge=0.5)
    gradient = 0.5 * w - (x / (1 + np.exp(x @ w))[:, None]).sum(axis=0)
    np.testing.assert_allclose(gradient, np.zeros(4), atol=1e-6)


def test_separable_pairs_have_a_finite_answer() -> None:
    # One rule that is always right: w = n * sigmoid(-w), for n = 1000 at about 5.2.
    w = fit_bradley_terry(np.ones((1000, 1)))
    assert w[0] == pytest.approx(1000 / (1 + np.exp(w[0])), rel=1e-9)


def test_true_weights_are_found_again() -> None:
    # 50,000 pairs drawn from the model itself; the standard error is near 0.02.
    truth = np.array([3.0, 1.0, 0.5])
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (50_000, 3))
    won = rng.random(50_000) < 1 / (1 + np.exp(-(x @ truth)))
    np.testing.assert_allclose(fit_bradley_terry(np.where(won[:, None], x, -x)), truth, atol=0.1)


def test_a_rule_against_people_is_held_at_zero_and_named() -> None:
    rules = Rulebook.from_ids(["right", "wrong"], LevelScale((0, 1)))
    pairs = PreferencePairs.from_arrays([[1, 0]] * 5, [[0, 1]] * 5, rules)
    weights = BradleyTerry()(pairs)
    assert weights.shares.tolist() == [1.0, 0.0]
    assert "held at 0" in weights.notes[0] and "'wrong'" in weights.notes[0]
    assert (weights.scheme, weights.options) == ("bradley_terry", {"ridge": 1.0})


def test_pairs_with_an_unrated_cell_are_left_out() -> None:
    rules = Rulebook.from_ids(["a", "b"], RangeScale(0, 1))
    chosen, rejected = [[0.9, 0.5], [0.8, np.nan]], [[0.1, 0.2], [0.0, 0.9]]
    both = BradleyTerry()(PreferencePairs.from_arrays(chosen, rejected, rules))
    first = BradleyTerry()(PreferencePairs.from_arrays(chosen[:1], rejected[:1], rules))
    np.testing.assert_array_equal(both.values, first.values)
    with pytest.raises(InputError, match="no pair is rated under every rule"):
        BradleyTerry()(PreferencePairs.from_arrays(chosen[1:], rejected[1:], rules))


def test_a_rule_that_does_not_apply_leaves_no_pair_out() -> None:
    rules = Rulebook.from_ids(["a", "b"], LevelScale((0, 1)))
    rng = np.random.default_rng(0)
    values = rng.integers(2, size=(400, 2)).astype(float)
    applies = np.repeat(np.tile([[1, 0], [0.5, 1]], (100, 1)), 2, axis=0)  # b to every other pair
    table = RatingsTable(rules, values, np.arange(200).repeat(2).tolist(), applies=applies)
    first = np.arange(0, 400, 2)
    pairs = PreferencePairs(table, first, first + 1, Ids.of(["all"] * 200))
    by_hand = np.where(applies[::2] == 0, 0.0, values[::2] - values[1::2])
    by_hand[1::2, 0] *= 0.5
    expected = fit_bradley_terry(by_hand, ridge=1.0, non_negative=True)
    assert BradleyTerry()(pairs).values.tolist() == expected.tolist()


def test_rules_that_never_help_are_refused() -> None:
    rules = Rulebook.from_ids(["wrong"], LevelScale((0, 1)))
    with pytest.raises(InputError, match="the wrong way round"):
        BradleyTerry()(PreferencePairs.from_arrays([[0]], [[1]], rules))


@pytest.mark.parametrize("ridge", [0.0, -1.0, float("nan")])
def test_a_ridge_that_is_not_positive_is_refused(ridge: float) -> None:
    with pytest.raises(InputError, match="ridge is"):
        BradleyTerry(ridge)
    with pytest.raises(InputError, match="ridge is"):
        fit_bradley_terry(np.ones((1, 1)), ridge=ridge)


@pytest.mark.parametrize("wrong", [NAN, np.inf, -np.inf, 1e101])
def test_margins_beyond_what_can_be_squared_are_refused(wrong: float) -> None:
    with pytest.raises(
        InputError, match=r"margins of shape \(1, 2\); .* finite and at most 1e\+100"
    ):
        fit_bradley_terry(np.array([[wrong, 1.0]]))


def test_a_masked_margin_is_no_margin() -> None:
    masked = np.ma.array([[1.0, 0.5]], mask=[[False, True]])
    with pytest.raises(InputError, match="margins of shape"):
        fit_bradley_terry(masked)


@pytest.mark.parametrize("ridge", [1e-16, 1e-100, 5e-324])
def test_a_ridge_too_small_to_decide_is_refused(ridge: float) -> None:
    # Two rules alike, always right: the curvature of the loss vanishes as their weights grow.
    with pytest.raises(InputError, match=r"is too small for these margins.* Use a larger one"):
        fit_bradley_terry(np.ones((50, 2)), ridge=ridge)
    rules = Rulebook.from_ids(["a", "b"], LevelScale((0, 1)))
    pairs = PreferencePairs.from_arrays(np.ones((50, 2)), np.zeros((50, 2)), rules)
    with pytest.raises(InputError, match="Use a larger one"):
        BradleyTerry(ridge=ridge)(pairs)
