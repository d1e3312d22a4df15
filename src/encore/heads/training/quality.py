"""How good heads are on responses that they were not trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encore.rules import Rulebook


@dataclass(frozen=True)
class RuleQuality:
    """How well a head does on prompts that it was not trained on.

    Parameters
    ----------
    rule : str
        Its id.
    n_targets : int
        Targets it was measured on; pairs, for preferences.
    alpha : float, optional
        Penalty of the ridge regression.
    r2 : float
        Share of the targets' variance that is explained; NaN for preferences.
    auc : float
        Probability that, of two responses with different targets, the one with the better target
        (for preferences, the chosen one) gets the better value; 0.5 is guessing.
    """

    rule: str
    n_targets: int
    alpha: float | None
    r2: float
    auc: float


def qualities(
    rules: Rulebook,
    targets: NDArray[np.float64],
    values: NDArray[np.float64],
    alphas: NDArray[np.float64] | None = None,
) -> tuple[RuleQuality, ...]:
    """How well values agree with targets, rule by rule, where both exist."""
    levels = rules.level_of(targets)
    found = []
    for place, rule in enumerate(rules):
        here = ~np.isnan(targets[:, place]) & ~np.isnan(values[:, place])
        target, value = targets[here, place], values[here, place]
        sign = 1.0 if rule.scale.best > rule.scale.worst else -1.0
        alpha = None if alphas is None else float(alphas[place])
        scatter = float(((target - target.mean()) ** 2).sum()) if len(target) else 0.0
        r2 = 1 - float(((target - value) ** 2).sum()) / scatter if scatter else float("nan")
        ranked = auc(levels[here, place], sign * value)
        found.append(RuleQuality(rule.id, int(here.sum()), alpha, r2, ranked))
    return tuple(found)


def auc(levels: NDArray[np.int16], values: NDArray[np.float64]) -> float:
    """Share of pairs of different levels whose values are in the levels' order; a tie is a half.

    With two levels, the area under the ROC curve. NaN if all levels are the same.

    Examples
    --------
    >>> auc(np.array([0, 0, 1, 2]), np.array([0.1, 0.6, 0.5, 0.9]))
    0.8
    """
    won = pairs = 0.0
    classes = [np.sort(values[levels == level]) for level in np.unique(levels)]
    for place, worse in enumerate(classes):
        for better in classes[place + 1 :]:
            below = np.searchsorted(worse, better, "left")
            upto = np.searchsorted(worse, better, "right")
            won += float((below + upto).sum()) / 2
            pairs += len(worse) * len(better)
    return won / pairs if pairs else float("nan")
