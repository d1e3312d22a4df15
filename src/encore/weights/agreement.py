"""Agreement weights: rules that agree with each other across prompts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from encore.calibration import Calibration
from encore.calibration.factor import is_determined
from encore.errors import InputError
from encore.weights.scheme import NO_MARGINS, known, weights_by
from encore.weights.weights import Weights


@dataclass(frozen=True, slots=True)
class Agreement:
    r"""Loadings of the one factor that the rules' margins share.

    .. math:: w_k = \max(v_k, 0), \qquad \operatorname{Cov}(d_k, d_l) \approx v_k v_l, \; k \ne l

    If rules err independently, what their margins share is which response is better, and a
    loading is the rule's accuracy in disguise. A silent or constant rule shares nothing and gets
    nothing; one that runs against the rest is clipped to 0 and named. It favours the majority:
    rules that repeat one another share much, right or wrong, so look for redundant rules first.
    Needs three rules that vary: of two, only the product of their loadings is known.

    References
    ----------
    .. [1] Parisi, Strino, Nadler and Kluger (2014), Ranking and combining multiple predictors
       without labeled data, PNAS 111(4).

    Examples
    --------
    >>> from encore import LevelScale, Rulebook, calibrate
    >>> rules = Rulebook.from_ids(["a", "b", "c", "constant"], LevelScale((0, 1)))
    >>> agree, differ = [[1, 1, 1, 1], [0, 0, 0, 1]], [[1, 1, 0, 1], [0, 0, 1, 1]]
    >>> prompts = [1, 1, 2, 2, 3, 3]
    >>> weights = Agreement()(calibrate(agree + differ + agree, rules, prompts=prompts))
    >>> weights.shares.round(2).tolist()
    [0.43, 0.43, 0.14, 0.0]
    """

    def __call__(self, calibration: Calibration) -> Weights:
        """Weigh; raises :class:`~encore.InputError` without margins of three rules that vary."""
        variance = known(calibration.margin_variance, calibration, NO_MARGINS)
        if (variance > 0).sum() < 3:
            raise InputError(
                f"agreement needs three rules whose margins vary; {int((variance > 0).sum())} of "
                f"{len(variance)} do. Use another scheme."
            )
        covariance = calibration.margin_covariance
        loadings = calibration.common_factor.copy()
        if (loadings > 0).sum() < 2 or not is_determined(covariance, loadings):
            raise InputError(
                "the rules' margins do not say what the rules agree on: no two agree, or they "
                "split evenly. Calibrate on more prompts, or use another scheme."
            )
        # The fit is exact to about 1e-14: a rule with less than this shares nothing.
        loadings[np.abs(loadings) < 1e-12] = 0.0
        notes = tuple(
            f"rule {rule_id!r} runs against the others (loading {loading:.3f}) and gets 0"
            for rule_id, loading in zip(calibration.rules.ids, loadings.tolist(), strict=True)
            if loading < 0
        )
        return weights_by(self, "agreement", calibration, np.maximum(loadings, 0.0), notes)
