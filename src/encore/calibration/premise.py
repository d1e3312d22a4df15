"""Whether low entropy means crisp or silent on these ratings, judged without labels."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from encore.arrays import Record
from encore.calibration.calibration import ZERO_VARIANCE, Calibration
from encore.calibration.factor import is_determined

Meaning = Literal["crisp", "silent", "neither", "unknown"]

MIN_PROMPTS = 100  # a factor fitted to fewer strays by more than schemes differ by
ONE_SIDED = 0.5  # share by which loadings one way must outweigh the others for a side to be known
TELLING = 0.01  # difference of two correlations that is worth mentioning


@dataclass(frozen=True, eq=False, repr=False)
class Premise(Record):
    """What low rating entropy means on these ratings, and the evidence.

    Parameters
    ----------
    meaning : {"crisp", "silent", "neither", "unknown"}
        ``crisp``: rules of low entropy agree more with what all rules share, so weighing by
        entropy helps. ``silent``: they hardly ever resolve a pair, and it does not.
    linear, uniform : float
        Correlation of the reward's margin with what the rules share, weighed by 1 - H and
        uniformly; rules that run against the others are left out. NaN where nothing is known.
    resolved_low, resolved_high : float
        Mean share of within-prompt pairs resolved by the lower-entropy half of the rules, and by
        the higher-entropy half.
    sentence : str
        The same in a sentence.
    """

    meaning: Meaning
    linear: float
    uniform: float
    resolved_low: float
    resolved_high: float
    sentence: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def premise(calibration: Calibration) -> Premise:
    """Examine ENCORE's premise on the user's ratings, with no labels.

    What the rules share (the common factor of their margins) stands in for the truth. Where the
    reward weighed by entropy follows it more closely than the plain mean does, low entropy means
    crisp; where less closely, and rules of low entropy resolve fewer pairs, it means silent.

    Parameters
    ----------
    calibration : Calibration
        One of any rater.

    Returns
    -------
    Premise
        ``unknown`` where fewer than three rules vary, prompts are few, or the rules do not say
        what they share.

    Examples
    --------
    >>> from encore import calibrate, examples
    >>> found = premise(calibrate(examples.ratings_path(), examples.rules()))
    >>> found.meaning
    'silent'
    """
    missing = no_factor(calibration)
    low, high = _resolved_by_half(calibration)
    if missing:
        nan = math.nan
        sentence = f"Without labels these ratings do not say what low entropy means: {missing}."
        return Premise("unknown", nan, nan, low, high, sentence)
    kept = calibration.common_factor > 0
    linear, uniform = (
        factor_correlation(calibration, np.where(kept, values, 0.0))
        for values in (1 - calibration.normalised_entropy(), np.ones(len(kept)))
    )
    follows = (
        f"weighed by entropy, the reward follows what the rules share with a correlation of "
        f"{linear:.2f}, their plain mean with {uniform:.2f}"
    )
    resolves = (
        f"the lower-entropy half of the rules resolves {low:.0%} of pairs, the other half "
        f"{high:.0%}"
    )
    if linear > uniform + TELLING:
        return Premise("crisp", linear, uniform, low, high, f"Low entropy means crisp: {follows}.")
    if linear < uniform - TELLING and low < high:
        sentence = f"Low entropy means silent: {resolves}; {follows}."
        return Premise("silent", linear, uniform, low, high, sentence)
    sentence = f"Low entropy means neither crisp nor silent: {follows}."
    return Premise("neither", linear, uniform, low, high, sentence)


def no_factor(calibration: Calibration) -> str:
    """Why the rules' margins do not say what the rules share; empty if they do."""
    if not calibration.statistics.has_covariance:
        return "there are too many rules to keep the covariances of their margins"
    if not calibration.statistics.applies_count.all():
        return "a rule never applies"
    if np.isnan(calibration.normalised_entropy()).any():
        return "a rule was never rated"
    variance = np.nan_to_num(calibration.margin_variance)
    if (variance > ZERO_VARIANCE).sum() < 3:
        return "fewer than three rules resolve any pair of responses to one prompt"
    n_prompts = int(calibration.n_compared.max())
    if n_prompts < MIN_PROMPTS:
        return f"{n_prompts} prompts with two responses are too few (expected {MIN_PROMPTS})"
    loadings = calibration.common_factor
    if not is_determined(calibration.margin_covariance, loadings):
        return "the rules share nothing, or split evenly"
    if abs(loadings.sum()) < ONE_SIDED * np.abs(loadings).sum():
        return "the rules run against each other, so which side is right is not known"
    return ""


def factor_correlation(calibration: Calibration, weights: NDArray[np.float64]) -> float:
    r"""How closely a reward follows what the rules share, without labels.

    .. math:: w^\top v \big/ \sqrt{w^\top \Sigma w}

    with v the loadings of the common factor and Σ the covariance of the margins: the correlation
    of the reward's margin with the factor.

    Parameters
    ----------
    calibration : Calibration
        With margins of two responses to a prompt.
    weights : ndarray of float, shape (n_rules,)
        Raw weights or shares.

    Returns
    -------
    float
        At most 1 up to the fit of the factor; NaN if the reward never varies.

    References
    ----------
    .. [1] Parisi, Strino, Nadler and Kluger (2014), Ranking and combining multiple predictors
       without labeled data, PNAS 111(4).
    """
    variance = float(weights @ np.nan_to_num(calibration.margin_covariance) @ weights)
    along = float(weights @ calibration.common_factor)
    varies = variance > ZERO_VARIANCE * float(weights.sum()) ** 2
    return along / math.sqrt(variance) if varies else math.nan


def _resolved_by_half(calibration: Calibration) -> tuple[float, float]:
    """Mean resolved share of the lower-entropy half of the rules and of the other; no constants."""
    entropy, resolved = calibration.normalised_entropy(), calibration.resolved_share
    varying = (entropy > 0) & ~np.isnan(resolved)
    order = np.argsort(entropy[varying], kind="stable")
    if len(order) < 2:
        return math.nan, math.nan
    ordered = resolved[varying][order]
    half = len(ordered) // 2
    return float(ordered[:half].mean()), float(ordered[len(ordered) - half :].mean())
