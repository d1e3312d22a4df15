"""All schemes on the same pairs: rows, what they support, and the tables that people read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import isnan
from textwrap import wrap
from typing import Any, ClassVar

from encore.arrays import Record
from encore.errors import UnknownNameError
from encore.evaluation.entropy_accuracy import EntropyCorrelations, RuleAccuracy
from encore.evaluation.row import Row
from encore.evaluation.subset_table import SubsetTable, subset_table
from encore.extras import require
from encore.formatting import (
    UNDEFINED,
    html_table,
    interval,
    number,
    percent,
    percent_interval,
    points,
    points_interval,
)
from encore.ratings.pairing import Pairing


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Record):
    """All schemes on the same pairs.

    Parameters
    ----------
    rows : tuple of Row
        Uniform first.
    rules : tuple of RuleAccuracy
        Each rule alone.
    entropy_correlations : EntropyCorrelations
        What entropy varies with over the rules: accuracy, by tie convention, and resolving pairs.
    skipped : mapping of str to str
        Schemes that these ratings do not allow, and why.
    supported : str
        The scheme that the evidence supports: the simplest within one standard error of the best,
        see :func:`encore.evaluation.choose`.
    sentence : str
        What the numbers support, and what low entropy means on these ratings.
    n_pairs, n_prompts, n_folds : int
        Sizes; *n_folds* is how many splits the learned schemes had.
    n_uneven : int
        Pairs whose sides are rated under different rules; see ``PreferencePairs.n_uneven``.
    form : str
        The form of every reward of *rows*; see :func:`encore.compose`.
    forms : tuple of Row
        Forms under uniform weights, the mean first; their differences are to the mean.
    forms_sentence : str
        Which of them differ from the mean; empty if none were compared.
    pairing : Pairing or None
        How the pairs were made of labels, if they were.
    """

    rows: tuple[Row, ...]
    rules: tuple[RuleAccuracy, ...]
    entropy_correlations: EntropyCorrelations
    skipped: Mapping[str, str]
    supported: str
    sentence: str
    n_pairs: int
    n_prompts: int
    n_folds: int
    n_uneven: int
    form: str = "mean"
    forms: tuple[Row, ...] = ()
    forms_sentence: str = ""
    pairing: Pairing | None = None

    def row(self, scheme: str) -> Row:
        """The row of one scheme; also ``comparison[scheme]``.

        Raises
        ------
        UnknownNameError
            If there is none: see *skipped* for the reason.
        """
        rows = {row.scheme: row for row in self.rows}
        if scheme not in rows:
            raise UnknownNameError("scheme in this comparison", scheme, rows)
        return rows[scheme]

    def __getitem__(self, scheme: str) -> Row:
        return self.row(scheme)

    def __iter__(self) -> Iterator[str]:
        """The names of the schemes, uniform first."""
        return (row.scheme for row in self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    def to_frame(self) -> Any:
        """A pandas frame with one row per scheme, shares as fractions.

        Raises
        ------
        MissingExtraError
            If pandas is not installed.
        """
        pandas = require("pandas", extra="pandas", feature="A frame of a comparison")
        return pandas.DataFrame([_flat(row) for row in self.rows]).set_index("scheme")

    def by_subset(self, ties: str = "half") -> SubsetTable:
        """Methods by subset and score, as the paper lays out its table.

        Parameters
        ----------
        ties : {"half", "strict", "resolved", "right"}
            What a tie counts as in the subsets' columns; RewardBench 1 is ``strict``.

        Raises
        ------
        UnknownNameError
            If there is no such convention.

        Examples
        --------
        >>> import encore
        >>> comparison = encore.compare(encore.examples.ratings_path(), encore.examples.rules())
        >>> table = comparison.by_subset(ties="strict")
        >>> table.columns[:3]
        ('method', 'xstest-should-refuse', 'xstest-should-respond')
        >>> table.rows[0][0], table.rows[-1][0]
        ('random, mean of 100 draws (sd 1.8)', 'uniform (FsfairX-Llama-3-8B)')
        """
        sizes = self.n_pairs, self.n_prompts
        table = subset_table(self.rows, self.rules, sizes, ties=ties)
        of_form = "" if self.form == "mean" else f" Form of the rewards: {self.form}."
        return replace(table, caption=table.caption + of_form)

    def to_latex(self, ties: str = "half") -> str:
        """The table of :meth:`by_subset` as LaTeX; it needs the package booktabs."""
        return self.by_subset(ties).to("latex")

    def to_markdown(self, ties: str = "half") -> str:
        """The table of :meth:`by_subset` as Markdown."""
        return self.by_subset(ties).to("markdown")

    columns: ClassVar = (
        *("scheme", "strict", "half", "95 %", "resolved", "tied"),
        *("diff", "95 %", "p Holm"),
    )

    @property
    def title(self) -> str:
        """What :attr:`table` shows."""
        across = self.pairing is not None and self.pairing.across_prompts
        return (
            f"accuracy % on {self.n_pairs:,} pairs of {self.n_prompts:,} "
            f"{'groups of prompts' if across else 'prompts'}; diff: half less that of uniform"
            + ("" if self.form == "mean" else f"; form: {self.form}")
        )

    @property
    def table(self) -> list[tuple[str, ...]]:
        """One row per scheme under *columns*, in percent and points; for terminal and notebook."""
        return _table(self.rows)

    forms_columns: ClassVar = ("form", *columns[1:])
    forms_title: ClassVar = (
        "forms under uniform weights, accuracy %; diff: half less that of the mean"
    )

    @property
    def forms_table(self) -> list[tuple[str, ...]]:
        """One row per form under *forms_columns*, as in *table*."""
        return _table(self.forms)

    @property
    def agreement_columns(self) -> tuple[str, ...]:
        """The columns of :attr:`agreement_table`: AUROC is of outcomes only."""
        if self.pairing is None:
            return ()
        of_outcomes = ("AUROC", "95 %") if self.pairing.is_outcome else ()
        return ("scheme", "Spearman", "95 %", *of_outcomes)

    @property
    def agreement_title(self) -> str:
        """What :attr:`agreement_table` shows."""
        if self.pairing is None:
            return ""
        unit = "groups of prompts" if self.pairing.across_prompts else "prompts"
        return f"order of the {self.pairing.n_labelled:,} labelled responses, within {unit}" + (
            "; AUROC: of all together" if self.pairing.is_outcome else ""
        )

    @property
    def agreement_table(self) -> list[tuple[str, ...]]:
        """How each scheme orders labelled responses, where pairs were made of their labels.

        A reward that is known of pairs alone has dashes.
        """
        rows = []
        for row in self.rows if self.pairing is not None else ():
            cells: list[str] = []
            for found, form in ((row.spearman, "+.2f"), (row.auroc, ".3f")):
                if found is None:
                    cells += [UNDEFINED, UNDEFINED]
                else:
                    cells += [number(found.value, form), interval(found.low, found.high, form)]
            rows.append((row.scheme, *cells)[: len(self.agreement_columns)])
        return rows

    def __repr__(self) -> str:
        shown = ", ".join(f"{r.scheme} {percent(r.accuracy['half'].value)}" for r in self.rows)
        return "\n".join(
            [
                f"Comparison of {len(self)} schemes on {self.n_pairs:,} pairs of "
                f"{self.n_prompts:,} prompts, accuracy % with a tie as one half:",
                *wrap(shown, 96, initial_indent="  ", subsequent_indent="  ", max_lines=8),
            ]
        )

    def _repr_html_(self) -> str:
        """In a notebook: every scheme with its difference to uniform, and what that supports."""
        agreement = ""
        if self.pairing is not None:
            agreement = html_table(
                self.agreement_title, self.agreement_columns, self.agreement_table
            )
        schemes = agreement + html_table(self.title, self.columns, self.table, self.sentence)
        if not self.forms:
            return schemes
        table, said = self.forms_table, self.forms_sentence
        return schemes + html_table(self.forms_title, self.forms_columns, table, said)


def _table(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """Rows as text; the first is what the others are compared with."""
    table: list[tuple[str, ...]] = []
    for place, row in enumerate(rows):
        accuracy, difference = row.accuracy, row.difference
        against = ("", "", "")
        if place:
            # Where no pair is known to both, a p-value of 1 means nothing.
            p_value = UNDEFINED if isnan(difference.value) else number(row.p_holm)
            against = (points(difference.value), points_interval(difference), p_value)
        half = (percent(accuracy["half"].value), percent_interval(accuracy["half"]))
        shares = (percent(accuracy["resolved"].value), percent(row.tie_rate))
        strict = percent(accuracy["strict"].value)
        table.append((row.scheme, strict, *half, *shares, *against))
    return table


def _flat(row: Row) -> dict[str, Any]:
    """A row of a frame."""
    flat: dict[str, Any] = {"scheme": row.scheme, "how": row.how}
    for ties in ("strict", "half", "resolved"):
        flat[ties] = row.accuracy[ties].value
    flat |= {"half_low": row.accuracy["half"].low, "half_high": row.accuracy["half"].high}
    flat |= {"tie_rate": row.tie_rate, "difference": row.difference.value}
    flat |= {"difference_low": row.difference.low, "difference_high": row.difference.high}
    flat |= {"p_value": row.p_value, "p_holm": row.p_holm, "separation": row.separation}
    for name in ("spearman", "auroc"):
        if (found := getattr(row, name)) is not None:
            flat |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
    return {**flat, "n_unknown": row.n_unknown}
