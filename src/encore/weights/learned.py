"""Weights learned from labelled pairs: the linear Bradley-Terry model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encore.errors import InputError
from encore.ratings import PreferencePairs
from encore.weights.scheme import check_positive, options_of
from encore.weights.weights import Weights

_MAX_STEPS = 200
_TOLERANCE = 1e-10


def fit_bradley_terry(
    margins: NDArray[np.float64], *, ridge: float = 1.0, non_negative: bool = False
) -> NDArray[np.float64]:
    r"""Most likely linear Bradley-Terry coefficients, by Newton's method.

    .. math:: \min_w \sum_i \ln(1 + e^{-w \cdot d_i}) + \tfrac{\lambda}{2} \lVert w \rVert^2

    This is logistic regression without an intercept on margins that all carry the label 1. With
    *non_negative*, coefficients whose gradient pushes them below 0 are held there (an active set,
    projected Newton); the objective is convex, so the solution is the same whichever way it is
    reached.

    Parameters
    ----------
    margins : ndarray of float, shape (n_pairs, n_rules)
        Unit margins, chosen less rejected; finite.
    ridge : float
        The penalty, above 0. It equals ``1 / C`` of scikit-learn's LogisticRegression.
    non_negative : bool
        Whether no coefficient may fall below 0.

    Returns
    -------
    ndarray of float, shape (n_rules,)

    Raises
    ------
    InputError
        If the ridge is not positive.

    References
    ----------
    .. [1] Bradley and Terry (1952), Rank analysis of incomplete block designs, Biometrika 39.
    .. [2] Bertsekas (1982), Projected Newton methods, SIAM J. Control Optim. 20(2).

    Examples
    --------
    >>> fit_bradley_terry(np.array([[1.0, 0.0], [1.0, -1.0], [1.0, 1.0]])).round(3)
    array([0.88, 0.  ])
    """
    check_positive("ridge", ridge)
    w = np.zeros(margins.shape[1])
    objective = _objective(w, margins, ridge)
    for _ in range(_MAX_STEPS):
        p_wrong = _sigmoid(-(margins @ w))
        gradient = ridge * w - margins.T @ p_wrong
        held = non_negative & (w <= 0) & (gradient > 0)
        free = ~held
        if np.abs(gradient[free]).max(initial=0.0) < _TOLERANCE * max(1, len(margins)):
            break
        curvature = (margins[:, free] * (p_wrong * (1 - p_wrong))[:, None]).T @ margins[:, free]
        step = np.zeros_like(w)
        step[free] = np.linalg.solve(curvature + ridge * np.eye(int(free.sum())), gradient[free])
        w, objective, moved = _descend(w, step, objective, margins, ridge, non_negative)
        if not moved:
            break
    return w


def _descend(
    w: NDArray[np.float64],
    step: NDArray[np.float64],
    objective: float,
    margins: NDArray[np.float64],
    ridge: float,
    non_negative: bool,
) -> tuple[NDArray[np.float64], float, bool]:
    """Halve the Newton step until it improves; projected, a full one need not."""
    size = 1.0
    while size > 1e-12:
        tried = w - size * step
        if non_negative:
            tried = np.maximum(tried, 0.0)
        value = _objective(tried, margins, ridge)
        if value < objective:
            return tried, value, True
        size /= 2
    return w, objective, False


def _objective(w: NDArray[np.float64], margins: NDArray[np.float64], ridge: float) -> float:
    return float(np.logaddexp(0, -(margins @ w)).sum() + ridge / 2 * (w @ w))


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.exp(-np.logaddexp(0, -x)))


@dataclass(frozen=True, slots=True)
class BradleyTerry:
    """The weights under which the human choices are most likely.

    The learned linear baseline: the strongest where there are labels, and of no use without.
    Coefficients are held at 0 or above, so that no rule can count against a response that follows
    it. Pairs in which a rule is unrated are left out. Its accuracy on the pairs that it was fitted
    to means nothing: ``encore compare`` cross-validates by prompt.

    Parameters
    ----------
    ridge : float, default 1
        The penalty on squared weights; higher is closer to equal treatment.

    References
    ----------
    .. [1] Bradley and Terry (1952), Rank analysis of incomplete block designs, Biometrika 39.

    Examples
    --------
    >>> from encore import LevelScale, PreferencePairs, Rulebook
    >>> rules = Rulebook.from_ids(["right", "wrong"], LevelScale((0, 1)))
    >>> pairs = PreferencePairs.from_arrays([[1, 0], [1, 0]], [[0, 1], [0, 0]], rules)
    >>> BradleyTerry()(pairs).shares.tolist()
    [1.0, 0.0]
    """

    ridge: float = 1.0

    def __post_init__(self) -> None:
        check_positive("ridge", self.ridge)

    def __call__(self, pairs: PreferencePairs) -> Weights:
        """Fit; raises :class:`~encore.InputError` if no rule helps to tell chosen from rejected."""
        margins = pairs.margins
        complete = ~np.isnan(margins).any(axis=1)
        if not complete.any():
            raise InputError("no pair is rated under every rule: there is nothing to learn from.")
        values = fit_bradley_terry(margins[complete], ridge=self.ridge, non_negative=True)
        if values.sum() <= 0:
            raise InputError(
                "no rule helps to tell chosen from rejected on these pairs. Is a scale the wrong "
                "way round?"
            )
        held = [rule_id for rule_id, w in zip(pairs.rules.ids, values, strict=True) if w == 0]
        notes = (
            (f"held at 0, for they do not speak for the chosen response: {held}",) if held else ()
        )
        return Weights(pairs.rules, values, "bradley_terry", options_of(self), "", notes)
