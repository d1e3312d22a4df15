"""The one factor that the rules share, from the covariance of their margins."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MAX_ITERATIONS = 1000
_TOLERANCE = 1e-10


def common_factor(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Loadings ``v`` of the rank-one matrix ``v vᵀ`` nearest the off-diagonal covariances.

    If rules err independently given which response is better, their margins covary only through
    it, and :math:`\Sigma_{kl} = v_k v_l` for :math:`k \ne l`. The diagonal also holds each
    rule's own noise, so it is not used: it is filled in with :math:`v_k^2` and the leading
    eigenvector taken again until nothing moves (principal factor iteration). With the diagonal
    left in, one noisy rule outweighs many that agree.

    Parameters
    ----------
    covariance : ndarray of float, shape (n_rules, n_rules)
        Symmetric; an unknown entry (NaN) counts as no covariance.

    Returns
    -------
    ndarray of float, shape (n_rules,)
        In the units of a margin; signed so that they sum to 0 or more (most rules are taken to
        be the right way round). Zero for a rule that shares nothing.

    References
    ----------
    .. [1] Parisi, Strino, Nadler and Kluger (2014), Ranking and combining multiple predictors
       without labeled data, PNAS 111(4).

    Examples
    --------
    >>> v = np.array([0.8, 0.5, 0.2, 0.0])
    >>> common_factor(np.outer(v, v) + np.diag([0.1, 0.2, 0.3, 9.0])).round(6)
    array([0.8, 0.5, 0.2, 0. ])
    """
    known = np.nan_to_num(covariance)
    variance = np.diagonal(known)
    filled = known - np.diag(variance)
    loadings = np.zeros(len(known))
    for _ in range(_MAX_ITERATIONS):
        values, vectors = np.linalg.eigh(filled)
        before, loadings = loadings, vectors[:, -1] * np.sqrt(max(values[-1], 0.0))
        # A loading cannot explain more than all of a rule's variance.
        np.fill_diagonal(filled, np.minimum(loadings**2, variance))
        if np.abs(np.abs(loadings) - np.abs(before)).max() < _TOLERANCE:
            break
    return loadings if loadings.sum() >= 0 else -loadings
