"""Intervals on labelled responses hold what they promise, in simulation; run by ``make long``."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from encore import PreferencePairs, RangeScale, RatingsTable, Rulebook, as_pairs
from encore.evaluation import Interval, outcomes
from encore.evaluation.intervals import ClusterBootstrap, accuracy_intervals
from encore.evaluation.rank_agreement import (
    LabelledResponses,
    auroc_interval,
    spearman_intervals,
)
from encore.ratings import Ids

pytestmark = pytest.mark.long

Floats = NDArray[np.float64]
RULES = Rulebook.from_ids(["one"], RangeScale(-9.0, 9.0))
N_TRIALS, NOISE = 400, 1.5  # standard error of a coverage of 95 %: 1.1 points


def rewarded(labels: Floats, rng: np.random.Generator) -> Floats:
    return np.asarray(labels + NOISE * rng.normal(size=labels.shape))


def half(pairs: PreferencePairs, rewards: Floats, units: Ids) -> Interval:
    verdicts = outcomes(rewards[pairs.chosen], rewards[pairs.rejected]).sums()
    bootstrap = ClusterBootstrap(units, np.random.default_rng(0), n_resamples=500)
    drawn = bootstrap.sums(verdicts)
    return accuracy_intervals(verdicts.sum(axis=0), drawn, bootstrap.n_prompts)["half"]


@pytest.mark.parametrize("n", [100, 400, 1600])
def test_groups_of_prompts_are_honest_and_pairs_as_units_are_not(n: int) -> None:
    rng = np.random.default_rng(n)
    both = rng.normal(size=(2, 10**6))
    rewards = rewarded(both, rng)
    far = np.abs(both[0] - both[1]) >= 1
    truth = float((((rewards[0] - rewards[1]) * (both[0] - both[1])) > 0)[far].mean())
    held, alone = 0, 0
    for trial in range(N_TRIALS):
        labels = rng.normal(size=n)
        rewards = rewarded(labels, rng)
        table = RatingsTable(RULES, rewards[:, None])
        pairs = as_pairs(table, RULES, label=labels, across_prompts=True, gap=1, rng=trial)
        by_group = half(pairs, rewards, pairs.prompts)
        by_pair = half(pairs, rewards, Ids.distinct(pairs.n_pairs))
        held += by_group.low <= truth <= by_group.high
        alone += by_pair.low <= truth <= by_pair.high
    assert held / N_TRIALS > 0.90
    if n > 100:  # there, groups are pairs
        assert alone / N_TRIALS < 0.90


def test_spearman_and_auroc_hold_their_truth_where_prompts_share_an_effect() -> None:
    rng = np.random.default_rng(0)

    def sample(n_prompts: int) -> tuple[LabelledResponses, Floats]:
        prompts = np.repeat(np.arange(n_prompts), 4)
        latent = rng.normal(size=n_prompts)[prompts] + rng.normal(size=4 * n_prompts)
        labels = (latent > 0.5).astype(float)
        responses = LabelledResponses(np.arange(len(labels)), labels, prompts, True)
        return responses, rewarded(latent, rng)

    large, rewards = sample(100_000)
    agreement = large.agreement(rewards)
    truths = (float(np.nanmean(agreement.spearman)), auroc_interval(large, agreement.placements))
    held = np.zeros(2)
    for trial in range(N_TRIALS):
        responses, rewards = sample(80)
        found = responses.agreement(rewards)
        (by_prompt,) = spearman_intervals({"a": found}, np.random.default_rng(trial)).values()
        area = auroc_interval(responses, found.placements)
        held += (
            by_prompt.low <= truths[0] <= by_prompt.high,
            area.low <= truths[1].value <= area.high,
        )
    assert (np.abs(held / N_TRIALS - 0.95) < 0.035).all(), held / N_TRIALS
