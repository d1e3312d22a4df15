"""Pairs that reports are made of in tests."""

from __future__ import annotations

import numpy as np

from encore import LevelScale, PreferencePairs, Rulebook

FIVE = LevelScale((1, 2, 3, 4, 5))
HOSTILE = (
    "<script>alert(1)</script>",
    "\"quoted\" 'twice' & more",
    "</script><img src=x onerror=alert(1)>",
    "right to left שלום مرحبا",
    "🛡 emoji 😀",
    "$\\frac{1}{0}$ {{ 7 * 7 }} {% raw %}",
    "'); DROP TABLE rules; --",
    "javascript:alert(1)",
)


def pairs(
    n_pairs: int = 60, ids: tuple[str, ...] = ("a", "b", "c"), *, seed: int = 0, gaps: float = 0.0
) -> PreferencePairs:
    """Pairs in two subsets whose rules see one quality, each through more noise than the last."""
    rng = np.random.default_rng(seed)
    quality = rng.standard_normal((2, n_pairs, 1))
    quality[0] += 0.7
    noise = np.linspace(0.4, 2.5, len(ids)) * rng.standard_normal((2, n_pairs, len(ids)))
    values = np.clip(np.rint(3 + quality + noise), 1, 5)
    values[rng.random(values.shape) < gaps] = np.nan
    subsets = [("first", "second")[i % 2] for i in range(n_pairs)]
    rules = Rulebook.from_ids(ids, FIVE)
    return PreferencePairs.from_arrays(values[0], values[1], rules, subsets=subsets)
