"""Every scheme and baseline on the same pairs, with intervals, against uniform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encore.calibrate import Calibration, calibrate, diagnose
from encore.errors import InputError, UnknownNameError
from encore.evaluate.accuracy import CONVENTIONS
from encore.evaluate.candidates import Candidate, candidates_of
from encore.evaluate.evaluation import safety_intervals, sums_by_subset
from encore.evaluate.intervals import (
    FEW_PROMPTS,
    ClusterBootstrap,
    Interval,
    accuracy_interval,
    holm,
    percentile_interval,
    sign_flip_p_values,
)
from encore.evaluate.law import Law, RuleAccuracy, entropy_accuracy_law, law_columns
from encore.evaluate.rewardbench import SAFETY_COUNTS
from encore.ratings import PreferencePairs, as_pairs
from encore.rules import Rulebook

SIGNIFICANT = 0.05
TIE_RATES_DIFFER = 0.01
BASELINES = ("random", "single")  # averages to compare with, not weights to use


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
    subsets : mapping of str to mapping of str to float
        Accuracy by subset and tie convention.
    separation : float
        See :func:`encore.evaluate.separation`; the mean where several rewards are averaged.
    difference : Interval
        Half-credit accuracy less that of uniform, on pairs that both know.
    p_value, p_holm : float
        Of that difference, by sign flips over prompts; adjusted for the number of schemes.
    n_unknown : int
        Pairs left out because the reward is unknown.
    """

    scheme: str
    how: str
    accuracy: Mapping[str, Interval]
    tie_rate: float
    safety: Mapping[str, Interval] | None
    subsets: Mapping[str, Mapping[str, float]]
    separation: float
    difference: Interval
    p_value: float
    p_holm: float
    n_unknown: int


@dataclass(frozen=True)
class Comparison:
    """All schemes on the same pairs.

    Parameters
    ----------
    rows : tuple of Row
        Uniform first.
    rules : tuple of RuleAccuracy
        Each rule alone.
    laws : mapping of str to Law
        Correlation of entropy with accuracy over the rules, by tie convention.
    skipped : mapping of str to str
        Schemes that these ratings do not allow, and why.
    sentence : str
        What the numbers support.
    n_pairs, n_prompts, n_folds : int
        Sizes; the folds are of the learned schemes.
    n_uneven : int
        Pairs whose sides are rated under different rules; see ``PreferencePairs.n_uneven``.
    """

    rows: tuple[Row, ...]
    rules: tuple[RuleAccuracy, ...]
    laws: Mapping[str, Law]
    skipped: Mapping[str, str]
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


def compare(
    pairs: Any,
    rules: Rulebook,
    *,
    calibration_set: Any = None,
    n_folds: int = 5,
    rng: np.random.Generator | int = 0,
) -> Comparison:
    """Compare all schemes and baselines on the same labelled pairs.

    Label-free schemes calibrate on all ratings (labels are not looked at); learned ones are
    cross-validated over prompts, so no pair is judged by weights that saw its prompt. Intervals
    are 95 % percentile bootstrap intervals that resample prompts, the same draws for every
    scheme; p-values flip the signs of the prompts' differences to uniform, adjusted by Holm.

    Parameters
    ----------
    pairs : PreferencePairs, frame or path
        In the pairs layout.
    rules : Rulebook
        The rules.
    calibration_set : ratings in any form, or Calibration, optional
        What to calibrate on instead of the pairs' own ratings.
    n_folds : int, default 5
        Folds of the cross-validation, at least 2.
    rng : numpy.random.Generator or int, default 0
        The source of randomness, or a seed for one.

    Raises
    ------
    MismatchError
        If the ratings were made with other rules.
    InputError
        If the pairs are unusable, uniform knows the reward of none, or *n_folds* is below 2.

    Examples
    --------
    >>> import encore
    >>> comparison = compare(encore.examples.ratings_path(), encore.examples.rules())
    >>> comparison.n_pairs, comparison.row("uniform").difference.value
    (458, 0.0)
    """
    if n_folds < 2:
        raise InputError(f"n_folds is {n_folds}; expected 2 or more.")
    rng = np.random.default_rng(rng)
    labelled = as_pairs(pairs, rules)
    calibration = _calibration(labelled, rules, calibration_set)
    bootstrap = ClusterBootstrap(labelled.prompts, rng)
    candidates, skipped = candidates_of(labelled, calibration, n_folds, rng)
    columns = [_columns(labelled, candidates, scheme) for scheme in candidates]
    of_rules = law_columns(labelled, calibrated_on_pairs=calibration_set is None)
    drawn = bootstrap.sums_of([*columns, *of_rules])
    rows = _rows(labelled, candidates, columns, drawn, rng)
    rule_accuracies, laws = entropy_accuracy_law(calibration, of_rules, drawn[len(columns) :])
    return Comparison(
        rows=tuple(rows),
        rules=tuple(rule_accuracies),
        laws=laws,
        skipped=skipped,
        sentence=_sentence(rows, calibration, labelled.n_pairs, bootstrap.n_prompts),
        n_pairs=labelled.n_pairs,
        n_prompts=bootstrap.n_prompts,
        n_folds=n_folds,
        n_uneven=labelled.n_uneven,
    )


def _calibration(pairs: PreferencePairs, rules: Rulebook, calibration_set: Any) -> Calibration:
    if calibration_set is None:
        return calibrate(pairs, rules)
    if isinstance(calibration_set, Calibration):
        rules.same_as(calibration_set.rules, "these rules", "the calibration")
        return calibration_set
    return calibrate(calibration_set, rules)


def _columns(
    pairs: PreferencePairs, candidates: Mapping[str, Candidate], scheme: str
) -> NDArray[np.float64]:
    """What to resample: verdicts by subset, the difference to uniform, and where both are known."""
    verdicts = candidates[scheme].verdicts
    difference = verdicts.half - candidates["uniform"].verdicts.half
    both = ~np.isnan(difference)
    by_subset = sums_by_subset(verdicts, pairs.subsets)
    return np.column_stack([by_subset, np.where(both, difference, 0.0), both])


def _rows(
    pairs: PreferencePairs,
    candidates: Mapping[str, Candidate],
    columns: Sequence[NDArray[np.float64]],
    drawn: Sequence[NDArray[np.float64]],
    rng: np.random.Generator,
) -> list[Row]:
    halves = np.column_stack([candidate.verdicts.half for candidate in candidates.values()])
    p_values = sign_flip_p_values(halves - halves[:, :1], pairs.prompts, rng)
    # Uniform, the first, is not compared with itself.
    adjusted = holm(np.append(np.nan, p_values[1:]))
    names = [str(name) for name in pairs.subsets.names]
    n_prompts = len(np.unique(pairs.prompts.codes))
    rows = []
    for i, (scheme, candidate) in enumerate(candidates.items()):
        total = columns[i].sum(axis=0)
        sums, resampled = total[:-2].reshape(-1, 3), drawn[i][:, :-2].reshape(-1, len(names), 3)
        overall, overall_drawn = sums.sum(axis=0), resampled.sum(axis=1)
        of_section = not set(names).isdisjoint(SAFETY_COUNTS)
        rows.append(
            Row(
                scheme=scheme,
                how=candidate.how,
                accuracy={
                    name: accuracy_interval(float(of(overall)), of(overall_drawn), n_prompts)
                    for name, of in CONVENTIONS.items()
                },
                tie_rate=float(overall[1] / overall[2]),
                safety=safety_intervals(sums, resampled, names) if of_section else None,
                subsets={
                    subset: {name: float(of(sums[k])) for name, of in CONVENTIONS.items()}
                    for k, subset in enumerate(names)
                },
                separation=candidate.separation,
                difference=_mean_interval(total[-2:], drawn[i][:, -2:]),
                p_value=float(p_values[i]),
                p_holm=float(adjusted[i]),
                n_unknown=int((~candidate.verdicts.known).sum()),
            )
        )
    return rows


def _mean_interval(total: NDArray[np.float64], resampled: NDArray[np.float64]) -> Interval:
    with np.errstate(invalid="ignore", divide="ignore"):
        draws = resampled[:, 0] / resampled[:, 1]
        return percentile_interval(float(total[0] / total[1]), draws)


def _sentence(rows: list[Row], calibration: Calibration, n_pairs: int, n_prompts: int) -> str:
    """What the numbers support, in plain words."""
    schemes = [row for row in rows[1:] if row.scheme not in BASELINES]
    clear = [row for row in schemes if row.p_holm < SIGNIFICANT]
    if clear:
        rest = "; no other scheme is distinguishable from it" if len(clear) < len(schemes) else ""
        said = f"On these {n_pairs} pairs, {'; '.join(map(_against_uniform, clear))}{rest}"
    else:
        smallest = min((row.p_holm for row in schemes), default=float("nan"))
        said = (
            f"No scheme is distinguishable from uniform on these {n_pairs} pairs (smallest "
            f"Holm-adjusted p = {smallest:.2g})"
        )
    baselines = [r for r in rows if r.scheme in BASELINES and r.p_holm < SIGNIFICANT]
    sentences = [f"{said}; ties count one half."]
    if baselines:
        sentences.append(f"Of the baselines, {'; '.join(map(_against_uniform, baselines))}.")
    ties = [row.tie_rate for row in rows if row.scheme != "single"]
    if max(ties) - min(ties) > TIE_RATES_DIFFER:
        sentences.append(
            f"Strict accuracy does not compare here: rewards tie on {100 * min(ties):.1f} % to "
            f"{100 * max(ties):.1f} % of pairs, and breaking ties alone raises it."
        )
    if n_prompts < FEW_PROMPTS:
        sentences.append(f"{n_prompts} prompts are too few to tell schemes apart.")
    empty = [found.message for found in diagnose(calibration).findings if found.kind == "empty"]
    return " ".join([*(message[0].upper() + message[1:] for message in empty), *sentences])


def _against_uniform(row: Row) -> str:
    direction = "better" if row.difference.value > 0 else "worse"
    points = 100 * abs(row.difference.value)
    return f"{row.scheme} is {direction} than uniform by {points:.1f} points (p = {row.p_holm:.2g})"
