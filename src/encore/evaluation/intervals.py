"""Intervals and p-values by prompt: pairs of the same prompt are not independent."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encore.arrays import Record
from encore.evaluation.accuracy import CONVENTIONS
from encore.ratings import Ids

CONFIDENCE = 0.95
N_RESAMPLES = 2_000
FEW_PROMPTS = 30  # a bootstrap of fewer is overconfident
N_FLIPS = 9_999
_MAX_ENUMERATED = 12
_MAX_ELEMENTS = 1 << 23  # of the largest array of flips: 64 MB
_STREAM = 1 << 23  # draws of one random stream, 8 MB of counts; another size draws differently
_CACHED = 1 << 19  # of these, how many are drawn at once
# The largest products that OpenBLAS (0.3.31) leaves to the calling thread: rows times depth times
# columns, and rows times depth where there is one column.
_PRODUCT, _SINGLE = (1 << 19) - 1, 9_000
_TILE_ROWS, _TILE_COLUMNS = 128, 60


@dataclass(frozen=True, eq=False, repr=False)
class Interval(Record):
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
    """Resamples prompts with replacement, with the same draws for every statistic.

    Because draws are shared, differences between two statistics are paired. They depend on the seed
    alone: threads divide up blocks of resamples, and each block has its own random stream.

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
        # One seed, so that draws can be repeated instead of kept.
        self._seed = int(rng.integers(2**63))

    def totals(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rows summed by prompt, shape (n_prompts, n_columns)."""
        return np.asarray(np.add.reduceat(rows[self._order], self._starts, axis=0))

    def sums(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Column sums of each resample, shape (n_resamples, n_columns)."""
        return self.sums_of([rows])[0]

    def sums_of(self, tables: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
        """The same for several tables, which see the same draws.

        A table has the same sums, to the last bit, whatever other tables are given.
        """
        exact, in_float32, others = zip(*map(self._by_precision, tables), strict=True)
        distinct, where = _distinct(np.concatenate(in_float32, axis=1))
        summed, *rest = self._products([distinct, *others])
        ends = np.cumsum([e.sum() for e in exact])
        results = []
        for e, its, other in zip(exact, np.split(where, ends[:-1]), rest, strict=True):
            sums = np.empty((self.n_resamples, len(e)))
            sums[:, e], sums[:, ~e] = summed[:, its], other
            results.append(sums)
        return results

    def _by_precision(
        self, rows: NDArray[np.float64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.float32], NDArray[np.float64]]:
        """Which columns float32 resamples without rounding, their totals, and those of the others.

        Verdicts and counts are multiples of one half, and so are their sums. float32 holds
        every one of those up to 2 ** 23.
        """
        total = self.totals(rows)
        halves = 2 * total
        few = np.abs(halves).max(axis=0) * self.n_prompts < 1 << 24
        exact = few & (halves == np.rint(halves)).all(axis=0)
        return exact, total[:, exact].astype(np.float32), total[:, ~exact]

    def _products(self, parts: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Each part, of shape (n_prompts, n_columns), summed over the draws of each resample."""
        found = [np.empty((self.n_resamples, part.shape[1]), part.dtype) for part in parts]
        step = max(1, _STREAM // self.n_prompts)

        def resample(start: int) -> None:
            times = self._draw(min(step, self.n_resamples - start), start // step)
            for part, sums in zip(parts, found, strict=True):
                sums[start : start + step] = _product(times, part)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(resample, range(0, self.n_resamples, step)))
        return found

    def _draw(self, n_rows: int, stream: int) -> NDArray[np.uint8]:
        """How often each of some resamples draws each prompt, shape (n_rows, n_prompts)."""
        rng = np.random.Generator(np.random.PCG64(self._seed).jumped(stream))
        step = max(1, _CACHED // self.n_prompts)
        sizes = (min(step, n_rows - start) for start in range(0, n_rows, step))
        return np.concatenate([_multinomial(self.n_prompts, size, rng) for size in sizes])

    def interval(
        self,
        rows: NDArray[np.float64],
        statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    ) -> Interval:
        """A statistic of the column sums with its percentile interval."""
        value = float(statistic(rows.sum(axis=0)))
        return percentile_interval(value, statistic(self.sums(rows)))


def _multinomial(n: int, n_rows: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """How often each of n is met in n draws with replacement, shape (n_rows, n).

    Independent Poisson counts are multinomial once their total is known. So these are Poisson
    counts of a mean a little below 1, redrawn where the total exceeds n, and what it lacks is
    drawn one by one: this takes a third of the time of n draws. (A count above 255 has a chance
    below n / 256!.)
    """
    counts, lacking = np.empty((n_rows, n), dtype=np.uint8), np.full(n_rows, -1)
    while (again := lacking < 0).any():
        drawn = _poisson(math.exp(-3 / math.sqrt(n)), (int(again.sum()), n), rng)
        counts[again], lacking[again] = drawn, n - drawn.sum(axis=1, dtype=np.int64)
    one_by_one = np.repeat(np.arange(n_rows) * n, lacking) + rng.integers(n, size=lacking.sum())
    np.add.at(counts.reshape(-1), one_by_one, np.uint8(1))
    return counts


def _poisson(mean: float, shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Poisson counts of a mean below 1, each from one random byte where that suffices.

    Count k has ``256 P(k)`` of the bytes, rounded down; bytes that are left over draw among what
    was rounded off.
    """
    chances = np.array([math.exp(-mean) * mean**k / math.factorial(k) for k in range(32)])
    whole = np.floor(256 * chances)
    ends = np.cumsum(whole[whole > 0]).astype(np.uint8)  # the chances fall, so these are the first
    size = math.prod(shape)
    drawn = rng.integers(2**64, size=-(-size // 8), dtype=np.uint64).view(np.uint8)[:size]
    counts = np.zeros(size, dtype=np.uint8)
    for end in ends:
        counts += (drawn >= end).view(np.uint8)
    left_over = np.flatnonzero(counts == len(ends))
    rest = np.cumsum(chances - whole / 256)
    counts[left_over] = np.searchsorted(rest, rest[-1] * rng.random(len(left_over)), side="right")
    return counts.reshape(shape)


def _distinct(columns: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Each column once, as tables share which pairs are known; and where each of them went."""
    index: dict[bytes, int] = {}
    where = [index.setdefault(column.tobytes(), len(index)) for column in columns.T]
    first = np.unique(where, return_index=True)[1]
    return np.ascontiguousarray(columns[:, first]), np.array(where, dtype=np.int64)


def _product(times: NDArray[np.uint8], part: NDArray[Any]) -> NDArray[Any]:
    """``times @ part`` in tiles, each too small for BLAS to split among its own threads.

    Over so long a product these wait for each other hundreds of times; if another process occupies
    one of the cores, that takes longer than the product.
    """
    product = np.zeros((len(times), part.shape[1]), part.dtype)
    height = min(len(times), _TILE_ROWS)
    for column in range(0, part.shape[1], _TILE_COLUMNS):
        columns = slice(column, column + _TILE_COLUMNS)
        width = part[:, columns].shape[1]
        depth = max(1, (_SINGLE if width == 1 else _PRODUCT // width) // height)
        for first in range(0, len(part), depth):
            summands = part[first : first + depth, columns]
            for row in range(0, len(times), height):
                tile = times[row : row + height, first : first + depth].astype(part.dtype)
                product[row : row + height, columns] += tile @ summands
    return product


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


def accuracy_intervals(
    total: NDArray[np.float64], resampled: NDArray[np.float64], n_prompts: int
) -> dict[str, Interval]:
    """Accuracy by tie convention, from summed (win, tie, 1) and its resamples."""
    return {
        convention: accuracy_interval(float(of(total)), of(resampled), n_prompts)
        for convention, of in CONVENTIONS.items()
    }


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
    for up to 12 prompts that differ; otherwise 9,999 are drawn and
    :math:`p = (1 + \#\{|T^*| \ge |T|\}) / (1 + 9999)`. Of m prompts whose sums are of one size, a
    binomial count of m keeps its sign, so what costs is the number of sizes. A column has the same
    p-value whatever other columns are given; equal columns have equal ones.

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
    seed = int(rng.integers(2**63))
    return np.array(
        [
            _sign_flip_p_value(np.asarray(np.bincount(prompts.codes, column)), seed)
            for column in np.nan_to_num(differences).T
        ]
    )


def _sign_flip_p_value(sums: NDArray[Any], seed: int) -> float:
    moved = sums[np.abs(sums) > 1e-9]
    # Sums equal in exact arithmetic must count as reached.
    observed = abs(moved.sum()) - 1e-9
    if moved.size <= _MAX_ENUMERATED:
        flips = 1 - 2 * (np.arange(2**moved.size)[:, None] >> np.arange(moved.size) & 1)
        return float((np.abs(flips @ moved) >= observed).mean())
    found = np.unique(np.abs(moved).round(9), return_index=True, return_counts=True)
    sizes, n_prompts = np.abs(moved)[found[1]], found[2]
    rng = np.random.default_rng(seed)
    reached = 1  # the data itself is one of the flips
    step = max(1, _MAX_ELEMENTS // len(sizes))
    for start in range(0, N_FLIPS, step):
        shape = (min(step, N_FLIPS - start), len(sizes))
        signs = 2.0 * rng.binomial(n_prompts, 0.5, size=shape) - n_prompts
        reached += int((np.abs(signs @ sizes) >= observed).sum())
    return reached / (1 + N_FLIPS)


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
