"""Ratings as a grid, whatever shape they came in: a row per response, a column per rule."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from encore.errors import RatingsError
from encore.ratings.importing.choices import Shape
from encore.ratings.importing.coded import Coded, Found

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class RuleCells:
    """The cells of one rule.

    Parameters
    ----------
    column : str
        The column that they come from, as errors name it.
    cells : Coded
        One per row of the grid.
    beside : dict of str to Coded
        What stands beside them: ``"spread"``, ``"reason"``, ``"applies"``, ``"p"``.
    places : ndarray of int
        The row of what was found that each cell comes from; -1 where none does.
    scale : str, optional
        The scale, where the tool that wrote them says it.
    reverse : bool, optional
        Whether less is better, where the tool says it.
    """

    column: str
    cells: Coded
    beside: dict[str, Coded]
    places: Rows
    scale: str | None = None
    reverse: bool | None = None


@dataclass(frozen=True, eq=False)
class RatingsGrid:
    """Responses by rules, as they were found.

    Parameters
    ----------
    shape : {"wide", "long", "pairs"}
        The shape that they were found in.
    rules : dict of str to RuleCells
        By the rule's name.
    others : dict of str to Coded
        Columns that are no ratings, by the names that they get; one per row, or per pair.
    roles : dict of str to str
        The column that was taken for each role.
    found : Found
        What was read.
    notes : list of str
        What was done that a reader should know.
    twice : tuple of int, optional
        The first two rows of what was found that rate one response under one rule.
    """

    shape: Shape
    rules: dict[str, RuleCells]
    others: dict[str, Coded]
    roles: dict[str, str]
    found: Found
    notes: list[str] = field(default_factory=list)
    twice: tuple[int, int] | None = None

    @property
    def paired(self) -> bool:
        """Whether two rows, chosen and rejected, are one row of what was found."""
        return self.shape == "pairs"

    @property
    def n_rows(self) -> int:
        """Responses, repeats counted on their own."""
        return len(next(iter(self.rules.values())).cells)

    def error(self, message: str, rule: str, row: int) -> RatingsError:
        """An error about a cell."""
        cells = self.rules[rule]
        column = cells.column
        if self.paired:
            column = column.split(" | ")[row % 2]
        return self.found.error(message, max(int(cells.places[row]), 0), column)


def combined(keys: Iterable[NDArray[np.int64]]) -> tuple[Rows, Rows]:
    """A number per row that is the same where all keys are, and the first row of each."""
    whole: Rows | None = None
    for key in keys:
        distinct = int(key.max(initial=-1)) + 2
        whole = key + 1 if whole is None else whole * distinct + key + 1
        _, whole = np.unique(whole, return_inverse=True)
    _, first, numbers = np.unique(
        np.zeros(0, dtype=np.int64) if whole is None else whole,
        return_index=True,
        return_inverse=True,
    )
    return numbers.astype(np.int64), first.astype(np.int64)


def ordinal(codes: Rows) -> Rows:
    """The how-manieth of its code each row is, counted from 0.

    Examples
    --------
    >>> ordinal(np.array([3, 1, 3, 3])).tolist()
    [0, 0, 1, 2]
    """
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    new = np.append(True, ordered[1:] != ordered[:-1]) if len(codes) else np.zeros(0, bool)
    starts = np.flatnonzero(new)
    within = np.arange(len(codes)) - np.repeat(starts, np.diff(np.append(starts, len(codes))))
    found = np.empty(len(codes), dtype=np.int64)
    found[order] = within
    return found
