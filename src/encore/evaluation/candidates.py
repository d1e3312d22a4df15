"""What is compared: each scheme's and baseline's verdicts on the same pairs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from encore.arrays import as_floats
from encore.calibration import Calibration
from encore.errors import InputError, MissingExtraError
from encore.evaluation.accuracy import Outcomes, outcomes, separation
from encore.evaluation.cross_validate import (
    MEAN,
    chosen_rewards,
    cross_validated,
    label_free_weights,
    rewards_of,
    simplest_of_the_best,
    splits_of,
)
from encore.evaluation.dawid_skene import fit_dawid_skene
from encore.evaluation.rank_agreement import LabelledResponses, RankAgreement, averaged, judged_with
from encore.evaluation.rewardbench.scores import BEST_OF_SUBSET, best_of_n
from encore.files import StrPath
from encore.ratings import PreferencePairs
from encore.rewards import Form, form_text, load_rewards
from encore.weights import LEARNED, SCHEMES, Random, Single, WeightingScheme, Weights
from encore.weights.auto import CHOICES

Floats = NDArray[np.float64]
Sides = tuple[Floats, Floats]
Rewards = ArrayLike | StrPath  # of both sides of every pair, or a file of them
N_RANDOM_DRAWS = 100
BASELINES = ("random", "single", "dawid_skene")  # yardsticks; none of them is a reward to use


@dataclass(frozen=True)
class Candidate:
    """One reward's verdicts.

    Parameters
    ----------
    how : str
        How it got its weights.
    verdicts : Outcomes
        On every pair.
    separation : float
        See :func:`encore.evaluation.separation`.
    items : ndarray of float or None, shape (n_prompts,)
        Best-of-n scores by prompt, where the pairs are of a benchmark that is scored so.
    deviation : float
        Standard deviation of half-credit accuracy over the rewards that are averaged; NaN for one.
    agreement : RankAgreement or None
        With the labels of single responses, where pairs were made of them and these are rewarded.
    """

    how: str
    verdicts: Outcomes
    separation: float
    items: Floats | None = None
    deviation: float = float("nan")
    agreement: RankAgreement | None = None


def candidates_of(
    pairs: PreferencePairs,
    calibration: Calibration,
    rng: np.random.Generator,
    *,
    n_folds: int,
    dawid_skene: bool,
    rewards: Mapping[str, Rewards],
    form: Form = MEAN,
) -> tuple[dict[str, Candidate], dict[str, str]]:
    """Every reward's verdicts, uniform first; and what is left out, with the reason."""
    label_free, skipped = label_free_weights(calibration)
    if "uniform" in skipped:
        raise InputError(skipped["uniform"])
    judged = judged_with(pairs, LabelledResponses.of(pairs))
    sides = {name: rewards_of(judged, weights, form) for name, weights in label_free.items()}
    candidates = {name: _candidate(pairs, "label-free", both) for name, both in sides.items()}
    if not candidates["uniform"].verdicts.known.any():
        raise _nothing_known(pairs)
    for name, make in _others(pairs, judged, calibration, rng, form).items():
        if name in (*candidates, *skipped):
            continue
        try:
            candidates[name] = make()
        except InputError as error:
            skipped[name] = str(error)
    learned, left_out = _learned(pairs, judged, sides, n_folds, rng, form=form)
    candidates |= learned
    skipped |= left_out
    if dawid_skene:
        try:
            found = fit_dawid_skene(pairs, rng)
            candidates["dawid_skene"] = _candidate(pairs, "rules as a crowd, on these pairs", found)
        except (InputError, MissingExtraError) as error:
            skipped["dawid_skene"] = str(error)
    for name, given in rewards.items():
        candidates[name] = _candidate(pairs, "another reward", _given(pairs, judged, name, given))
    for name in [n for n, candidate in candidates.items() if not candidate.verdicts.known.any()]:
        del candidates[name]
        skipped[name] = (
            "no pair has a known reward: too much of its weight is unrated, or no rule applies."
        )
    return candidates, skipped


def _others(
    pairs: PreferencePairs,
    judged: PreferencePairs,
    calibration: Calibration,
    rng: np.random.Generator,
    form: Form,
) -> dict[str, Callable[[], Candidate]]:
    """How to make the schemes that ``auto`` does not choose from, and the yardsticks."""

    def weighed(scheme: WeightingScheme) -> Sides:
        return rewards_of(judged, scheme(calibration), form)

    def by_scheme(name: str) -> Candidate:
        return _candidate(pairs, "label-free", weighed(SCHEMES[name]()))

    def randomly() -> Candidate:
        seeds = rng.integers(2**31, size=N_RANDOM_DRAWS).tolist()
        draws = (weighed(Random(seed)) for seed in seeds)
        return _averaged(pairs, f"mean of {N_RANDOM_DRAWS} Dirichlet draws", draws)

    def alone() -> Candidate:
        each = (weighed(Single(rule_id)) for rule_id in pairs.rules.ids)
        return _averaged(pairs, f"mean of the {len(pairs.rules)} rules alone", each)

    schemes = {name: partial(by_scheme, name) for name in SCHEMES if name not in BASELINES}
    return {**schemes, "random": randomly, "single": alone}


def forms_of(
    pairs: PreferencePairs, weights: Weights, forms: Sequence[Form]
) -> dict[str, Candidate]:
    """The verdicts of rewards of several forms under the same weights, the mean's first if any."""
    if not forms:
        return {}
    how = f"{weights.scheme} weights"
    by_name = {form_text(form): form for form in (MEAN, *forms)}
    return {
        name: _candidate(pairs, how, rewards_of(pairs, weights, form))
        for name, form in by_name.items()
    }


def check_names(rewards: Mapping[str, Rewards]) -> None:
    """Refuse other rewards that have the name of a built-in row."""
    taken = sorted({*SCHEMES, *LEARNED, *BASELINES, "auto_with_pairs"} & set(rewards))
    if taken:
        raise InputError(f"other rewards have names of built-in rows: {taken}; rename them.")


def _learned(
    pairs: PreferencePairs,
    judged: PreferencePairs,
    sides: Mapping[str, Sides],
    n_folds: int,
    rng: np.random.Generator,
    *,
    form: Form,
) -> tuple[dict[str, Candidate], dict[str, str]]:
    """What learns from the pairs, judged on splits that it did not see."""
    found: dict[str, Candidate] = {}
    skipped: dict[str, str] = {}
    try:
        splits = splits_of(pairs, n_folds, rng)
    except InputError as error:
        return {}, dict.fromkeys([*LEARNED, "auto_with_pairs"], str(error))
    how = f"learned, {n_folds} splits by prompt"
    for name, scheme in LEARNED.items():
        try:
            rewards = cross_validated(pairs, scheme(), splits, judged, form)
            found[name] = _candidate(pairs, how, rewards)
        except InputError as error:
            skipped[name] = str(error)
    chosen = chosen_rewards(pairs, sides, splits, judged, form)
    found["auto_with_pairs"] = _candidate(pairs, f"chosen, {n_folds} splits by prompt", chosen)
    return found, skipped


def _candidate(pairs: PreferencePairs, how: str, rewards: Sides) -> Candidate:
    return _averaged(pairs, how, [rewards])


def _averaged(pairs: PreferencePairs, how: str, rewards: Iterable[Sides]) -> Candidate:
    """Verdicts averaged over the rewards that are known for a pair.

    *rewards* may go on after the pairs with labelled responses, see :func:`judged_with`.
    """
    responses = LabelledResponses.of(pairs)
    n_pairs, agreements = pairs.n_pairs, []
    win, tie, known = (np.zeros(pairs.n_pairs) for _ in range(3))
    items = items_of(pairs)
    separations, halves, scores = [], [], []
    for chosen, rejected in rewards:
        if responses is not None and len(chosen) > n_pairs:
            agreements.append(responses.agreement(chosen[n_pairs:]))
        chosen, rejected = chosen[:n_pairs], rejected[:n_pairs]
        verdicts = outcomes(chosen, rejected)
        win += np.nan_to_num(verdicts.win)
        tie += np.nan_to_num(verdicts.tie)
        known += verdicts.known
        separations.append(separation(chosen, rejected))
        halves.append(_mean(verdicts.half))
        if items is not None:
            scores.append(best_of_n(verdicts, items))
    with np.errstate(invalid="ignore"):
        verdicts_of = Outcomes(win / known, tie / known)
    deviation = float(np.nanstd(halves, ddof=1)) if len(halves) > 1 else float("nan")
    by_item = None if items is None else _mean_of(scores)
    return Candidate(
        how, verdicts_of, _mean(np.array(separations)), by_item, deviation, averaged(agreements)
    )


def items_of(pairs: PreferencePairs) -> NDArray[np.int64] | None:
    """The best-of-n item of each pair, which is its prompt, if all are RewardBench 2's Safety."""
    names = {str(pairs.subsets.names[code]) for code in np.unique(pairs.subsets.codes)}
    return pairs.prompts.codes if names == {BEST_OF_SUBSET} else None


def _mean(values: Floats) -> float:
    """The mean of what is known; NaN if nothing is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def _mean_of(scores: list[Floats]) -> Floats:
    """Item by item, the mean over the rewards that are known."""
    stacked = np.stack(scores)
    known = ~np.isnan(stacked)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.nan_to_num(stacked).sum(axis=0) / known.sum(axis=0))


def _given(pairs: PreferencePairs, judged: PreferencePairs, name: str, rewards: Rewards) -> Sides:
    if isinstance(rewards, str | os.PathLike):
        rewards = load_rewards(rewards, pairs)
    both = as_floats(rewards, f"other rewards {name!r}")
    if pairs.labels is not None and both.shape == pairs.labels.shape:
        both = np.column_stack([both[judged.chosen], both[judged.rejected]])
    elif both.shape != (pairs.n_pairs, 2):
        raise InputError(
            f"other rewards {name!r} have shape {both.shape}; expected ({pairs.n_pairs}, 2), a "
            f"chosen and a rejected one for each pair."
            + (
                f" Or ({len(pairs.labels)},), one for each row of the ratings."
                if pairs.labels is not None
                else ""
            )
        )
    if np.isinf(both).any():
        raise InputError(
            f"other rewards {name!r}: pair {int(np.isinf(both).any(axis=1).argmax()) + 1} has an "
            f"infinite reward; expected finite ones, with NaN where unknown."
        )
    return both[:, 0], both[:, 1]


def _nothing_known(pairs: PreferencePairs) -> InputError:
    if not pairs.ratings.unrated.any():
        return InputError(
            "no pair has a known reward: no rule applies to both of its responses. Give rules for "
            "prompts of this kind."
        )
    rated = 1 - pairs.ratings.unrated.mean(axis=0)
    coverage = dict(zip(pairs.rules.ids, rated.tolist(), strict=True))
    sparse = sorted(coverage, key=coverage.__getitem__)[:5]
    return InputError(
        f"no pair has a known reward under uniform weights: too much is unrated. Rated least: "
        f"{', '.join(f'{name} ({coverage[name]:.0%})' for name in sparse)}. Rate these rules, "
        f"or leave them out."
    )


def chosen_scheme(candidates: Mapping[str, Candidate], pairs: PreferencePairs) -> str:
    """What :func:`encore.evaluation.choose` takes on these pairs."""
    names = [name for name in (*CHOICES, *LEARNED) if name in candidates]
    halves = {name: candidates[name].verdicts.half for name in names}
    return simplest_of_the_best(halves, pairs.prompts.codes)
