"""How far several raters agree under a rule."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from encore.arrays import as_floats
from encore.errors import InputError
from encore.rules.scale import LEVEL_TOLERANCE


@dataclass(frozen=True)
class RatersAgreement:
    """How far raters agree under one rule, over the responses that two or more of them rated.

    Parameters
    ----------
    rule : str
        The rule's id.
    n_shared : int
        How many responses that is; a side of a pair is one.
    exact : float
        Share of the pairs of ratings of one response that are the same; NaN without one.
    alpha : float
        Krippendorff's alpha for intervals; NaN where undefined.
    """

    rule: str
    n_shared: int
    exact: float
    alpha: float

    @classmethod
    def of(cls, rule: str, unit: ArrayLike) -> RatersAgreement:
        """The agreement of unit ratings, shape (n_raters, n_responses), NaN where there is none.

        Examples
        --------
        >>> found = RatersAgreement.of("harm", [[0, 1, 1], [0, 1, 0.5]])
        >>> found.n_shared, round(found.exact, 3), round(found.alpha, 3)  # 1 - (1/12) / (29/60)
        (3, 0.667, 0.828)
        """
        x = as_floats(unit, "ratings")
        pairs = [np.abs(one - other) for one, other in combinations(x, 2)]
        gaps = np.concatenate([gap[~np.isnan(gap)] for gap in pairs]) if pairs else np.zeros(0)
        exact = float((gaps <= LEVEL_TOLERANCE).mean()) if len(gaps) else np.nan
        n_shared = int(((~np.isnan(x)).sum(axis=0) >= 2).sum())
        return cls(rule, n_shared, exact, krippendorff_alpha(x))


def krippendorff_alpha(ratings: ArrayLike) -> float:
    r"""Krippendorff's alpha of ratings on an interval scale, for any number of raters.

    .. math:: \alpha = 1 - \frac{D_o}{D_e}, \qquad
        D_o = \frac{1}{n} \sum_u \frac{1}{m_u - 1} \sum_{i \ne j} (x_{iu} - x_{ju})^2, \qquad
        D_e = \frac{1}{n (n - 1)} \sum_{(i, u) \ne (j, v)} (x_{iu} - x_{jv})^2

    over the responses *u* with :math:`m_u \ge 2` ratings, :math:`n = \sum_u m_u` ratings in all.
    1 where raters always agree, 0 where they agree no more than ratings drawn at random from all
    of them would, and less where they disagree more than that.

    Parameters
    ----------
    ratings : array_like of float, shape (n_raters, n_responses)
        NaN where there is none.

    Returns
    -------
    float
        At most 1; NaN where fewer than two responses have two ratings, or all are the same.

    Raises
    ------
    InputError
        If the ratings are not of two dimensions.

    References
    ----------
    .. [1] Krippendorff (2011), Computing Krippendorff's Alpha-Reliability.

    Examples
    --------
    >>> krippendorff_alpha([[1, 2, 3], [1, 2, 3]])
    1.0
    """
    x = as_floats(ratings, "ratings")
    if x.ndim != 2:
        raise InputError(f"ratings have shape {x.shape}; expected (n_raters, n_responses).")
    m = (~np.isnan(x)).sum(axis=0)
    x, m = x[:, m >= 2], m[m >= 2]
    if len(m) < 2:
        return float("nan")
    x = x - np.nanmean(x)
    n = m.sum()
    sums, squares = np.nansum(x, axis=0), np.nansum(x**2, axis=0)
    observed = (_differences(m, sums, squares) / (m - 1)).sum() / n
    expected = _differences(n, sums.sum(), squares.sum()) / (n * (n - 1))
    # What rounding leaves of a variance of nothing is no variance.
    if expected <= 1e-12 * np.nanmax(np.abs(x), initial=1.0):
        return float("nan")
    return float(1 - observed / expected)


def _differences(
    n: NDArray[np.int64], total: NDArray[np.float64], squares: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Σ over i ≠ j of (x_i − x_j)² = 2 (n Σ x² − (Σ x)²)."""
    return np.maximum(2 * (n * squares - total**2), 0.0)
