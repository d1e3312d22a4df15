"""Which rules Bradley-Terry training listens to: their share of the gradient, step by step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from encore.arrays import Record, as_floats
from encore.errors import InputError
from encore.theory.bradley_terry import LARGEST, checked_margins
from encore.weights.scheme import check_positive


def expected_gradient(weights: ArrayLike, margins: ArrayLike) -> NDArray[np.float64]:
    r"""Gradient of the mean Bradley-Terry loss over pairs.

    .. math:: \frac{\partial}{\partial w_k} \frac{1}{n} \sum_i \ln(1 + e^{-w \cdot d_i})
       = -\frac{1}{n} \sum_i \sigma(-w \cdot d_i) d_{ik}

    At w = 0 it is minus half the mean margin. For a rule whose margin is symmetric about 0 and
    independent of the other rules' it has, on average, the sign of the rule's own weight: 0 where
    that is 0, and elsewhere training takes the weight back to 0.

    Parameters
    ----------
    weights : array_like of float, shape (n_rules,)
        Where to take the gradient.
    margins : array_like of float, shape (n_pairs, n_rules)
        Chosen less rejected; finite.

    Returns
    -------
    ndarray of float, shape (n_rules,)

    Raises
    ------
    InputError
        If there is no pair, a margin is not finite, or there is not one weight per rule.

    References
    ----------
    .. [1] Li et al. (2026), ENCORE, AAAI, arXiv 2503.20995: its theorem on rules of maximum
       entropy is about this gradient.

    Examples
    --------
    >>> expected_gradient([0, 0], [[1, 1], [1, -1]]).tolist()
    [-0.5, 0.0]
    """
    margins = checked_margins(margins)
    weights = as_floats(weights, "weights")
    if weights.shape != margins.shape[1:]:
        raise InputError(f"weights of shape {weights.shape} for {margins.shape[1]} rules.")
    if not (np.abs(weights) <= LARGEST).all():
        raise InputError(
            f"a weight is not finite, or more than {LARGEST:g} in size. In a descent, use a lower "
            f"rate."
        )
    p_wrong = np.exp(-np.logaddexp(0, margins @ weights))
    return np.asarray(-(p_wrong @ margins) / len(margins) + 0.0)


@dataclass(frozen=True, eq=False, repr=False)
class Descent(Record):
    """What gradient descent did.

    Parameters
    ----------
    weights : ndarray of float, shape (n_steps + 1, n_rules)
        Starting from 0.
    gradients : ndarray of float, shape (n_steps, n_rules)
        The gradient before each step.
    """

    weights: NDArray[np.float64]
    gradients: NDArray[np.float64]

    @property
    def shares(self) -> NDArray[np.float64]:
        """Each rule's share of the absolute gradient, (n_steps, n_rules); NaN where all are 0."""
        size = np.abs(self.gradients)
        total = size.sum(axis=1, keepdims=True)
        with np.errstate(invalid="ignore"):
            return np.asarray(size / np.where(total > 0, total, np.nan))


def gradient_descent(margins: ArrayLike, *, n_steps: int = 100, rate: float = 1.0) -> Descent:
    """Minimise the Bradley-Terry loss by plain gradient descent from weights of 0, on all pairs.

    The loss is smooth and convex, so any rate below ``8 / E|d|^2`` goes down at every step.

    Parameters
    ----------
    margins : array_like of float, shape (n_pairs, n_rules)
        Chosen less rejected; finite.
    n_steps : int
        At least 1.
    rate : float
        Above 0.

    Returns
    -------
    Descent
        Weights and gradients of every step.

    Raises
    ------
    InputError
        If the margins, the number of steps or the rate are unusable.

    Examples
    --------
    One rule is always right, the other half of the time: all of the gradient is the first's.

    >>> gradient_descent([[1, 1], [1, -1]], n_steps=2).shares.tolist()
    [[1.0, 0.0], [1.0, 0.0]]
    """
    margins = checked_margins(margins)
    check_positive("rate", rate)
    if n_steps < 1:
        raise InputError(f"n_steps is {n_steps}; expected 1 or more.")
    weights = np.zeros((n_steps + 1, margins.shape[1]))
    gradients = np.zeros((n_steps, margins.shape[1]))
    for step in range(n_steps):
        gradients[step] = expected_gradient(weights[step], margins)
        weights[step + 1] = weights[step] - rate * gradients[step]
    return Descent(weights, gradients)
