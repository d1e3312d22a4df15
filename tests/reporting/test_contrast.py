from __future__ import annotations

import numpy as np
import pytest

from encore import LevelScale, PreferencePairs, Rulebook, Weights
from encore.reporting.contrast import MOST_EACH_WAY, contrasts, count_contrasts
from tests.reporting.made import pairs

RULES = Rulebook.from_ids(["a", "b"], LevelScale((0, 1, 2, 3, 4)))
UNIFORM, ON_A = (Weights(RULES, np.array(w)) for w in ([1.0, 1.0], [9.0, 1.0]))


def test_what_each_rule_adds_by_hand() -> None:
    # Units: chosen (1/4, 1), rejected (1/2, 0). Mean: 1/2 (-1/4) + 1/2 (1) = 3/8;
    # weighted: 0.9 (-1/4) + 0.1 (1) = -0.125.
    made = PreferencePairs.from_arrays([[1, 4]], [[2, 0]], RULES)
    found = contrasts(made, ["seven"], ON_A, UNIFORM)
    (pair,) = found
    assert pair.pair == "seven"
    assert (pair.uniform, pair.weighted) == pytest.approx((0.375, -0.125))
    assert not pair.weighted_is_right
    by_rule = {part.rule: part for part in pair.by_rule}
    assert (by_rule["b"].uniform, by_rule["b"].weighted) == pytest.approx((0.5, 0.1))
    assert (by_rule["a"].uniform, by_rule["a"].weighted) == pytest.approx((-0.125, -0.225))
    assert (by_rule["a"].chosen, by_rule["a"].rejected) == (1.0, 2.0)
    assert pair.by_rule[0].rule == "b"  # 0.4 apart, a only 0.1


def test_both_ways_are_counted_and_the_mean_s_stand_first() -> None:
    chosen, rejected = [[1, 4], [2, 0], [4, 4], [2, 2]], [[2, 0], [1, 4], [0, 0], [2, 2]]
    made = PreferencePairs.from_arrays(chosen, rejected, RULES)
    assert count_contrasts(made, ON_A, UNIFORM) == (1, 1, 4)
    assert [c.position for c in contrasts(made, made.ids, ON_A, UNIFORM)] == [0, 1]
    assert contrasts(made, made.ids, UNIFORM, UNIFORM) == ()


def test_pairs_that_only_one_reward_knows_are_not_counted() -> None:
    # Rule b unrated leaves 1/2 of the mean's weight, which is too much, but only 1/10 of the other.
    made = PreferencePairs.from_arrays([[1.0, 4.0], [3.0, np.nan]], [[2, 0], [1, 2]], RULES)
    assert count_contrasts(made, ON_A, UNIFORM) == (1, 0, 1)


def test_contributions_add_up_to_the_rewards_where_cells_are_unrated() -> None:
    made = pairs(400, ids=("a", "b", "c", "d", "e", "f", "g"), gaps=0.05)
    weights = Weights(made.rules, np.arange(1.0, 8.0) ** 2)
    uniform = Weights(made.rules, np.ones(7))
    found = contrasts(made, made.ids, weights, uniform)
    assert 2 <= len(found) <= 2 * MOST_EACH_WAY
    from encore import compose

    for key, w in (("weighted", weights), ("uniform", uniform)):
        rewards = compose(made.ratings, w)
        for pair in found:
            margin = rewards[made.chosen[pair.position]] - rewards[made.rejected[pair.position]]
            parts = sum(getattr(part, key) for part in pair.by_rule)
            assert (parts, getattr(pair, key)) == pytest.approx((margin, margin))


def test_the_pairs_that_differ_most_are_taken() -> None:
    n_pairs = 3 * MOST_EACH_WAY
    chosen = [[1, 4]] * (n_pairs - 1) + [[0, 4]]
    made = PreferencePairs.from_arrays(chosen, [[2, 0]] * n_pairs, RULES)
    found = contrasts(made, made.ids, ON_A, UNIFORM)
    assert len(found) == MOST_EACH_WAY
    assert found[0].pair == str(n_pairs)
