"""Information weights: how much of a rule's entropy is about the response."""

from __future__ import annotations

from dataclasses import dataclass

from encore.calibration import Calibration
from encore.weights.scheme import NEVER_RATED, NO_SPREAD, known, weights_by
from encore.weights.weights import Weights


@dataclass(frozen=True, slots=True)
class Information:
    r"""The share of the rating entropy that tells responses apart.

    .. math:: w_k = 1 - \bar S_k / H_k

    S is the mean within-rating spread in nats: the entropy of the rater's own distribution for
    one rating, from token probabilities or from the same response rated again. High entropy can
    come from responses that differ or from a rater that wavers; this tells them apart. A constant
    rule gets 0, a confused one little. It favours consistent rules: a rater that is
    consistently wrong is not detected, nor is a silent rule whose few ratings are sure.

    From two ratings per response the spread still reads low, so the share reads high.

    Examples
    --------
    >>> from encore import LevelScale, RatingsTable, Rulebook, calibrate
    >>> import numpy as np
    >>> rules = Rulebook.from_ids(["sure", "wavering"], LevelScale((0, 1)))
    >>> spread = np.array([[0.0, np.log(2) / 2]] * 2)
    >>> table = RatingsTable(rules, [[1, 1], [0, 0]], spread=spread)
    >>> Information()(calibrate(table, rules)).values.round(6).tolist()
    [1.0, 0.5]
    """

    def __call__(self, calibration: Calibration) -> Weights:
        """Weigh; raises :class:`~encore.InputError` where there is no spread."""
        known(calibration.entropy(), calibration, NEVER_RATED)
        values = known(calibration.information, calibration, NO_SPREAD)
        return weights_by(self, "information", calibration, values)
