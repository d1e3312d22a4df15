"""Where each scheme breaks: the same pairs with other scales, other rules and other raters.

Each case is run with several seeds. A seed decides what the case leaves to chance (the added rules,
the rules that are turned round, the prompts to calibrate on) and one bootstrap sample of the
prompts to test on, so that intervals over seeds cover both.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.evidence.perturb import (
    Perturbation,
    adding,
    flipping,
    only_prompts,
    second_pass,
    with_levels,
)
from encore import Calibration, InputError, PreferencePairs, Weights, calibrate
from encore.evaluation import outcomes
from encore.evaluation.cross_validate import (
    N_FOLDS,
    chosen_rewards,
    cross_validated,
    label_free_weights,
    rewards_of,
    splits_of,
)
from encore.weights import LEARNED, Auto, Linear, Softmax, WeightingScheme

Floats = NDArray[np.float64]
N_SEEDS = 20


@dataclass(frozen=True)
class TopK:
    """The k rules with the lowest entropy, weighted equally."""

    k: int

    def __call__(self, calibration: Calibration) -> Weights:
        order = np.argsort(calibration.normalised_entropy(), kind="stable")
        return Weights(
            calibration.rules, np.isin(np.arange(len(order)), order[: self.k]).astype(float)
        )


@dataclass(frozen=True)
class Case:
    """One setting of one axis; if *schemes* names any, only these are tested."""

    axis: str
    setting: str
    perturb: Perturbation = lambda pairs, rng: pairs
    n_prompts: int | None = None
    schemes: Mapping[str, WeightingScheme] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """One scheme in one case: half-credit accuracy and its difference from uniform, over seeds.

    *mean* and *difference* are over the perturbations with all pairs; intervals and the standard
    error of the difference are over seeds, each with a bootstrap sample of prompts.
    """

    mean: float
    low: float
    high: float
    difference: float
    error: float

    @property
    def in_errors(self) -> float:
        """The difference in standard errors; 0 if nothing ever differs."""
        return self.difference / self.error if self.error > 0 else 0.0


def cases(pairs: PreferencePairs) -> Iterator[Case]:
    """Every case that is possible with these pairs."""
    yield Case("as they are", "")
    is_range = pairs.rules.rules[0].scale.n_levels > 5
    for n_levels in (2, 5, 20, 50) if is_range else (2, 3, 4):
        name = "bins of the heads" if is_range else "five levels merged to"
        yield Case(name, str(n_levels), with_levels(n_levels))
    for kind, name in (("noise", "pure noise"), ("constant", "constant"), ("rare", "rare events")):
        for k in (1, 12) if kind == "constant" else (1, 3, 6, 12):
            yield Case(f"rules added: {name}", str(k), adding(kind, k))
    for k in (1, 2, 3, 6):
        yield Case("rules turned round", str(k), flipping(k))
    if pairs.ratings.repeats is not None:
        for share in (0.5, 1.0):
            yield Case("second pass swapped in", f"{share:.0%}", second_pass(share))
    total = len(np.unique(pairs.prompts.codes))
    for n_prompts in (10, 30, 100, 300):
        if n_prompts < total:
            yield Case("prompts to calibrate on", str(n_prompts), n_prompts=n_prompts)
    yield from sweeps(len(pairs.rules))


def sweeps(n_rules: int) -> Iterator[Case]:
    """The schemes' own options."""
    for strength in (0.25, 0.5, 2.0, 4.0):
        linear = {"linear": Linear(strength=strength)}
        yield Case("strength of linear", f"{strength:g}", schemes=linear)
    for temperature in (0.1, 0.25, 0.5, 1.0, 4.0):
        softmax = {"softmax": Softmax(temperature=temperature)}
        yield Case("temperature of softmax", f"{temperature:g}", schemes=softmax)
    for k in (1, 3, 6, 9):
        if k < n_rules:
            yield Case("rules of lowest entropy alone", str(k), schemes={"top k": TopK(k)})


def run(
    case: Case, pairs: PreferencePairs, *, n_seeds: int = N_SEEDS, first_seed: int = 0
) -> dict[str, Found]:
    """Every scheme in one case."""
    whole: dict[str, list[float]] = {}
    drawn: dict[str, list[float]] = {}
    for seed in range(first_seed, first_seed + n_seeds):
        rng = np.random.default_rng(seed)
        made = case.perturb(pairs, rng)
        halves = _halves(case, made, rng)
        times = _resampled(made, rng)
        for name, half in halves.items():
            whole.setdefault(name, []).append(float(np.nanmean(half)))
            drawn.setdefault(name, []).append(float(np.average(half, weights=times)))
    uniform, uniform_drawn = np.array(whole["uniform"]), np.array(drawn["uniform"])
    found = {}
    for name, values in whole.items():
        if len(values) < n_seeds:
            continue  # some perturbations leave the scheme nothing to weigh by
        differences = np.array(drawn[name]) - uniform_drawn
        low, high = np.quantile(drawn[name], [0.025, 0.975])
        found[name] = Found(
            float(np.mean(values)),
            float(low),
            float(high),
            float((np.array(values) - uniform).mean()),
            float(differences.std(ddof=1)),
        )
    return found


def _halves(case: Case, pairs: PreferencePairs, rng: np.random.Generator) -> dict[str, Floats]:
    """Each scheme's verdicts, a tie counting one half."""
    if case.n_prompts is None:
        calibration = calibrate(pairs, pairs.rules)
    else:
        calibration = calibrate(only_prompts(pairs, case.n_prompts, rng), pairs.rules)
    label_free, _ = label_free_weights(calibration)
    if case.schemes:
        weights = {"uniform": label_free["uniform"]}
        weights |= {name: scheme(calibration) for name, scheme in case.schemes.items()}
        return {name: _half(rewards_of(pairs, found)) for name, found in weights.items()}
    sides = {name: rewards_of(pairs, weights) for name, weights in label_free.items()}
    splits = splits_of(pairs, N_FOLDS, rng)
    more = {"auto": rewards_of(pairs, Auto()(calibration))}
    for name, learned in LEARNED.items():
        with contextlib.suppress(InputError):  # rules turned round may leave it no weight
            more[name] = cross_validated(pairs, learned(), splits)
    more["auto_with_pairs"] = chosen_rewards(pairs, sides, splits)
    return {name: _half(rewards) for name, rewards in {**sides, **more}.items()}


def _half(rewards: tuple[Floats, Floats]) -> Floats:
    return outcomes(*rewards).half


def _resampled(pairs: PreferencePairs, rng: np.random.Generator) -> Floats:
    """How often each pair is in a bootstrap sample of the prompts."""
    prompts, codes = np.unique(pairs.prompts.codes, return_inverse=True)
    times = np.bincount(rng.integers(len(prompts), size=len(prompts)), minlength=len(prompts))
    return np.asarray(times[codes].astype(float))
