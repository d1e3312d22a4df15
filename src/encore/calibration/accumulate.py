"""From a table of whole prompts to its statistics, without ever forming a pair."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from encore.calibration.statistics import (
    MAX_RULES_WITH_COVARIANCE,
    PromptSample,
    Statistics,
)
from encore.ratings import RatingsTable
from encore.ratings.spread import pooled_entropy

# Elements of the largest temporary array, 16 MB of float64: more falls out of the cache.
_MAX_ELEMENTS = 1 << 21


def accumulate(table: RatingsTable) -> Statistics:
    """Statistics of a table in which the rows of each prompt are contiguous."""
    rules = table.rules
    max_levels = int(rules.n_levels.max())
    first = table if table.repeats is None else table.take(table.is_first)
    levels = rules.level_of(first.values)
    starts, names = _prompt_runs(first)
    sizes = np.diff(np.append(starts, first.n_rows))
    rated_pairs, resolved_pairs = _pairs(levels, starts, max_levels)
    if len(rules) > MAX_RULES_WITH_COVARIANCE:
        margin_sum, margin_prompts = _variances(first, starts, sizes)
    else:
        margin_sum, margin_prompts = _moments(first, starts, sizes)
    spread_sum, spread_count = _spread(table, max_levels)
    return Statistics(
        n_responses=first.n_rows,
        counts=_level_counts(levels, max_levels),
        n_outside=rules.outside(first.values).sum(axis=0),
        spread_sum=spread_sum,
        spread_count=spread_count,
        rated_pairs=rated_pairs,
        resolved_pairs=resolved_pairs,
        margin_sum=margin_sum,
        margin_prompts=margin_prompts,
        prompts=PromptSample.of(_hashes(names)),
    )


def _prompt_runs(table: RatingsTable) -> tuple[NDArray[np.int64], list[Any]]:
    """First row and name of each run of one prompt; a response without one is its own run."""
    if table.prompts is None:
        return np.arange(table.n_rows), []
    starts = table.prompts.run_starts()
    return starts, [table.prompts.names[code] for code in table.prompts.codes[starts].tolist()]


def _hashes(names: list[Any]) -> NDArray[np.uint64]:
    """A 64-bit hash of each prompt, the same on every machine; 1 and "1" have different ones."""
    from hashlib import blake2b

    def hashed(name: Any) -> bytes:
        is_text = isinstance(name, str)
        data = (name if is_text else repr(name)).encode("utf-8", "surrogatepass")
        return blake2b(data, digest_size=8, person=b"" if is_text else b"not text").digest()

    digests = [hashed(name) for name in names]
    return np.frombuffer(b"".join(digests), dtype=">u8").astype(np.uint64)


def _level_counts(levels: NDArray[np.int16], max_levels: int) -> NDArray[np.int64]:
    counts = [np.count_nonzero(levels == level, axis=0) for level in range(max_levels)]
    return np.stack(counts, axis=1).astype(np.int64)


def _pairs(
    levels: NDArray[np.int16], starts: NDArray[np.int64], max_levels: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of a prompt rated by each rule, and those on different levels: C(n,2) - Σ C(c_j,2)."""
    if len(starts) in (0, len(levels)):
        none = np.zeros(levels.shape[1], dtype=np.int64)
        return none, none
    rated = _choose_two(np.add.reduceat(levels >= 0, starts, axis=0, dtype=np.int64))
    tied = np.zeros(levels.shape[1], dtype=np.int64)
    for level in range(max_levels):
        tied += _choose_two(np.add.reduceat(levels == level, starts, axis=0, dtype=np.int64))
    return rated, rated - tied


def _choose_two(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray((counts * (counts - 1) // 2).sum(axis=0))


def _moments(
    table: RatingsTable, starts: NDArray[np.int64], sizes: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Σ over prompts of the mean over pairs of margin ⊗ margin, and the prompts in each sum."""
    n_rules = len(table.rules)
    moment = np.zeros((n_rules, n_rules))
    prompts = np.zeros((n_rules, n_rules), dtype=np.int64)
    if not (sizes > 1).any():
        return moment, prompts
    whole = np.logical_and.reduceat(table.rated.all(axis=1), starts) & (sizes > 1)
    rows = np.repeat(whole, sizes)
    if whole.any():
        moment += _moment_of_whole_prompts(table.unit[rows], sizes[whole])
        prompts += int(whole.sum())
    for size in np.unique(sizes[~whole & (sizes > 1)]).tolist():
        first_rows = starts[~whole & (sizes == size)]
        step = max(1, _MAX_ELEMENTS // max(n_rules * n_rules, size * n_rules))
        for at in range(0, len(first_rows), step):
            block = table.unit[first_rows[at : at + step, None] + np.arange(size)]
            part, met = _moment_of_gappy_prompts(block)
            moment += part
            prompts += met
    return moment, prompts


def _moment_of_whole_prompts(
    unit: NDArray[np.float64], sizes: NDArray[np.int64]
) -> NDArray[np.float64]:
    """With c = x less its prompt's mean, Σ_{i<j} (x_i - x_j)(x_i - x_j)ᵀ = n Σ c cᵀ.

    There are n (n - 1) / 2 pairs, so the mean over them is Σ c cᵀ · 2 / (n - 1).
    """
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    means = np.add.reduceat(unit, starts, axis=0) / sizes[:, None]
    centered = unit - np.repeat(means, sizes, axis=0)
    product = (centered * np.repeat(2 / (sizes - 1), sizes)[:, None]).T @ centered
    return np.asarray(product + product.T) / 2


def _moment_of_gappy_prompts(
    unit: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The same where cells are unrated; *unit* has shape (n_prompts, size, n_rules).

    For rules k, l only responses rated under both count: with m = m_k m_l,
    Σ_{i<j} = (Σ m)(Σ m x_k x_l) - (Σ m x_k)(Σ m x_l).
    """
    if unit.shape[1] == 2:  # one pair per prompt, as in preference data
        margin = unit[:, 0] - unit[:, 1]
        met = (~np.isnan(margin)).astype(np.float64)
        margin = np.nan_to_num(margin)
        return margin.T @ margin, (met.T @ met).astype(np.int64)
    mask = ~np.isnan(unit)
    rated = mask.astype(np.float64)
    known = np.maximum(mask.sum(axis=1, keepdims=True), 1)
    means = np.nansum(unit, axis=1, keepdims=True) / known
    x = np.where(mask, unit - means, 0.0)
    both = rated.transpose(0, 2, 1) @ rated
    one_sided = x.transpose(0, 2, 1) @ rated
    sums = both * (x.transpose(0, 2, 1) @ x) - one_sided * one_sided.transpose(0, 2, 1)
    enough = both > 1
    pairs = np.where(enough, both * (both - 1) / 2, 1.0)
    return np.where(enough, sums / pairs, 0.0).sum(axis=0), enough.sum(axis=0)


def _variances(
    table: RatingsTable, starts: NDArray[np.int64], sizes: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The diagonal of the moments alone, for very many rules."""
    rated = np.add.reduceat(table.rated, starts, axis=0, dtype=np.int64)
    means = np.add.reduceat(np.nan_to_num(table.unit), starts, axis=0) / np.maximum(rated, 1)
    squares = np.nan_to_num(table.unit - np.repeat(means, sizes, axis=0)) ** 2
    enough = rated > 1
    mean = np.add.reduceat(squares, starts, axis=0) * 2 / np.maximum(rated - 1, 1)
    return np.where(enough, mean, 0.0).sum(axis=0), enough.sum(axis=0)


def _spread(table: RatingsTable, max_levels: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Summed spread and how many ratings have one: as given, else from repeats."""
    n_rules = len(table.rules)
    total = np.zeros(n_rules)
    known = np.zeros(n_rules, dtype=np.int64)
    if table.repeats is not None and table.responses is not None:
        total, known = _spread_of_repeats(table, table.responses.codes, max_levels)
    if table.spread is not None:
        spread = table.spread[table.is_first]
        given = (~np.isnan(spread)).sum(axis=0)
        total = np.where(given > 0, np.nansum(spread, axis=0), total)
        known = np.where(given > 0, given, known)
    return total, known


def _spread_of_repeats(
    table: RatingsTable, responses: NDArray[np.int64], max_levels: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Entropy of each response's ratings, where it was rated more than once."""
    prompts = np.zeros(table.n_rows) if table.prompts is None else table.prompts.codes
    keys = np.column_stack([prompts, responses])
    order = np.lexsort(keys.T)
    new = np.ones(table.n_rows, dtype=bool)
    new[1:] = (np.diff(keys[order], axis=0) != 0).any(axis=1)
    starts = np.flatnonzero(new)
    levels = table.rules.level_of(table.values)[order]
    counts = np.stack(
        [
            np.add.reduceat(levels == level, starts, axis=0, dtype=np.int64)
            for level in range(max_levels)
        ],
        axis=-1,
    )
    n_ratings = counts.sum(axis=-1)
    again = n_ratings > 1
    entropy = np.where(again, pooled_entropy(counts, counts, n_ratings), 0.0)
    return entropy.sum(axis=0), again.sum(axis=0)
