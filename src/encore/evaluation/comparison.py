"""What a comparison holds: a row for every scheme, and what the rows support."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from encore.errors import UnknownNameError
from encore.evaluation.entropy_accuracy import EntropyCorrelations, RuleAccuracy
from encore.evaluation.intervals import Interval
from encore.formatting import html_table, number, percent


@dataclass(frozen=True)
class Row:
    """One scheme on the pairs.

    Parameters
    ----------
    scheme : str
        Its name.
    how : str
        How it got its weights.
    accuracy : mapping of str to Interval
        By tie convention.
    tie_rate : float
        Share of pairs tied.
    safety : mapping of str to Interval, or None
        RewardBench's Safety section by tie convention.
    subsets : mapping of str to mapping of str to Interval
        Accuracy by subset and tie convention.
    separation : float
        See :func:`encore.evaluation.separation`; the mean where several rewards are averaged.
    difference : Interval
        Half-credit accuracy less that of uniform, on pairs that both know.
    p_value, p_holm : float
        Of that difference, by sign flips over prompts; adjusted for the number of schemes.
    n_unknown : int
        Pairs left out because the reward is unknown.
    best_of : Interval or None
        RewardBench 2's score (a prompt's best of n, ties sharing), if the pairs are of it.
    deviation : float
        Standard deviation of half-credit accuracy over the rewards that are averaged; NaN for one.
    """

    scheme: str
    how: str
    accuracy: Mapping[str, Interval]
    tie_rate: float
    safety: Mapping[str, Interval] | None
    subsets: Mapping[str, Mapping[str, Interval]]
    separation: float
    difference: Interval
    p_value: float
    p_holm: float
    n_unknown: int
    best_of: Interval | None
    deviation: float


@dataclass(frozen=True)
class Comparison:
    """All schemes on the same pairs.

    Parameters
    ----------
    rows : tuple of Row
        Uniform first.
    rules : tuple of RuleAccuracy
        Each rule alone.
    entropy_correlations : EntropyCorrelations
        What entropy goes with over the rules: accuracy, by tie convention, and resolving pairs.
    skipped : mapping of str to str
        Schemes that these ratings do not allow, and why.
    supported : str
        The scheme that the evidence supports: the simplest within one standard error of the best,
        see :func:`encore.evaluation.choose`.
    sentence : str
        What the numbers support, and what low entropy means on these ratings.
    n_pairs, n_prompts, n_folds : int
        Sizes; the splits are of the learned schemes.
    n_uneven : int
        Pairs whose sides are rated under different rules; see ``PreferencePairs.n_uneven``.
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

    def row(self, scheme: str) -> Row:
        """The row of one scheme.

        Raises
        ------
        UnknownNameError
            If there is none: see *skipped* for the reason.
        """
        rows = {row.scheme: row for row in self.rows}
        if scheme not in rows:
            raise UnknownNameError("scheme in this comparison", scheme, rows)
        return rows[scheme]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    def _repr_html_(self) -> str:
        """In a notebook: every scheme with its difference to uniform, and what that supports."""
        rows = []
        for row in self.rows:
            half, difference = row.accuracy["half"], row.difference
            against = ("", "", "")
            if row.scheme != "uniform":
                low, value, high = (
                    number(100 * end, "+.1f")
                    for end in (difference.low, difference.value, difference.high)
                )
                # Where no pair is known to both, a p-value of 1 is of nothing.
                p_value = "-" if value == "-" else number(row.p_holm)
                against = (value, f"{low} to {high}", p_value)
            ends = f"{percent(half.low)} to {percent(half.high)}"
            accuracies = [percent(row.accuracy[name].value) for name in ("strict", "resolved")]
            cells = (percent(half.value), ends, *accuracies, percent(row.tie_rate))
            rows.append((row.scheme, *cells, *against))
        return html_table(
            f"accuracy % on {self.n_pairs:,} pairs of {self.n_prompts:,} prompts",
            (
                *("scheme", "half", "95 %", "strict", "resolved", "tied"),
                *("less uniform", "95 %", "p Holm"),
            ),
            rows,
            self.sentence,
        )
