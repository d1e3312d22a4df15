"""The spread of a rating: the entropy of what its rater, or several raters, would have said."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from encore.arrays import as_floats


def pooled_entropy(
    total: ArrayLike, squares: ArrayLike, n_answers: ArrayLike
) -> NDArray[np.float64]:
    r"""Spread of one rating from several answers, each a distribution over the levels, in nats.

    .. math:: H(\bar p) + \frac{1}{2 n} \sum_j \frac{\operatorname{Var}_i(p_{ij})}{\bar p_j}

    The entropy of the mean distribution reads low by the second term, to second order, as far as
    the answers differ from each other. An answer that states a level is all on that level: then
    this is the Miller-Madow estimate. Nothing is added where every answer gives the same
    distribution, nor for a single answer.

    Parameters
    ----------
    total, squares : array_like of float, shape (..., n_levels)
        Sum over the answers of each level's probability, and of its square. Both are the counts
        where each answer states a level.
    n_answers : array_like of int, shape (...)
        How many answers.

    Returns
    -------
    ndarray of float, shape (...)
        Nats, 0 or more; at most ``ln(n_levels) + (n_levels - 1) / (2 n)``. NaN without answers.

    References
    ----------
    .. [1] Miller (1955), Note on the bias of information estimates.

    Examples
    --------
    >>> two_that_differ = [1, 1]
    >>> round(float(pooled_entropy(two_that_differ, two_that_differ, 2)), 4)  # ln 2 + 1/4
    0.9431
    """
    total, squares = as_floats(total, "sums"), as_floats(squares, "sums")
    n = np.asarray(n_answers)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = total / n[..., None]
        scatter = np.where(total > 0, squares / total - p, 0.0).sum(axis=-1)  # Var / p by level
        return np.asarray(shannon(p) + np.maximum(scatter, 0.0) / (2 * n))


def shannon(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """-Σ p ln p over the last axis; 0, not -0.0, where all is on one level."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.maximum(-np.where(p > 0, p * np.log(p), 0.0).sum(axis=-1), 0.0))
