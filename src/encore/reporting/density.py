"""The density of rewards, as the page's script computes it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

N_POINTS = 201


def density(values: ArrayLike, low: float, high: float) -> NDArray[np.float64]:
    r"""A Gaussian kernel density on [low, high], mirrored at both ends.

    .. math:: \hat f(x) = \frac{1}{n b} \sum_i \varphi\!\left(\frac{x - x_i}{b}\right),
        \qquad b = s\, n^{-1/5}

    Mirrored, since rewards pile up at the best end: a kernel that reaches beyond it would lose half
    of them. Values are first split between the two nearest points; b is at least one step and at
    most an eighth of the range.

    Parameters
    ----------
    values : array_like of float
        NaN is left out; values outside count at the nearer end.
    low, high : float
        The ends, low before high.

    Returns
    -------
    ndarray of float, shape (201,)
        At evenly spaced points, both ends included; integrates to 1.

    References
    ----------
    .. [1] Scott (1992), Multivariate Density Estimation, section 6.5: the bandwidth.
    .. [2] Silverman (1986), Density Estimation, section 2.10: mirroring.

    Examples
    --------
    >>> found = density([0.4, 0.5, 0.6], 0.0, 1.0)
    >>> float(np.linspace(0.0, 1.0, 201)[found.argmax()]), round(float(found.mean()), 2)
    (0.5, 1.0)
    """
    array = np.asarray(values, dtype=np.float64)
    known = array[~np.isnan(array)]
    if not known.size:
        return np.full(N_POINTS, np.nan)
    step = (high - low) / (N_POINTS - 1)
    place = np.clip((known - low) / step, 0, N_POINTS - 1)
    left = np.minimum(place.astype(np.int64), N_POINTS - 2)
    bins = np.bincount(left, 1 - (place - left), N_POINTS)
    bins += np.bincount(left + 1, place - left, N_POINTS)
    deviation = known.std(ddof=1) if known.size > 1 else 0.0
    # One mirror at each end is enough for a kernel that fades within the range.
    bandwidth = min(max(float(deviation) * known.size**-0.2, step), (high - low) / 8)
    reach = min(math.ceil(8 * bandwidth / step), N_POINTS - 1)
    offsets = np.arange(-reach, reach + 1) * step / bandwidth
    kernel = np.exp(-0.5 * offsets**2) / (bandwidth * math.sqrt(2 * math.pi) * known.size)
    whole = np.convolve(bins, kernel)
    found = whole[reach : reach + N_POINTS].copy()
    # What reached beyond an end is folded back; the end itself is its own mirror image.
    found[: reach + 1] += whole[: reach + 1][::-1]
    found[N_POINTS - 1 - reach :] += whole[reach + N_POINTS - 1 :][::-1]
    return found
