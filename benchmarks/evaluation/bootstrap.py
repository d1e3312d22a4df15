"""2,000 resamples of 15 schemes on 100,000 pairs x 20 rules, against scipy.stats.bootstrap.

Both give percentile intervals of half-credit accuracy, of each scheme and of its difference from
uniform. scipy gets vectorised statistics, its fastest batch size, and two kinds of calls: all in
one paired call, as encore does, or one call per statistic, as in its documentation. It does not
support clusters, so it is given prompt means. It draws 40 times, and that is scaled to 2,000.

"all of compare" is what encore.compare resamples: all tie conventions, each rule's verdicts and
level counts. Run as ``python -m benchmarks.evaluation.bootstrap``, three minutes on two cores; with
``whole`` it times encore.compare from ratings to table.
"""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

import encore
from encore.evaluation import Outcomes, outcomes
from encore.evaluation.entropy_accuracy import correlation_columns
from encore.evaluation.evaluate import sums_by_subset
from encore.evaluation.intervals import (
    N_RESAMPLES,
    ClusterBootstrap,
    percentile_interval,
    sign_flip_p_values,
)

Floats = NDArray[np.float64]
N_PAIRS, N_RULES, N_SCHEMES = 100_000, 20, 15
ROUNDS, SCIPY_RESAMPLES = 3, 40


def make_pairs(pairs_a_prompt: int) -> encore.PreferencePairs:
    """Five-level ratings: each rule reads a response's quality with more or less noise."""
    rng = np.random.default_rng(0)
    rules = encore.Rulebook.from_ids(
        [f"rule{i}" for i in range(N_RULES)], encore.LevelScale((1, 2, 3, 4, 5))
    )
    prompts = np.arange(N_PAIRS) // pairs_a_prompt
    quality = rng.normal((0.4, -0.4), size=(N_PAIRS, 2))
    quality += rng.normal(size=prompts[-1] + 1)[prompts, None]
    noise = rng.normal(size=(N_PAIRS, 2, N_RULES)) * np.linspace(0.5, 3, N_RULES)
    ratings = np.clip(np.rint(4 + quality[:, :, None] + noise), 1, 5)
    return encore.PreferencePairs.from_arrays(
        ratings[:, 0], ratings[:, 1], rules, prompts=prompts.tolist()
    )


def make_verdicts(pairs: encore.PreferencePairs) -> list[Outcomes]:
    """Uniform, twelve random weightings, and the means of twenty more and of every rule alone."""

    def verdicts(weights: Floats) -> Outcomes:
        rewards = encore.compose(pairs.ratings, encore.Weights(pairs.rules, weights))
        return outcomes(rewards[pairs.chosen], rewards[pairs.rejected])

    def mean(of: list[Outcomes]) -> Outcomes:
        win, tie = (sum(getattr(v, name) for v in of) / len(of) for name in ("win", "tie"))
        return Outcomes(win, tie)

    drawn = np.random.default_rng(1).dirichlet(np.ones(N_RULES), size=32)
    found = [verdicts(weights) for weights in (np.ones(N_RULES), *drawn[:12])]
    found.append(mean([verdicts(weights) for weights in drawn[12:]]))
    found.append(mean([verdicts(weights) for weights in np.eye(N_RULES)]))
    assert len(found) == N_SCHEMES
    return found


def columns_of_compare(pairs: encore.PreferencePairs, verdicts: list[Outcomes]) -> list[Floats]:
    tables = []
    for each in verdicts:
        difference = each.half - verdicts[0].half
        by_subset = sums_by_subset(each, pairs.subsets)
        tables.append(np.column_stack([by_subset, difference, np.ones(len(difference))]))
    return [*tables, *correlation_columns(pairs, calibrated_on_pairs=True)]


def with_encore(pairs: encore.PreferencePairs, halves: Floats) -> Floats:
    """Ends of all intervals, shape (29, 2): accuracies, then differences to uniform."""
    bootstrap = ClusterBootstrap(pairs.prompts, np.random.default_rng(2))
    sums = bootstrap.sums(np.column_stack([halves, np.ones(N_PAIRS)]))
    accuracies = sums[:, :-1] / sums[:, -1:]
    statistics_ = np.concatenate([accuracies, accuracies[:, 1:] - accuracies[:, :1]], axis=1)
    found = [percentile_interval(0.0, drawn) for drawn in statistics_.T]
    return np.array([(interval.low, interval.high) for interval in found])


def _scipy(data: tuple[Floats, ...], statistic: Callable[..., Floats]) -> Floats:
    found: Any = stats.bootstrap(
        data,
        statistic,
        n_resamples=SCIPY_RESAMPLES,
        batch=1,
        vectorized=True,
        paired=len(data) > 1,
        method="percentile",
        rng=2,
    ).confidence_interval
    return np.column_stack([np.atleast_1d(found.low), np.atleast_1d(found.high)])


def scipy_at_once(means: Floats) -> Floats:
    def statistic(*samples: Floats, axis: int = -1) -> Floats:
        accuracies = np.stack([sample.mean(axis=axis) for sample in samples])
        return np.concatenate([accuracies, accuracies[1:] - accuracies[:1]])

    return _scipy(tuple(means), statistic)


def scipy_one_by_one(means: Floats) -> Floats:
    def difference(a: Floats, b: Floats, axis: int = -1) -> Floats:
        return np.asarray(a.mean(axis=axis) - b.mean(axis=axis))

    return np.concatenate(
        [
            *(_scipy((each,), np.mean) for each in means),
            *(_scipy((each, means[0]), difference) for each in means[1:]),
        ]
    )


def draw_indices(n_prompts: int) -> None:
    rng = np.random.default_rng(2)
    for _ in range(N_RESAMPLES):
        rng.integers(n_prompts, size=n_prompts, dtype=np.uint32)


def in_turn(ways: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median seconds of each; in turn, so that a busy moment affects all."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def beside_scipy(pairs_a_prompt: int) -> None:
    pairs = make_pairs(pairs_a_prompt)
    verdicts = make_verdicts(pairs)
    halves = np.column_stack([each.half for each in verdicts])
    tables = columns_of_compare(pairs, verdicts)
    bootstrap = ClusterBootstrap(pairs.prompts, np.random.default_rng(2))
    sizes = bootstrap.totals(np.ones((N_PAIRS, 1)))
    means = np.ascontiguousarray((bootstrap.totals(halves) / sizes).T)
    differences, rng = halves - halves[:, :1], np.random.default_rng(2)
    print(f"{N_PAIRS:,} pairs of {bootstrap.n_prompts:,} prompts, {N_RESAMPLES:,} resamples")
    bootstrap.sums_of(tables)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    times = N_RESAMPLES / SCIPY_RESAMPLES
    found = in_turn(
        {
            "encore": lambda: with_encore(pairs, halves),
            "all of compare": lambda: bootstrap.sums_of(tables),
            "sign flips": lambda: sign_flip_p_values(differences, pairs.prompts, rng),
            "drawing indices alone": lambda: draw_indices(bootstrap.n_prompts),
            "scipy, one call": lambda: scipy_at_once(means),
            "scipy, 29 calls": lambda: scipy_one_by_one(means),
        }
    )
    for name, seconds in found.items():
        if name.startswith("scipy"):
            seconds *= times
        print(f"  {name:22} {seconds:6.2f} s   {seconds / found['encore']:5.2f} x encore")
    n_columns = sum(table.shape[1] for table in tables)
    print(
        f"  all of compare is {n_columns} columns; {peak:.0f} MB at most, what it is given included"
    )


def whole() -> None:
    pairs = make_pairs(1)
    began = time.perf_counter()
    encore.compare(pairs, pairs.rules)
    print(f"encore.compare: {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    if sys.argv[1:] == ["whole"]:
        whole()
    else:
        for pairs_a_prompt in (1, 3):
            beside_scipy(pairs_a_prompt)
