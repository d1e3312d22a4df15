from __future__ import annotations

import numpy as np
import pytest

from encore import Calibration, LevelScale, RangeScale, Rulebook, calibrate
from encore.weights import Agreement, Auto, Linear

WIDE = RangeScale(-20, 20, 40)


def calibrated(values: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> Calibration:
    """Two rows a prompt."""
    rules = Rulebook.from_ids([f"r{i}" for i in range(values.shape[1])], WIDE)
    prompts = np.repeat(np.arange(len(values) // 2), 2)
    return calibrate(values, rules, prompts=prompts.tolist())


def seen_through(*noise: float, n: int = 2000) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 1)) + np.array(noise) * rng.normal(size=(n, len(noise)))


def test_rules_alike_stay_alike() -> None:
    weights = Auto()(calibrated(seen_through(1, 1, 1, 1)))
    assert weights.scheme == "auto" and weights.shares.tolist() == [0.25] * 4
    assert weights.notes[0].startswith("auto chose uniform: the simplest of those within 0.07")


def test_noise_that_entropy_sees_is_left_to_the_source_s_scheme() -> None:
    calibration = calibrated(seen_through(1, 1, 1, 8, 8, 8))
    weights = Auto()(calibration)
    assert weights.notes[0].startswith("auto chose linear")
    np.testing.assert_array_equal(weights.values, Linear()(calibration).values)


def test_rules_turned_round_are_left_to_agreement() -> None:
    values = seen_through(1, 1, 1, 1, 1)
    values[:, 4] *= -1
    calibration = calibrated(values)
    weights = Auto()(calibration)
    assert weights.notes[0].startswith("auto chose agreement")
    assert weights.notes[1].startswith("rule 'r4' runs against the others")
    np.testing.assert_array_equal(weights.values, Agreement()(calibration).values)


def test_two_sides_of_equal_strength_are_left_alone() -> None:
    values = seen_through(0.5, 0.5, 0.5, 0.5, 0.5)
    values[:, 3:] *= -1
    weights = Auto()(calibrated(values))
    assert weights.shares.tolist() == [0.2] * 5
    assert "run against each other" in weights.notes[0]


@pytest.mark.parametrize("ratings", [[[5, 1], [1, 5]], [[5, 5], [5, 5]]])
def test_without_evidence_it_is_uniform_and_says_why(ratings: list[list[int]]) -> None:
    rules = Rulebook.from_ids(["a", "b"], LevelScale((1, 2, 3, 4, 5)))
    weights = Auto()(calibrate(ratings, rules, prompts=["p", "p"]))
    assert weights.shares.tolist() == [0.5, 0.5]
    assert "without labels there is no evidence for another" in weights.notes[0]
