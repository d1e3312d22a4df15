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
from encore.raters.judge.answers import mean_and_entropy
from encore.raters.judge.codes import Codes
from encore.raters.protocol import Answer
from encore.raters.texts import ids_table
from encore.ratings.origin import SIDES
from encore.ratings.spread import pooled_entropy
from encore.rules import Rule, Rulebook

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Coverage:
    """How much of one rule is rated.

    Parameters
    ----------
    rule : str
        Its id.
    n_responses, n_rated : int
        Responses, and how many of them have a rating.
    reasons : mapping of str to int
        Why the others have none.
    mean_spread : float
        Mean entropy (nats) of the rater's own distributions; NaN where it gave none.
    """

    rule: str
    n_responses: int
    n_rated: int
    reasons: Mapping[str, int]
    mean_spread: float


@dataclass(frozen=True, eq=False, repr=False)
class Rated(Record):
    """The ratings of a job.

    Parameters
    ----------
    rules : Rulebook
        The rules.
    table : pyarrow.Table
        The ratings in the layout of the data: ids, ratings, and spreads where there are any.
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
        n_cells = sum(rule.n_responses for rule in self.coverage)
        lines = [
            f"Rated: {self.table.num_rows:,} rows under {len(self.rules)} rules, "
            f"{percent(n_rated / n_cells)} % of the ratings given",
            *self.notes,
        ]
        return "\n".join(lines if len(lines) < 10 else [*lines[:8], "… see .notes"])

    def _repr_html_(self) -> str:
        """In a notebook: how much of each rule is rated, and why the rest is not."""
        rows = [
            (
                rule.rule,
                f"{rule.n_responses:,}",
                percent(rule.n_rated / rule.n_responses),
                number(rule.mean_spread),
                ", ".join(f"{count} {reason}" for reason, count in rule.reasons.items()),
            )
            for rule in self.coverage
        ]
        columns = ("rule", "responses", "rated %", "spread nats", "unrated")
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
    values: NDArray[np.float64],
    spread: NDArray[np.float64],
) -> pa.Table:
    """Ids, ratings, and spreads where there are any; of pairs if there are two rows per id."""
    import pyarrow as pa

    table = ids_table(ids)
    sides = SIDES if ids and len(values) == 2 * len(ids) else ("",)
    for offset, side in enumerate(sides):
        for kind, numbers in (("", values), (".spread", spread)):
            for position, rule in enumerate(rules):
                if kind and np.isnan(spread[:, position]).all():
                    continue
                name = f"{side and side + '.'}{rule.id}{kind}"
                column = numbers[offset :: len(sides), position]
                table = table.append_column(name, pa.array(column, from_pandas=True))
    return table


def rating_of(answers: list[Answer], rule: Rule) -> tuple[float, float, str]:
    """The rating, spread and reason that several answers give together."""
    rated = [answer for answer in answers if answer.reason is None]
    if not rated:
        return float("nan"), float("nan"), str(answers[0].reason)
    distributions = [a.probabilities for a in rated if a.probabilities is not None]
    if len(rated) > 1 and len(distributions) == len(rated):
        p = np.array(distributions)
        value, _ = mean_and_entropy(p.mean(axis=0).tolist(), Codes.of(rule).values)
        return value, float(pooled_entropy(p.sum(axis=0), (p**2).sum(axis=0), len(p))), ""
    one = rated[0]
    return (
        float("nan") if one.value is None else one.value,
        float("nan") if one.spread is None else one.spread,
        "",
    )


def coverage_of(
    rules: Rulebook,
    values: NDArray[np.float64],
    spread: NDArray[np.float64],
    reasons: NDArray[Any],
) -> tuple[Coverage, ...]:
    """How much of each rule is rated, and why the rest is not; arrays (n_responses, n_rules)."""
    rated = ~np.isnan(values)
    counted = []
    for position, rule in enumerate(rules):
        missing = Counter(reasons[~rated[:, position], position].tolist())
        known = spread[:, position][~np.isnan(spread[:, position])]
        mean = float(known.mean()) if known.size else float("nan")
        n_rated = int(rated[:, position].sum())
        counted.append(Coverage(rule.id, len(values), n_rated, dict(missing.most_common()), mean))
    return tuple(counted)
