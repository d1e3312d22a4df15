"""Intervals and p-values that respect prompts: pairs of one prompt are not independent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encore.ratings import Ids

CONFIDENCE = 0.95
N_RESAMPLES = 2_000
FEW_PROMPTS = 30  # a bootstrap of fewer reads too sure
N_FLIPS = 9_999
_MAX_ENUMERATED = 12
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
        return self.sums_of([rows])[0]

    def sums_of(self, tables: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
        """The same for several tables at the price of one: drawing is what costs."""
        totals = [self.totals(rows) for rows in tables]
        rng = np.random.default_rng(self._seed)
        results = [np.empty((self.n_resamples, total.shape[1])) for total in totals]
        step = max(1, _MAX_ELEMENTS // self.n_prompts)
        for start in range(0, self.n_resamples, step):
            size = min(step, self.n_resamples - start)
            times = np.empty((size, self.n_prompts))
            for row in range(size):
                drawn = rng.integers(self.n_prompts, size=self.n_prompts)
                times[row] = np.bincount(drawn, minlength=self.n_prompts)
            for result, total in zip(results, totals, strict=True):
                result[start : start + size] = times @ total
        return results

    def interval(
        self,
        rows: NDArray[np.float64],
        statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    ) -> Interval:
        """A statistic of the column sums with its percentile interval."""
        value = float(statistic(rows.sum(axis=0)))
        return percentile_interval(value, statistic(self.sums(rows)))


def accuracy_interval(value: float, resampled: NDArray[np.float64], n_prompts: int) -> Interval:
    """The percentile interval of an accuracy, exact where every pair is ranked alike.

    If all are right, every resample is all right too, and the bootstrap would claim certainty.
    There the end is the Clopper-Pearson bound for as many independent trials as prompts:
    ``(alpha / 2) ** (1 / n_prompts)`` below 1, or as far above 0.

    Examples
    --------
    >>> accuracy_interval(1.0, np.ones(9), n_prompts=5).low.__round__(4)
    0.4782
    """
    found = percentile_interval(value, resampled)
    reach = 1 - ((1 - CONFIDENCE) / 2) ** (1 / n_prompts) if n_prompts else 1.0
    if value == 1.0 and found.low == 1.0:
        return Interval(value, 1 - reach, 1.0)
    if value == 0.0 and found.high == 0.0:
        return Interval(value, 0.0, reach)
    return found


def percentile_interval(value: float, resampled: NDArray[np.float64]) -> Interval:
    """The middle 95 % of the resampled values; those that are undefined are left out."""
    defined = resampled[~np.isnan(resampled)]
    if not defined.size:
        return Interval(value, float("nan"), float("nan"))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Interval(value, float(low), float(high))


def sign_flip_p_values(
    differences: NDArray[np.float64], prompts: Ids, rng: np.random.Generator
) -> NDArray[np.float64]:
    r"""Two-sided p-values that paired differences are centred on zero, by prompt.

    If two rewards are equally good, swapping them on all pairs of a prompt changes nothing, so the
    sum of the prompts' differences may have any of its signs flipped. All flips are enumerated
    for up to 12 prompts that differ; otherwise 9,999 are drawn, the same for every column, and
    :math:`p = (1 + \#\{|T^*| \ge |T|\}) / (1 + 9999)`.

    Parameters
    ----------
    differences : ndarray of float, shape (n_pairs, n_columns)
        One reward's verdict less the other's; NaN, where either is unknown, is left out.
    prompts : Ids
        The prompt of each pair.
    rng : numpy.random.Generator
        The source of randomness.

    Returns
    -------
    ndarray of float, shape (n_columns,)
        In (0, 1]; 1 where nothing differs.

    References
    ----------
    .. [1] Good (2005), Permutation, Parametric and Bootstrap Tests of Hypotheses, section 3.2.

    Examples
    --------
    >>> sign_flip_p_values(np.ones((3, 1)), Ids.distinct(3), np.random.default_rng(0))
    array([0.25])
    """
    sums = np.zeros((int(prompts.codes.max()) + 1, differences.shape[1]))
    np.add.at(sums, prompts.codes, np.nan_to_num(differences))
    sums[np.abs(sums) < 1e-9] = 0.0
    sums = sums[sums.any(axis=1)]
    # Sums equal in exact arithmetic must count as reached.
    observed = np.abs(sums.sum(axis=0)) - 1e-9
    reached = np.ones(sums.shape[1])  # the data itself is one of the flips
    step = max(1, _MAX_ELEMENTS // max(len(sums), 1))
    for start in range(0, N_FLIPS, step):
        shape = (min(step, N_FLIPS - start), len(sums))
        signs = 1.0 - 2.0 * rng.integers(2, size=shape, dtype=np.int8)
        reached += (np.abs(signs @ sums) >= observed).sum(axis=0)
    p_values = reached / (1 + N_FLIPS)
    for column in np.flatnonzero((sums != 0).sum(axis=0) <= _MAX_ENUMERATED).tolist():
        moved = sums[sums[:, column] != 0, column]
        flips = 1 - 2 * (np.arange(2**moved.size)[:, None] >> np.arange(moved.size) & 1)
        p_values[column] = (np.abs(flips @ moved) >= observed[column]).mean()
    return np.asarray(p_values)


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
