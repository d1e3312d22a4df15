from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encore import InputError
from encore.evaluation import CONVENTIONS, accuracy, outcomes, separation, tie_rate

NAN = float("nan")
REWARDS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.0, 0.5, 1.0])), min_size=1
)


def test_every_convention_by_hand() -> None:
    # Two wins, one loss, two ties of five.
    verdicts = outcomes([1, 1, 0, 1, 0], [0, 0, 1, 1, 0])
    expected = {"strict": 2 / 5, "half": 3 / 5, "resolved": 2 / 3, "right": 4 / 5}
    assert {name: accuracy(verdicts, name) for name in CONVENTIONS} == expected
    assert tie_rate(verdicts) == 2 / 5


@given(rewards=REWARDS)
def test_conventions_keep_their_order(rewards: list[tuple[float, float]]) -> None:
    verdicts = outcomes(*zip(*rewards, strict=True))
    strict, half, right = (accuracy(verdicts, name) for name in ("strict", "half", "right"))
    assert strict <= half <= right
    assert half == pytest.approx((strict + right) / 2)
    assert right - strict == pytest.approx(tie_rate(verdicts))


@given(rewards=REWARDS)
def test_swapping_chosen_and_rejected_mirrors_accuracy(rewards: list[tuple[float, float]]) -> None:
    chosen, rejected = zip(*rewards, strict=True)
    there, back = outcomes(chosen, rejected), outcomes(rejected, chosen)
    assert accuracy(there) + accuracy(back) == pytest.approx(1.0)


def test_an_unknown_reward_is_left_out_not_lost() -> None:
    verdicts = outcomes([1, NAN, 1], [0, 0, NAN])
    assert accuracy(verdicts, "strict") == 1.0
    assert verdicts.known.tolist() == [True, False, False]
    assert np.isnan(accuracy(outcomes([NAN], [0])))


def test_nothing_resolved_is_unknown_not_zero() -> None:
    verdicts = outcomes([1, 0], [1, 0])
    assert np.isnan(accuracy(verdicts, "resolved"))
    assert accuracy(verdicts, "strict") == 0.0


def test_the_tolerance_is_far_above_rounding_and_far_below_a_rating() -> None:
    assert outcomes([0.1 + 0.2], [0.3]).tie.tolist() == [1.0]
    assert outcomes([0.3 + 2e-9], [0.3]).win.tolist() == [1.0]


def test_rewards_that_do_not_pair_up_are_refused() -> None:
    with pytest.raises(InputError, match=r"\(2,\) chosen rewards for \(1,\) rejected"):
        outcomes([1, 2], [1])


def test_separation_by_hand() -> None:
    # Means 0.9 and 0.1; both variances 0.02 (n - 1 in the denominator): 0.8 / sqrt(0.02).
    assert separation([0.8, 1.0], [0.0, 0.2]) == pytest.approx(0.8 / np.sqrt(0.02))


def test_separation_leaves_out_unknown_rewards() -> None:
    assert separation([0.8, 1.0, NAN], [0.0, 0.2, 1.0]) == separation([0.8, 1.0], [0.0, 0.2])
    assert np.isnan(separation([1.0], [0.0]))
    assert np.isnan(separation([0.5, 0.5], [0.5, 0.5]))


def test_strict_accuracy_is_rewardbench_s() -> None:
    # rewardbench: results = 1 if chosen > rejected else 0, averaged; exact on 3-level rewards.
    rng = np.random.default_rng(0)
    chosen, rejected = rng.integers(0, 3, (2, 500)) / 2
    expected = sum(1 if c > r else 0 for c, r in zip(chosen, rejected, strict=True)) / 500
    assert accuracy(outcomes(chosen, rejected), "strict") == expected


# --- rewards on any scale -------------------------------------------------------------------

GRID = st.integers(-20, 20)
PAIRS = st.lists(st.tuples(GRID, GRID), min_size=1, max_size=30)


def verdicts_by_loop(pairs: list[tuple[int, int]]) -> tuple[list[float], list[float]]:
    return [float(c > r) for c, r in pairs], [float(c == r) for c, r in pairs]


@given(PAIRS, st.integers(-1060, 1010))
def test_powers_of_two_change_no_verdict(pairs: list[tuple[int, int]], power: int) -> None:
    found = outcomes(*np.ldexp(np.array(pairs, dtype=float).T, power))
    assert (found.win.tolist(), found.tie.tolist()) == verdicts_by_loop(pairs)


@given(PAIRS, st.floats(1e-300, 1e300), st.floats(-1e6, 1e6))
def test_scaling_and_shifting_change_no_verdict(
    pairs: list[tuple[int, int]], factor: float, shift: float
) -> None:
    rewards = (np.array(pairs, dtype=float).T + shift) * factor
    found = outcomes(*rewards)
    assert (found.win.tolist(), found.tie.tolist()) == verdicts_by_loop(pairs)


@pytest.mark.parametrize("size", [1e-300, 1e-12, 1e-9, 1.0, 1e9, 1e300])
def test_a_tie_is_a_tie_on_every_scale(size: float) -> None:
    # 0.1 + 0.2 is 0.3 but for rounding; 0.3 and 0.30001 are not, nor is a billionth of 1 from it.
    chosen, rejected = np.array([0.1 + 0.2, 0.30001, 0.0, 1.0]), np.array([0.3, 0.3, 1.0, 0.0])
    found = outcomes(size * chosen, size * rejected)
    assert (found.tie.tolist(), found.win.tolist()) == ([1, 0, 0, 0], [0, 1, 0, 1])
    assert separation(size * chosen, size * rejected) == pytest.approx(separation(chosen, rejected))


@pytest.mark.parametrize("wild", [1e6, 1e30, -1e300])
def test_a_wild_reward_does_not_tie_the_others(wild: float) -> None:
    chosen, rejected = [wild, 0.6, 0.5, 0.1, 0.9], [0.0, 0.5, 0.5, 0.2, 0.1]
    found = outcomes(chosen, rejected)
    assert found.tie.tolist() == [0, 0, 1, 0, 0]


@given(st.lists(st.lists(st.sampled_from([0, 0.25, 0.5, 0.75, 1]), min_size=12, max_size=12)))
def test_sums_in_another_order_are_tied(rows: list[list[float]]) -> None:
    # Thirds and the like round; in another order they round otherwise.
    shares = np.full(12, 1 / 12)
    forth = [sum((shares * row).tolist()) for row in np.array(rows).reshape(-1, 12)]
    back = [sum((shares * row).tolist()[::-1]) for row in np.array(rows).reshape(-1, 12)]
    assert outcomes(forth, back).tie.all()


@pytest.mark.parametrize("wrong", [np.inf, -np.inf])
def test_an_infinite_reward_is_refused(wrong: float) -> None:
    for of in (outcomes, separation):
        with pytest.raises(InputError, match="a reward is infinite"):
            of([1.0, wrong], [0.0, 0.0])


def test_an_offset_does_not_hide_what_varies() -> None:
    chosen, rejected = np.array([0.8, 1.0]), np.array([0.0, 0.2])
    there = separation(chosen + 1e8, rejected + 1e8)
    assert there == pytest.approx(0.8 / np.sqrt(0.02), rel=1e-6)


def test_the_largest_rewards_are_compared() -> None:
    # The difference of the first two is beyond the largest float.
    found = outcomes([1.7e308, -1.7e308, 1e308], [-1.7e308, 1.7e308, 1e308])
    assert (found.win.tolist(), found.tie.tolist()) == ([1, 0, 0], [0, 0, 1])


def test_a_masked_reward_is_unknown() -> None:
    chosen = np.ma.array([1.0, 1.0], mask=[False, True])
    assert outcomes(chosen, [0.0, 0.0]).known.tolist() == [True, False]
    assert np.isnan(separation(np.ma.array([1.0, 2.0], mask=True), [0.0, 1.0]))
