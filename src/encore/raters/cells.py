"""What a rater's answers come to, cell by cell: a response under a rule."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from encore.raters.judge.answers import mean_and_entropy
from encore.raters.judge.codes import Codes
from encore.raters.protocol import Answer
from encore.ratings.spread import pooled_entropy
from encore.rules import Rule, Rulebook

NOT_YET = "not rated yet"


class Cell(NamedTuple):
    """What several answers about one response under one rule come to.

    *reason* says why there is no rating; it is empty where there is one, and where the rule does
    not apply (*applies* is 0). *probabilities* is the judge's own distribution over the levels:
    None for a level that is stated once, of which nothing more is known.
    """

    value: float = math.nan
    spread: float = math.nan
    reason: str = ""
    probabilities: Sequence[float] | None = None
    applies: float = 1.0


def rating_of(answers: Sequence[Answer], rule: Rule) -> Cell:
    """The cell of several answers, each counting as far as it says that the rule applies."""
    read = [answer for answer in answers if answer.reason is None]
    if not read:
        return Cell(reason=str(answers[0].reason))
    applies = math.fsum(answer.applies for answer in read) / len(read)
    rated = [answer for answer in read if answer.applies > 0]
    if not rated:
        return Cell(applies=0.0)
    distributions = [a.probabilities for a in rated if a.probabilities is not None]
    if len(rated) > 1 and len(distributions) == len(rated):
        return _pooled(rated, distributions, rule)._replace(applies=applies)
    one = rated[0]
    return Cell(
        math.nan if one.value is None else one.value,
        math.nan if one.spread is None else one.spread,
        probabilities=None if one.spread is None else one.probabilities,
        applies=applies,
    )


def _pooled(rated: Sequence[Answer], distributions: Sequence[Sequence[float]], rule: Rule) -> Cell:
    a, p = np.array([answer.applies for answer in rated]), np.array(distributions)
    # Weights in proportion to a, and the number of answers that equal weights would stand for.
    weights = a * (a.sum() / (a**2).sum())
    n_answers = a.sum() ** 2 / (a**2).sum()
    total = (weights[:, None] * p).sum(axis=0)
    mean: list[float] = (total / n_answers).tolist()
    value, _ = mean_and_entropy(mean, Codes.of(rule).values)
    spread = pooled_entropy(total, (weights[:, None] * p**2).sum(axis=0), n_answers)
    return Cell(value, float(spread), probabilities=mean)


@dataclass(eq=False)
class RatedCells:
    """The cells of some responses under some rules.

    Parameters
    ----------
    values, spread : ndarray of float, shape (n, n_rules)
        Ratings and their spreads; NaN where there is none.
    probabilities : ndarray of float, shape (n, n_rules, max n_levels)
        Level probabilities; NaN where there are none.
    applies : ndarray of float, shape (n, n_rules)
        How far each rule applies.
    reasons : ndarray of str, shape (n, n_rules)
        Why there is no rating; empty where there is one, or where the rule does not apply.
    cut : ndarray of bool, shape (n,)
        Whether part of the text was left out.
    """

    values: NDArray[np.float64]
    spread: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    applies: NDArray[np.float64]
    reasons: NDArray[Any]
    cut: NDArray[np.bool_]

    @classmethod
    def empty(cls, n: int, rules: Rulebook) -> RatedCells:
        """Nothing is rated yet."""
        values = np.full((n, len(rules)), np.nan)
        return cls(
            values,
            values.copy(),
            np.full((*values.shape, int(rules.n_levels.max())), np.nan),
            np.ones_like(values),
            np.full(values.shape, NOT_YET, dtype=object),
            np.zeros(n, dtype=bool),
        )

    def put(self, place: int, position: int, cell: Cell) -> None:
        """Fill one cell."""
        self.values[place, position] = cell.value
        self.spread[place, position] = cell.spread
        self.applies[place, position] = cell.applies
        self.reasons[place, position] = cell.reason
        if cell.probabilities is not None:
            self.probabilities[place, position, : len(cell.probabilities)] = cell.probabilities

    def take(self, places: NDArray[np.int64]) -> RatedCells:
        """The cells of these places."""
        return RatedCells(
            self.values[places],
            self.spread[places],
            self.probabilities[places],
            self.applies[places],
            self.reasons[places],
            self.cut[places],
        )

    def as_far_as(self, applies: NDArray[np.float64]) -> RatedCells:
        """The same cells where rules apply so far; empty where they do not."""
        nowhere = applies == 0
        return replace(
            self,
            values=np.where(nowhere, np.nan, self.values),
            spread=np.where(nowhere, np.nan, self.spread),
            probabilities=np.where(nowhere[:, :, None], np.nan, self.probabilities),
            applies=applies,
            reasons=np.where(nowhere, "", self.reasons),
        )
