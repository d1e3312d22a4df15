"""What is compared: each scheme's and baseline's verdicts on the same pairs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from encore.calibrate import Calibration
from encore.compose import compose
from encore.errors import InputError
from encore.evaluate.accuracy import Outcomes, outcomes, separation
from encore.ratings import PreferencePairs
from encore.weights import LEARNED, SCHEMES, LearnedScheme, Random, Single, Uniform, Weights

N_RANDOM_DRAWS = 100


@dataclass(frozen=True)
class Candidate:
    """One scheme's verdicts.

    Parameters
    ----------
    how : str
        How it got its weights.
    verdicts : Outcomes
        On every pair.
    separation : float
        See :func:`encore.evaluate.separation`.
    """

    how: str
    verdicts: Outcomes
    separation: float


def candidates_of(
    pairs: PreferencePairs, calibration: Calibration, n_folds: int, rng: np.random.Generator
) -> tuple[dict[str, Candidate], dict[str, str]]:
    """Every scheme's verdicts, uniform first; and the schemes left out, with the reason."""
    uniform = _averaged(pairs, [Uniform()(calibration)], "the mean of the rules")
    if not uniform.verdicts.known.any():
        rated = pairs.ratings.rated.mean(axis=0).tolist()
        coverage = dict(zip(pairs.rules.ids, rated, strict=True))
        sparse = sorted(coverage, key=coverage.__getitem__)[:5]
        raise InputError(
            f"no pair has a known reward under uniform weights: too much is unrated. Rated least: "
            f"{', '.join(f'{name} ({coverage[name]:.0%})' for name in sparse)}. Rate these rules, "
            f"or leave them out."
        )
    candidates = {"uniform": uniform}
    skipped: dict[str, str] = {}
    for name in [name for name in SCHEMES if name not in ("uniform", "random", "single")]:
        try:
            weights = SCHEMES[name]()(calibration)
        except InputError as error:
            skipped[name] = str(error)
        else:
            candidates[name] = _averaged(pairs, [weights], "label-free")
    seeds = rng.integers(2**31, size=N_RANDOM_DRAWS).tolist()
    draws = (Random(seed)(calibration) for seed in seeds)
    candidates["random"] = _averaged(pairs, draws, f"mean of {N_RANDOM_DRAWS} Dirichlet draws")
    alone = (Single(rule_id)(calibration) for rule_id in pairs.rules.ids)
    candidates["single"] = _averaged(pairs, alone, f"mean of the {len(pairs.rules)} rules alone")
    for name, learned in LEARNED.items():
        try:
            candidates[name] = _cross_validated(pairs, learned(), n_folds, rng)
        except InputError as error:
            skipped[name] = str(error)
    for name in [n for n, found in candidates.items() if not found.verdicts.known.any()]:
        del candidates[name]
        skipped[name] = "it knows the reward of no pair: too much of its weight is unrated."
    return candidates, skipped


def _averaged(pairs: PreferencePairs, weightings: Iterable[Weights], how: str) -> Candidate:
    """Verdicts averaged over the weightings that know a pair's reward."""
    win, tie, known = (np.zeros(pairs.n_pairs) for _ in range(3))
    separations = []
    for weights in weightings:
        chosen, rejected = _rewards(pairs, weights)
        verdicts = outcomes(chosen, rejected)
        win += np.nan_to_num(verdicts.win)
        tie += np.nan_to_num(verdicts.tie)
        known += verdicts.known
        separations.append(separation(chosen, rejected))
    with np.errstate(invalid="ignore"):
        averaged = Outcomes(win / known, tie / known)
    defined = [value for value in separations if not np.isnan(value)]
    return Candidate(how, averaged, float(np.mean(defined)) if defined else float("nan"))


def _cross_validated(
    pairs: PreferencePairs, scheme: LearnedScheme, n_folds: int, rng: np.random.Generator
) -> Candidate:
    """Verdicts on each fold by weights fitted to the others; no prompt is in two folds."""
    prompts, cluster = np.unique(pairs.prompts.codes, return_inverse=True)
    if not 2 <= n_folds <= len(prompts):
        raise InputError(
            f"{n_folds} folds of {len(prompts)} prompts; expected 2 folds or more, and a prompt "
            f"for each."
        )
    fold_of_prompt = np.empty(len(prompts), dtype=np.int64)
    fold_of_prompt[rng.permutation(len(prompts))] = np.arange(len(prompts)) % n_folds
    folds = fold_of_prompt[cluster]
    chosen, rejected = np.empty(pairs.n_pairs), np.empty(pairs.n_pairs)
    for fold in range(n_folds):
        held_out = folds == fold
        weights = scheme(_pick(pairs, ~held_out))
        chosen[held_out], rejected[held_out] = _rewards(_pick(pairs, held_out), weights)
    how = f"learned, {n_folds} folds by prompt"
    return Candidate(how, outcomes(chosen, rejected), separation(chosen, rejected))


def _pick(pairs: PreferencePairs, mask: NDArray[np.bool_]) -> PreferencePairs:
    return replace(
        pairs,
        chosen=pairs.chosen[mask],
        rejected=pairs.rejected[mask],
        subsets=pairs.subsets.take(mask),
    )


def _rewards(
    pairs: PreferencePairs, weights: Weights
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rewards = compose(pairs.ratings, weights)
    return rewards[pairs.chosen], rewards[pairs.rejected]
