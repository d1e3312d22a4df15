"""Weighting schemes: from a calibration, or from labelled pairs, to one weight per rule."""

from dataclasses import fields
from typing import Any

from encore.errors import InputError, UnknownNameError
from encore.weights.agreement import Agreement
from encore.weights.auto import Auto
from encore.weights.baselines import Random, Single, Uniform
from encore.weights.entropy import Linear, Softmax
from encore.weights.information import Information
from encore.weights.learned import BradleyTerry, fit_bradley_terry
from encore.weights.scheme import LearnedScheme, WeightingScheme
from encore.weights.variance import InverseVariance
from encore.weights.weights import Weights, load_hand_weights

SCHEMES: dict[str, type[WeightingScheme]] = {
    "linear": Linear,
    "softmax": Softmax,
    "inverse_variance": InverseVariance,
    "information": Information,
    "agreement": Agreement,
    "auto": Auto,
    "uniform": Uniform,
    "random": Random,
    "single": Single,
}
"""Label-free schemes by name, as in ``--scheme``, ``compare`` and the contract tests."""

LEARNED: dict[str, type[LearnedScheme]] = {"bradley_terry": BradleyTerry}
"""Schemes that need labelled pairs, by name."""


def make_scheme(name: str, options: dict[str, Any]) -> WeightingScheme | LearnedScheme:
    """A scheme by its name, with options by theirs.

    Raises
    ------
    UnknownNameError
        If there is no such scheme.
    InputError
        If the scheme has no such option, or its value is unusable.

    Examples
    --------
    >>> make_scheme("softmax", {"temperature": 1.0})
    Softmax(temperature=1.0, estimator='plugin')
    """
    tables: dict[str, Any] = {**SCHEMES, **LEARNED}
    if name not in tables:
        raise UnknownNameError("weighting scheme", name, tables)
    known = [field.name for field in fields(tables[name])]
    unknown = [option for option in options if option not in known]
    if unknown:
        raise InputError(
            f"scheme {name!r} has no option {unknown}; its options: {known or 'none'}."
        )
    scheme: WeightingScheme | LearnedScheme = tables[name](**options)
    return scheme


__all__ = [
    "LEARNED",
    "SCHEMES",
    "Agreement",
    "Auto",
    "BradleyTerry",
    "Information",
    "InverseVariance",
    "LearnedScheme",
    "Linear",
    "Random",
    "Single",
    "Softmax",
    "Uniform",
    "WeightingScheme",
    "Weights",
    "fit_bradley_terry",
    "load_hand_weights",
    "make_scheme",
]
