"""A row of a comparison: one reward on the pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from encore.arrays import Record
from encore.evaluation.intervals import Interval


@dataclass(frozen=True, eq=False, repr=False)
class Row(Record):
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
        Half-credit accuracy less that of uniform, on pairs for which both are known.
    p_value, p_holm : float
        P-value of that difference, by sign flips over prompts; adjusted for the number of schemes.
    n_unknown : int
        Pairs left out because the reward is unknown.
    best_of : Interval or None
        RewardBench 2's score (a prompt's best of n, ties sharing), if the pairs come from it.
    deviation : float
        Standard deviation of half-credit accuracy over the rewards that are averaged; NaN for one.
    spearman : Interval or None
        Correlation with the labels of single responses within prompts, if pairs were made of them
        and the reward is known of responses; see ``encore.evaluation.rank_agreement``.
    auroc : Interval or None
        Area under the ROC curve over all labelled responses, if the labels are outcomes.
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
    spearman: Interval | None = None
    auroc: Interval | None = None
