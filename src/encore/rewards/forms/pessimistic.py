"""A mean that weighs low and uncertain ratings more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from encore.rewards.forms.form import Floats, WeightedUnits, divided, log_mean_exp
from encore.weights.scheme import check_positive


@dataclass(frozen=True, slots=True)
class Pessimistic:
    r"""The certainty equivalent of the unit ratings under exponential utility.

    .. math:: r = -\frac{1}{\beta} \log \sum_k s_k \, \mathrm{E}[e^{-\beta u_k}]

    The expectation runs over the rater's own level probabilities where they are known; otherwise
    the unit rating is taken as certain. Low ratings weigh more than high ones, and an uncertain
    rating less than its mean.

    Parameters
    ----------
    beta : float, default 4
        Above 0. Towards 0 the reward approaches the mean, towards infinity the least of the ratings
        (the worst level that has any probability).

    References
    ----------
    .. [1] Pratt (1964), Risk aversion in the small and in the large, Econometrica 32.

    Examples
    --------
    Half sure of the best and half of the worst, against certain of the middle:

    >>> import encore
    >>> table = encore.RatingsTable(["a"], [[3], [3]], scale=[1, 3, 5],
    ...                             probabilities=[[[0.5, 0, 0.5]], [[0, 1, 0]]])
    >>> weights = encore.Weights(table.rules, [1])
    >>> encore.compose(table, weights, form=Pessimistic()).round(3).tolist()
    [0.169, 0.5]
    """

    beta: float = 4.0

    def __post_init__(self) -> None:
        check_positive("beta", self.beta)

    def __call__(self, cells: WeightedUnits) -> Floats:
        """Minus the log of the weighted mean of exp(-beta u), over beta."""
        mean = log_mean_exp(self._logs(cells), cells) / -self.beta
        return np.clip(mean, 0.0, 1.0)

    def contributions(self, cells: WeightedUnits, rewards: Floats) -> list[Floats]:
        """The shortfall is divided on the scale of exp(-beta u)."""
        logs = self._logs(cells)
        largest = np.maximum.reduce(logs)
        short = [
            w * np.exp(log - largest) * -np.expm1(np.minimum(-self.beta - log, 0.0))
            for w, log in zip(cells.weights, logs, strict=True)
        ]
        return divided(cells, rewards, short)

    def _logs(self, cells: WeightedUnits) -> list[Floats]:
        """Log E[exp(-beta u)] of each cell."""
        logs = [-self.beta * unit for unit in cells.units]
        if cells.probabilities is None:
            return logs
        return [
            self._expected(log, levels, probabilities)
            for log, levels, probabilities in zip(
                logs, cells.levels, cells.probabilities, strict=True
            )
        ]

    def _expected(self, logs: Floats, levels: Floats, probabilities: Floats) -> Floats:
        known = ~np.isnan(probabilities).any(axis=1)
        if not known.any():
            return logs
        columns = list(np.ascontiguousarray(probabilities[known].T))
        exponents = [np.full(int(known.sum()), -self.beta * level) for level in levels]
        spread = WeightedUnits(units=columns, weights=columns, total=sum(columns), levels=())
        expected = logs.copy()
        expected[known] = log_mean_exp(exponents, spread)
        return expected
