"""Weights learned from labelled pairs: the linear Bradley-Terry model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encore.arrays import as_floats
from encore.errors import InputError
from encore.ratings import PreferencePairs
from encore.weights.scheme import check_positive, options_of
from encore.weights.weights import Weights

_MAX_STEPS = 200
_TOLERANCE = 1e-10
_SMALLEST_STEP = 1e-12
_BLOCK_ROWS = 1024
_LARGEST = 1e100  # products of two margins and their sums stay finite


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
        If the ridge is not positive or too small to decide, or the margins are unusable.

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
    margins = as_floats(margins, "margins")
    if margins.ndim != 2 or not (np.abs(margins) <= _LARGEST).all():
        raise InputError(
            f"margins of shape {margins.shape}; expected (n_pairs, n_rules), all of them finite "
            f"and at most {_LARGEST:g} in size. Leave out pairs with an unrated cell."
        )

    def objective(w: NDArray[np.float64]) -> float:
        return float(np.logaddexp(0, -(margins @ w)).sum() + ridge / 2 * (w @ w))

    lowest = 0.0 if non_negative else -np.inf
    w = np.zeros(margins.shape[1])
    for _ in range(_MAX_STEPS):
        p_wrong = _sigmoid(-(margins @ w))
        gradient = ridge * w - margins.T @ p_wrong
        free = ~((w <= lowest) & (gradient > 0))
        if np.abs(gradient[free]).max(initial=0.0) < _TOLERANCE * max(1, len(margins)):
            break
        curvature = _gram(margins[:, free], p_wrong * (1 - p_wrong))
        step = np.zeros_like(w)
        try:
            step[free] = np.linalg.solve(curvature + ridge * np.eye(len(curvature)), gradient[free])
        except np.linalg.LinAlgError as error:
            raise InputError(
                f"a ridge of {ridge:g} is too small for these margins: some weights rank every "
                f"pair right, and grow without end. Use a larger one."
            ) from error
        moved = _descend(objective, w, step, lowest)
        if moved is None:
            break
        w = moved
    return w


def _gram(rows: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Σ w x xᵀ over rows, in blocks.

    BLAS would split one long product among threads that wait for each other, which takes far
    longer than the product if another process occupies one of the cores.
    """
    total = np.zeros((rows.shape[1], rows.shape[1]))
    for start in range(0, len(rows), _BLOCK_ROWS):
        block = rows[start : start + _BLOCK_ROWS]
        total += (block * weights[start : start + _BLOCK_ROWS, None]).T @ block
    return total


def _descend(
    objective: Callable[[NDArray[np.float64]], float],
    w: NDArray[np.float64],
    step: NDArray[np.float64],
    lowest: float,
) -> NDArray[np.float64] | None:
    """Halve the Newton step until it improves: one that is cut off at *lowest* may not.

    None if nothing improves, which is the optimum to the last bit.
    """
    before, size = objective(w), 1.0
    while size > _SMALLEST_STEP:
        tried = np.maximum(w - size * step, lowest)
        if objective(tried) < before:
            return tried
        size /= 2
    return None


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.exp(-np.logaddexp(0, -x)))


@dataclass(frozen=True, slots=True)
class BradleyTerry:
    """The weights under which the human choices are most likely.

    The learned linear baseline: the strongest where there are labels, and unusable without them.
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
        margins = pairs.applied_margins
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
            (f"held at 0 because they do not favour the chosen response: {held}",) if held else ()
        )
        return Weights(pairs.rules, values, "bradley_terry", options_of(self), "", notes)
