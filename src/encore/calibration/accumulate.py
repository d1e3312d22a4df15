"""From a table of whole prompts to its statistics, without ever forming a pair."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from encore.calibration.fixed_point import LARGEST_FIXED, ONE, exact_sum, to_fixed
from encore.calibration.moments import Moments
from encore.calibration.prompts import PromptSample, prompt_hashes
from encore.calibration.statistics import (
    MAX_RULES_WITH_COVARIANCE,
    Statistics,
    n_buckets,
)
from encore.ratings import RatingsTable
from encore.ratings.spread import pooled_entropy


def accumulate(table: RatingsTable) -> Statistics:
    """Statistics of a table in which the rows of each prompt are contiguous.

    Only ratings of rules that apply at least half are counted.
    """
    rules = table.rules
    max_levels = int(rules.n_levels.max())
    first = table if table.repeats is None else table.take(table.is_first)
    levels = np.where(first.counted, rules.level_of(first.values), -1)
    starts, hashes = _prompt_runs(first)
    rated_pairs, resolved_pairs = _pairs(levels, starts, max_levels)
    margin_sum, margin_prompts = _margins(first, starts, hashes)
    spread_sum, spread_count = _spread(table, max_levels)
    return Statistics(
        n_responses=first.n_rows,
        applies_count=_applies(first),
        counts=_level_counts(levels, max_levels),
        soft_counts=_soft_counts(first, levels, max_levels),
        n_outside=(rules.outside(first.values) & first.counted).sum(axis=0),
        spread_sum=spread_sum,
        spread_count=spread_count,
        rated_pairs=rated_pairs,
        resolved_pairs=resolved_pairs,
        margin_sum=margin_sum,
        margin_prompts=margin_prompts,
        prompts=PromptSample.of(hashes),
    )


def _prompt_runs(table: RatingsTable) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """First row of each run of one prompt, and its hash; a response without one is its own run."""
    if table.prompts is None:
        return np.arange(table.n_rows), np.empty(0, dtype=np.uint64)
    starts = table.prompts.run_starts()
    codes = table.prompts.codes[starts].tolist()
    return starts, prompt_hashes(list(map(table.prompts.names.__getitem__, codes)))


def _applies(table: RatingsTable) -> NDArray[np.int64]:
    """Responses that each rule applies to."""
    if table.applies is None:
        return np.full(len(table.rules), table.n_rows, dtype=np.int64)
    return np.asarray((table.applies >= 0.5).sum(axis=0))


def _soft_counts(
    table: RatingsTable, levels: NDArray[np.int16], max_levels: int
) -> NDArray[np.object_]:
    """Summed level probabilities; a rating without any is all on its level."""
    if table.probabilities is None:
        return np.asarray(_level_counts(levels, max_levels).astype(object) * ONE)
    known = table.counted & ~np.isnan(table.probabilities[..., 0])
    # Rounded as cumulated, the probabilities of a rating sum to exactly 1.
    cumulated = np.where(known[..., None], table.probabilities, 0.0).cumsum(axis=2)
    whole = np.where(known, cumulated[..., -1], 1.0)
    soft = np.diff(to_fixed(cumulated / whole[..., None]), axis=2, prepend=0)
    others = _level_counts(np.where(known, -1, levels), max_levels)
    return np.asarray(exact_sum(soft) + others.astype(object) * ONE)


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


def _margins(
    table: RatingsTable, starts: NDArray[np.int64], hashes: NDArray[np.uint64]
) -> tuple[NDArray[np.object_], NDArray[np.int64]]:
    """The moments of the margins by bucket, and the prompts in each sum."""
    n_rules = len(table.rules)
    covariance = n_rules <= MAX_RULES_WITH_COVARIANCE
    moments = Moments(n_buckets(n_rules), n_rules, covariance=covariance)
    if len(starts) < table.n_rows:
        unit = table.unit if table.applies is None else np.where(table.counted, table.unit, np.nan)
        sizes = np.diff(np.append(starts, table.n_rows))
        buckets = (hashes % np.uint64(n_buckets(n_rules))).astype(np.int64)
        moments.add(unit, starts, sizes, buckets)
    return moments.sums()


def _spread(table: RatingsTable, max_levels: int) -> tuple[NDArray[np.object_], NDArray[np.int64]]:
    """Summed spread and how many ratings have one: as given, else from the response's repeats."""
    if table.spread is None and table.repeats is None:
        none = np.zeros(len(table.rules), dtype=np.int64)
        return none.astype(object), none
    spread = np.full(table.values.shape, np.nan)
    if table.spread is not None:
        spread = np.where(table.counted, table.spread, np.nan)
    if table.repeats is None or table.responses is None:
        spread = spread[table.is_first]
    else:
        rows, of_repeats = _spread_of_repeats(table, table.responses.codes, max_levels)
        spread = np.where(np.isnan(spread[rows]), of_repeats, spread[rows])
    known = ~np.isnan(spread)
    beyond = np.argwhere(known & (spread > LARGEST_FIXED))
    if len(beyond):
        row, rule = beyond[0].tolist()
        raise table.origin.error(
            f"{table.rules.ids[rule]}.spread is {spread[row, rule]:g}; expected the entropy of a "
            f"rating in nats."
        )
    return exact_sum(to_fixed(np.where(known, spread, 0.0))), known.sum(axis=0)


def _spread_of_repeats(
    table: RatingsTable, responses: NDArray[np.int64], max_levels: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """First row of each response, and the entropy of its ratings; NaN of fewer than two."""
    prompts = np.zeros(table.n_rows) if table.prompts is None else table.prompts.codes
    keys = np.column_stack([prompts, responses])
    order = np.lexsort(keys.T)
    new = np.ones(table.n_rows, dtype=bool)
    new[1:] = (np.diff(keys[order], axis=0) != 0).any(axis=1)
    starts = np.flatnonzero(new)
    levels = np.where(table.counted, table.rules.level_of(table.values), -1)[order]
    counts = np.stack(
        [
            np.add.reduceat(levels == level, starts, axis=0, dtype=np.int64)
            for level in range(max_levels)
        ],
        axis=-1,
    )
    n_ratings = counts.sum(axis=-1)
    entropy = np.where(n_ratings > 1, pooled_entropy(counts, counts, n_ratings), np.nan)
    return order[table.is_first[order]], entropy
