"""Intervals and p-values that respect prompts: pairs of one prompt are not independent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encore.ratings import Ids

CONFIDENCE = 0.95
N_RESAMPLES = 2_000
N_FLIPS = 9_999
# Elements of the largest temporary array: 64 MB.
_MAX_ELEMENTS = 1 << 23


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval.

    Parameters
    ----------
    value, low, high : float
        NaN where undefined.
    """

    value: float
    low: float
    high: float


class ClusterBootstrap:
    """Resamples prompts with replacement, the same draws for everything that is asked.

    Because draws are shared, differences between two statistics are paired.

    Parameters
    ----------
    prompts : Ids
        The prompt of each pair.
    rng : numpy.random.Generator
        The source of randomness.
    n_resamples : int
        How many resamples.

    Examples
    --------
    >>> bootstrap = ClusterBootstrap(Ids.of(["a", "a", "b"]), np.random.default_rng(0))
    >>> bootstrap.n_prompts
    2
    >>> bootstrap.interval(np.ones((3, 1)), lambda sums: sums[..., 0] / sums[..., 0])
    Interval(value=1.0, low=1.0, high=1.0)
    """

    def __init__(
        self, prompts: Ids, rng: np.random.Generator, *, n_resamples: int = N_RESAMPLES
    ) -> None:
        self._order = np.argsort(prompts.codes, kind="stable")
        ordered = prompts.codes[self._order]
        self._starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
        self.n_prompts = len(self._starts)
        self.n_resamples = n_resamples
        # One seed, so that every block of draws can be made again instead of kept.
        self._seed = int(rng.integers(2**63))

    def totals(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rows summed by prompt, shape (n_prompts, n_columns)."""
        return np.asarray(np.add.reduceat(rows[self._order], self._starts, axis=0))

    def sums(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Column sums of each resample, shape (n_resamples, n_columns)."""
        totals = self.totals(rows)
        rng = np.random.default_rng(self._seed)
        result = np.empty((self.n_resamples, rows.shape[1]))
        step = max(1, _MAX_ELEMENTS // self.n_prompts)
        for start in range(0, self.n_resamples, step):
            size = min(step, self.n_resamples - start)
            times = np.empty((size, self.n_prompts))
            for row in range(size):
                drawn = rng.integers(self.n_prompts, size=self.n_prompts)
                times[row] = np.bincount(drawn, minlength=self.n_prompts)
            result[start : start + size] = times @ totals
        return result

    def interval(
        self,
        rows: NDArray[np.float64],
        statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    ) -> Interval:
        """A statistic of the column sums with its percentile interval."""
        value = float(statistic(rows.sum(axis=0)))
        return percentile_interval(value, statistic(self.sums(rows)))


def percentile_interval(value: float, resampled: NDArray[np.float64]) -> Interval:
    """The middle 95 % of the resampled values; those that are undefined are left out."""
    defined = resampled[~np.isnan(resampled)]
    if not defined.size:
        return Interval(value, float("nan"), float("nan"))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Interval(value, float(low), float(high))


def sign_flip_p_value(
    differences: NDArray[np.float64], prompts: Ids, rng: np.random.Generator
) -> float:
    r"""Two-sided p-value that paired differences are centred on zero, by prompt.

    If two rewards are equally good, swapping them on all pairs of a prompt changes nothing, so the
    sum of the prompts' differences may have any of its signs flipped. All flips are enumerated
    for up to 12 prompts that differ; otherwise 9,999 are drawn and
    :math:`p = (1 + \#\{|T^*| \ge |T|\}) / (1 + 9999)`.

    Parameters
    ----------
    differences : ndarray of float, shape (n_pairs,)
        One reward's verdict less the other's; NaN, where either is unknown, is left out.
    prompts : Ids
        The prompt of each pair.
    rng : numpy.random.Generator
        The source of randomness.

    Returns
    -------
    float
        In (0, 1]; 1 if nothing differs.

    References
    ----------
    .. [1] Good (2005), Permutation, Parametric and Bootstrap Tests of Hypotheses, section 3.2.

    Examples
    --------
    >>> sign_flip_p_value(np.ones(3), Ids.distinct(3), np.random.default_rng(0))
    0.25
    """
    sums = np.zeros(int(prompts.codes.max()) + 1)
    np.add.at(sums, prompts.codes, np.nan_to_num(differences))
    sums = sums[np.abs(sums) > 1e-9]
    if not sums.size:
        return 1.0
    # Sums equal in exact arithmetic must count as reached.
    observed = abs(sums.sum()) - 1e-9
    if sums.size <= 12:
        every = np.arange(2**sums.size)[:, None] >> np.arange(sums.size) & 1
        return float((np.abs((1 - 2 * every) @ sums) >= observed).mean())
    reached = 0
    step = max(1, _MAX_ELEMENTS // sums.size)
    for start in range(0, N_FLIPS, step):
        shape = (min(step, N_FLIPS - start), sums.size)
        signs = 1 - 2 * rng.integers(2, size=shape, dtype=np.int8)
        reached += int((np.abs(signs @ sums) >= observed).sum())
    return (1 + reached) / (1 + N_FLIPS)


def holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Holm's adjustment for several comparisons; NaN is left out and stays.

    References
    ----------
    .. [1] Holm (1979), A simple sequentially rejective multiple test procedure.

    Examples
    --------
    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    adjusted = np.full(len(p_values), np.nan)
    order = np.argsort(p_values)
    order = order[~np.isnan(p_values[order])]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1.0)
    return adjusted
