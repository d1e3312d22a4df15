"""The scheme that the ratings themselves clearly favour, or uniform if there is none."""

from __future__ import annotations

import math
from dataclasses import dataclass

from encore.calibration import Calibration
from encore.calibration.premise import factor_correlation, no_factor
from encore.errors import InputError
from encore.weights.agreement import Agreement
from encore.weights.baselines import Uniform
from encore.weights.entropy import Linear, Softmax
from encore.weights.information import Information
from encore.weights.scheme import WeightingScheme, weights_by
from encore.weights.variance import InverseVariance
from encore.weights.weights import Weights

CHOICES: dict[str, WeightingScheme] = {
    "uniform": Uniform(),
    "linear": Linear(),
    "softmax": Softmax(),
    "inverse_variance": InverseVariance(),
    "information": Information(),
    "agreement": Agreement(),
}
"""The schemes to choose from, simplest first."""

MARGIN = 0.07
"""How much more closely than the simplest scheme another must follow what the rules share.

Measured: with less, schemes are chosen that lose to uniform by more than a standard error (merging
five levels into two and three); see the ablation of ``docs/explanation/evidence.md``.
"""


@dataclass(frozen=True, slots=True)
class Auto:
    r"""The simplest scheme that follows what the rules share nearly as closely as the best does.

    .. math:: \rho(w) = w^\top v \big/ \sqrt{w^\top \Sigma w}

    With v the loadings of the factor that the rules' margins share and Σ their covariance, ρ is
    how closely a reward follows that factor: an estimate of its quality without labels. The first
    of uniform, linear, softmax, inverse_variance, information and agreement whose ρ is within 0.07
    of the best is taken. Uniform is taken, with the reason in the notes, where the factor is not
    known: fewer than three rules that vary, fewer than 100 prompts, or rules that run against each
    other. It favours the majority, as ``agreement`` does. With labelled pairs, use
    :func:`encore.evaluation.choose`.

    Examples
    --------
    >>> from encore import calibrate, examples
    >>> weights = Auto()(calibrate(examples.ratings_path(), examples.rules()))
    >>> weights.notes[0].split(":")[0]
    'auto chose uniform'
    """

    def __call__(self, calibration: Calibration) -> Weights:
        """Choose and weigh; raises :class:`~encore.InputError` only where uniform does."""
        uniform = CHOICES["uniform"](calibration)
        missing = no_factor(calibration)
        if missing:
            why = f"auto chose uniform: without labels there is no evidence for another ({missing})"
            return weights_by(self, "auto", calibration, uniform.values, (why,))
        found = {"uniform": uniform}
        for name, scheme in CHOICES.items():
            try:
                found.setdefault(name, scheme(calibration))
            except InputError:
                continue  # these ratings lack what it needs
        follows = {name: factor_correlation(calibration, w.shares) for name, w in found.items()}
        best = max(value for value in follows.values() if not math.isnan(value))
        chosen = next(name for name, value in follows.items() if value >= best - MARGIN)
        told = ", ".join(f"{name} {value:.2f}" for name, value in follows.items())
        why = (
            f"auto chose {chosen}: the simplest of those within {MARGIN} of the best in following "
            f"what the rules share ({told}); no labels were used"
        )
        notes = (why, *found[chosen].notes)
        return weights_by(self, "auto", calibration, found[chosen].values, notes)
