"""Pairs that two rewards rank differently, and what each rule adds to either."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encore.evaluation import TIE_TOLERANCE
from encore.evaluation.cross_validate import MEAN
from encore.ratings import PreferencePairs
from encore.rewards import MAX_MISSING, Form, compose
from encore.weights import Weights

MOST_EACH_WAY = 8


@dataclass(frozen=True)
class Contrast:
    """One pair that the weighted reward ranks differently from the mean.

    Parameters
    ----------
    pair : str
        Its id.
    position : int
        Its position among the pairs.
    subset : str
        Its subset.
    weighted, uniform : float
        Reward of the chosen response minus that of the rejected one; above 0 is right.
    by_rule : tuple of Contribution
        What each rule adds to the two margins, the largest difference first.
    """

    pair: str
    position: int
    subset: str
    weighted: float
    uniform: float
    by_rule: tuple[Contribution, ...]

    @property
    def weighted_is_right(self) -> bool:
        """Whether the weighted reward ranks the pair as people do, and the mean does not."""
        return self.weighted > 0


@dataclass(frozen=True)
class Contribution:
    """What one rule adds to a pair's margin.

    Parameters
    ----------
    rule : str
        Its id.
    chosen, rejected : float
        Its ratings, on its own scale; NaN where unrated.
    weighted, uniform : float
        Its part in the two margins.
    """

    rule: str
    chosen: float
    rejected: float
    weighted: float
    uniform: float


def contrasts(
    pairs: PreferencePairs,
    ids: Sequence[str],
    weights: Weights,
    uniform: Weights,
    form: Form = MEAN,
) -> tuple[Contrast, ...]:
    """The pairs, among these ids, on which the two disagree most, at most eight each way.

    Those that the weighted reward gets wrong and the mean right come first.
    """
    weighted, mean = (_margins(pairs, w, form) for w in (weights, uniform))
    found = []
    for marks in _lost_and_won(weighted, mean):
        at = np.flatnonzero(marks)
        apart = np.abs(weighted - mean)[at]
        found += at[np.argsort(-apart, kind="stable")][:MOST_EACH_WAY].tolist()
    return tuple(_contrast(pairs, i, ids[i], (weights, uniform), form) for i in found)


def count_contrasts(
    pairs: PreferencePairs, weights: Weights, uniform: Weights, form: Form = MEAN
) -> tuple[int, int, int]:
    """Pairs that only the mean gets right, that only the weighted reward does, and all compared."""
    weighted, mean = (_margins(pairs, w, form) for w in (weights, uniform))
    lost, won = _lost_and_won(weighted, mean)
    return int(lost.sum()), int(won.sum()), int((~np.isnan(weighted + mean)).sum())


def _lost_and_won(
    weighted: NDArray[np.float64], mean: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which pairs only the mean gets right, and which only the weighted reward."""
    with np.errstate(invalid="ignore"):
        lost = (weighted < -TIE_TOLERANCE) & (mean > TIE_TOLERANCE)
        won = (weighted > TIE_TOLERANCE) & (mean < -TIE_TOLERANCE)
    return lost, won


def _margins(pairs: PreferencePairs, weights: Weights, form: Form) -> NDArray[np.float64]:
    rewards = compose(pairs.ratings, weights, form=form, max_missing=MAX_MISSING)
    return rewards[pairs.chosen] - rewards[pairs.rejected]


def _contrast(
    pairs: PreferencePairs, i: int, pair_id: str, weights: tuple[Weights, Weights], form: Form
) -> Contrast:
    both = pairs.ratings.take(np.array([pairs.chosen[i], pairs.rejected[i]]))
    values = both.values
    parts, margins = [], []
    for of in weights:
        found = compose(both, of, form=form, max_missing=MAX_MISSING, contributions=True)
        parts.append(found.contributions[0] - found.contributions[1])
        margins.append(float(found.rewards[0] - found.rewards[1]))
    order = np.argsort(-np.abs(parts[0] - parts[1]), kind="stable")
    by_rule = tuple(
        Contribution(
            pairs.rules.ids[k],
            float(values[0, k]),
            float(values[1, k]),
            float(parts[0][k]),
            float(parts[1][k]),
        )
        for k in order.tolist()
    )
    subset = str(pairs.subsets.names[pairs.subsets.codes[i]])
    return Contrast(pair_id, i, subset, margins[0], margins[1], by_rule)
