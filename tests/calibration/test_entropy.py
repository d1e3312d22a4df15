from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from encore.calibration import entropy_interval, rating_entropy
from encore.errors import InputError, UnknownNameError
from encore.ratings.spread import pooled_entropy


def test_entropy_by_hand() -> None:
    # p = 1/2, 1/4, 1/4: H = 1/2 ln 2 + 2 * 1/4 ln 4 = 3/2 ln 2.
    assert rating_entropy([2, 1, 1]) == pytest.approx(1.5 * np.log(2), abs=1e-15)


def test_one_level_only_is_zero_and_nothing_counted_is_unknown() -> None:
    assert rating_entropy([0, 9, 0]) == 0.0
    assert not np.signbit(rating_entropy([0, 9, 0]))
    assert np.isnan(rating_entropy([0, 0]))


@given(counts=npst.arrays(np.int64, (4, 6), elements=st.integers(0, 10**9)))
def test_entropy_equals_scipy(
    counts: np.ndarray[Any, Any], peer: Callable[[str], ModuleType]
) -> None:
    counts[:, 0] += 1
    expected = peer("scipy.stats").entropy(counts, axis=1)
    np.testing.assert_allclose(rating_entropy(counts), expected, atol=1e-12, rtol=0)


def test_miller_madow_adds_half_the_occupied_levels_less_one_over_n() -> None:
    # Three of four levels occur in ten ratings: (3 - 1) / (2 * 10) = 0.1.
    plugin, corrected = rating_entropy([5, 3, 2, 0]), None
    corrected = rating_entropy([5, 3, 2, 0], estimator="miller_madow")
    assert corrected - plugin == pytest.approx(0.1, abs=1e-12)


def test_miller_madow_takes_out_most_of_the_bias() -> None:
    # Even odds over five levels at n = 25: plug-in is low by about (5 - 1) / 50 = 0.08.
    rng = np.random.default_rng(1)
    counts = rng.multinomial(25, [0.2] * 5, size=4000)
    truth = np.log(5)
    plugin = rating_entropy(counts).mean() - truth
    corrected = rating_entropy(counts, estimator="miller_madow").mean() - truth
    assert plugin == pytest.approx(-0.08, abs=0.015)
    assert abs(corrected) < 0.2 * abs(plugin)


def pooled(*answers: list[float]) -> float:
    p = np.array(answers)
    return float(pooled_entropy(p.sum(axis=0), (p**2).sum(axis=0), len(p)))


def test_the_spread_of_answers_that_state_a_level_is_miller_and_madow_s() -> None:
    # Two that differ: ln 2 + (2 - 1) / (2 * 2). Five on five levels: ln 5 + (5 - 1) / (2 * 5).
    assert pooled([1, 0, 0], [0, 0, 1]) == pytest.approx(np.log(2) + 1 / 4)
    assert pooled(*np.eye(5).tolist()) == pytest.approx(np.log(5) + 0.4)
    assert pooled([0, 1], [0, 1], [0, 1]) == 0.0


@given(
    counts=st.lists(st.integers(0, 9), min_size=2, max_size=6).filter(
        lambda counts: sum(counts) > 0
    )
)
def test_the_spread_of_stated_levels_is_so_for_any_counts(counts: list[int]) -> None:
    found = pooled_entropy(counts, counts, sum(counts))
    expected = rating_entropy(counts, estimator="miller_madow")
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-15)


@given(
    shares=st.lists(st.floats(1e-9, 1), min_size=2, max_size=6),
    n_answers=st.integers(1, 5),
)
def test_the_same_distribution_however_often_has_its_own_entropy(
    shares: list[float], n_answers: int
) -> None:
    p = np.array(shares) / sum(shares)
    found = pooled(*[p.tolist()] * n_answers)
    assert found == pytest.approx(-(p * np.log(p)).sum(), rel=1e-12, abs=1e-14)
    assert found >= 0


def test_distributions_that_differ_by_hand() -> None:
    # (3/4, 1/4) and (1/4, 3/4): mean (1/2, 1/2), variance 1/16 each: ln 2 + (1/8 + 1/8) / (2 * 2).
    assert pooled([0.75, 0.25], [0.25, 0.75]) == pytest.approx(np.log(2) + 1 / 16)


def test_pooling_takes_out_most_of_the_bias_of_few_answers() -> None:
    # Answers after some thought: each draws its own distribution over five levels, on average even.
    # With concentration 10 a level's variance is 0.2 * 0.8 / 11, so the entropy of the mean of four
    # reads low by 5 * (0.16 / 11) / 0.2 / (2 * 4) = 0.045. From four answers the variance is seen
    # short by a quarter, so that at least half of it, not all, is taken out.
    rng = np.random.default_rng(1)
    answers = rng.dirichlet([2] * 5, size=(20_000, 4))
    low = rating_entropy(answers.mean(axis=1)).mean() - np.log(5)
    squares = (answers**2).sum(axis=1)
    left = pooled_entropy(answers.sum(axis=1), squares, np.full(20_000, 4)).mean() - np.log(5)
    assert low == pytest.approx(-0.045, abs=0.005)
    assert abs(left) < 0.5 * abs(low)


def test_no_answer_has_no_spread() -> None:
    assert np.isnan(pooled_entropy([0, 0], [0, 0], 0))


@pytest.mark.parametrize("counts", [[-1, 2], [np.nan, 1], [np.inf, 1]])
def test_counts_that_cannot_be_are_refused(counts: list[float]) -> None:
    with pytest.raises(InputError, match="finite and not negative"):
        rating_entropy(counts)


def test_an_unknown_estimator_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'miller_madow'"):
        rating_entropy([1, 1], estimator="miler_madow")  # type: ignore[arg-type]


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    # 95 % nominal; at 900 ratings over five levels. 300 trials: 3 standard errors are 3.8 points.
    p = np.array([0.5, 0.3, 0.1, 0.05, 0.05])
    truth = -(p * np.log(p)).sum()
    rng = np.random.default_rng(7)
    hits = 0
    for _ in range(300):
        low, high = entropy_interval(rng.multinomial(900, p), rng, n_resamples=400)
        hits += low <= truth <= high
    assert 0.91 <= hits / 300 <= 0.99


def test_the_interval_stays_within_what_entropy_can_be() -> None:
    low, high = entropy_interval([3, 3, 3], np.random.default_rng(0))
    assert 0 <= low <= high <= np.log(3)
    assert np.isnan(entropy_interval([0, 0], np.random.default_rng(0))).all()


def test_the_same_seed_gives_the_same_bits() -> None:
    first, second = (entropy_interval([9, 4, 2], np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_the_interval_takes_the_bias_out_instead_of_doubling_it() -> None:
    # 20 ratings on each of five levels: the estimate is ln 5, the most there is, and every other
    # resample reads lower. Percentiles alone would end below the estimate itself.
    _, high = entropy_interval([20] * 5, np.random.default_rng(0))
    assert high == np.log(5)
