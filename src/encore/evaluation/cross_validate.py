"""Learned weights, and the choice of a scheme, judged on prompts that they did not see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encore.calibration import Calibration
from encore.errors import InputError
from encore.evaluation.accuracy import outcomes
from encore.ratings import PreferencePairs, as_pairs
from encore.rewards import Form, Mean, compose
from encore.weights import LEARNED, LearnedScheme, Weights
from encore.weights.auto import CHOICES

Floats = NDArray[np.float64]
N_FOLDS = 5
MEAN = Mean()


def choose(
    pairs: Any,
    calibration: Calibration,
    *,
    n_folds: int = N_FOLDS,
    rng: np.random.Generator | int = 0,
) -> Weights:
    """The simplest scheme that labelled pairs cannot tell from the best: uniform if in doubt.

    Half-credit accuracies of uniform, linear, softmax, inverse_variance, information, agreement
    and bradley_terry (the last by cross-validation over prompts) are compared in this order; the
    first that is within one standard error of the best is taken, the error being that of the best
    one's accuracy, over prompts.

    Parameters
    ----------
    pairs : PreferencePairs, frame or path
        Labelled pairs, rated under the calibration's rules.
    calibration : Calibration
        What the label-free schemes weigh by.
    n_folds : int, default 5
        Splits of the prompts, for schemes that learn from the pairs.
    rng : numpy.random.Generator or int, default 0
        The source of randomness, or a seed for one.

    Returns
    -------
    Weights
        Of scheme ``auto``; its notes say what was chosen and on which figures.

    Raises
    ------
    MismatchError
        If the pairs were rated under other rules.
    InputError
        If the pairs are unusable, or too few for the splits.

    References
    ----------
    .. [1] Breiman, Friedman, Olshen and Stone (1984), Classification and Regression Trees,
       section 3.4.3: the one-standard-error rule.

    Examples
    --------
    >>> from encore import calibrate, examples
    >>> calibration = calibrate(examples.ratings_path(), examples.rules())
    >>> choose(examples.ratings_path(), calibration).notes[0].split(":")[0]
    'auto chose uniform'
    """
    labelled = as_pairs(pairs, calibration.rules)
    label_free, _ = label_free_weights(calibration)
    splits = splits_of(labelled, n_folds, np.random.default_rng(rng))
    halves = {name: _half(*rewards_of(labelled, w)) for name, w in label_free.items()}
    halves |= _learned_halves(labelled, splits)
    chosen = simplest_of_the_best(halves, labelled.prompts.codes)
    weights = label_free[chosen] if chosen in label_free else LEARNED[chosen]()(labelled)
    told = ", ".join(f"{name} {100 * np.nanmean(half):.1f}" for name, half in halves.items())
    why = (
        f"auto chose {chosen}: the simplest within one standard error of the best on "
        f"{labelled.n_pairs} labelled pairs (accuracy %: {told})"
    )
    return replace(
        weights,
        rules=calibration.rules,
        scheme="auto",
        options={},
        calibration_digest=calibration.digest,
        notes=(why, *weights.notes),
    )


def simplest_of_the_best(halves: Mapping[str, Floats], clusters: NDArray[np.int64]) -> str:
    """The first name whose accuracy is within one standard error of the best one's.

    The error is that of the best one's accuracy, with prompts as the units: as in the original
    rule, and wider than that of a difference, which the best of several exceeds by luck. NaN,
    where a reward is unknown, is left out.
    """
    means = {name: float(np.nanmean(half)) for name, half in halves.items() if _any_known(half)}
    best = max(means, key=lambda name: means[name])
    known = ~np.isnan(halves[best])
    by_prompt = np.bincount(clusters[known], halves[best][known] - means[best])
    error = float(np.sqrt((by_prompt**2).sum())) / int(known.sum())
    return next(name for name, mean in means.items() if mean >= means[best] - error)


def chosen_rewards(
    pairs: PreferencePairs,
    label_free: Mapping[str, tuple[Floats, Floats]],
    splits: NDArray[np.int64],
    judged: PreferencePairs | None = None,
    form: Form = MEAN,
) -> tuple[Floats, Floats]:
    """Rewards on each split by the scheme that :func:`choose` takes on the others.

    *label_free* holds the rewards of the label-free schemes on all pairs, simplest first: their
    weights use no labels, so they are the same in every split.
    """
    judged, split_of = _judged(pairs, splits, judged)
    chosen, rejected = np.empty(judged.n_pairs), np.empty(judged.n_pairs)
    n_pairs = pairs.n_pairs
    halves = {name: _half(c[:n_pairs], r[:n_pairs]) for name, (c, r) in label_free.items()}
    codes = pairs.prompts.codes
    for split in np.unique(splits):
        in_split, out = splits == split, split_of == split
        seen = pairs.take(~in_split)
        found = {name: half[~in_split] for name, half in halves.items()}
        found |= _learned_halves(seen, splits[~in_split], form)
        name = simplest_of_the_best(found, codes[~in_split])
        if name in label_free:
            chosen[out], rejected[out] = (side[out] for side in label_free[name])
        else:
            chosen[out], rejected[out] = rewards_of(judged.take(out), LEARNED[name]()(seen), form)
    return chosen, rejected


def _learned_halves(
    pairs: PreferencePairs, splits: NDArray[np.int64], form: Form = MEAN
) -> dict[str, Floats]:
    halves = {}
    for name, scheme in LEARNED.items():
        try:
            halves[name] = _half(*cross_validated(pairs, scheme(), splits, form=form))
        except InputError:
            continue  # it finds no weights on these pairs
    return halves


def label_free_weights(calibration: Calibration) -> tuple[dict[str, Weights], dict[str, str]]:
    """Weights of what ``auto`` chooses from, and why those that are absent are."""
    found, skipped = {}, {}
    for name, scheme in CHOICES.items():
        try:
            found[name] = scheme(calibration)
        except InputError as error:
            skipped[name] = str(error)
    return found, skipped


def splits_of(pairs: PreferencePairs, n_folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """A split for every pair; no prompt is in two."""
    prompts, cluster = np.unique(pairs.prompts.codes, return_inverse=True)
    if not 2 <= n_folds <= len(prompts):
        raise InputError(
            f"{n_folds} splits of {len(prompts)} prompts; expected 2 splits or more, and a prompt "
            f"for each."
        )
    split_of_prompt = np.empty(len(prompts), dtype=np.int64)
    split_of_prompt[rng.permutation(len(prompts))] = np.arange(len(prompts)) % n_folds
    return np.asarray(split_of_prompt[cluster])


def cross_validated(
    pairs: PreferencePairs,
    scheme: LearnedScheme,
    splits: NDArray[np.int64],
    judged: PreferencePairs | None = None,
    form: Form = MEAN,
) -> tuple[Floats, Floats]:
    """Rewards on each split by weights fitted to the others; of *judged* as in :func:`_judged`."""
    judged, split_of = _judged(pairs, splits, judged)
    chosen, rejected = np.empty(judged.n_pairs), np.empty(judged.n_pairs)
    for split in np.unique(splits):
        weights = scheme(pairs.take(splits != split))
        out = split_of == split
        chosen[out], rejected[out] = rewards_of(judged.take(out), weights, form)
    return chosen, rejected


def _judged(
    pairs: PreferencePairs, splits: NDArray[np.int64], judged: PreferencePairs | None
) -> tuple[PreferencePairs, NDArray[np.int64]]:
    """What is rewarded, which *pairs* come first in, and its splits: those of the same prompts.

    Nothing is fitted to a prompt without a pair, so the weights of any split may judge it.
    """
    if judged is None:
        return pairs, splits
    of_prompt = np.full(int(judged.prompts.codes.max()) + 1, splits[0])
    of_prompt[pairs.prompts.codes] = splits
    return judged, of_prompt[judged.prompts.codes]


def rewards_of(
    pairs: PreferencePairs, weights: Weights, form: Form = MEAN
) -> tuple[Floats, Floats]:
    """Rewards of the chosen and of the rejected responses."""
    rewards = compose(pairs.ratings, weights, form=form)
    return rewards[pairs.chosen], rewards[pairs.rejected]


def _half(chosen: Floats, rejected: Floats) -> Floats:
    return outcomes(chosen, rejected).half


def _any_known(half: Floats) -> bool:
    return bool((~np.isnan(half)).any())
