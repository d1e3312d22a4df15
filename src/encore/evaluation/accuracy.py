"""A reward's verdict on each pair, and accuracy under every tie convention."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from encore.arrays import Record, as_floats, to_unit_size
from encore.errors import InputError
from encore.ratings.origin import SIDES

TIE_TOLERANCE = 1e-9
"""Rewards closer than this share of the spread of all rewards are tied.

Summing up to 10,000 shares of ratings errs by less than 1e-11. Without a tolerance, over a third
of the true ties of five-level ratings become wins or losses by rounding alone.
"""
_ROUNDING = 1e-13  # of a sum of numbers of one sign, as a share of the sum: 450 times the smallest


@dataclass(frozen=True, eq=False, repr=False)
class Outcomes(Record):
    """Verdicts on pairs; fractions where several rewards are averaged.

    Parameters
    ----------
    win, tie : ndarray of float, shape (n_pairs,)
        Whether the chosen response has the higher reward, and whether they are tied; in [0, 1].
        NaN where a reward is unknown.
    """

    win: NDArray[np.float64]
    tie: NDArray[np.float64]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Pairs with a verdict."""
        return ~np.isnan(self.win)

    @property
    def half(self) -> NDArray[np.float64]:
        """Each pair's verdict with a tie as one half."""
        return self.win + self.tie / 2

    def sums(self) -> NDArray[np.float64]:
        """Win, tie and 1 per pair, 0 where unknown: shape (n_pairs, 3), to be summed."""
        known = self.known
        rows = np.column_stack([self.win, self.tie, np.ones(len(known))])
        return np.where(known[:, None], rows, 0.0)


def outcomes(chosen: ArrayLike, rejected: ArrayLike) -> Outcomes:
    """Compare rewards pair by pair, on whatever scale they are.

    Rewards are tied if they differ by less than ``TIE_TOLERANCE`` of the interquartile range of all
    of them, which a few wild ones do not move, or by no more than rounding makes of their size.

    Parameters
    ----------
    chosen, rejected : array_like of float, shape (n_pairs,)
        Rewards; NaN where unknown.

    Raises
    ------
    InputError
        If the two differ in shape, or a reward is infinite.

    Examples
    --------
    >>> outcomes([0.9, 0.1 + 0.2, 0.5], [0.1, 0.3, float("nan")]).tie.tolist()
    [0.0, 1.0, nan]
    """
    both = _scaled(chosen, rejected)
    difference = both[0] - both[1]
    unknown = np.isnan(difference)
    known = both[:, ~unknown]
    spread = np.subtract(*np.quantile(known, [0.75, 0.25])) if known.size else 0.0
    tolerance = np.maximum(TIE_TOLERANCE * spread, _ROUNDING * np.abs(both).max(axis=0))
    win = np.where(unknown, np.nan, difference > tolerance)
    tie = np.where(unknown, np.nan, np.abs(difference) <= tolerance)
    return Outcomes(win, tie)


def _scaled(chosen: ArrayLike, rejected: ArrayLike) -> NDArray[np.float64]:
    """Both sides of the pairs, divided by a power of 2 so that sums and squares are finite."""
    given = zip(SIDES, (chosen, rejected), strict=True)
    sides = [as_floats(side, f"{name} rewards") for name, side in given]
    if sides[0].shape != sides[1].shape:
        raise InputError(f"{sides[0].shape} chosen rewards for {sides[1].shape} rejected.")
    both = np.stack(sides)
    if np.isinf(both).any():
        raise InputError("a reward is infinite; expected finite ones, with NaN where unknown.")
    return to_unit_size(both)


def _of(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(whole > 0, part / whole, np.nan)


CONVENTIONS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "strict": lambda s: _of(s[..., 0], s[..., 2]),
    "half": lambda s: _of(s[..., 0] + s[..., 1] / 2, s[..., 2]),
    "resolved": lambda s: _of(s[..., 0], s[..., 2] - s[..., 1]),
    "right": lambda s: _of(s[..., 0] + s[..., 1], s[..., 2]),
}
"""Accuracy from summed (win, tie, 1), shape (..., 3), by what a tie counts as.

``strict``: wrong, as RewardBench 1 scores it; ``half``: one half; ``resolved``: left out (NaN if
nothing is resolved); ``right``: right.
"""


def accuracy(verdicts: Outcomes, convention: str = "half") -> float:
    """Share of pairs ranked right, of those with a verdict; NaN if there is none.

    Examples
    --------
    >>> verdicts = outcomes([1, 1, 0, 1], [0, 1, 1, 0])
    >>> [accuracy(verdicts, name) for name in ("strict", "half", "resolved", "right")]
    [0.5, 0.625, 0.6666666666666666, 0.75]
    """
    return float(CONVENTIONS[convention](verdicts.sums().sum(axis=0)))


def tie_rate(verdicts: Outcomes) -> float:
    """Share of pairs that are tied, of those with a verdict; NaN if there is none."""
    total = verdicts.sums().sum(axis=0)
    return float(_of(total[1], total[2]))


def separation(chosen: ArrayLike, rejected: ArrayLike) -> float:
    r"""How far apart the rewards of chosen and rejected responses lie, in standard deviations.

    .. math:: (\bar c - \bar r) \big/ \sqrt{(s_c^2 + s_r^2) / 2}

    The pooled standard deviation is that of two groups of equal size (Cohen's d). Pairs with an
    unknown reward are left out. NaN for fewer than two pairs or if no reward varies.

    Raises
    ------
    InputError
        As :func:`outcomes`.

    Examples
    --------
    >>> round(separation([0.8, 1.0], [0.0, 0.2]), 4)
    5.6569
    """
    both = _scaled(chosen, rejected)
    both = both[:, ~np.isnan(both).any(axis=0)]
    if both.shape[1] < 2:
        return float("nan")
    pooled = float(np.sqrt(both.var(axis=1, ddof=1).mean()))
    # Equal rewards have a deviation of rounding error alone.
    difference = float(both[0].mean() - both[1].mean())
    varies = pooled > _ROUNDING * float(np.abs(both).max())
    return difference / pooled if varies else float("nan")
