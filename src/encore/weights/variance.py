"""Inverse-variance weights: the paper's theory, without its proxy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from encore.calibration import Calibration
from encore.calibration.calibration import ZERO_VARIANCE
from encore.weights.scheme import NO_MARGINS, known, weights_by
from encore.weights.weights import Weights


@dataclass(frozen=True, slots=True)
class InverseVariance:
    r"""One over the variance of the rule's margin between two responses to one prompt.

    .. math:: w_k = 1 / \operatorname{Var}(x_{ik} - x_{jk})

    With x in [0, 1] and each prompt counted once. Under Bradley-Terry with independent Gaussian
    margins of equal mean this is the best weighting; entropy is the paper's proxy for it. It
    favours rules that rarely speak even more than ``linear`` does: a rule that resolves one pair
    in a hundred has a tiny variance. A rule that never resolves a pair gets 0, since its weight
    could change no ranking.

    References
    ----------
    .. [1] Li et al. (2026), ENCORE, AAAI, arXiv 2503.20995, theory section.

    Examples
    --------
    >>> from encore import LevelScale, Rulebook, calibrate
    >>> rules = Rulebook.from_ids(["narrow", "wide"], LevelScale((1, 2, 3, 4, 5)))
    >>> ratings = [[4, 1], [5, 5]]
    >>> InverseVariance()(calibrate(ratings, rules, prompts=["a", "a"])).values.tolist()
    [16.0, 1.0]
    """

    def __call__(self, calibration: Calibration) -> Weights:
        """Weigh; raises :class:`~encore.InputError` where there are no margins."""
        variance = known(calibration.margin_variance, calibration, NO_MARGINS)
        never = variance < ZERO_VARIANCE
        values = np.where(never, 0.0, 1 / np.where(never, 1.0, variance))
        notes = tuple(
            f"rule {rule_id!r} never resolves a pair and gets 0"
            for rule_id, is_never in zip(calibration.rules.ids, never, strict=True)
            if is_never
        )
        return weights_by(self, "inverse_variance", calibration, values, notes)
