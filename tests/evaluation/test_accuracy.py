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
