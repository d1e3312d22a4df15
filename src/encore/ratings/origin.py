"""Where the rows of a ratings table come from, so that errors can name the place."""

from __future__ import annotations

from dataclasses import dataclass

from encore.errors import RatingsError

SIDES = ("chosen", "rejected")


@dataclass(frozen=True)
class Origin:
    """Maps rows and rules of a table to rows and columns of its source.

    Parameters
    ----------
    source : str
        The file, or a name for ratings from memory.
    first_row : int
        Number, from 1, of the source's row that holds the table's first row.
    paired : bool
        Whether two rows of the table, chosen and rejected, are one row of the source.

    Examples
    --------
    >>> pairs = Origin("pairs.csv", paired=True)
    >>> pairs.row(3), pairs.column(3, "privacy")
    (2, 'rejected.privacy')
    """

    source: str = "ratings"
    first_row: int = 1
    paired: bool = False

    def row(self, row: int) -> int:
        """The source's row, counted from 1, that holds a row of the table, counted from 0."""
        return self.first_row + (row // 2 if self.paired else row)

    def column(self, row: int, rule_id: str) -> str:
        """The source's column that holds a rule's ratings in that row."""
        return f"{SIDES[row % 2]}.{rule_id}" if self.paired else rule_id

    def error(
        self, message: str, row: int | None = None, column: str | None = None
    ) -> RatingsError:
        """An error that names the place; *row* is the table's, counted from 0."""
        where = None if row is None else self.row(row)
        return RatingsError(message, source=self.source, row=where, column=column)
