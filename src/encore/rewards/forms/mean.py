"""The weighted mean: the paper's form."""

from __future__ import annotations

from dataclasses import dataclass

from encore.rewards.forms.form import Floats, WeightedUnits, weighted_sum


@dataclass(frozen=True, slots=True)
class Mean:
    r"""The weighted mean of the unit ratings. The default, and the paper's form.

    .. math:: r = \sum_k s_k u_k

    A rule contributes its share times its unit rating. A grave violation of one rule can be bought
    off by good ratings under the others. It is the only form that folds into one head.

    Examples
    --------
    >>> import encore
    >>> rules = encore.Rulebook.from_ids(["a", "b"], [0, 1])
    >>> encore.compose([[0, 1], [1, 1]], encore.Weights(rules, [1, 3]), form=Mean()).tolist()
    [0.75, 1.0]
    """

    def __call__(self, cells: WeightedUnits) -> Floats:
        """Σ weight × unit rating / Σ weight."""
        return weighted_sum(cells.units, cells.weights) / cells.total

    def contributions(self, cells: WeightedUnits, rewards: Floats) -> list[Floats]:
        """Weight × unit rating / Σ weight."""
        return [w * unit / cells.total for w, unit in zip(cells.weights, cells.units, strict=True)]
