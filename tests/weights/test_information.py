from __future__ import annotations

import numpy as np
import pytest

from encore import InputError, LevelScale, RatingsTable, Rulebook, calibrate
from encore.weights import Information

RULES = Rulebook.from_ids(["a", "b"], LevelScale((0, 1)))


def test_information_by_hand() -> None:
    # Both rules have H = ln 2. Spread 0 and half of H: weights 1 and 1/2.
    spread = np.array([[0.0, np.log(2) / 2], [0.0, np.log(2) / 2]])
    table = RatingsTable(RULES, np.array([[0, 1], [1, 0]]), spread=spread)
    np.testing.assert_allclose(Information()(calibrate(table, RULES)).values, [1, 1 / 2])


def test_a_silent_and_a_confused_rule_both_get_little() -> None:
    # Silent: 1 % zeros, all of it indecision. Confused: even, all of it indecision.
    n = 1000
    values = np.column_stack([np.arange(n) >= 10, np.arange(n) % 2]).astype(float)
    silent = -(0.01 * np.log(0.01) + 0.99 * np.log(0.99))
    spread = np.broadcast_to([0.95 * silent, 0.95 * np.log(2)], (n, 2))
    weights = Information()(calibrate(RatingsTable(RULES, values, spread=spread), RULES))
    np.testing.assert_allclose(weights.values, [0.05, 0.05], atol=1e-9)


def test_a_constant_rule_tells_nothing() -> None:
    table = RatingsTable(RULES, np.array([[0, 1], [1, 1]]), spread=np.zeros((2, 2)))
    assert Information()(calibrate(table, RULES)).values.tolist() == [1.0, 0.0]


def test_without_a_spread_there_is_no_information() -> None:
    with pytest.raises(InputError, match="neither a spread nor repeated ratings"):
        Information()(calibrate([[0, 1], [1, 0]], RULES))


def test_a_rater_that_is_all_indecision_leaves_no_weight() -> None:
    spread = np.full((2, 2), np.log(2))
    table = RatingsTable(RULES, np.array([[0, 1], [1, 0]]), spread=spread)
    with pytest.raises(InputError, match="every rule of this calibration a weight of 0"):
        Information()(calibrate(table, RULES))
