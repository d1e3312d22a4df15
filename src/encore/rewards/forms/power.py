"""Weighted power means: the mean, the geometric mean, the minimum, and all between."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encore.errors import InputError
from encore.rewards.forms.form import Floats, WeightedUnits, divided, log_mean_exp, weighted_sum

# An exponent nearer to 0 gives the geometric mean to the last digits of a float.
_NEARLY_ZERO = 1e-12


@dataclass(frozen=True, slots=True)
class Power:
    r"""The weighted power mean of the unit ratings.

    .. math:: r = \Big( \sum_k s_k u_k^p \Big)^{1/p}

    An exponent of 1 is the mean; 0 stands for the limit, the weighted geometric mean; towards minus
    infinity the reward approaches the least of the unit ratings, towards plus infinity the
    greatest. With an exponent of 0 or less, one rating of 0 makes the reward 0, however small the
    rule's share and however little it applies; :class:`Geometric` does not go that far.

    Parameters
    ----------
    exponent : float, default 0.5
        Any finite number.

    Examples
    --------
    >>> import encore
    >>> weights = encore.Weights(encore.Rulebook.from_ids(["a", "b"], [0, 1, 2, 3, 4]), [1, 1])
    >>> for exponent in (1, 0, -1, -1000):  # of 1/4 and 1: mean, geometric, harmonic, nearly least
    ...     print(encore.compose([[1, 4]], weights, form=Power(exponent)).round(3).tolist())
    [0.625]
    [0.5]
    [0.4]
    [0.25]
    """

    exponent: float = 0.5

    def __post_init__(self) -> None:
        if not np.isfinite(self.exponent):
            raise InputError(
                f"exponent is {self.exponent}; expected a finite number. For the least of the "
                f"ratings, -1000 is near enough."
            )

    def __call__(self, cells: WeightedUnits) -> Floats:
        """The power mean by logarithms, so that no power overflows or loses its digits."""
        zero = self._is_zero(cells)
        with np.errstate(divide="ignore"):
            logs = [np.log(np.where(zero, 1.0, unit)) for unit in cells.units]
        if self._is_geometric:
            mean = weighted_sum(logs, cells.weights) / cells.total
        else:
            mean = log_mean_exp([self.exponent * log for log in logs], cells) / self.exponent
        return np.where(zero, 0.0, np.minimum(np.exp(mean), 1.0))

    def contributions(self, cells: WeightedUnits, rewards: Floats) -> list[Floats]:
        """The shortfall is divided on the scale of the powers; of the logarithms for 0."""
        if self.exponent > 0 and not self._is_geometric:
            with np.errstate(divide="ignore"):
                raised = [np.expm1(self.exponent * np.log(unit)) for unit in cells.units]
            short = [-w * one for w, one in zip(cells.weights, raised, strict=True)]
            return divided(cells, rewards, short)
        zero = self._is_zero(cells)
        logs = [-np.log(np.where(zero, 1.0, unit)) for unit in cells.units]
        if self._is_geometric:
            scaled = logs
        else:  # |u^p - 1| over the largest power of the row
            powers = [-self.exponent * log for log in logs]
            largest = np.maximum.reduce(powers)
            scaled = [np.exp(power - largest) * -np.expm1(-power) for power in powers]
        # A rating of 0 is infinitely short: such rules divide the shortfall among themselves.
        short = [
            w * np.where(zero, unit == 0, one)
            for w, unit, one in zip(cells.weights, cells.units, scaled, strict=True)
        ]
        return divided(cells, rewards, short)

    @property
    def _is_geometric(self) -> bool:
        return abs(self.exponent) < _NEARLY_ZERO

    def _is_zero(self, cells: WeightedUnits) -> NDArray[np.bool_]:
        """Whose reward is 0: for a positive exponent if all unit ratings are, else if any is."""
        nought = [(u == 0) | (w <= 0) for w, u in zip(cells.weights, cells.units, strict=True)]
        if self.exponent > 0 and not self._is_geometric:
            return np.asarray(np.logical_and.reduce(nought))
        held = [(u == 0) & (w > 0) for w, u in zip(cells.weights, cells.units, strict=True)]
        return np.asarray(np.logical_or.reduce(held))
