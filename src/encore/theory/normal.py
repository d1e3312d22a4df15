"""The normal distribution, and what clipping to a scale makes of it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

_ERFC = np.frompyfunc(math.erfc, 1, 1)
# Beyond nine deviations lies less than 1e-18; within them 100 nodes are exact to the last digits.
_REACH = 9.0
_NODES, _NODE_WEIGHTS = np.polynomial.legendre.leggauss(100)


def cumulative(x: ArrayLike) -> NDArray[np.float64]:
    """Probability that a standard normal number is at most x: ``erfc(-x / sqrt(2)) / 2``."""
    return np.asarray(_ERFC(-np.asarray(x, dtype=np.float64) / math.sqrt(2)), dtype=np.float64) / 2


def density(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """``exp(-x^2 / 2) / sqrt(2 pi)``."""
    return np.asarray(np.exp(-x * x / 2) / math.sqrt(2 * math.pi))


def clipped_moments(
    mean: NDArray[np.float64], deviation: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance of a normal number clipped to [0, 1].

    Moments are taken about the clipped mean, so that small variances keep their digits, and by
    quadrature: the closed form cancels where the deviation is large.
    """
    about = np.clip(mean, 0.0, 1.0)
    z, mass = _inside(mean, deviation)
    # Where no mass is inside, the offset is nothing, and may be too large to square.
    offset = np.where(mass > 0, (mean - about)[..., None] + deviation[..., None] * z, 0.0)
    with np.errstate(over="ignore"):  # infinitely many deviations away
        below, above = cumulative(-mean / deviation), cumulative((mean - 1) / deviation)
    first = (mass * offset).sum(axis=-1) + (1 - about) * above - about * below
    second = (mass * offset**2).sum(axis=-1) + (1 - about) ** 2 * above + about**2 * below
    return about + first, np.maximum(second - first**2, 0.0)


def clipped_wins(
    chosen: NDArray[np.float64], rejected: NDArray[np.float64], deviation: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How often the first of two normal numbers clipped to [0, 1] is larger; a tie is one half.

    Given the chosen one at z deviations from its mean, the rejected one is below it with
    probability ``cumulative(z + gap / deviation)``.
    """
    z, mass = _inside(chosen, deviation)
    with np.errstate(over="ignore"):  # infinitely many deviations away
        inside = (mass * cumulative(z + ((chosen - rejected) / deviation)[..., None])).sum(axis=-1)
        at_worst = cumulative(-chosen / deviation) * cumulative(-rejected / deviation) / 2
        at_best = cumulative((chosen - 1) / deviation) * (
            1 - cumulative((rejected - 1) / deviation) / 2
        )
    return np.asarray(np.minimum(inside + at_worst + at_best, 1.0))  # rounding


def _inside(
    mean: NDArray[np.float64], deviation: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gauss-Legendre nodes within [0, 1], in deviations from the mean, and their probabilities."""
    with np.errstate(over="ignore"):
        low, high = (np.clip((end - mean) / deviation, -_REACH, _REACH) for end in (0.0, 1.0))
    half = (high - low)[..., None] / 2
    z = (high + low)[..., None] / 2 + half * _NODES
    return z, half * density(z) * _NODE_WEIGHTS
