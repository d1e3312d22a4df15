"""Sums that are the same in any order: whole multiples of 2^-40, added as integers.

A float sum depends on the order of its terms in the last bits, so calibrations of the same ratings,
divided in another way, would have other digests. Here each term is rounded once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FRACTION_BITS = 40
ONE = 1 << FRACTION_BITS
LARGEST_FIXED = 2.0 ** (62 - FRACTION_BITS)
"""The largest number that is held: about four million."""


def to_fixed(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Numbers up to ``LARGEST_FIXED``, rounded to whole multiples of 2^-40."""
    return np.rint(np.ldexp(values, FRACTION_BITS)).astype(np.int64)


def exact_sum(fixed: NDArray[np.int64]) -> NDArray[np.object_]:
    """The sums over the first axis as Python's integers, which do not overflow.

    Examples
    --------
    >>> exact_sum(np.full((4, 1), 2**62)).tolist() == [2**64]
    True
    """
    high, low = (part.sum(axis=0).astype(object) for part in (fixed >> 32, fixed & 0xFFFFFFFF))
    return np.asarray(high * (1 << 32) + low)


def to_float(fixed: NDArray[np.object_]) -> NDArray[np.float64]:
    """The nearest floats.

    Examples
    --------
    >>> to_float(np.array([ONE // 2, 3 * ONE], dtype=object)).tolist()
    [0.5, 3.0]
    """
    return np.ldexp(fixed.astype(np.float64), -FRACTION_BITS)
