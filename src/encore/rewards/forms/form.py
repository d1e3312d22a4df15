"""What a form is, what it is given, and the sums that forms share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class WeightedUnits:
    """The weighted unit ratings of some responses, for each rule that has a share.

    Parameters
    ----------
    units : sequence of ndarray of float64, shape (n_responses,)
        One per rule, in [0, 1]; 1 where there is no rating.
    weights : sequence of ndarray of float64 or float
        One per rule: its share times how far it applies; 0 where there is no rating.
    total : ndarray of float64, shape (n_responses,), or float
        The sum of the weights, above 0; exactly 1 where nothing is left out.
    levels : sequence of ndarray of float64, shape (n_levels,)
        The unit values of each rule's levels; empty for a continuous scale.
    probabilities : sequence of ndarray of float64, shape (n_responses, n_levels), or None
        Per rule, the rater's own distribution over the levels; NaN where unknown.
    """

    units: Sequence[Floats]
    weights: Sequence[Floats | float]
    total: Floats | float
    levels: Sequence[Floats]
    probabilities: Sequence[Floats] | None = None


class Form(Protocol):
    """From weighted unit ratings to one reward: a mean, on a scale of the form's own.

    In [0, 1], never falling as a rating rises, and the same in any order of the rules.
    """

    def __call__(self, cells: WeightedUnits) -> Floats:
        """The reward of each response, shape (n_responses,)."""
        ...

    def contributions(self, cells: WeightedUnits, rewards: Floats) -> list[Floats]:
        """What each rule adds to these rewards, which are those of the cells; they sum to them."""
        ...


def weighted_sum(columns: Sequence[Floats], weights: Sequence[Floats | float]) -> Floats:
    """Σ_k weights_k columns_k, in rule order.

    A matrix product would round a row's sum by the row's place in its batch; this way a response
    has one reward, to the last bit, however it is batched.
    """
    total = np.zeros(len(columns[0]))
    for weight, column in zip(weights, columns, strict=True):
        total += weight * column
    return total


def log_mean_exp(columns: Sequence[Floats], cells: WeightedUnits) -> Floats:
    """The logarithm of the weighted mean of exp(columns), which may be minus infinity in places.

    Exact to rounding both where the exponents are far apart, and where they are so small that the
    mean of the exponentials is near 1.
    """
    # Where there is no weight, a column must not be the largest: it is not in the mean.
    held = [np.where(w > 0, z, -np.inf) for w, z in zip(cells.weights, columns, strict=True)]
    largest = np.maximum.reduce(held)
    apart = [column - largest for column in held]
    less = weighted_sum([np.expm1(column) for column in apart], cells.weights) / cells.total
    mean = weighted_sum([np.exp(column) for column in apart], cells.weights) / cells.total
    near = less > -0.5
    logs: Floats = np.where(near, np.log1p(np.where(near, less, 0.0)), np.log(mean)) + largest
    return logs


def divided(cells: WeightedUnits, rewards: Floats, shortfalls: Sequence[Floats]) -> list[Floats]:
    """Contributions that sum to the rewards: each rule's weight, less its part of the shortfall.

    ``1 - reward`` is divided among the rules in proportion to their *shortfalls*: weight times how
    far a rating falls short of the best, on the scale on which the form takes its mean.
    """
    short = weighted_sum(shortfalls, [1.0] * len(shortfalls))
    part = (1 - rewards) / np.where(short > 0, short, 1.0)
    return [
        weight / cells.total - part * own
        for weight, own in zip(cells.weights, shortfalls, strict=True)
    ]
