"""The weights that Bradley-Terry training converges to: in closed form, and fitted to pairs."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from encore.arrays import as_floats, to_unit_size
from encore.errors import InputError
from encore.theory.normal import cumulative
from encore.weights import fit_bradley_terry

_RIDGE = 1e-6
LARGEST = 1e100  # products of two margins and their sums stay finite
# The trapezoid rule on a bell is far more exact than its step suggests: its error here is below
# 1e-13 as long as the reward's margin has a standard deviation below 12.
_GRID = np.linspace(-10, 10, 401)
_BELL = np.exp(-(_GRID**2) / 2) / np.exp(-(_GRID**2) / 2).sum()


def gaussian_optimum(mean: ArrayLike, covariance: ArrayLike) -> NDArray[np.float64]:
    r"""The Bradley-Terry weights of Gaussian margins.

    .. math:: \arg\min_w \mathbb{E} \ln(1 + e^{-w \cdot d}) = 2 \Sigma^{-1} \mu,
       \qquad d \sim N(\mu, \Sigma)

    Call the margin of a pair in random order x: it is d or -d, with even odds, so it comes from
    ``N(mu, Sigma)`` if the first response is the chosen one and from ``N(-mu, Sigma)`` if not.
    The log odds of the two, given x, are ``2 mu' Sigma^-1 x``: linear, so Bradley-Terry holds
    exactly with these weights, and the convex loss has no other minimum. They are twice Fisher's
    discriminant. With a diagonal covariance and equal means they are proportional to one over
    the variance.

    Parameters
    ----------
    mean : array_like of float, shape (n_rules,)
        Mean margins, chosen less rejected.
    covariance : array_like of float, shape (n_rules, n_rules)
        Symmetric and positive definite.

    Returns
    -------
    ndarray of float, shape (n_rules,)
        Negative where a rule is worth more for the noise that it shares than for what it says.

    Raises
    ------
    InputError
        If shapes disagree, or the covariance is not symmetric and positive definite.

    References
    ----------
    .. [1] Fisher (1936), The use of multiple measurements in taxonomic problems, Annals of
       Eugenics 7.
    .. [2] Efron (1975), The efficiency of logistic regression compared to normal discriminant
       analysis, JASA 70.
    .. [3] Li et al. (2026), ENCORE, AAAI, arXiv 2503.20995, theory section.

    Examples
    --------
    >>> gaussian_optimum([1, 1], [[2, 0], [0, 4]]).tolist()
    [1.0, 0.5]
    """
    mean, covariance = _gaussian(mean, covariance)
    with np.errstate(all="ignore"):
        return _finite(2 * np.linalg.solve(covariance, mean))


def gaussian_gradient(
    weights: ArrayLike, mean: ArrayLike, covariance: ArrayLike
) -> NDArray[np.float64]:
    r"""Gradient of the expected Bradley-Terry loss of Gaussian margins.

    .. math:: -\mathbb{E}[\sigma(-t) d] = \mathbb{E}[\sigma'(t)] \Sigma w
       - \mathbb{E}[\sigma(-t)] \mu, \qquad t = w \cdot d \sim N(w \cdot \mu, w^\top \Sigma w)

    by Stein's lemma; what is left are one-dimensional integrals, taken by the trapezoid rule.

    Parameters
    ----------
    weights, mean : array_like of float, shape (n_rules,)
        Where to take the gradient, and the mean margins.
    covariance : array_like of float, shape (n_rules, n_rules)
        Symmetric and positive definite.

    Returns
    -------
    ndarray of float, shape (n_rules,)
        Zero at :func:`gaussian_optimum`.

    Raises
    ------
    InputError
        As :func:`gaussian_optimum`, or if there is not one weight per rule.

    References
    ----------
    .. [1] Stein (1981), Estimation of the mean of a multivariate normal distribution, Annals of
       Statistics 9(6).

    Examples
    --------
    >>> gaussian_gradient([0, 0], [1, 3], [[2, 0], [0, 4]]).tolist()
    [-0.5, -1.5]
    """
    mean, covariance = _gaussian(mean, covariance)
    w = _one_per_rule(weights, mean)
    with np.errstate(all="ignore"):
        along = covariance @ w
        t = _finite(w @ mean + np.sqrt(np.maximum(w @ along, 0.0)) * _GRID)
        p_wrong = np.exp(-np.logaddexp(0, t))
        slope = p_wrong * np.exp(-np.logaddexp(0, -t))
        return _finite((_BELL @ slope) * along - (_BELL @ p_wrong) * mean)


def gaussian_accuracy(weights: ArrayLike, mean: ArrayLike, covariance: ArrayLike) -> float:
    r"""How often a reward with these weights prefers the chosen response.

    .. math:: \Phi\left(w \cdot \mu \big/ \sqrt{w^\top \Sigma w}\right)

    Parameters
    ----------
    weights, mean : array_like of float, shape (n_rules,)
        Weights, not all 0, and the mean margins.
    covariance : array_like of float, shape (n_rules, n_rules)
        Symmetric and positive definite.

    Returns
    -------
    float
        In [0, 1]; largest, at ``Phi(sqrt(mu' Sigma^-1 mu))``, along :func:`gaussian_optimum`.

    Raises
    ------
    InputError
        As :func:`gaussian_gradient`, or if all weights are 0.

    Examples
    --------
    >>> round(gaussian_accuracy([1, 1], [1, 1], [[2, 0], [0, 2]]), 4)
    0.8413
    """
    mean, covariance = _gaussian(mean, covariance)
    w = _one_per_rule(weights, mean)
    if not w.any():
        raise InputError("all weights are 0: such a reward prefers nothing.")
    w = to_unit_size(w)  # only the direction counts
    with np.errstate(all="ignore"):
        return float(cumulative(_finite(w @ mean / np.sqrt(w @ covariance @ w))))


def fitted_optimum(margins: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weights under which these pairs are most likely, of any sign.

    :func:`encore.weights.fit_bradley_terry` with a ridge of 1e-6 on the sum over all pairs, which
    is negligible but makes the answer unique where the pairs do not: a rule that never
    resolves a pair gets 0. Where some weights rank every pair right the likelihood has no
    maximum, and the ridge alone keeps them finite.

    Parameters
    ----------
    margins : ndarray of float, shape (n_pairs, n_rules)
        Chosen less rejected; finite.

    Returns
    -------
    ndarray of float, shape (n_rules,)

    Raises
    ------
    InputError
        If there is no pair, or a margin is not finite.

    References
    ----------
    .. [1] Bradley and Terry (1952), Rank analysis of incomplete block designs, Biometrika 39.

    Examples
    --------
    Right on two of three pairs: the odds are 2, and the weight is ln 2.

    >>> fitted_optimum(np.array([[1.0], [1.0], [-1.0]])).round(4).tolist()
    [0.6931]
    """
    return fit_bradley_terry(checked_margins(margins), ridge=_RIDGE)


def checked_margins(margins: ArrayLike) -> NDArray[np.float64]:
    """These margins as an array, if they are (n_pairs, n_rules), not empty, and all finite."""
    margins = as_floats(margins, "margins")
    if margins.ndim != 2 or not margins.size or not (np.abs(margins) <= LARGEST).all():
        raise InputError(
            f"margins of shape {margins.shape}; expected (n_pairs, n_rules), at least one of each, "
            f"all of them finite and at most {LARGEST:g} in size. Leave out pairs with an unrated "
            f"cell."
        )
    return margins


def _finite(result: ArrayLike) -> NDArray[np.float64]:
    """A result, if it is one."""
    found = np.asarray(result, dtype=np.float64)
    if not np.isfinite(found).all():
        raise InputError(
            "weights, means and covariances of such sizes leave the range of 64-bit floats. Give "
            "margins on a scale near 1."
        )
    return found


def _one_per_rule(weights: ArrayLike, mean: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = as_floats(weights, "weights")
    if weights.shape != mean.shape:
        raise InputError(f"weights of shape {weights.shape} for {len(mean)} rules.")
    if not np.isfinite(weights).all():
        raise InputError("a weight is not finite.")
    return weights


def _gaussian(
    mean: ArrayLike, covariance: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both as arrays, if their shapes agree and they define a Gaussian."""
    mean, covariance = as_floats(mean, "means"), as_floats(covariance, "covariances")
    if mean.ndim != 1 or covariance.shape != 2 * mean.shape:
        raise InputError(
            f"a mean of shape {mean.shape} and a covariance of shape {covariance.shape}; expected "
            f"(n_rules,) and (n_rules, n_rules)."
        )
    finite = np.isfinite(mean).all() and np.isfinite(covariance).all()
    try:
        near = 1e-8 * np.abs(covariance).max(initial=0.0)
        if finite and np.allclose(covariance, covariance.T, atol=near):
            np.linalg.cholesky(covariance)
            return mean, covariance
    except np.linalg.LinAlgError:
        pass
    raise InputError(
        "a mean must be finite and a covariance symmetric and positive definite. Is a rule's "
        "margin constant, or the sum of others'? Leave it out."
    )
