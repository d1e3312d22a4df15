"""A reward's verdict on each pair, and accuracy under every tie convention."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from encore.arrays import Record
from encore.errors import InputError

TIE_TOLERANCE = 1e-9
"""Rewards in [0, 1] closer than this are tied.

Summing up to 10,000 shares of ratings errs by less than 1e-11. Without a tolerance, over a third
of the true ties of five-level ratings become wins or losses by rounding alone.
"""


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
    """Compare rewards pair by pair, with ``TIE_TOLERANCE``.

    Parameters
    ----------
    chosen, rejected : array_like of float, shape (n_pairs,)
        Rewards; NaN where unknown.

    Raises
    ------
    InputError
        If the two differ in shape.

    Examples
    --------
    >>> outcomes([0.9, 0.1 + 0.2, 0.5], [0.1, 0.3, float("nan")]).tie.tolist()
    [0.0, 1.0, nan]
    """
    chosen = np.asarray(chosen, dtype=np.float64)
    rejected = np.asarray(rejected, dtype=np.float64)
    if chosen.shape != rejected.shape:
        raise InputError(f"{chosen.shape} chosen rewards for {rejected.shape} rejected.")
    difference = chosen - rejected
    unknown = np.isnan(difference)
    win = np.where(unknown, np.nan, difference > TIE_TOLERANCE)
    tie = np.where(unknown, np.nan, np.abs(difference) <= TIE_TOLERANCE)
    return Outcomes(win, tie)


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

    Examples
    --------
    >>> round(separation([0.8, 1.0], [0.0, 0.2]), 4)
    5.6569
    """
    both = np.stack([np.asarray(chosen, dtype=np.float64), np.asarray(rejected, dtype=np.float64)])
    both = both[:, ~np.isnan(both).any(axis=0)]
    if both.shape[1] < 2:
        return float("nan")
    pooled = float(np.sqrt(both.var(axis=1, ddof=1).mean()))
    # Equal rewards have a deviation of rounding error alone.
    difference = float(both[0].mean() - both[1].mean())
    return difference / pooled if pooled > TIE_TOLERANCE else float("nan")
