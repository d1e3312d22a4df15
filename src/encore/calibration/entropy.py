"""Rating entropy and its estimates."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from encore.arrays import as_floats
from encore.errors import InputError, UnknownNameError
from encore.ratings.spread import shannon

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
        entropy = shannon(counts / total[..., None])
        if estimator == "miller_madow":
            entropy = entropy + ((counts > 0).sum(axis=-1) - 1) / (2 * total)
    # Nothing counted is unknown, not zero.
    return np.where(total > 0, entropy, np.nan)


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
