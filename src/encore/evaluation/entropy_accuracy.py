"""Whether rules of low rating entropy agree better with people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encore.arrays import Record
from encore.calibration import Calibration, rating_entropy
from encore.evaluation.accuracy import CONVENTIONS, Outcomes, outcomes
from encore.evaluation.intervals import Interval, accuracy_intervals, percentile_interval
from encore.ratings import PreferencePairs


@dataclass(frozen=True, eq=False, repr=False)
class RuleAccuracy(Record):
    """One rule alone, on labelled pairs.

    Parameters
    ----------
    rule : str
        Its id.
    entropy : float
        Normalised rating entropy over the calibration set.
    accuracy : dict of str to Interval
        By tie convention; NaN where undefined.
    tie_rate : float
        Share of the pairs it rates that it does not resolve.
    subsets : dict of str to dict of str to float
        Accuracy by subset and tie convention.
    """

    rule: str
    entropy: float
    accuracy: dict[str, Interval]
    tie_rate: float
    subsets: dict[str, dict[str, float]]


@dataclass(frozen=True, eq=False, repr=False)
class EntropyCorrelation(Record):
    """Correlation over rules of normalised entropy with accuracy, under one tie convention.

    Intervals resample prompts with the rules held fixed: they say how sure the correlation of
    *these* rules is, not of rules in general. Noise pulls a correlation towards 0, and resampling
    does so again: near 1 and -1 the interval lies too far inside, and covers less than stated.

    Parameters
    ----------
    pearson, spearman : Interval
        NaN for fewer than three rules, or where nothing varies.
    n_rules : int
        Rules whose entropy and accuracy are both defined.
    """

    pearson: Interval
    spearman: Interval
    n_rules: int


def rule_outcomes(pairs: PreferencePairs) -> list[Outcomes]:
    """Each rule's own verdicts on the pairs."""
    unit = pairs.counted_unit
    return [
        outcomes(unit[pairs.chosen, position], unit[pairs.rejected, position])
        for position in range(len(pairs.rules))
    ]


def correlation_columns(
    pairs: PreferencePairs, *, calibrated_on_pairs: bool
) -> list[NDArray[np.float64]]:
    """What to resample: rules' verdicts and, where the pairs calibrate, their level counts."""
    verdicts = np.concatenate([verdict.sums() for verdict in rule_outcomes(pairs)], axis=1)
    if not calibrated_on_pairs:
        return [verdicts]
    levels = np.where(pairs.ratings.counted, pairs.rules.level_of(pairs.ratings.values), -1)
    sides = levels[pairs.chosen], levels[pairs.rejected]
    counts = []
    for position, n_levels in enumerate(pairs.rules.n_levels.tolist()):
        each = np.arange(n_levels)
        counts.append(sum((side[:, position, None] == each).astype(np.float64) for side in sides))
    return [verdicts, *map(np.asarray, counts)]


@dataclass(frozen=True, eq=False, repr=False)
class EntropyCorrelations(Record):
    """What rating entropy correlates with over the rules.

    Parameters
    ----------
    accuracy : dict of str to EntropyCorrelation
        With accuracy, by tie convention.
    resolving : EntropyCorrelation
        With the share of pairs that a rule resolves: whether it speaks at all.
    """

    accuracy: dict[str, EntropyCorrelation]
    resolving: EntropyCorrelation


def entropy_correlations(
    calibration: Calibration,
    columns: Sequence[NDArray[np.float64]],
    drawn: Sequence[NDArray[np.float64]],
) -> EntropyCorrelations:
    """Correlation of entropy with accuracy under every tie convention, and with resolving pairs.

    *columns* are those of :func:`correlation_columns` and *drawn* their resampled sums. Entropies
    are resampled with the accuracies where the columns hold level counts; those from a separate
    calibration set are held fixed.
    """
    totals = columns[0].sum(axis=0).reshape(-1, 3)
    resampled = drawn[0].reshape(len(drawn[0]), -1, 3)
    entropy = calibration.normalised_entropy()
    entropies = np.broadcast_to(entropy, resampled.shape[:2])
    if len(drawn) > 1:
        each = [rating_entropy(counts) / np.log(counts.shape[1]) for counts in drawn[1:]]
        entropies = np.stack(each, axis=1)

    def correlation(of: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> EntropyCorrelation:
        found, draws = of(totals), of(resampled)
        pearson, spearman = (
            percentile_interval(float(value), draw)
            for value, draw in zip(
                correlations(entropy, found), correlations(entropies, draws), strict=True
            )
        )
        both = ~np.isnan(found) & ~np.isnan(entropy)
        return EntropyCorrelation(pearson, spearman, int(both.sum()))

    return EntropyCorrelations(
        {name: correlation(of) for name, of in CONVENTIONS.items()}, correlation(resolved_share)
    )


def resolved_share(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of pairs resolved, from summed (win, tie, 1)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(1 - sums[..., 1] / sums[..., 2])


def rule_accuracies(
    pairs: PreferencePairs,
    calibration: Calibration,
    drawn: NDArray[np.float64],
) -> list[RuleAccuracy]:
    """Each rule alone; *drawn* are the resampled sums of all rules' verdicts."""
    entropy, found = calibration.normalised_entropy(), []
    resampled = drawn.reshape(len(drawn), -1, 3)
    n_prompts = len(np.unique(pairs.prompts.codes))
    names = [str(name) for name in pairs.subsets.names]
    for position, verdicts in enumerate(rule_outcomes(pairs)):
        sums = verdicts.sums()
        total = sums.sum(axis=0)
        by_subset = [sums[pairs.subsets.codes == code].sum(axis=0) for code in range(len(names))]
        found.append(
            RuleAccuracy(
                calibration.rules.ids[position],
                float(entropy[position]),
                accuracy_intervals(total, resampled[:, position], n_prompts),
                1 - float(resolved_share(total)),
                {
                    subset: {name: float(of(part)) for name, of in CONVENTIONS.items()}
                    for subset, part in zip(names, by_subset, strict=True)
                },
            )
        )
    return found


def correlations(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pearson and Spearman correlation along the last axis, of the entries known in both.

    NaN for fewer than three entries, or where nothing varies.

    Examples
    --------
    >>> pearson, spearman = correlations(np.array([[1.0, 2.0, 3.0]]), np.array([[1.0, 4.0, 9.0]]))
    >>> pearson.round(4), spearman.round(4)
    (array([0.9897]), array([1.]))
    """
    known = ~np.isnan(x) & ~np.isnan(y)
    x, y = np.where(known, x, np.nan), np.where(known, y, np.nan)
    return _pearson(x, y), _pearson(_ranks(x), _ranks(y))


def _pearson(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    n = (~np.isnan(x)).sum(axis=-1)
    enough = n >= 3
    with np.errstate(invalid="ignore", divide="ignore"):
        x, y = (
            np.nan_to_num(v - np.nansum(v, axis=-1, keepdims=True) / n[..., None]) for v in (x, y)
        )
        scale = np.sqrt((x * x).sum(axis=-1) * (y * y).sum(axis=-1))
        value = np.clip((x * y).sum(axis=-1) / scale, -1.0, 1.0)
    # Below this only rounding varies.
    return np.where(enough & (scale > 1e-12), value, np.nan)


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 0 along the last axis, ties sharing their mean; NaN stays NaN."""
    rows = values.reshape(-1, values.shape[-1])
    order = np.argsort(rows, axis=1)
    ordered = np.take_along_axis(rows, order, axis=1)
    new = np.ones(rows.shape, dtype=bool)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    group = np.cumsum(new).reshape(rows.shape) - 1
    position = np.broadcast_to(np.arange(rows.shape[1]), rows.shape)
    mean = np.bincount(group.ravel(), position.ravel()) / np.bincount(group.ravel())
    ranks = np.empty(rows.shape)
    np.put_along_axis(ranks, order, mean[group], axis=1)
    return np.where(np.isnan(values), np.nan, ranks.reshape(values.shape))
