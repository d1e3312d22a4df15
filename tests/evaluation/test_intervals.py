from __future__ import annotations

import math
import os
from collections.abc import Callable
from itertools import product
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from encore.evaluation.intervals import (
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


def exact_p_value(sums: Floats) -> float:
    """Share of all flips of these prompts' sums whose total is as far from zero."""
    totals = [
        math.fsum(s * v for s, v in zip(flip, sums.tolist(), strict=True))
        for flip in product((1, -1), repeat=len(sums))
    ]
    return float(np.mean(np.abs(totals) >= abs(math.fsum(sums)) - 1e-9))


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
    assert found == pytest.approx(exact_p_value(np.array([value for value in values if value])))


@given(
    differences=st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]), min_size=10, max_size=10),
    codes=st.lists(st.integers(0, 5), min_size=10, max_size=10),
)
def test_pairs_of_one_prompt_flip_as_one(differences: list[float], codes: list[int]) -> None:
    # Flipping a prompt flips all of its pairs: only the prompts' sums matter.
    sums = np.array(
        [
            math.fsum(d for d, c in zip(differences, codes, strict=True) if c == code)
            for code in range(6)
        ]
    )
    found = sign_flip_p_value(np.array(differences), Ids.of(codes), np.random.default_rng(0))
    assert found == pytest.approx(exact_p_value(sums))


@pytest.mark.parametrize("n_prompts", [14, 15, 16])
def test_drawn_flips_agree_with_all_flips(n_prompts: int) -> None:
    # Sums of three pairs a prompt, all different from zero. 9,999 draws leave a standard error of
    # at most sqrt(p (1 - p) / 9999); four of them are allowed.
    differences = np.random.default_rng(n_prompts).choice([-0.5, 0.5, 1.0], size=(n_prompts, 3))
    differences[differences.sum(axis=1) == 0, 0] += 0.5
    prompts = Ids.of(np.repeat(np.arange(n_prompts), 3).tolist())
    expected = exact_p_value(differences.sum(axis=1))
    found = sign_flip_p_value(differences.ravel(), prompts, np.random.default_rng(0))
    assert found == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / 9_999))
    assert 0 < expected < 1


def test_p_values_are_those_of_scipy_s_permutation_test(peer: Callable[[str], ModuleType]) -> None:
    # Exchanging two verdicts on a prompt is flipping the sign of their difference. scipy doubles
    # the smaller tail, which is the same where the distribution is symmetric, as here.
    rng = np.random.default_rng(0)
    ours, theirs = rng.choice([0.0, 0.5, 1.0], size=(2, 11), p=[0.3, 0.1, 0.6])
    expected = peer("scipy.stats").permutation_test(
        (ours, theirs),
        lambda a, b, axis: (a - b).sum(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
    )
    found = sign_flip_p_value(ours - theirs, Ids.distinct(11), rng)
    assert found == pytest.approx(expected.pvalue)


def test_a_single_prompt_is_no_evidence() -> None:
    # Two flips, and both are as far from zero.
    prompts = Ids.of(["only"] * 40)
    assert sign_flip_p_value(np.ones(40), prompts, np.random.default_rng(0)) == 1.0


def test_unknown_pairs_count_as_if_they_were_not_there() -> None:
    differences = np.random.default_rng(0).choice([-0.5, 0.5, 1.0, np.nan], size=60)
    prompts = Ids.of(np.repeat(np.arange(20), 3).tolist())
    known = ~np.isnan(differences)
    found = sign_flip_p_value(differences, prompts, np.random.default_rng(1))
    assert found == sign_flip_p_value(
        differences[known], prompts.take(known), np.random.default_rng(1)
    )


@pytest.mark.parametrize("n_prompts", [9, 30])
def test_sums_equal_but_for_rounding_are_equal(n_prompts: int) -> None:
    # Tenths are not exact in binary: 0.1 + 0.2 exceeds 0.3. Ten times as large they are.
    tenths = np.tile([1.0, 2.0, -3.0], n_prompts)
    prompts = Ids.of(np.repeat(np.arange(n_prompts), 3).tolist())
    tenths[3::3] = np.random.default_rng(0).integers(-2, 6, n_prompts - 1)
    found = sign_flip_p_value(tenths / 10, prompts, np.random.default_rng(1))
    assert found == sign_flip_p_value(tenths, prompts, np.random.default_rng(1))


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
    found = [
        sign_flip_p_value(rng.choice([-1.0, -0.5, 0.0, 0.5, 1.0], size=40), ids, rng)
        for _ in range(400)
    ]
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


@given(
    p=st.lists(st.floats(0, 1), min_size=1, max_size=10),
    level=st.floats(0.001, 0.999),
)
def test_holm_rejects_what_his_procedure_rejects(p: list[float], level: float) -> None:
    # The procedure: while the smallest p-value that is left is at most level / how many are left,
    # reject it. Adjusted p-values at most the level name the same hypotheses.
    rejected: set[int] = set()
    while len(rejected) < len(p):
        left = len(p) - len(rejected)
        smallest = min((i for i in range(len(p)) if i not in rejected), key=lambda i: p[i])
        if p[smallest] * left > level:
            break
        rejected.add(smallest)
    found = holm(np.array(p))
    assert {i for i in range(len(p)) if found[i] <= level} == rejected


def test_every_column_has_the_p_value_that_it_has_alone() -> None:
    # Columns that move few prompts (enumerated), many in few sizes, and many in as many sizes.
    rng = np.random.default_rng(0)
    columns = np.zeros((200, 4))
    columns[:4, 0] = 1.0
    columns[:, 1] = columns[:, 3] = rng.choice([-1.0, 0.0, 0.5, 1.0], 200)
    columns[:, 2] = rng.normal(0.1, 1, 200)
    ids = Ids.distinct(200)
    found = sign_flip_p_values(columns, ids, np.random.default_rng(1))
    alone = [sign_flip_p_value(column, ids, np.random.default_rng(1)) for column in columns.T]
    assert found.tolist() == alone
    assert found[0] == 2 / 2**4
    assert found[1] == found[3]


def test_all_right_is_not_certainty(peer: Callable[[str], ModuleType]) -> None:
    # Five of five: the exact binomial interval starts at (0.05 / 2) ** (1 / 5) = 0.478.
    exact = peer("scipy.stats").binomtest(5, 5).proportion_ci(0.95)
    found = accuracy_interval(1.0, np.ones(10), 5)
    assert found.low == pytest.approx(exact.low) and found.high == 1.0
    none = accuracy_interval(0.0, np.zeros(10), 5)
    assert none.low == 0.0 and none.high == pytest.approx(1 - exact.low)


def test_several_tables_are_resampled_as_each_alone() -> None:
    values = np.random.default_rng(0).normal(size=50)
    tables = [rows(values), rows(np.rint(values)), np.rint(values)[:, None], rows(values + 1)]
    bootstrap = ClusterBootstrap(Ids.distinct(50), np.random.default_rng(1))
    for table, found in zip(tables, bootstrap.sums_of(tables), strict=True):
        np.testing.assert_array_equal(found, bootstrap.sums(table))


def times_drawn(n_prompts: int, n_resamples: int) -> Floats:
    """How often each prompt is drawn: a column for each prompt counts it."""
    bootstrap = ClusterBootstrap(
        Ids.distinct(n_prompts), np.random.default_rng(0), n_resamples=n_resamples
    )
    return bootstrap.sums(np.eye(n_prompts))


@pytest.mark.parametrize("n_prompts", [1, 2, 3])
def test_every_way_to_draw_a_few_prompts_is_as_frequent_as_it_should_be(n_prompts: int) -> None:
    # Of n ** n equally likely sequences, n! / (t_1! … t_n!) draw the prompts t_1 … t_n times.
    # 20,000 resamples leave a standard error of 0.0035 at most; four are allowed.
    drawn = times_drawn(n_prompts, 20_000)
    for times in product(range(n_prompts + 1), repeat=n_prompts):
        ways = math.factorial(n_prompts) / math.prod(map(math.factorial, times))
        chance = ways / n_prompts**n_prompts if sum(times) == n_prompts else 0
        assert (drawn == times).all(axis=1).mean() == pytest.approx(chance, abs=0.014)


@pytest.mark.parametrize("n_prompts", [30, 1000])
def test_times_drawn_are_those_of_independent_draws(n_prompts: int) -> None:
    # A prompt is drawn Binomial(n, 1 / n) times: of a million counts or more the share of a value
    # has a standard error of 0.0005 at most. Two prompts' counts correlate by -1 / (n - 1), and
    # a mean of many correlations is that nearly without error.
    drawn = times_drawn(n_prompts, 2_000_000 // n_prompts)
    np.testing.assert_array_equal(drawn.sum(axis=1), np.full(len(drawn), float(n_prompts)))
    for times in range(8):
        chance = (
            math.comb(n_prompts, times)
            * (n_prompts - 1) ** (n_prompts - times)
            / n_prompts**n_prompts
        )
        assert (drawn == times).mean() == pytest.approx(chance, abs=0.002)
    between = np.asarray(np.corrcoef(drawn[:, :30].T))[np.triu_indices(30, 1)]
    assert between.mean() == pytest.approx(-1 / (n_prompts - 1), abs=0.004)


def test_all_tables_are_sums_over_the_same_draws() -> None:
    # A column for each prompt tells how often its pairs are drawn, always all of them together.
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 40, 150)
    of_prompt = (codes[:, None] == np.unique(codes)).astype(float)
    # Verdicts, which float32 sums without rounding; averages and large numbers, which it does not.
    halves, sevenths = rng.integers(0, 3, (150, 70)) / 2, rng.integers(0, 8, (150, 3)) / 7
    large = np.where(rng.random((150, 1)) < 0.5, 2.0**40 + 1, 0.0)
    bootstrap = ClusterBootstrap(Ids.of(codes.tolist()), np.random.default_rng(1))
    drawn, *found = bootstrap.sums_of([of_prompt, halves, sevenths, large])
    times = drawn / of_prompt.sum(axis=0)
    np.testing.assert_array_equal(times, np.rint(times))
    expected = [times @ (of_prompt.T @ table) for table in (halves, sevenths, large)]
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-13)
    np.testing.assert_array_equal(found[2], expected[2])


@pytest.mark.parametrize("n_cores", [1, 3])
def test_draws_do_not_depend_on_the_number_of_cores(
    n_cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 5,000 prompts take two random streams, which threads share out.
    values = np.random.default_rng(0).normal(size=5000)
    bootstrap = ClusterBootstrap(Ids.distinct(5000), np.random.default_rng(1))
    expected = bootstrap.sums(rows(values))
    monkeypatch.setattr(os, "cpu_count", lambda: n_cores)
    np.testing.assert_array_equal(bootstrap.sums(rows(values)), expected)
    # The streams differ: 2,000 resamples are 2,000.
    assert len(np.unique(expected[:, 0])) == 2000
