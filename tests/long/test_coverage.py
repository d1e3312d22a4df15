"""Intervals and p-values hold what they promise, in simulation; run by ``make long``.

Verdicts come from a model whose truth is known in closed form. Scheme k gives pair j of prompt i
the margin ``shift_k + prompt_i + taste_ik + noise_ijk``, all three normal, the noise of the two
schemes correlated: a win above WIDTH, a tie within it. Pairs of a prompt share its effect, and by
*taste* the differences between the schemes share something too.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from numpy.typing import NDArray

from encore import LevelScale, PreferencePairs, Rulebook, calibrate
from encore.evaluation import CONVENTIONS, Outcomes
from encore.evaluation.entropy_accuracy import (
    EntropyCorrelations,
    correlation_columns,
    entropy_correlations,
)
from encore.evaluation.intervals import (
    ClusterBootstrap,
    Interval,
    accuracy_interval,
    percentile_interval,
    sign_flip_p_values,
)
from encore.ratings import Ids

pytestmark = pytest.mark.long

Floats = NDArray[np.float64]
N_TRIALS = 4_000  # standard error of a coverage of 95 %: 0.34 points
N_RESAMPLES = 1_000  # 25 beyond either end of an interval
PROMPT, TASTE, WIDTH, SHARED = 1.0, 0.7, 0.25, 0.5


def sample(
    rng: np.random.Generator, n_prompts: int, shifts: tuple[float, float]
) -> tuple[list[Outcomes], Ids]:
    """Verdicts of two schemes on one to five pairs a prompt, and the prompts."""
    prompts = np.repeat(np.arange(n_prompts), rng.integers(1, 6, n_prompts))
    by_prompt = rng.normal(0, PROMPT, (n_prompts, 1)) + rng.normal(0, TASTE, (n_prompts, 2))
    noise = rng.normal(0, np.sqrt(SHARED), (len(prompts), 1))
    noise = noise + rng.normal(0, np.sqrt(1 - SHARED), (len(prompts), 2))
    margins = shifts + by_prompt[prompts] + noise
    verdicts = [
        Outcomes((margin > WIDTH).astype(float), (np.abs(margin) <= WIDTH).astype(float))
        for margin in margins.T
    ]
    return verdicts, Ids(prompts, range(n_prompts))


def truth(shifts: tuple[float, float]) -> dict[str, float]:
    """Accuracy by tie convention, and the difference: the margin is normal, variances add."""
    laws = [NormalDist(shift, (PROMPT**2 + TASTE**2 + 1) ** 0.5) for shift in shifts]
    win, loss = 1 - laws[0].cdf(WIDTH), laws[0].cdf(-WIDTH)
    first, second = (1 - (law.cdf(WIDTH) + law.cdf(-WIDTH)) / 2 for law in laws)
    return {
        "strict": win,
        "half": first,
        "resolved": win / (win + loss),
        "right": 1 - loss,
        "difference": second - first,
    }


def intervals(
    verdicts: list[Outcomes], prompts: Ids, rng: np.random.Generator
) -> dict[str, Interval]:
    """The first scheme's accuracies, and the second's half-credit accuracy less that of it."""
    first, second = verdicts
    bootstrap = ClusterBootstrap(prompts, rng, n_resamples=N_RESAMPLES)
    rows = np.column_stack([first.sums(), second.half - first.half])
    total, drawn = rows.sum(axis=0), bootstrap.sums(rows)
    found = {
        name: accuracy_interval(float(of(total[:3])), of(drawn[:, :3]), bootstrap.n_prompts)
        for name, of in CONVENTIONS.items()
    }
    found["difference"] = percentile_interval(total[3] / total[2], drawn[:, 3] / drawn[:, 2])
    return found


def coverage(
    n_prompts: int, shifts: tuple[float, float], *, by_prompt: bool = True
) -> dict[str, float]:
    """How often the interval holds the truth."""
    rng = np.random.default_rng([n_prompts, int(10 * shifts[1])])
    expected = truth(shifts)
    hits = dict.fromkeys(expected, 0)
    for _ in range(N_TRIALS):
        verdicts, prompts = sample(rng, n_prompts, shifts)
        units = prompts if by_prompt else Ids.distinct(len(prompts))
        for name, interval in intervals(verdicts, units, rng).items():
            hits[name] += bool(interval.low <= expected[name] <= interval.high)
    return {name: count / N_TRIALS for name, count in hits.items()}


@pytest.mark.parametrize("n_prompts", [100, 400])
@pytest.mark.parametrize("shifts", [(0.8, 0.8), (0.8, 1.3)], ids=["equal", "unequal"])
def test_intervals_that_resample_prompts_hold_the_truth_95_times_in_100(
    n_prompts: int, shifts: tuple[float, float]
) -> None:
    found = coverage(n_prompts, shifts)
    assert {name: share for name, share in found.items() if not 0.93 <= share <= 0.97} == {}


def test_intervals_that_resample_pairs_are_too_narrow() -> None:
    found = coverage(100, (0.8, 1.3), by_prompt=False)
    assert {name: share for name, share in found.items() if share > 0.89} == {}


def rejected(*, by_prompt: bool) -> float:
    """How often two schemes that are equally good are told apart at 5 %."""
    rng = np.random.default_rng(0)
    n_rejected = 0
    for _ in range(N_TRIALS):
        (first, second), prompts = sample(rng, 100, (0.8, 0.8))
        units = prompts if by_prompt else Ids.distinct(len(prompts))
        p_value = sign_flip_p_values((second.half - first.half)[:, None], units, rng)[0]
        n_rejected += bool(p_value < 0.05)
    return n_rejected / N_TRIALS


def test_prompts_flipped_between_equals_are_significant_5_times_in_100() -> None:
    assert 0.03 <= rejected(by_prompt=True) <= 0.07


def test_pairs_flipped_between_equals_are_significant_too_often() -> None:
    assert rejected(by_prompt=False) > 0.1


RULES = Rulebook.from_ids([f"rule{i}" for i in range(8)], LevelScale((1, 2, 3, 4, 5)))


def rated(rng: np.random.Generator, n_prompts: int) -> PreferencePairs:
    """One to three pairs a prompt, rated by rules that are more or less noisy and lenient."""
    prompts = np.repeat(np.arange(n_prompts), rng.integers(1, 4, n_prompts))
    quality = rng.normal((0.4, -0.4), 0.7, (len(prompts), 2))
    quality += rng.normal(0, 0.7, n_prompts)[prompts, None]
    noise = rng.normal(0, np.linspace(0.4, 2.0, 8), (len(prompts), 2, 8))
    lenience = np.array([1.6, 0.8, 0.2, 1.2, 0.4, 1.4, 0.6, 1.0])
    ratings = np.clip(np.rint(3 + lenience + quality[:, :, None] + noise), 1, 5)
    return PreferencePairs.from_arrays(
        ratings[:, 0], ratings[:, 1], RULES, prompts=prompts.tolist()
    )


def correlations(
    pairs: PreferencePairs, rng: np.random.Generator, n_resamples: int
) -> EntropyCorrelations:
    bootstrap = ClusterBootstrap(pairs.prompts, rng, n_resamples=n_resamples)
    columns = correlation_columns(pairs, calibrated_on_pairs=True)
    return entropy_correlations(calibrate(pairs, RULES), columns, bootstrap.sums_of(columns))


def test_the_interval_of_the_correlation_with_entropy_holds_that_of_all_prompts() -> None:
    # Pearson's, of accuracy. The truth is that of 100,000 prompts and the same rules; 600 trials
    # leave a standard error of 0.9 points. Noise of accuracies pulls a correlation to 0, and that
    # of a resample again: the further it lies from 0, the rarer the interval holds it.
    rng = np.random.default_rng(0)
    expected = correlations(rated(rng, 100_000), rng, 1).accuracy
    found = [correlations(rated(rng, 300), rng, 500).accuracy for _ in range(600)]
    for name, correlation in expected.items():
        intervals = [each[name].pearson for each in found]
        share = np.mean([each.low <= correlation.pearson.value <= each.high for each in intervals])
        assert 0.85 <= share <= 0.98, name
