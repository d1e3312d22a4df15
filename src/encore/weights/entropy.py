"""Weights that fall as rating entropy rises: the paper's scheme and its summary page's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from encore.calibration import Calibration
from encore.calibration.entropy import ESTIMATORS, Estimator
from encore.errors import UnknownNameError
from encore.weights.scheme import NEVER_RATED, check_positive, known, not_underflowing, weights_by
from encore.weights.weights import Weights


@dataclass(frozen=True, slots=True)
class Linear:
    r"""One minus normalised rating entropy: ``(1 - H / ln n_levels) ** strength``. The default.

    .. math:: w_k = (1 - H_k / \ln L_k)^s

    Favours rules whose ratings are concentrated, whether they are crisp or silent: a constant
    rule gets the full weight 1. Entropy is normalised, so rules with different numbers of levels
    compare.

    Parameters
    ----------
    strength : float, default 1
        0 is uniform, 1 the summary page's form; higher is sharper.
    estimator : {"plugin", "miller_madow"}
        Estimate of the entropy; the paper's is the plug-in. Miller-Madow matters when calibration
        sets are small or rules differ in coverage.

    References
    ----------
    .. [1] Li et al. (2026), ENCORE: Entropy-guided Reward Composition for Multi-head Safety
       Reward Models, AAAI, arXiv 2503.20995; the authors' summary page gives this form.

    Examples
    --------
    >>> from encore import LevelScale, Rulebook, calibrate
    >>> rules = Rulebook.from_ids(["steady", "noisy"], LevelScale((0, 1)))
    >>> Linear()(calibrate([[1, 1], [1, 0]], rules)).values.tolist()
    [1.0, 0.0]
    """

    strength: float = 1.0
    estimator: Estimator = "plugin"

    def __post_init__(self) -> None:
        check_positive("strength", self.strength, or_zero=True)
        _check_estimator(self.estimator)

    def __call__(self, calibration: Calibration) -> Weights:
        """Weigh; raises :class:`~encore.InputError` if a rule was never rated."""
        entropy = known(calibration.normalised_entropy(self.estimator), calibration, NEVER_RATED)
        certain = 1 - entropy
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = self.strength * np.log(certain / certain.max())
        values, notes = not_underflowing(certain**self.strength, logs)
        return weights_by(self, "linear", calibration, values, notes)


@dataclass(frozen=True, slots=True)
class Softmax:
    r"""Exponential in the rating entropy: ``exp(-H / temperature)``, H in nats.

    .. math:: w_k = \exp(-H_k / \tau)

    Favours the same rules as ``linear``, more gently: at the paper's temperature of 2 the
    weights of five-level rules lie between 0.45 and 1. Entropy is not normalised, as in the
    paper, so a rule with more levels can scatter more and gets less weight. At a temperature so low
    that all weights would underflow they are divided by the largest, and the notes say so.

    Parameters
    ----------
    temperature : float, default 2
        In nats; higher is closer to uniform.
    estimator : {"plugin", "miller_madow"}
        Estimate of the entropy; the paper's is the plug-in.

    References
    ----------
    .. [1] Li et al. (2026), ENCORE, AAAI, arXiv 2503.20995.

    Examples
    --------
    >>> from encore import LevelScale, Rulebook, calibrate
    >>> rules = Rulebook.from_ids(["steady", "noisy"], LevelScale((0, 1)))
    >>> Softmax(temperature=1)(calibrate([[1, 1], [1, 0]], rules)).values.round(6).tolist()
    [1.0, 0.5]
    """

    temperature: float = 2.0
    estimator: Estimator = "plugin"

    def __post_init__(self) -> None:
        check_positive("temperature", self.temperature)
        _check_estimator(self.estimator)

    def __call__(self, calibration: Calibration) -> Weights:
        """Weigh; raises :class:`~encore.InputError` if a rule was never rated."""
        entropy = known(calibration.entropy(self.estimator), calibration, NEVER_RATED)
        with np.errstate(over="ignore"):  # minus infinity, of which exp is 0
            values = np.exp(-entropy / self.temperature)
            logs = -(entropy - entropy.min()) / self.temperature
        return weights_by(self, "softmax", calibration, *not_underflowing(values, logs))


def _check_estimator(estimator: str) -> None:
    if estimator not in ESTIMATORS:
        raise UnknownNameError("entropy estimator", estimator, ESTIMATORS)
