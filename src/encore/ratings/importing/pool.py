"""Ratings of one response by several raters, pooled into one."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encore.arrays import Record
from encore.ratings.spread import pooled_entropy
from encore.ratings.table import RatingsTable
from encore.rules import LevelScale, Rulebook

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class PooledCells(Record):
    """What raters say of each response, side and rule; NaN where nothing.

    Parameters
    ----------
    values, spread, applies : ndarray of float, shape (…, n_rows, n_sides, n_rules)
        Ratings, their spreads, and how far the rules apply.
    probabilities : ndarray of float, shape (…, n_rows, n_sides, n_rules, max n_levels)
        Level probabilities; the last axis has no length where no rater gives any.
    """

    values: Floats
    spread: Floats
    applies: Floats
    probabilities: Floats

    @classmethod
    def of(cls, table: RatingsTable, *, n_sides: int, n_levels: int) -> PooledCells:
        """The cells of a table in which *n_sides* rows, one below the other, are one row."""
        shape = (table.n_rows // n_sides, n_sides, len(table.rules))
        nothing = np.full(table.values.shape, np.nan)
        applies = np.ones(table.values.shape) if table.applies is None else table.applies
        return cls(
            table.values.reshape(shape),
            (nothing if table.spread is None else table.spread).reshape(shape),
            applies.reshape(shape),
            (
                np.full((table.values.size, n_levels), np.nan)
                if table.probabilities is None
                else table.probabilities
            ).reshape(*shape, n_levels),
        )

    @classmethod
    def stacked(cls, raters: Sequence[PooledCells]) -> PooledCells:
        """Several raters' cells of the same rows, with the raters first."""
        return cls._made(np.stack, raters)

    @classmethod
    def joined(cls, raters: Sequence[PooledCells]) -> PooledCells:
        """One rater's rows below the other's."""
        return cls._made(np.concatenate, raters)

    @classmethod
    def _made(
        cls, make: Callable[[list[Floats]], Floats], raters: Sequence[PooledCells]
    ) -> PooledCells:
        return cls(
            make([own.values for own in raters]),
            make([own.spread for own in raters]),
            make([own.applies for own in raters]),
            make([own.probabilities for own in raters]),
        )

    def take(self, rows: NDArray[np.int64]) -> PooledCells:
        """These rows; NaN for a row of -1."""
        return PooledCells(
            _taken(self.values, rows),
            _taken(self.spread, rows),
            _taken(self.applies, rows),
            _taken(self.probabilities, rows),
        )


def _taken(part: Floats, rows: NDArray[np.int64]) -> Floats:
    taken = part[rows]
    taken[rows < 0] = np.nan
    return taken


def pooled(raters: PooledCells, rules: Rulebook) -> PooledCells:
    """One cell of each of several raters', which come first.

    A rating is the mean of those that there are; one alone stays as it is. How far a rule applies
    is the mean over the raters who rated or said that it does not; over all, where none did.
    """
    rated = np.asarray(~np.isnan(raters.values))
    n_rated = rated.sum(axis=0)
    several = n_rated >= 2
    first = np.asarray(rated.argmax(axis=0))[None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a cell that nobody rated
        # Rounding must not take the mean beyond the ratings that it is of.
        low, high = np.nanmin(raters.values, axis=0), np.nanmax(raters.values, axis=0)
        values = np.nanmean(raters.values, axis=0).clip(low, high)
        spread: Floats = np.nanmean(np.where(rated, raters.spread, np.nan), axis=0)
        said = rated | (raters.applies == 0)
        told = np.where(said | ~said.any(axis=0), raters.applies, np.nan)
        applies: Floats = np.nanmean(told, axis=0)
    levels = np.take_along_axis(raters.probabilities, first[..., None], axis=0)[0]
    for place, rule in enumerate(rules):
        if isinstance(rule.scale, LevelScale):
            found = _pooled_levels(raters, place, rule.scale)
            again = several[..., place]
            spread[..., place] = np.where(again, found[0], spread[..., place])
            if levels.shape[-1]:
                levels[..., place, : rule.scale.n_levels][again] = found[1][again]
    return PooledCells(values, spread, applies, levels)


def _pooled_levels(raters: PooledCells, place: int, scale: LevelScale) -> tuple[Floats, Floats]:
    """Spread and level probabilities under a rule; the latter where any rater gave them.

    They are left out where the distribution of one of the raters is not known.
    """
    values, spread = raters.values[..., place], raters.spread[..., place]
    given = np.full((*values.shape, scale.n_levels), np.nan)
    if raters.probabilities.shape[-1]:
        given = raters.probabilities[..., place, : scale.n_levels]
    rated = np.asarray(~np.isnan(values))
    n = rated.sum(axis=0).clip(1)
    shares, known = _level_shares(values, spread, given, scale)
    total = np.nansum(shares, axis=0)
    between = pooled_entropy(total, np.nansum(shares**2, axis=0), n)
    # What raters leave open themselves is no less open for their agreeing.
    within = np.nansum(np.where(rated, spread, np.nan), axis=0) / n
    sure = (known | ~rated).all(axis=0) & ~np.isnan(given).all(axis=(0, -1))
    return np.maximum(between, within), np.where(sure[..., None], total / n[..., None], np.nan)


def _level_shares(
    values: Floats, spread: Floats, given: Floats, scale: LevelScale
) -> tuple[Floats, NDArray[np.bool_]]:
    """Each rating as a distribution over the levels, and whether the rater's own is known.

    One that was given is taken; a rating that is a level is all on it; and one between two is
    shared out among these, as their mean: the narrowest distribution that has it.
    """
    levels = np.array(scale.levels)
    rising = np.argsort(levels)
    ordered = levels[rising]
    finite = np.where(np.isnan(values), ordered[0], values).clip(ordered[0], ordered[-1])
    below = (np.searchsorted(ordered, finite, side="right") - 1).clip(0, len(levels) - 2)
    part = (finite - ordered[below]) / (ordered[below + 1] - ordered[below])
    shares = np.zeros((*values.shape, len(levels)))
    np.put_along_axis(shares, rising[below][..., None], (1 - part)[..., None], axis=-1)
    np.put_along_axis(shares, rising[below + 1][..., None], part[..., None], axis=-1)
    on_level = ~np.isnan(values) & ~scale.off_level(values)
    nearest = np.eye(len(levels))[scale.level_of(values).clip(0)]
    shares = np.where(np.asarray(on_level)[..., None], nearest, shares)
    has_own = np.asarray(~np.isnan(given).any(axis=-1))
    shares = np.where(has_own[..., None], given, shares)
    shares[np.isnan(values)] = np.nan
    return shares, has_own | (on_level & ~(spread > 0))
