"""Every scheme and baseline on the same pairs, with intervals, against uniform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from encore.calibration import Calibration, calibrate
from encore.errors import InputError
from encore.evaluation.candidates import (
    Candidate,
    Rewards,
    candidates_of,
    check_names,
    chosen_scheme,
    forms_of,
)
from encore.evaluation.comparison import Comparison
from encore.evaluation.conclusions import (
    against_mean,
    conclude,
)
from encore.evaluation.cross_validate import N_FOLDS
from encore.evaluation.entropy_accuracy import (
    correlation_columns,
    entropy_correlations,
    rule_accuracies,
)
from encore.evaluation.evaluate import n_prompts_in, safety_intervals, sums_by_subset
from encore.evaluation.intervals import (
    ClusterBootstrap,
    Interval,
    accuracy_intervals,
    holm,
    percentile_interval,
    sign_flip_p_values,
)
from encore.evaluation.rank_agreement import (
    LabelledResponses,
    auroc_interval,
    spearman_intervals,
)
from encore.evaluation.rewardbench.scores import SAFETY_COUNTS
from encore.evaluation.row import Row
from encore.ratings import PreferencePairs, as_pairs
from encore.ratings.pairing import MAX_PER_PROMPT
from encore.rewards import AppliesBy, Form, as_form, form_text
from encore.rewards.compose import by
from encore.rules import Rulebook, Rules, as_rulebook
from encore.weights import Uniform


def compare(
    pairs: Any,
    rules: Rules,
    *,
    scale: Any = None,
    label: str | ArrayLike | None = None,
    gap: float | None = None,
    max_per_prompt: int = MAX_PER_PROMPT,
    across_prompts: bool = False,
    lower_is_better: bool | None = None,
    calibration_set: Any = None,
    n_folds: int = N_FOLDS,
    dawid_skene: bool = False,
    rewards: Mapping[str, Rewards] | None = None,
    form: Form | str = "mean",
    forms: Sequence[Form | str] = (),
    applies_by: AppliesBy = "response",
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
        In the pairs layout; with *label*, ratings of responses in any form.
    rules : Rulebook, path, catalogue's name, or list of ids
        The rules; see :func:`encore.rules.as_rulebook`.
    scale : LevelScale, RangeScale or list of levels, optional
        The scale, if the rules are a list of ids.
    label : str or array_like of float, optional
        Make pairs of rated responses by their labels; see :func:`encore.pairs`, also for *gap*,
        *max_per_prompt*, *across_prompts* and *lower_is_better*.
    calibration_set : ratings in any form, or Calibration, optional
        What to calibrate on instead of the pairs' own ratings.
    n_folds : int, default 5
        How many splits by prompt to cross-validate learned schemes on; 2 or more.
    dawid_skene : bool, default False
        Whether to fit Dawid and Skene's model too; needs the extra ``baselines``.
    rewards : mapping of str to array_like of shape (n_pairs, 2), or path, optional
        Other rewards of the chosen and the rejected responses by name, on any scale: an LLM
        judge's overall rating, a single-head reward model. NaN where unknown; a file is read by
        :func:`encore.rewards.load_rewards`. With *label*, also one reward for each row of ratings.
    form : Form or str, default "mean"
        How unit ratings become one number, in every row; see :func:`encore.compose`.
    forms : sequence of Form or str
        Forms to compare with the mean under uniform weights, in rows of their own.
    applies_by : {"response", "prompt"}
        What says how far a rule applies; see :func:`encore.compose`.
    rng : numpy.random.Generator or int, default 0
        The source of randomness, or a seed for one.

    Raises
    ------
    MismatchError
        If the ratings were made with different rules.
    InputError
        If the pairs are unusable, uniform gives none of them a reward, there are fewer than 2
        splits, or one of *rewards* has the name of a scheme.

    Examples
    --------
    >>> import encore
    >>> comparison = compare(encore.examples.ratings_path(), encore.examples.rules())
    >>> comparison.n_pairs, comparison.row("uniform").difference.value
    (458, 0.0)
    """
    if n_folds < 2:
        raise InputError(f"n_folds is {n_folds}; expected 2 or more.")
    rewards = rewards or {}
    check_names(rewards)
    rules = as_rulebook(rules, scale)
    labelled = as_pairs(
        pairs,
        rules,
        label=label,
        gap=gap,
        max_per_prompt=max_per_prompt,
        across_prompts=across_prompts,
        lower_is_better=lower_is_better,
        rng=rng,
    )
    rng = np.random.default_rng(rng)
    calibration = _calibration(labelled, rules, calibration_set)
    return _compared(
        replace(labelled, ratings=by(applies_by, labelled.ratings).under(rules)),
        calibration,
        rng,
        n_folds=n_folds,
        dawid_skene=dawid_skene,
        rewards=rewards,
        form=as_form(form),
        forms=[as_form(each) for each in forms],
        own=calibration_set is None,
    )


def _compared(
    labelled: PreferencePairs,
    calibration: Calibration,
    rng: np.random.Generator,
    *,
    n_folds: int,
    dawid_skene: bool,
    rewards: Mapping[str, Rewards],
    form: Form,
    forms: Sequence[Form],
    own: bool,
) -> Comparison:
    """Compare on checked pairs; *own* says whether they are what the calibration is of."""
    bootstrap = ClusterBootstrap(labelled.prompts, rng)
    candidates, skipped = candidates_of(
        labelled,
        calibration,
        rng,
        n_folds=n_folds,
        dawid_skene=dawid_skene,
        rewards=rewards,
        form=form,
    )
    by_form = forms_of(labelled, Uniform()(calibration), forms)
    columns, of_forms = _columns(labelled, candidates), _columns(labelled, by_form)
    of_rules = correlation_columns(labelled, calibrated_on_pairs=own)
    drawn = bootstrap.sums_of([*columns, *of_rules, *of_forms])
    end = len(columns) + len(of_rules)
    rows = _rows(labelled, candidates, columns, drawn, rng)
    rows = _with_agreement(rows, candidates, labelled, rng)
    # Of their own stream, so that no other row depends on which forms are compared.
    form_rows = _rows(labelled, by_form, of_forms, drawn[end:], rng.spawn(1)[0]) if by_form else []
    correlations = entropy_correlations(calibration, of_rules, drawn[len(columns) : end])
    supported, sizes = chosen_scheme(candidates, labelled), (labelled.n_pairs, bootstrap.n_prompts)
    return Comparison(
        rows=tuple(rows),
        rules=tuple(rule_accuracies(labelled, calibration, drawn[len(columns)])),
        entropy_correlations=correlations,
        skipped=skipped,
        supported=supported,
        sentence=conclude(calibration, rows, correlations, supported, sizes),
        n_pairs=sizes[0],
        n_prompts=sizes[1],
        n_folds=n_folds,
        n_uneven=labelled.n_uneven,
        form=form_text(form),
        forms=tuple(form_rows),
        forms_sentence=against_mean(form_rows, labelled.n_pairs),
        pairing=labelled.pairing,
    )


def _calibration(pairs: PreferencePairs, rules: Rulebook, calibration_set: Any) -> Calibration:
    if calibration_set is None:
        return calibrate(pairs, rules)
    if isinstance(calibration_set, Calibration):
        rules.same_as(calibration_set.rules, "these rules", "the calibration")
        return replace(calibration_set, rules=rules)  # whose vetoes are those to compare with
    return calibrate(calibration_set, rules)


def _columns(
    pairs: PreferencePairs, candidates: Mapping[str, Candidate]
) -> list[NDArray[np.float64]]:
    """What to resample: verdicts by subset, the difference to the first, best-of-n scores.

    The last two are sums with their counts; a prompt's best-of-n score is at its first pair.
    """
    columns = []
    for candidate in candidates.values():
        verdicts, scores = candidate.verdicts, candidate.items
        difference = verdicts.half - next(iter(candidates.values())).verdicts.half
        best = np.full(pairs.n_pairs, np.nan)
        if scores is not None:
            items, first = np.unique(pairs.prompts.codes, return_index=True)
            best[first] = scores[items]
        parts = [sums_by_subset(verdicts, pairs.subsets)]
        for values in (difference, best):
            known = ~np.isnan(values)
            parts += [np.where(known, values, 0.0)[:, None], known[:, None]]
        columns.append(np.concatenate(parts, axis=1))
    return columns


def _rows(
    pairs: PreferencePairs,
    candidates: Mapping[str, Candidate],
    columns: Sequence[NDArray[np.float64]],
    drawn: Sequence[NDArray[np.float64]],
    rng: np.random.Generator,
) -> list[Row]:
    halves = np.column_stack([candidate.verdicts.half for candidate in candidates.values()])
    p_values = sign_flip_p_values(halves - halves[:, :1], pairs.prompts, rng)
    # The first is not compared with itself.
    adjusted = holm(np.append(np.nan, p_values[1:]))
    names = [str(name) for name in pairs.subsets.names]
    n_prompts = len(np.unique(pairs.prompts.codes))
    prompts_of = [n_prompts_in(pairs.prompts, pairs.subsets, k) for k in range(len(names))]
    rows = []
    for i, (scheme, candidate) in enumerate(candidates.items()):
        total = columns[i].sum(axis=0)
        sums, resampled = total[:-4].reshape(-1, 3), drawn[i][:, :-4].reshape(-1, len(names), 3)
        overall, overall_drawn = sums.sum(axis=0), resampled.sum(axis=1)
        of_section = not set(names).isdisjoint(SAFETY_COUNTS)
        rows.append(
            Row(
                scheme=scheme,
                how=candidate.how,
                accuracy=accuracy_intervals(overall, overall_drawn, n_prompts),
                tie_rate=float(overall[1] / overall[2]),
                safety=safety_intervals(sums, resampled, names) if of_section else None,
                subsets={
                    subset: accuracy_intervals(sums[k], resampled[:, k], prompts_of[k])
                    for k, subset in enumerate(names)
                },
                separation=candidate.separation,
                difference=_mean_interval(total[-4:-2], drawn[i][:, -4:-2]),
                p_value=float(p_values[i]),
                p_holm=float(adjusted[i]),
                n_unknown=int((~candidate.verdicts.known).sum()),
                best_of=None
                if candidate.items is None
                else _mean_interval(total[-2:], drawn[i][:, -2:]),
                deviation=candidate.deviation,
            )
        )
    return rows


def _mean_interval(total: NDArray[np.float64], resampled: NDArray[np.float64]) -> Interval:
    with np.errstate(invalid="ignore", divide="ignore"):
        draws = resampled[:, 0] / resampled[:, 1]
        return percentile_interval(float(total[0] / total[1]), draws)


def _with_agreement(
    rows: list[Row],
    candidates: Mapping[str, Candidate],
    pairs: PreferencePairs,
    rng: np.random.Generator,
) -> list[Row]:
    """Rows with how they order labelled responses, where pairs were made of these."""
    responses = LabelledResponses.of(pairs)
    found = {n: c.agreement for n, c in candidates.items() if c.agreement is not None}
    if responses is None or not found:
        return rows
    spearman = spearman_intervals(found, rng)
    return [
        replace(
            row,
            spearman=spearman[row.scheme],
            auroc=auroc_interval(responses, found[row.scheme].placements)
            if responses.is_outcome
            else None,
        )
        if row.scheme in found
        else row
        for row in rows
    ]
