"""The result of a rating job: the ratings table, and how much of it is rated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from encore.arrays import Record
from encore.files import StrPath, refuse_overwrite
from encore.formatting import html_table, number, percent
from encore.raters.applicability import Applicability
from encore.raters.cells import RatedCells
from encore.raters.questions import UNSAFE
from encore.raters.texts import ids_table
from encore.ratings.origin import SIDES
from encore.rules import LevelScale, Rulebook

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Coverage:
    """How much of one rule is rated.

    Parameters
    ----------
    rule : str
        Its id.
    n_responses, n_rated, n_not_applicable : int
        Responses, how many of them have a rating, and to how many the rule does not apply.
    reasons : mapping of str to int
        Why the others have none.
    unknown : mapping of str to int
        Why it is not known how far the rule applies to some, which then count as if it does.
    mean_spread : float
        Mean entropy (nats) of the rater's own distributions; NaN where it gave none.
    """

    rule: str
    n_responses: int
    n_rated: int
    n_not_applicable: int
    reasons: Mapping[str, int]
    unknown: Mapping[str, int]
    mean_spread: float

    @property
    def rated_share(self) -> float:
        """Share that is rated of the responses that the rule applies to; NaN if to none."""
        n_applies = self.n_responses - self.n_not_applicable
        return self.n_rated / n_applies if n_applies else float("nan")


@dataclass(frozen=True, eq=False, repr=False)
class Rated(Record):
    """The ratings of a job.

    Parameters
    ----------
    rules : Rulebook
        The rules.
    table : pyarrow.Table
        The ratings in the layout of the data: ids, ratings, and, where there are any, spreads,
        level probabilities, and how far each rule applies.
    coverage : tuple of Coverage
        Per rule.
    n_cut : int
        Responses that were rated with part of the text left out.
    provenance : mapping
        What the table was made from.
    read : tuple of path-like
        The files that it was made from, which are never overwritten.
    notes : tuple of str
        What changes what the ratings mean.
    """

    rules: Rulebook
    table: pa.Table
    coverage: tuple[Coverage, ...]
    n_cut: int
    provenance: Mapping[str, Any]
    read: tuple[StrPath, ...] = ()
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        n_rated = sum(rule.n_rated for rule in self.coverage)
        n_empty = sum(rule.n_not_applicable for rule in self.coverage)
        n_cells = sum(rule.n_responses for rule in self.coverage) - n_empty
        given = f"{percent(n_rated / n_cells)} % of the ratings given" if n_cells else "no ratings"
        empty = f", {n_empty:,} not applicable" if n_empty else ""
        lines = [
            f"Rated: {self.table.num_rows:,} rows under {len(self.rules)} rules, {given}{empty}",
            *self.notes,
        ]
        return "\n".join(lines if len(lines) < 10 else [*lines[:8], "… see .notes"])

    def _repr_html_(self) -> str:
        """In a notebook: how much of each rule is rated, and why the rest is not."""
        rows = [
            (
                rule.rule,
                f"{rule.n_responses:,}",
                f"{rule.n_not_applicable:,}",
                percent(rule.rated_share),
                number(rule.mean_spread),
                ", ".join(f"{count} {reason}" for reason, count in rule.reasons.items()),
            )
            for rule in self.coverage
        ]
        columns = ("rule", "responses", "not applicable", "rated %", "spread nats", "unrated")
        return html_table("coverage", columns, rows, text=("unrated",))

    def save(self, path: StrPath, *, format: str | None = None) -> None:
        """Write the ratings file, atomically; the same ratings give the same bytes.

        Parameters
        ----------
        path : path-like
            A ``.parquet``, ``.csv`` or ``.jsonl`` file. Only Parquet says what it was made from.
        format : {"parquet", "csv", "jsonl"}, optional
            Of a stream; see :func:`encore.ratings.write.table_format`.

        Raises
        ------
        InputError
            If the file is one that the ratings were made from, or its ending is unknown.
        """
        from encore.ratings.files import write_ratings

        refuse_overwrite(path, *self.read)
        write_ratings(path, self.table, self.rules, self.provenance, format=format)


def ratings_table(
    ids: Sequence[Mapping[str, Any]],
    rules: Rulebook,
    cells: RatedCells,
    applicability: Applicability | None = None,
) -> pa.Table:
    """Ids, ratings, and what stands beside them; of pairs if there are two rows per id.

    Spreads and level probabilities have columns where there are any; how far rules apply has some
    where prompts were asked about, or a rule does not apply in full.
    """
    import pyarrow as pa

    table = ids_table(ids)
    sides = SIDES if ids and len(cells.values) == 2 * len(ids) else ("",)
    if applicability is not None:
        unsafe = _of_rows(applicability.unsafe, len(sides))
        table = table.append_column(UNSAFE, pa.array(unsafe, from_pandas=True))
    for offset, side in enumerate(sides):
        for kind, columns in _columns(rules, cells, always=applicability is not None).items():
            for rule_id, column in columns.items():
                name = f"{side and side + '.'}{rule_id}{kind}"
                table = table.append_column(name, _array(column[offset :: len(sides)]))
    return table


def _columns(
    rules: Rulebook, cells: RatedCells, *, always: bool
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """What stands in the columns of each ending, by rule."""
    columns: dict[str, dict[str, NDArray[np.float64]]] = {
        end: {} for end in ("", ".spread", ".applies", ".p")
    }
    always |= bool((cells.applies != 1).any())
    for position, rule in enumerate(rules):
        columns[""][rule.id] = cells.values[:, position]
        if not np.isnan(cells.spread[:, position]).all():
            columns[".spread"][rule.id] = cells.spread[:, position]
        if always:
            columns[".applies"][rule.id] = cells.applies[:, position]
        shares = cells.probabilities[:, position, : rule.scale.n_levels]
        # The bins of a range are ours: their probabilities are no others' to read.
        if isinstance(rule.scale, LevelScale) and not np.isnan(shares).all():
            columns[".p"][rule.id] = shares
    return columns


def _array(column: NDArray[np.float64]) -> pa.Array:
    """A column, of lists if it has two dimensions, with nulls where there is no number."""
    import pyarrow as pa

    if column.ndim == 1:
        return pa.array(column, from_pandas=True)
    known = ~np.isnan(column[:, 0])
    offsets = np.concatenate([[0], np.cumsum(known * column.shape[1])]).astype(np.int32)
    null = np.concatenate([~known, [False]])
    return pa.ListArray.from_arrays(pa.array(offsets, mask=null), column[known].ravel())


def _of_rows(numbers: NDArray[np.float64], n_sides: int) -> NDArray[np.float64]:
    """One number a row, of the first side that has it: both have one prompt."""
    sides = numbers.reshape(-1, n_sides)
    return np.where(np.isnan(sides[:, 0]), sides[:, -1], sides[:, 0])


def coverage_of(
    rules: Rulebook, cells: RatedCells, unknown: NDArray[Any] | None = None
) -> tuple[Coverage, ...]:
    """How much of each rule is rated, and why the rest is not.

    *unknown*, of shape (n_responses, n_rules), says why it is not known how far a rule applies.
    """
    nowhere = cells.applies == 0
    rated = ~np.isnan(cells.values)
    counted = []
    for position, rule in enumerate(rules):
        missing = ~rated[:, position] & ~nowhere[:, position]
        known = cells.spread[:, position][~np.isnan(cells.spread[:, position])]
        why = () if unknown is None else filter(None, unknown[:, position].tolist())
        counted.append(
            Coverage(
                rule.id,
                n_responses=len(cells.values),
                n_rated=int(rated[:, position].sum()),
                n_not_applicable=int(nowhere[:, position].sum()),
                reasons=dict(Counter(cells.reasons[missing, position].tolist()).most_common()),
                unknown=dict(Counter(why).most_common()),
                mean_spread=float(known.mean()) if known.size else float("nan"),
            )
        )
    return tuple(counted)
