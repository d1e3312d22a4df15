"""The entropy-accuracy law: whether rules of low rating entropy agree better with people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encore.calibrate import Calibration, rating_entropy
from encore.evaluate.accuracy import CONVENTIONS, Outcomes, outcomes
from encore.evaluate.intervals import ClusterBootstrap, Interval, percentile_interval
from encore.ratings import PreferencePairs

# Rules whose bootstrap columns are held at a time.
_RULES_AT_ONCE = 64


@dataclass(frozen=True)
class RuleAccuracy:
    """One rule alone, on labelled pairs.

    Parameters
    ----------
    rule : str
        Its id.
    entropy : float
        Normalised rating entropy over the calibration set.
    accuracy : dict of str to float
        By tie convention; NaN where undefined.
    tie_rate : float
        Share of the pairs it rates that it does not resolve.
    """

    rule: str
    entropy: float
    accuracy: dict[str, float]
    tie_rate: float


@dataclass(frozen=True)
class Law:
    """Correlation over rules of normalised entropy with accuracy, under one tie convention.

    Intervals resample prompts with the rules held fixed: they say how sure the correlation of
    *these* rules is, not of rules in general.

    Parameters
    ----------
    pearson, spearman : Interval
        NaN for fewer than three rules, or where nothing varies.
    n_rules : int
        Rules whose accuracy is defined.
    """

    pearson: Interval
    spearman: Interval
    n_rules: int


def rule_outcomes(pairs: PreferencePairs) -> list[Outcomes]:
    """Each rule's own verdicts on the pairs."""
    unit = pairs.ratings.unit
    return [
        outcomes(unit[pairs.chosen, position], unit[pairs.rejected, position])
        for position in range(len(pairs.rules))
    ]


def entropy_accuracy_law(
    pairs: PreferencePairs,
    calibration: Calibration,
    bootstrap: ClusterBootstrap,
    *,
    calibrated_on_pairs: bool,
) -> tuple[list[RuleAccuracy], dict[str, Law]]:
    """Per-rule accuracies, and their correlation with entropy under every tie convention.

    With *calibrated_on_pairs* the entropies are resampled along with the accuracies; entropies
    from a separate calibration set are held fixed.
    """
    verdicts = rule_outcomes(pairs)
    totals = np.stack([verdict.sums().sum(axis=0) for verdict in verdicts])
    entropy = calibration.normalised_entropy()
    resampled = _resampled_sums(verdicts, bootstrap)
    drawn = np.broadcast_to(entropy, resampled.shape[:2])
    if calibrated_on_pairs:
        drawn = _resampled_entropy(pairs, bootstrap)
    laws = {}
    for convention, of in CONVENTIONS.items():
        accuracies = of(totals)
        values = correlations(entropy, accuracies)
        draws = correlations(drawn, of(resampled))
        pearson, spearman = (
            percentile_interval(float(value), draw)
            for value, draw in zip(values, draws, strict=True)
        )
        laws[convention] = Law(pearson, spearman, int((~np.isnan(accuracies)).sum()))
    rules = [
        RuleAccuracy(
            rule_id,
            float(entropy[position]),
            {name: float(of(totals[position])) for name, of in CONVENTIONS.items()},
            float(totals[position, 1] / totals[position, 2]) if totals[position, 2] else np.nan,
        )
        for position, rule_id in enumerate(pairs.rules.ids)
    ]
    return rules, laws


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
    # Below this nothing varies but the rounding.
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


def _resampled_sums(verdicts: list[Outcomes], bootstrap: ClusterBootstrap) -> NDArray[np.float64]:
    """Win, tie and 1 of each rule in each resample, shape (n_resamples, n_rules, 3)."""
    parts = []
    for start in range(0, len(verdicts), _RULES_AT_ONCE):
        block = [verdict.sums() for verdict in verdicts[start : start + _RULES_AT_ONCE]]
        sums = bootstrap.sums(np.concatenate(block, axis=1))
        parts.append(sums.reshape(bootstrap.n_resamples, -1, 3))
    return np.concatenate(parts, axis=1)


def _resampled_entropy(pairs: PreferencePairs, bootstrap: ClusterBootstrap) -> NDArray[np.float64]:
    """Normalised entropy of each rule in each resample, shape (n_resamples, n_rules)."""
    levels = pairs.rules.level_of(pairs.ratings.values)
    sides = levels[pairs.chosen], levels[pairs.rejected]
    parts = []
    for position, n_levels in enumerate(pairs.rules.n_levels.tolist()):
        each = np.arange(n_levels)
        rows = sum((side[:, position, None] == each).astype(np.float64) for side in sides)
        parts.append(rating_entropy(bootstrap.sums(np.asarray(rows))) / np.log(n_levels))
    return np.stack(parts, axis=1)
