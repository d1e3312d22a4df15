"""The weighted geometric mean, kept off 0."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from encore.rewards.forms.form import Floats, WeightedUnits, divided, weighted_sum
from encore.weights.scheme import check_positive


@dataclass(frozen=True, slots=True)
class Geometric:
    r"""The weighted geometric mean of the unit ratings, each moved off 0 by *epsilon*.

    .. math:: r = \exp \sum_k s_k \log \frac{u_k + \varepsilon}{1 + \varepsilon}

    One grave violation is not bought off by many good ratings: of ten rules alike, one rated worst
    and nine rated best give 0.74 with the default, where the mean gives 0.9. Rewards lie between
    epsilon / (1 + epsilon) and 1: the worst is not 0.

    Parameters
    ----------
    epsilon : float, default 0.05
        Above 0. The larger, the more the order of responses is the mean's; the smaller, the more a
        rating near 0 weighs.

    Examples
    --------
    >>> import encore
    >>> rules = encore.Rulebook.from_ids(["a", "b"], [0, 1])
    >>> form = Geometric(epsilon=0.125)  # (0 + 1/8) / (1 + 1/8) is 1/9, whose square root is 1/3
    >>> encore.compose([[0, 1]], encore.Weights(rules, [1, 1]), form=form).round(12).tolist()
    [0.333333333333]
    """

    epsilon: float = 0.05

    def __post_init__(self) -> None:
        check_positive("epsilon", self.epsilon)

    def __call__(self, cells: WeightedUnits) -> Floats:
        """Exp of the weighted mean of the logarithms."""
        logs = [self._log(unit) for unit in cells.units]
        return np.minimum(np.exp(weighted_sum(logs, cells.weights) / cells.total), 1.0)

    def contributions(self, cells: WeightedUnits, rewards: Floats) -> list[Floats]:
        """The shortfall is divided on the scale of the logarithms."""
        short = [-w * self._log(u) for w, u in zip(cells.weights, cells.units, strict=True)]
        return divided(cells, rewards, short)

    def _log(self, unit: Floats) -> Floats:
        """Log((u + epsilon) / (1 + epsilon)), to the last digits near 1 too."""
        moved, less = (unit + self.epsilon) / (1 + self.epsilon), (unit - 1) / (1 + self.epsilon)
        return np.where(less < -0.5, np.log(moved), np.log1p(np.maximum(less, -0.5)))
