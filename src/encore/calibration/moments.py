"""Moments of the margins within prompts: each prompt's are rounded once, and add as integers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from encore.calibration.fixed_point import FRACTION_BITS

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Elements of the largest temporary array, 8 MB of float64: more falls out of the cache.
_MAX_ELEMENTS = 1 << 20
# So many whole numbers up to 2^40 have a sum that a float holds exactly, in any order.
_MAX_PROMPTS = 1 << (53 - FRACTION_BITS)


class Moments:
    """The sum over prompts of the mean over pairs of margin ⊗ margin, and the prompts in each sum.

    For at most four million prompts, beyond which an integer of 64 bits might overflow.

    Parameters
    ----------
    n_buckets, n_rules : int
        Buckets that the prompts are spread over, and rules.
    covariance : bool
        Whether the products of two rules' margins are kept, or only the squares.
    """

    def __init__(self, n_buckets: int, n_rules: int, *, covariance: bool) -> None:
        every = np.arange(n_rules)
        self._rows, self._columns = np.triu_indices(n_rules) if covariance else (every, every)
        self._n_rules, self._covariance = n_rules, covariance
        self._sum = np.zeros((len(self._rows), n_buckets), dtype=np.int64)
        self._prompts = np.zeros_like(self._sum)

    def sums(self) -> tuple[NDArray[np.object_], Integers]:
        """Both, of shape (n_buckets, n_rules, n_rules), or (n_buckets, n_rules) for squares."""
        return self._whole(self._sum).astype(object), self._whole(self._prompts)

    def _whole(self, part: Integers) -> Integers:
        if not self._covariance:
            return part.T
        whole = np.empty((part.shape[1], self._n_rules, self._n_rules), dtype=np.int64)
        whole[:, self._rows, self._columns] = part.T
        whole[:, self._columns, self._rows] = part.T
        return whole

    def add(self, unit: Floats, starts: Integers, sizes: Integers, buckets: Integers) -> None:
        """Add prompts: ratings in [0, 1], NaN where not counted; runs of rows; buckets."""
        for size in np.unique(sizes[sizes > 1]).tolist():
            alike = np.flatnonzero(sizes == size)
            step = max(1, _MAX_ELEMENTS // (len(self._rows) + self._n_rules * size))
            step = min(step, _MAX_PROMPTS)
            for at in range(0, len(alike), step):
                prompts = alike[at : at + step]
                rows = starts[prompts][:, None] + np.arange(size)
                # Rules first: the prompts, of which there are many, make the inner loops.
                ratings = np.ascontiguousarray(unit[rows].transpose(2, 1, 0))
                in_bucket = (buckets[prompts][:, None] == np.arange(self._sum.shape[1])) * 1.0
                (self._add_pairs if size == 2 else self._add_groups)(ratings, in_bucket)

    def _add_pairs(self, ratings: Floats, in_bucket: Floats) -> None:
        """Prompts of two responses, so of one pair each; *ratings*: (n_rules, 2, n_prompts)."""
        margins = ratings[:, 0] - ratings[:, 1]
        met = ~np.isnan(margins)
        margins = np.where(met, margins, 0.0)
        every = in_bucket.sum(axis=0)
        both = every if met.all() else self._products(met * 1.0, met * 1.0) @ in_bucket
        self._count(self._products(margins, margins), both, in_bucket)

    def _add_groups(self, ratings: Floats, in_bucket: Floats) -> None:
        """Prompts of three responses or more; *ratings*: (n_rules, size, n_prompts).

        With c = x less about its mean, and sums over the n responses that both rules rate,
        Σ_{i<j} (c_ik - c_jk)(c_il - c_jl) = n Σ c_k c_l - (Σ c_k)(Σ c_l), of n (n - 1) / 2 pairs.
        Every sum is of whole numbers, so the order of the responses does not matter.
        """
        met = ~np.isnan(ratings)
        x = np.where(met, ratings, 0.0)
        coarse = np.rint(x * 2.0**31).astype(np.int64).sum(axis=1)
        centre = coarse / np.maximum(met.sum(axis=1, dtype=np.int64), 1) / 2.0**31
        c = np.where(met, x - centre[:, None], 0.0)
        # Whole numbers of this unit, of which a float holds as many as there are responses exactly.
        unit = 2.0 ** (ratings.shape[1].bit_length() - 52)
        squares = self._sum_of_products(c, unit) * unit
        n, ones = self._shared(met, np.rint(c / unit) * unit)
        pairs = np.maximum(n * (n - 1) / 2, 1.0)
        means = (n * squares - ones) / pairs
        both = (n > 1) * 1.0
        self._count(means * both, both @ in_bucket, in_bucket)

    def _products(self, left: Floats, right: Floats) -> Floats:
        """Products of every two rules' numbers, in the order of the sums."""
        if not self._covariance:
            return left * right
        products = np.empty((len(self._rows), *left.shape[1:]))
        at = 0
        for k in range(self._n_rules):
            n_others = self._n_rules - k
            np.multiply(left[k], right[k:], out=products[at : at + n_others])
            at += n_others
        return products

    def _sum_of_products(self, c: Floats, unit: float) -> Floats:
        """The products in whole units, summed over the responses."""
        size, n_prompts = c.shape[1:]
        step = max(1, _MAX_ELEMENTS // (len(self._rows) * n_prompts))
        total = np.zeros((len(self._rows), n_prompts))
        for at in range(0, size, step):
            part = c[:, at : at + step]
            products = self._products(part / unit, part)
            total += np.rint(products, out=products).sum(axis=1)
        return total

    def _shared(self, met: NDArray[np.bool_], c: Floats) -> tuple[Floats, Floats]:
        """Responses that both of two rules rate, and (Σ c_k)(Σ c_l) over those."""
        if met.all() or not self._covariance:
            n = met.sum(axis=1, dtype=np.float64)
            total = c.sum(axis=1)
            return (n[self._rows], self._products(total, total))
        each, one = (part.transpose(2, 0, 1) * 1.0 for part in (met, c))
        n, sums = each @ each.transpose(0, 2, 1), one @ each.transpose(0, 2, 1)
        rows, columns = self._rows, self._columns
        return n[:, rows, columns].T, (sums[:, rows, columns] * sums[:, columns, rows]).T

    def _count(self, means: Floats, both: Floats, in_bucket: Floats) -> None:
        """Add each prompt's mean to its bucket, rounded, and the prompts where both rules rate."""
        fixed = np.rint(means * 2.0**FRACTION_BITS)
        self._sum += (fixed @ in_bucket).astype(np.int64)
        self._prompts += both.astype(np.int64)
