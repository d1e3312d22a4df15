"""Drawing pairs of responses whose labels differ, without forming all of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Labels nearer than this share of the largest, or short of the gap by this share of it, differ by
# rounding alone: 0.3 - 0.2 is less than 0.1.
_ROUNDING, _SHORT = 1e-12, 1e-9

Rows = NDArray[np.int64]


class DrawnPairs(NamedTuple):
    """Pairs by row, and how many there were of each kind."""

    higher: Rows
    lower: Rows
    n_possible: int
    n_tied: int
    n_far: int


def draw_pairs(
    keys: Rows,
    labels: NDArray[np.float64],
    gap: float,
    most: int,
    rng: np.random.Generator,
) -> DrawnPairs:
    """Draw at most *most* pairs of each key, of rows whose labels differ by *gap*, or at all.

    With a key's rows in the order of their labels, those that lie far enough below a row are the
    first so many. So the far pairs of a key are numbered without being formed, and a number drawn
    is turned into its two rows. Every far pair of a key has the same chance.

    Parameters
    ----------
    keys : ndarray of int64, shape (n_rows,)
        Both rows of a pair have the same key.
    labels : ndarray of float64, shape (n_rows,)
        NaN where there is none.
    gap : float
        0 or more; with 0, all labels that differ are far enough.
    most : int
        How many pairs of one key to draw at most.
    rng : numpy.random.Generator
        The source of randomness.

    Returns
    -------
    DrawnPairs
        Pairs by the first row of their key, then by row.

    Examples
    --------
    >>> keys, labels = np.array([0, 0, 0, 1]), np.array([3.0, 1.0, 2.0, 9.0])
    >>> drawn = draw_pairs(keys, labels, 2.0, 20, np.random.default_rng(0))
    >>> drawn.higher.tolist(), drawn.lower.tolist(), drawn.n_possible, drawn.n_far
    ([0], [1], 3, 1)
    """
    rows = np.flatnonzero(~np.isnan(labels))
    if not rows.size:
        return DrawnPairs(rows, rows, 0, 0, 0)
    values, rank = np.unique(labels[rows], return_inverse=True)
    _, first, key = np.unique(keys[rows], return_index=True, return_inverse=True)
    order = np.lexsort((rows, rank, key))
    key, rank, rows = key[order], rank[order], rows[order]
    starts = np.flatnonzero(np.append(True, key[1:] != key[:-1]))
    sizes = np.diff(np.append(starts, len(rows)))
    place = key * len(values) + rank  # rises with the order
    n_far = np.searchsorted(place, key * len(values) + _below(values, gap)[rank]) - starts[key]
    higher, lower = _far(n_far, starts, most, rng)
    by_key = np.lexsort((rows[lower], rows[higher], first[key[higher]]))
    _, repeated = np.unique(place, return_counts=True)
    return DrawnPairs(
        higher=rows[higher[by_key]],
        lower=rows[lower[by_key]],
        n_possible=_n_pairs(sizes),
        n_tied=_n_pairs(repeated),
        n_far=int(n_far.sum()),
    )


def _below(values: NDArray[np.float64], gap: float) -> Rows:
    """How many of the sorted distinct values lie below each of them by the gap."""
    rounding = _ROUNDING * float(np.abs(values).max())
    enough = max(gap * (1 - _SHORT) - rounding, rounding)
    far = np.searchsorted(values, values - enough, side="right")
    return np.minimum(far, np.arange(len(values)))


def _n_pairs(sizes: Rows) -> int:
    return int((sizes * (sizes - 1) // 2).sum())


def _far(n_far: Rows, starts: Rows, most: int, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """Places of both rows of the pairs drawn; *n_far* rows of its key are below each row."""
    ends = np.cumsum(n_far)
    before = ends - n_far
    first = before[starts]
    of_key = np.append(first[1:], ends[-1]) - first
    # Few keys have more pairs than are drawn: at most one for every *most* pairs.
    drawn = [
        first[key] + rng.choice(of_key[key], most, replace=False, shuffle=False)
        for key in np.flatnonzero(of_key > most)
    ]
    whole = np.where(of_key > most, 0, of_key)
    offset = np.arange(whole.sum()) - np.repeat(np.cumsum(whole) - whole, whole)
    numbers = np.concatenate([np.repeat(first, whole) + offset, *drawn])
    higher = np.searchsorted(ends, numbers, side="right")
    start_of = np.repeat(starts, np.diff(np.append(starts, len(n_far))))
    return higher, start_of[higher] + numbers - before[higher]
