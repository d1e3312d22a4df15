"""How well a reward orders labelled responses: Spearman within prompts, and AUROC of outcomes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from encore.arrays import Record
from encore.evaluation.accuracy import TIE_TOLERANCE
from encore.evaluation.intervals import (
    CONFIDENCE,
    ClusterBootstrap,
    Interval,
    accuracy_interval,
    percentile_interval,
)
from encore.ratings import Ids, PreferencePairs

Floats = NDArray[np.float64]
_ROUNDING = 1e-13  # of the largest reward, as in accuracies
_NORMAL = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)


@dataclass(frozen=True, eq=False, repr=False)
class RankAgreement(Record):
    """How one reward orders labelled responses.

    Parameters
    ----------
    spearman : ndarray of float, shape (n_prompts,)
        By prompt; see :func:`spearman_by_prompt`.
    placements : ndarray of float, shape (n_responses,)
        See :func:`placements`; all NaN where labels are not outcomes.
    """

    spearman: Floats
    placements: Floats


@dataclass(frozen=True, eq=False, repr=False)
class LabelledResponses(Record):
    """The responses that have a label.

    Parameters
    ----------
    rows : ndarray of int64, shape (n_responses,)
        Rows of the ratings.
    labels : ndarray of float, shape (n_responses,)
        Higher is better.
    prompts : ndarray of int64, shape (n_responses,)
        Their prompts, numbered from 0.
    is_outcome : bool
        Whether the labels have two values.
    """

    rows: NDArray[np.int64]
    labels: Floats
    prompts: NDArray[np.int64]
    is_outcome: bool

    @classmethod
    def of(cls, pairs: PreferencePairs) -> LabelledResponses | None:
        """Those that pairs were made of; None where they were not made of labels."""
        if pairs.labels is None or pairs.pairing is None or pairs.ratings.prompts is None:
            return None
        rows = np.flatnonzero(~np.isnan(pairs.labels))
        labels = pairs.labels[rows] * (-1 if pairs.pairing.lower_is_better else 1)
        _, prompts = np.unique(pairs.ratings.prompts.codes[rows], return_inverse=True)
        return cls(rows, labels, prompts, pairs.pairing.is_outcome)

    def agreement(self, rewards: Floats) -> RankAgreement:
        """How a reward, NaN where unknown, orders them."""
        levels = _levels(rewards)
        by_prompt = spearman_by_prompt(levels, self.labels, self.prompts)
        placed = np.full(len(self.rows), np.nan)
        if self.is_outcome:
            placed = placements(levels, self.labels)
        return RankAgreement(by_prompt, placed)


def spearman_by_prompt(rewards: Floats, labels: Floats, prompts: NDArray[np.int64]) -> Floats:
    """Spearman's correlation of rewards with labels among the responses to each prompt.

    That of their ranks, ties having their mean rank. It is 0 where all rewards of a prompt are
    equal, as such a reward orders nothing, and NaN where all labels are: there is nothing to order.

    Parameters
    ----------
    rewards, labels : ndarray of float, shape (n_responses,)
        A response whose reward is NaN is left out.
    prompts : ndarray of int64, shape (n_responses,)
        From 0.

    Returns
    -------
    ndarray of float, shape (n_prompts,)
        In [-1, 1].

    Examples
    --------
    >>> rewards, labels = np.array([0.1, 0.5, 0.9, 0.2, 0.2]), np.array([1.0, 3.0, 2.0, 0.0, 1.0])
    >>> spearman_by_prompt(rewards, labels, np.array([0, 0, 0, 1, 1])).tolist()
    [0.5, 0.0]
    """
    n_prompts = int(prompts.max()) + 1
    known = ~np.isnan(rewards)
    of = prompts[known]
    middle = (np.bincount(of, minlength=n_prompts) - 1) / 2
    ours, theirs = (mean_ranks(v[known], of) - middle[of] for v in (rewards, labels))
    products = (ours * theirs, ours**2, theirs**2)
    both, own, given = (np.bincount(of, product, n_prompts) for product in products)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = both / np.sqrt(own * given)
    return np.where(given == 0, np.nan, np.where(own == 0, 0.0, found.clip(-1, 1)))


def placements(rewards: Floats, labels: Floats) -> Floats:
    """For each response, the share of those with the other outcome that it is ordered right with.

    A tie counts one half. Their mean over either outcome is the area under the ROC curve.

    Parameters
    ----------
    rewards, labels : ndarray of float, shape (n_responses,)
        NaN where a reward is unknown; labels of two values, the higher the better.

    Examples
    --------
    >>> placements(np.array([0.9, 0.4, 0.4]), np.array([1.0, 1.0, 0.0])).tolist()
    [1.0, 0.5, 0.75]
    """
    found = np.full(len(rewards), np.nan)
    known = np.flatnonzero(~np.isnan(rewards))
    good = labels[known] == labels.max()
    everyone = np.zeros(len(known), dtype=np.int64)
    below = mean_ranks(rewards[known], everyone) - mean_ranks(rewards[known], good.astype(np.int64))
    n_others = np.where(good, (~good).sum(), good.sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        share = below / n_others
    found[known] = np.where(good, share, 1 - share)
    return found


def mean_ranks(values: Floats, groups: NDArray[np.int64]) -> Floats:
    """Ranks from 0 within groups; equal values share their mean rank."""
    order = np.lexsort((values, groups))
    values, of = values[order], groups[order]
    group_starts = np.append(True, of[1:] != of[:-1])[: len(of)]
    run_starts = group_starts | np.append(True, values[1:] != values[:-1])[: len(of)]
    first = np.flatnonzero(run_starts)
    middle = first + (np.diff(np.append(first, len(of))) - 1) / 2
    start = np.flatnonzero(group_starts)
    ranks = np.empty(len(of))
    ranks[order] = middle[np.cumsum(run_starts) - 1] - start[np.cumsum(group_starts) - 1]
    return ranks


def _levels(rewards: Floats) -> Floats:
    """Rewards numbered in their order, those that are tied alike; see ``TIE_TOLERANCE``."""
    levels = np.full(len(rewards), np.nan)
    known = np.flatnonzero(~np.isnan(rewards))
    if known.size:
        order = known[np.argsort(rewards[known], kind="stable")]
        values = rewards[order]
        spread = float(np.subtract(*np.quantile(values, [0.75, 0.25])))
        tolerance = max(TIE_TOLERANCE * spread, _ROUNDING * float(np.abs(values).max()))
        levels[order] = np.cumsum(np.append(0, np.diff(values) > tolerance))
    return levels


def spearman_intervals(
    agreements: Mapping[str, RankAgreement], rng: np.random.Generator
) -> dict[str, Interval]:
    """The mean over prompts of each reward's correlation, with intervals that resample prompts.

    This is the correlation at the level of inputs of Deutsch et al. [1]_, with their bootstrap of
    inputs. Prompts count alike; those without a correlation are left out.

    References
    ----------
    .. [1] Deutsch, Dror and Roth (2021), A Statistical Analysis of Summarization Evaluation
       Metrics Using Resampling Methods, TACL 9.
    """
    tables = []
    for agreement in agreements.values():
        known = ~np.isnan(agreement.spearman)
        tables.append(np.column_stack([np.where(known, agreement.spearman, 0.0), known]))
    if not tables:
        return {}
    bootstrap = ClusterBootstrap(Ids.distinct(len(tables[0])), rng)
    drawn = bootstrap.sums_of(tables)
    return {
        name: _mean(table.sum(axis=0), sums)
        for name, table, sums in zip(agreements, tables, drawn, strict=True)
    }


def _mean(total: Floats, drawn: Floats) -> Interval:
    n_prompts = int(total[1])
    with np.errstate(invalid="ignore", divide="ignore"):
        value, draws = float(total[0] / total[1]), drawn[:, 0] / drawn[:, 1]
    if n_prompts < 2:
        return Interval(value, math.nan, math.nan)
    if abs(value) == 1:  # as of an accuracy: every prompt is ordered alike
        share = accuracy_interval((1 + value) / 2, (1 + draws) / 2, n_prompts)
        return Interval(value, 2 * share.low - 1, 2 * share.high - 1)
    return percentile_interval(value, draws)


def auroc_interval(responses: LabelledResponses, placed: Floats) -> Interval:
    r"""The area under the ROC curve over all responses, of any prompts, with its interval.

    The share of pairs of a good and a bad response, of one prompt or two, that the reward orders
    right, a tie as one half. (Half-credit accuracy on pairs is the same within prompts.) Responses
    to one prompt are not independent: the interval is the normal one with Obuchowski's variance for
    clusters [1]_, cut to [0, 1]. NaN where one outcome is not met, or there are less than 2
    prompts.

    References
    ----------
    .. [1] Obuchowski (1997), Nonparametric analysis of clustered ROC curve data, Biometrics 53.
    """
    known = ~np.isnan(placed)
    placed, of = placed[known], responses.prompts[known]
    good = responses.labels[known] == responses.labels.max()
    if good.all() or not good.any():
        return Interval(math.nan, math.nan, math.nan)
    value = float(placed[good].mean())
    n_prompts = len(np.unique(of))
    if n_prompts < 2:
        return Interval(value, math.nan, math.nan)
    if value in (0.0, 1.0):
        return accuracy_interval(value, np.array([value]), n_prompts)
    sums, sizes, excess = [], [], []
    for side in (good, ~good):
        n = int(side.sum())
        by_prompt = np.bincount(of[side], placed[side] - value, int(of.max()) + 1)
        n_with = len(np.unique(of[side]))
        excess.append(by_prompt)
        sizes.append(n)
        # One prompt with this outcome says nothing about how such prompts vary.
        sums.append(
            n_with / ((n_with - 1) * n) * float((by_prompt**2).sum()) if n_with > 1 else math.nan
        )
    shared = n_prompts / (n_prompts - 1) * float((excess[0] * excess[1]).sum())
    variance = sums[0] / sizes[0] + sums[1] / sizes[1] + 2 * shared / (sizes[0] * sizes[1])
    reach = _NORMAL * math.sqrt(max(variance, 0.0)) if variance == variance else math.nan
    if math.isnan(reach):
        return Interval(value, math.nan, math.nan)
    return Interval(value, max(0.0, value - reach), min(1.0, value + reach))


def judged_with(pairs: PreferencePairs, responses: LabelledResponses | None) -> PreferencePairs:
    """Pairs, and after them each labelled response paired with itself.

    So whatever rewards the two sides of pairs rewards these responses too.
    """
    if responses is None:
        return pairs
    n_more = len(responses.rows)
    subsets = Ids(np.append(pairs.subsets.codes, np.zeros(n_more, np.int64)), pairs.subsets.names)
    chosen, rejected = (np.append(s, responses.rows) for s in (pairs.chosen, pairs.rejected))
    return PreferencePairs(pairs.ratings, chosen, rejected, subsets)


def averaged(agreements: Sequence[RankAgreement]) -> RankAgreement | None:
    """The mean of several rewards' agreements, item by item, over those that are known."""
    if not agreements:
        return None
    means = []
    for name in ("spearman", "placements"):
        stacked = np.stack([getattr(agreement, name) for agreement in agreements])
        known = ~np.isnan(stacked)
        with np.errstate(invalid="ignore"):
            means.append(np.nan_to_num(stacked).sum(axis=0) / known.sum(axis=0))
    return RankAgreement(*means)
