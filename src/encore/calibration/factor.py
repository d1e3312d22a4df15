"""The one factor that the rules share, from the covariance of their margins."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MAX_STEPS = 500
_TOLERANCE = 1e-13
_MAX_DAMPING = 1e12
_UNDECIDED = 1e-6
_N_RULES = 3  # that a fit starts from, besides the leading eigenvector
_AS_GOOD = 1e-6
_DIGITS = 12  # of the covariance, relative to its largest entry


def common_factor(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Loadings ``v`` of the rank-one matrix ``v vᵀ`` nearest the off-diagonal covariances.

    If rules err independently given which response is better, their margins covary only through
    it, and :math:`\Sigma_{kl} = v_k v_l` for :math:`k \ne l`. The diagonal also holds each
    rule's own noise, so it is left out (with it, one noisy rule outweighs many that agree):

    .. math:: \min_v \sum_{k < l} (\Sigma_{kl} - v_k v_l)^2

    with :math:`|v_k|` at most the margin's standard deviation: a factor cannot explain more than
    all of a rule. Damped Newton steps from several starts, of which the best fit is kept: data
    that are only loosely related have more than one optimum.

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
    known = np.asarray(np.nan_to_num(covariance))
    unit = np.abs(known).max(initial=0.0)
    if unit == 0.0:
        return np.zeros(len(known))
    # Where few pairs leave the answer nearly open, the last bits of the input or the order of the
    # rules would choose between fits. So round the bits away, and take a fixed order.
    rounded = np.round(known / unit, _DIGITS)
    order = _own_order(rounded)
    loadings = np.empty(len(known))
    loadings[order] = _fit(rounded[np.ix_(order, order)])
    return np.asarray(loadings * np.sqrt(unit))


def _own_order(covariance: NDArray[np.float64]) -> NDArray[np.int64]:
    """An order of the rules that depends on their variances and covariances alone."""
    keys = np.column_stack([np.diagonal(covariance), np.sort(covariance, axis=1)])
    return np.lexsort(keys.T[::-1])


def _fit(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """The best of the fits to the off-diagonal entries; the first of those that are as good."""
    deviation = np.sqrt(np.maximum(np.diagonal(covariance), 0.0))
    off = covariance - np.diag(np.diagonal(covariance))
    best, least = np.zeros(len(off)), np.inf
    for start in _starts(off, deviation):
        v, residual = _descend(off, deviation, start)
        if residual < least * (1 - _AS_GOOD):
            best, least = v, residual
    return best


def _starts(off: NDArray[np.float64], deviation: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """The leading eigenvector, and a factor along each of the rules that covary most."""
    values, vectors = np.linalg.eigh(off)
    # A start that slightly favours loud rules does not get stuck on a saddle where two rules
    # mirror each other, and does not depend on the rules' order.
    tilt = 1 + 0.01 * deviation / max(deviation.max(initial=0.0), 1e-300)
    starts = [vectors[:, -1] * np.sqrt(max(values[-1], 0.0)) * tilt]
    for rule in np.argsort(-np.linalg.norm(off, axis=1), kind="stable")[:_N_RULES]:
        if deviation[rule] > 0:
            start = off[rule] / deviation[rule]
            start[rule] = deviation[rule]
            starts.append(start)
    return starts


def _descend(
    off: NDArray[np.float64], deviation: NDArray[np.float64], start: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Projected, damped Newton steps on the off-diagonal entries; the fit and its residual."""
    v = np.clip(start, -deviation, deviation)
    residual, damping = _residual(off, v), 1e-3
    scale = np.abs(off).max(initial=0.0) ** 1.5  # a gradient is a covariance times a loading
    for _ in range(_MAX_STEPS):
        squares = v @ v
        gradient = squares * v - v**3 - off @ v
        # A loading at its bound moves only inwards (projected steps).
        free = (np.abs(v) < deviation) | (gradient * v > 0)
        if np.abs(gradient[free]).max(initial=0.0) <= _TOLERANCE * scale:
            break
        hessian = 2 * np.outer(v, v) - off
        np.fill_diagonal(hessian, squares - v**2)
        curvature = hessian[np.ix_(free, free)]
        curvature += (damping * squares + 1e-300) * np.eye(len(curvature))
        tried = v.copy()
        tried[free] -= np.linalg.solve(curvature, gradient[free])
        tried = np.clip(tried, -deviation, deviation)
        now = _residual(off, tried)
        if now < residual:
            v, residual, damping = tried, now, damping / 4
        elif damping > _MAX_DAMPING:
            break  # nothing improves: the optimum to the last bit
        else:
            damping *= 4
    return np.asarray(v if v.sum() >= 0 else -v), residual


def is_determined(covariance: NDArray[np.float64], loadings: NDArray[np.float64]) -> bool:
    """Whether the data determine the factor and its sign.

    They do not if rules split evenly (the loadings sum to 0), or if two groups agree equally
    strongly, each within itself (the two leading eigenvalues are equal).
    """
    off = np.nan_to_num(covariance)
    values = np.linalg.eigvalsh(off - np.diag(np.diagonal(off)))
    one_way = abs(loadings.sum()) > _UNDECIDED * np.abs(loadings).sum()
    one_factor = len(values) < 2 or values[-1] - values[-2] > _UNDECIDED * abs(values[-1])
    return bool(one_way and one_factor)


def _residual(off: NDArray[np.float64], v: NDArray[np.float64]) -> float:
    """Σ over k ≠ l of (Σ_kl - v_k v_l)²."""
    difference = off - np.outer(v, v)
    np.fill_diagonal(difference, 0.0)
    return float((difference**2).sum())
