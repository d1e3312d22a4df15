"""What a weighting scheme is, and what all of them share."""

from __future__ import annotations

from dataclasses import asdict, is_dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from encore.calibration import Calibration
from encore.errors import InputError
from encore.ratings import PreferencePairs
from encore.weights.weights import Weights

_TINY = 1e-100  # far above 2e-308, below which numbers lose digits


class WeightingScheme(Protocol):
    """From a calibration, and nothing else, to weights. No labels."""

    def __call__(self, calibration: Calibration) -> Weights:
        """Weigh the rules of a calibration.

        Raises
        ------
        InputError
            If the calibration does not hold what the scheme needs, or no rule gets a weight.
        """
        ...


class LearnedScheme(Protocol):
    """From labelled pairs to weights."""

    def __call__(self, pairs: PreferencePairs) -> Weights:
        """Fit the rules' weights to preferences.

        Raises
        ------
        InputError
            If no rule gets a weight.
        """
        ...


def weights_by(
    scheme: object,
    name: str,
    calibration: Calibration,
    values: NDArray[np.float64],
    notes: tuple[str, ...] = (),
) -> Weights:
    """Weights with their provenance: the scheme's name, its fields, the calibration's digest.

    Raises
    ------
    InputError
        If no rule got a weight.
    """
    if np.isfinite(values).all() and values.sum() <= 0:
        raise InputError(
            f"scheme {name!r} gives every rule of this calibration a weight of 0. See what "
            f"`encore diagnose` says, or use another scheme."
        )
    return Weights(calibration.rules, values, name, options_of(scheme), calibration.digest, notes)


def not_underflowing(
    values: NDArray[np.float64], logs: NDArray[np.float64]
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Weights, or ones in the same proportion where all of them are too small a number.

    Parameters
    ----------
    values : ndarray of float, shape (n_rules,)
        As the scheme defines them.
    logs : ndarray of float, shape (n_rules,)
        Their logarithms, less that of the largest.

    Returns
    -------
    tuple
        The weights, and a note if they are not *values*.
    """
    if values.max() >= _TINY or not (logs == 0).any():
        return values, ()
    return np.exp(logs), ("the weights underflow, so they are given relative to the largest",)


def options_of(scheme: object) -> dict[str, Any]:
    """The fields of a scheme, as plain data."""
    return asdict(scheme) if is_dataclass(scheme) and not isinstance(scheme, type) else {}


def known(values: NDArray[np.float64], calibration: Calibration, why: str) -> NDArray[np.float64]:
    """These values, or an error that names the rules for which they are unknown (NaN).

    An unknown number is not a weight of 0: that is for the user to decide.
    """
    unknown = np.isnan(values)
    never = unknown & (calibration.statistics.applies_count == 0)
    if never.any():
        unknown, why = never, NEVER_APPLY
    if unknown.any():
        names = [calibration.rules.ids[position] for position in np.flatnonzero(unknown)[:8]]
        raise InputError(
            f"rules {names} cannot be weighed: {why}. Calibrate on ratings that have this, leave "
            f"these rules out, or use a scheme that does not need it."
        )
    return values


def check_positive(name: str, value: float, *, or_zero: bool = False) -> None:
    """Refuse an option that is not a finite number above (or, with *or_zero*, at) zero."""
    low_enough = value >= 0 if or_zero else value > 0
    if not (np.isfinite(value) and low_enough):
        bound = "0 or more" if or_zero else "above 0"
        raise InputError(f"{name} is {value}; expected a finite number {bound}.")


NEVER_APPLY = "they apply to none of the responses"
NEVER_RATED = "they were never rated"
NO_MARGINS = (
    "no prompt has two responses that they rate, so there are no margins within a prompt "
    "(is there a 'prompt_id' column?)"
)
NO_SPREAD = "the rater gave neither a spread nor repeated ratings for them"
