"""Pairs whose rules are right as often as one says."""

from __future__ import annotations

import numpy as np

from encore import LevelScale, PreferencePairs, Rulebook

FIVE = LevelScale((1, 2, 3, 4, 5))


def made(*accuracies: float, n: int = 400, seed: int = 0) -> PreferencePairs:
    """Pairs rated by rules that are right on their own with these accuracies."""
    rng = np.random.default_rng(seed)
    right = rng.random((n, len(accuracies))) < np.array(accuracies)
    high, low = rng.integers(3, 6, right.shape), rng.integers(1, 4, right.shape)
    rules = Rulebook.from_ids([f"r{i}" for i in range(len(accuracies))], FIVE)
    chosen, rejected = np.where(right, high, low), np.where(right, low, high)
    return PreferencePairs.from_arrays(chosen, rejected, rules)
