"""Schemes to compare with: all rules equally, at random, or one alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from encore.calibration import Calibration
from encore.errors import InputError
from encore.weights.scheme import weights_by
from encore.weights.weights import Weights


@dataclass(frozen=True, slots=True)
class Uniform:
    """The same weight for every rule: the mean of the ratings, and hard to beat.

    Examples
    --------
    >>> from encore import LevelScale, Rulebook, calibrate
    >>> rules = Rulebook.from_ids(["a", "b"], LevelScale((0, 1)))
    >>> Uniform()(calibrate([[1, 0]], rules)).shares.tolist()
    [0.5, 0.5]
    """

    def __call__(self, calibration: Calibration) -> Weights:
        """Weigh."""
        return weights_by(self, "uniform", calibration, np.ones(len(calibration.rules)))


@dataclass(frozen=True, slots=True)
class Random:
    """One draw from the flat Dirichlet distribution: what unequal weights do by themselves.

    Parameters
    ----------
    seed : int, default 0
        The same seed gives the same weights.

    Examples
    --------
    >>> from encore import LevelScale, Rulebook, calibrate
    >>> rules = Rulebook.from_ids(["a", "b"], LevelScale((0, 1)))
    >>> round(float(Random(seed=1)(calibrate([[1, 0]], rules)).values.sum()), 6)
    1.0
    """

    seed: int = 0

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise InputError(f"seed is {self.seed}; expected a whole number of 0 or more.")

    def __call__(self, calibration: Calibration) -> Weights:
        """Weigh."""
        draw = np.random.default_rng(self.seed).dirichlet(np.ones(len(calibration.rules)))
        return weights_by(self, "random", calibration, draw)


@dataclass(frozen=True, slots=True)
class Single:
    """One rule alone.

    Parameters
    ----------
    rule : str, default ""
        Its id; the first rule if none is named.

    Examples
    --------
    >>> from encore import LevelScale, Rulebook, calibrate
    >>> rules = Rulebook.from_ids(["a", "b"], LevelScale((0, 1)))
    >>> Single("b")(calibrate([[1, 0]], rules)).shares.tolist()
    [0.0, 1.0]
    """

    rule: str = ""

    def __call__(self, calibration: Calibration) -> Weights:
        """Weigh; raises :class:`~encore.UnknownNameError` if no rule has this id."""
        position = calibration.rules.position(self.rule) if self.rule else 0
        return weights_by(self, "single", calibration, np.eye(len(calibration.rules))[position])
