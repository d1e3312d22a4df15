"""Rating entropy and its estimates."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from encore.arrays import as_floats
from encore.errors import InputError, UnknownNameError

Estimator = Literal["plugin", "miller_madow"]
ESTIMATORS: tuple[Estimator, ...] = get_args(Estimator)


def rating_entropy(counts: ArrayLike, *, estimator: Estimator = "plugin") -> NDArray[np.float64]:
    r"""Shannon entropy of rating distributions, in nats.

    .. math:: H = -\sum_j p_j \ln p_j, \qquad p_j = c_j / \sum_i c_i

    Levels that never occur contribute zero. The plug-in estimate (the paper's) reads low for
    small samples, by about ``(n_levels - 1) / (2 n)`` nats; ``"miller_madow"`` adds that back,
    counting the levels that occur.

    Parameters
    ----------
    counts : array_like of float, shape (..., n_levels)
        How often each level was given. Finite, not negative.
    estimator : {"plugin", "miller_madow"}
        Which estimate.

    Returns
    -------
    ndarray of float, shape (...)
        Nats, from 0 (one level only) to ``ln(n_levels)``; NaN where nothing was counted.
        Miller-Madow can exceed ``ln(n_levels)``.

    Raises
    ------
    InputError
        If a count is negative or not finite.
    UnknownNameError
        If there is no such estimator.

    References
    ----------
    .. [1] Shannon (1948), A Mathematical Theory of Communication, section 6.
    .. [2] Miller (1955), Note on the bias of information estimates.

    Examples
    --------
    >>> rating_entropy([[50, 50], [100, 0]]).round(4)
    array([0.6931, 0.    ])
    """
    counts = as_floats(counts, "counts")
    if not np.isfinite(counts).all() or (counts < 0).any():
        raise InputError("counts must be finite and not negative.")
    if estimator not in ESTIMATORS:
        raise UnknownNameError("entropy estimator", estimator, ESTIMATORS)
    total = counts.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = _shannon(counts / total[..., None])
        if estimator == "miller_madow":
            entropy = entropy + ((counts > 0).sum(axis=-1) - 1) / (2 * total)
    # Nothing counted is unknown, not zero.
    return np.where(total > 0, entropy, np.nan)


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
        return np.asarray(_shannon(p) + np.maximum(scatter, 0.0) / (2 * n))


def _shannon(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """-Σ p ln p over the last axis; 0, not -0.0, where all is on one level."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.maximum(-np.where(p > 0, p * np.log(p), 0.0).sum(axis=-1), 0.0))


def entropy_interval(
    counts: ArrayLike,
    rng: np.random.Generator,
    *,
    confidence: float = 0.95,
    n_resamples: int = 2000,
) -> NDArray[np.float64]:
    r"""Bootstrap interval of the plug-in rating entropy of one rule, in nats.

    Resamples the ratings, which is a multinomial draw of the counts, and reflects the percentiles
    about the estimate: ``[2 H - q_hi, 2 H - q_lo]`` (the basic interval). A resample's entropy
    reads low by as much again as the estimate does; reflecting takes that out, percentiles would
    double it.

    Parameters
    ----------
    counts : array_like of int, shape (n_levels,)
        How often each level was given.
    rng : numpy.random.Generator
        The source of randomness.
    confidence : float
        Between 0 and 1.
    n_resamples : int
        How many resamples.

    Returns
    -------
    ndarray of float, shape (2,)
        Lower and upper end, within 0 and ``ln(n_levels)``; NaN if nothing was counted.

    Raises
    ------
    InputError
        If a count is not a whole number of 0 or more.

    References
    ----------
    .. [1] Davison and Hinkley (1997), Bootstrap Methods and their Application, section 5.2.

    Examples
    --------
    >>> entropy_interval([500, 500], np.random.default_rng(0)).round(3)
    array([0.693, 0.693])
    """
    whole = as_floats(counts, "counts")
    if not (np.isfinite(whole) & (whole >= 0) & (whole == np.floor(whole))).all():
        raise InputError("counts must be whole numbers of 0 or more.")
    counts = whole.astype(np.int64)
    n = int(counts.sum())
    if n == 0:
        return np.full(2, np.nan)
    resampled = rating_entropy(rng.multinomial(n, counts / n, size=n_resamples))
    tail = (1 - confidence) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail])
    center = rating_entropy(counts)
    ends = np.array([2 * center - high, 2 * center - low])
    return np.asarray(np.clip(ends, 0.0, np.log(len(counts))))
