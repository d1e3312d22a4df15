"""From ratings and weights to one reward."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from encore.errors import InputError
from encore.ratings import RatingsTable, as_ratings
from encore.weights import Weights

MAX_MISSING = 0.2


def compose(
    ratings: Any, weights: Weights, *, max_missing: float = MAX_MISSING
) -> NDArray[np.float64]:
    r"""The weighted mean of each response's unit ratings.

    .. math:: r_i = \sum_k s_k x_{ik} \big/ \sum_k s_k

    x is the rating mapped to [0, 1] by the rule's scale and s the rule's share; both sums run
    over the rules that are rated. If rules that hold more than *max_missing* of the shares are
    unrated, the reward is unknown.

    Leaving a rule out is not neutral: without a harsh rule the same response gets a higher reward.
    If a rater's failures depend on the response, set *max_missing* to 0 in training.

    Parameters
    ----------
    ratings : array_like, frame, path, RatingsTable
        Ratings of shape (n_responses, n_rules), or with a column per rule. Pairs count as two
        responses per row, chosen first.
    weights : Weights
        Their rules name the columns and hold the scales.
    max_missing : float, default 0.2
        Largest share of the weight that may be unrated, in [0, 1).

    Returns
    -------
    ndarray of float64, shape (n_responses,)
        In [0, 1]; NaN where unknown, never 0.

    Raises
    ------
    MismatchError
        If the ratings are of different rules.
    InputError
        If the ratings or *max_missing* are unusable.

    Examples
    --------
    >>> from encore import LevelScale, Rulebook, Weights
    >>> rules = Rulebook.from_ids(["a", "b"], LevelScale((1, 2, 3, 4, 5)))
    >>> weights = Weights(rules, [3, 1])
    >>> nan = float("nan")
    >>> compose([[5, 1], [5, nan], [1, nan]], weights, max_missing=0.25).tolist()
    [0.75, 1.0, 0.0]
    >>> compose([[5, nan]], weights).tolist()
    [nan]
    """
    check_max_missing(max_missing)
    return _compose(as_ratings(ratings, weights.rules), weights.shares, max_missing)


def check_max_missing(max_missing: float) -> None:
    """Refuse a share outside [0, 1)."""
    if not 0 <= max_missing < 1:
        raise InputError(f"max_missing is {max_missing}; expected 0 or more and less than 1.")


def _compose(
    table: RatingsTable, shares: NDArray[np.float64], max_missing: float
) -> NDArray[np.float64]:
    rated = table.rated
    if rated.all():
        return _weighted_sum(table.unit, shares)
    present = _weighted_sum(rated, shares)
    rewards = _weighted_sum(np.nan_to_num(table.unit), shares)
    # Shares sum to 1 only to rounding: exactly max_missing must still pass.
    enough = (present > 0) & (1 - present <= max_missing + 1e-12)
    return np.where(enough, rewards / np.where(enough, present, 1.0), np.nan)


def _weighted_sum(columns: NDArray[Any], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Σ_k shares_k columns_k, in rule order.

    A matrix product would round a row's sum by the row's place in its batch; this way a response
    has one reward, to the last bit, however it is batched.
    """
    total = np.zeros(len(columns))
    for share, column in zip(shares.tolist(), columns.T, strict=True):
        total += share * column
    return total
