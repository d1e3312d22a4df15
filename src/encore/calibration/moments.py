"""Moments of the margins within prompts: each prompt's are rounded once, and add as integers."""

from __future__ import annotations

from typing import Any

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
                prompts = prompts[np.argsort(buckets[prompts], kind="stable")]
                rows = starts[prompts][:, None] + np.arange(size)
                # Rules first: the prompts, of which there are many, make the inner loops.
                ratings = np.ascontiguousarray(unit[rows].transpose(2, 1, 0))
                means, both = self._pairs(ratings) if size == 2 else self._groups(ratings)
                fixed = np.rint(means * 2.0**FRACTION_BITS)
                met, first = np.unique(buckets[prompts], return_index=True)
                self._sum[:, met] += np.add.reduceat(fixed, first, axis=1).astype(np.int64)
                self._prompts[:, met] += np.add.reduceat(both, first, axis=1, dtype=np.int64)

    def _pairs(self, ratings: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Of prompts with two responses, so one pair each; *ratings*: (n_rules, 2, n_prompts)."""
        margins = ratings[:, 0] - ratings[:, 1]
        unmet = np.isnan(margins)
        margins[unmet] = 0.0
        return self._products(margins, margins), self._products(~unmet, ~unmet)

    def _groups(self, ratings: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Of prompts with three responses or more; *ratings*: (n_rules, size, n_prompts).

        With c = x less about its mean, and sums over the n responses that both rules rate,
        Σ_{i<j} (c_ik - c_jk)(c_il - c_jl) = n Σ c_k c_l - (Σ c_k)(Σ c_l), of n (n - 1) / 2 pairs.
        Every sum is of whole units, so the order of the responses does not matter.
        """
        unrated = np.isnan(ratings)
        ratings[unrated] = 0.0
        # A float holds exactly as many of these as there are responses.
        unit = 2.0 ** (ratings.shape[1].bit_length() - 52)
        known = np.maximum((~unrated).sum(axis=1), 1)
        c = ratings - (np.rint(ratings / unit).sum(axis=1) / known * unit)[:, None]
        c[unrated] = 0.0
        squares = self._sum_of_products(c, unit) * unit
        n, ones = self._shared(~unrated, np.rint(c / unit) * unit)
        both = n > 1
        pairs = np.where(both, n * (n - 1) / 2, 1.0)
        return np.where(both, (n * squares - ones) / pairs, 0.0), both

    def _products(self, left: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
        """Products of every two rules' numbers, in the order of the sums."""
        if not self._covariance:
            return np.asarray(left * right)
        products = np.empty((len(self._rows), *left.shape[1:]), dtype=left.dtype)
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
