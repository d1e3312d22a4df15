"""How well entropy stands in for the Bradley-Terry weight, as more ratings reach the ends."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from encore.arrays import Record, as_floats, to_unit_size
from encore.calibration.calibration import ZERO_VARIANCE
from encore.errors import InputError
from encore.rules import RangeScale
from encore.theory.bradley_terry import fitted_optimum
from encore.theory.mixture import Mixture

NEAR = 0.9
"""Pearson correlation with the Bradley-Terry weights at which a stand-in is called near."""

_REACHES = (6.0, 4.0, 3.0, 2.0, 1.0, 0.5)
_TIE = 1e-9  # rewards closer than this are tied, as in evaluation


def _inverse(variance: NDArray[np.float64]) -> NDArray[np.float64]:
    """One over it; 0 for a rule that never resolves a pair, whose weight could change nothing."""
    never = variance < ZERO_VARIANCE
    return np.where(never, 0.0, 1 / np.where(never, 1.0, variance))


STAND_INS: dict[str, Callable[[Mixture], NDArray[np.float64]]] = {
    "one_minus_entropy": lambda mixture: 1 - mixture.normalised_entropy,
    "inverse_entropy_power": lambda mixture: np.exp(-2 * mixture.entropy),
    "inverse_variance": lambda mixture: _inverse(mixture.margin_variance),
    "inverse_unlabelled_variance": lambda mixture: _inverse(mixture.unlabelled_variance),
}
"""Weights that need no fit. The first is scheme ``linear``, the second ``softmax`` at a temperature
of 1/2 nat, the third the theory's, the last ``inverse_variance``, which sees no labels."""


@dataclass(frozen=True, eq=False, repr=False)
class Setting(Record):
    """One mixture, its fitted Bradley-Terry weights, and how near the stand-ins come to them.

    Parameters
    ----------
    mixture : Mixture
        The rules.
    weights : ndarray of float, shape (n_rules,)
        Fitted to simulated pairs.
    pearson, spearman : dict of str to float
        Correlation over the rules of each of ``STAND_INS`` with the weights; NaN for fewer than
        three rules, or where nothing varies.
    accuracy : dict of str to float
        Half-credit accuracy on the same pairs of a reward weighed by each of ``STAND_INS``, by
        ``uniform`` and by the ``fitted`` weights.
    """

    mixture: Mixture
    weights: NDArray[np.float64]
    pearson: dict[str, float]
    spearman: dict[str, float]
    accuracy: dict[str, float]

    @property
    def ends(self) -> float:
        """Share of all rules' ratings on the two end levels of the scale."""
        return float(self.mixture.ends_share.mean())

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        mixture = self.mixture
        columns = {
            "noise": mixture.noise,
            "entropy": mixture.entropy,
            "normalised_entropy": mixture.normalised_entropy,
            "ends_share": mixture.ends_share,
            "margin_mean": mixture.margin_mean,
            "margin_variance": mixture.margin_variance,
            "accuracy": mixture.accuracy,
            "weight": self.weights,
        } | {name: of(mixture) for name, of in STAND_INS.items()}
        rows = zip(*(values.tolist() for values in columns.values()), strict=True)
        return {
            "scale": mixture.scale.to_dict(),
            "ends_share": self.ends,
            "pearson": self.pearson,
            "spearman": self.spearman,
            "accuracy": self.accuracy,
            "rules": [
                {"rule": rule_id} | dict(zip(columns, row, strict=True))
                for rule_id, row in zip(mixture.rules.ids, rows, strict=True)
            ],
        }


@dataclass(frozen=True, eq=False, repr=False)
class Study(Record):
    """Several settings.

    Parameters
    ----------
    settings : tuple of Setting
        In the order given.
    n_pairs : int
        Simulated pairs per setting.
    """

    settings: tuple[Setting, ...]
    n_pairs: int

    @cached_property
    def sentence(self) -> str:
        """Where 1 - H is nearly the Bradley-Terry weight and where it is reversed."""
        ends = [100 * setting.ends for setting in self.settings]
        entropy, variance = (
            [setting.pearson[name] for setting in self.settings]
            for name in ("one_minus_entropy", "inverse_variance")
        )
        near = [position for position, r in enumerate(entropy) if r >= NEAR]
        against = [position for position, r in enumerate(entropy) if r < 0]
        sentence = f"1 - H is nowhere near the Bradley-Terry weight (Pearson {NEAR} or more)"
        if near:
            sentence = (
                f"1 - H is nearly the Bradley-Terry weight (Pearson {_span(entropy, near, '.2f')}) "
                f"where {_span(ends, near, '.1f')} % of the ratings lie on the ends of the scale"
            )
        if against:
            sentence += (
                f", and runs against it ({_span(entropy, against, '.2f')}) where "
                f"{_span(ends, against, '.1f')} % do"
            )
        everywhere = _span(variance, range(len(variance)), ".2f")
        return f"{sentence}; 1/Var of the margin correlates at {everywhere} throughout."

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "n_pairs": self.n_pairs,
            "settings": [setting.to_dict() for setting in self.settings],
            "sentence": self.sentence,
        }


def saturation_grid() -> tuple[Mixture, ...]:
    """Seven rules that see a quality gap of 1 through noise of 0.5 to 2, on ever narrower scales.

    Ranges of ten bins from -6 to 6 down to -0.5 to 0.5: the first takes in three deviations of the
    noisiest rule, the last one of the crispest.

    Examples
    --------
    >>> grid = saturation_grid()
    >>> [mixture.scale.best for mixture in grid]
    [6.0, 4.0, 3.0, 2.0, 1.0, 0.5]
    >>> grid[0].noise.round(2).tolist()
    [0.5, 0.63, 0.79, 1.0, 1.26, 1.59, 2.0]
    """
    noise = np.geomspace(0.5, 2.0, 7)
    half = np.full(len(noise), 0.5)
    return tuple(Mixture(half, -half, noise, RangeScale(-reach, reach)) for reach in _REACHES)


def study_stand_ins(
    mixtures: Iterable[Mixture], *, rng: np.random.Generator | int, n_pairs: int = 20_000
) -> Study:
    """Compare weights that need no fit with ones fitted to simulated, discretised margins.

    Parameters
    ----------
    mixtures : iterable of Mixture
        At least one. Those with the same number of rules see the same noise.
    rng : numpy.random.Generator or int
        The source of randomness.
    n_pairs : int
        Pairs per mixture. The weights' standard errors fall with its square root.

    Returns
    -------
    Study
        Entropies and variances in it are exact; only fitted weights and accuracies are simulated.

    Raises
    ------
    InputError
        If there is no mixture, or *n_pairs* is below 1.

    Examples
    --------
    >>> wide, *_, narrow = study_stand_ins(saturation_grid(), rng=0, n_pairs=5000).settings
    >>> round(wide.pearson["one_minus_entropy"], 1), round(narrow.pearson["one_minus_entropy"], 1)
    (0.9, -0.9)
    """
    seed = int(np.random.default_rng(rng).integers(2**63))
    settings = tuple(_examine(mixture, n_pairs, seed) for mixture in mixtures)
    if not settings:
        raise InputError("there is no mixture to study; give one or more.")
    return Study(settings, n_pairs)


def _examine(mixture: Mixture, n_pairs: int, seed: int) -> Setting:
    margins = mixture.simulate(n_pairs, seed).margins
    weights = fitted_optimum(margins)
    values = {name: of(mixture) for name, of in STAND_INS.items()}
    rewards = {"uniform": np.ones(len(weights)), **values, "fitted": weights}
    return Setting(
        mixture,
        weights,
        {name: pearson(value, weights) for name, value in values.items()},
        {name: pearson(_ranks(value), _ranks(weights)) for name, value in values.items()},
        {name: _accuracy(margins, value) for name, value in rewards.items()},
    )


def pearson(x: ArrayLike, y: ArrayLike) -> float:
    """Pearson correlation; NaN for fewer than three numbers, or where nothing varies.

    Examples
    --------
    >>> round(pearson([1, 2, 3], [1, 4, 9]), 4)
    0.9897
    """
    x, y = as_floats(x, "numbers"), as_floats(y, "numbers")
    x, y = to_unit_size(x), to_unit_size(y)
    a, b = x - x.mean(), y - y.mean()
    # Below this only rounding varies.
    still = np.abs(a).max() <= 1e-12 * np.abs(x).max() or np.abs(b).max() <= 1e-12 * np.abs(y).max()
    if len(x) < 3 or still:
        return math.nan
    a, b = to_unit_size(a), to_unit_size(b)
    return float(np.clip(a @ b / math.sqrt(float(a @ a) * float(b @ b)), -1.0, 1.0))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks, ties sharing their mean: for each, those below it and half of those beside it."""
    below, beside = (of(values[None, :], values[:, None]).sum(axis=1) for of in (np.less, np.equal))
    return np.asarray(below + (beside - 1) / 2)


def _accuracy(margins: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Share of pairs that the reward ranks right, a tie counting one half."""
    total = np.abs(weights).sum()
    margin = margins @ (weights / total if total else weights)
    return float(np.mean(margin > _TIE) + np.mean(np.abs(margin) <= _TIE) / 2)


def _span(values: Sequence[float], positions: Iterable[int], form: str) -> str:
    """The least and the greatest of those at these positions; one number if they read alike."""
    some = [values[position] for position in positions]
    low, high = f"{min(some):{form}}", f"{max(some):{form}}"
    return low if low == high else f"{low} to {high}"
