"""Weights from a calibration, by any scheme; here because ``auto`` may compare schemes on pairs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from encore.calibration import Calibration
from encore.errors import InputError
from encore.evaluation.cross_validate import choose
from encore.files import StrPath
from encore.ratings import as_pairs
from encore.ratings.convert import check_said
from encore.ratings.pairing import MAX_PER_PROMPT
from encore.weights import (
    LEARNED,
    SCHEMES,
    LearnedScheme,
    WeightingScheme,
    Weights,
    load_hand_weights,
    make_scheme,
)

Scheme = str | os.PathLike[str] | Mapping[str, float] | WeightingScheme | LearnedScheme


def weigh(
    calibration: Calibration | StrPath,
    scheme: Scheme = "linear",
    *,
    pairs: Any = None,
    label: str | ArrayLike | None = None,
    gap: float | None = None,
    max_per_prompt: int = MAX_PER_PROMPT,
    across_prompts: bool = False,
    lower_is_better: bool | None = None,
    rng: np.random.Generator | int = 0,
    **options: Any,
) -> Weights:
    """Weigh the rules of a calibration.

    Parameters
    ----------
    calibration : Calibration or path
        The calibration, or its file.
    scheme : str, scheme, mapping of str to float, or path
        The name of a scheme (a key of ``encore.weights.SCHEMES`` or ``LEARNED``), a scheme such
        as ``Linear(strength=2)``, weights by hand, or a JSON file of them.
    pairs : PreferencePairs, frame or path, optional
        Labelled pairs, for schemes that learn from them, and for ``auto``; with *label*, ratings
        of responses in any form.
    label : str or array_like of float, optional
        Make pairs of rated responses by their labels; see :func:`encore.pairs`, also for *gap*,
        *max_per_prompt*, *across_prompts* and *lower_is_better*.
    rng : numpy.random.Generator or int, default 0
        What pairs are drawn with by label.
    **options
        Options of a scheme given by name, such as ``strength=2``.

    Returns
    -------
    Weights

    Raises
    ------
    UnknownNameError
        If no scheme has this name.
    InputError
        If the scheme has no such option, lacks pairs or has no use for them, or weighs no rule.
    MismatchError
        If the pairs were rated under other rules.

    Examples
    --------
    >>> from encore import calibrate
    >>> calibration = calibrate([[1, 1], [1, 0], [1, 1]], ["steady", "noisy"], scale=[0, 1])
    >>> weigh(calibration).shares.round(3).tolist()
    [0.924, 0.076]
    >>> weigh(calibration, strength=0).shares.tolist()
    [0.5, 0.5]
    >>> weigh(calibration, {"steady": 3, "noisy": 1}).shares.tolist()
    [0.75, 0.25]
    """
    if not isinstance(calibration, Calibration):
        calibration = Calibration.load(calibration)
    how: dict[str, Any] = {
        "gap": gap,
        "max_per_prompt": max_per_prompt,
        "across_prompts": across_prompts,
        "lower_is_better": lower_is_better,
    }
    check_said(label, **how)
    if pairs is None and label is not None:
        raise InputError("labels are of rated responses: give these as pairs (--pairs).")
    labelled = partial(as_pairs, pairs, calibration.rules, label=label, rng=rng, **how)
    if not isinstance(scheme, str) and options:
        raise InputError(f"options {sorted(options)} go with the name of a scheme.")
    if _is_by_hand(scheme):
        return _by_hand(scheme, calibration, pairs, options)
    if scheme == "auto" and pairs is not None:
        make_scheme("auto", options)  # refuses options that it does not have
        return choose(labelled(), calibration)
    made: Any = make_scheme(scheme, options) if isinstance(scheme, str) else scheme
    learned = isinstance(made, tuple(LEARNED.values()))
    if pairs is not None and not learned:
        names = ", ".join([*LEARNED, "auto"])
        raise InputError(f"pairs go with {names}; {_name(scheme)} uses no labels.")
    if pairs is None and learned:
        raise InputError(f"{_name(scheme)} learns from labelled pairs: give pairs.")
    weights: Weights = made(labelled() if learned else calibration)
    return replace(weights, rules=calibration.rules)  # pairs may not say which rules veto


def _is_by_hand(scheme: Scheme) -> bool:
    if isinstance(scheme, str) and scheme not in {**SCHEMES, **LEARNED}:
        return Path(scheme).is_file() or scheme.endswith(".json")
    return isinstance(scheme, Mapping | os.PathLike)


def _by_hand(scheme: Any, calibration: Calibration, pairs: Any, options: Any) -> Weights:
    given = [*(["pairs"] if pairs is not None else []), *options]
    if given:
        raise InputError(f"weights by hand take neither pairs nor options; got {given}.")
    if isinstance(scheme, Mapping):
        return Weights.by_hand(calibration.rules, scheme)
    return load_hand_weights(scheme, calibration.rules)


def _name(scheme: Scheme) -> str:
    return repr(scheme) if isinstance(scheme, str) else type(scheme).__name__
