from __future__ import annotations

import numpy as np
import pytest

from encore import InputError, LevelScale, Rulebook, UnknownNameError, calibrate
from encore.weights import Random, Single, Uniform

RULES = Rulebook.from_ids(["a", "b", "c"], LevelScale((0, 1)))
CALIBRATION = calibrate([[0, 1, 1], [1, 1, 0]], RULES)


def test_uniform_is_the_mean() -> None:
    np.testing.assert_allclose(Uniform()(CALIBRATION).shares, [1 / 3] * 3)


def test_random_draws_are_flat_over_all_weightings() -> None:
    # Dirichlet(1, 1, 1): each share has mean 1/3 and variance 2 / (9 * 4) = 1/18.
    shares = np.array([Random(seed)(CALIBRATION).shares for seed in range(3000)])
    np.testing.assert_allclose(shares.mean(axis=0), [1 / 3] * 3, atol=0.02)
    np.testing.assert_allclose(shares.var(axis=0), [1 / 18] * 3, atol=0.006)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(InputError, match="seed is -1"):
        Random(-1)


def test_single_is_one_rule_alone() -> None:
    assert Single("b")(CALIBRATION).values.tolist() == [0, 1, 0]
    assert Single()(CALIBRATION).values.tolist() == [1, 0, 0]
    with pytest.raises(UnknownNameError, match="no rule is called 'd'"):
        Single("d")(CALIBRATION)
