"""Write the golden cases of the report's script: what the Python library computes.

Usage: python -m tools.report_golden tests/golden/recompute.json
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from encore import (
    LevelScale,
    PreferencePairs,
    RangeScale,
    RatingsTable,
    Rule,
    Rulebook,
    Weights,
    calibrate,
)
from encore import compose as compose_rewards
from encore.evaluation import accuracy, outcomes, separation
from encore.reporting.density import density
from encore.reporting.embed import embed
from encore.weights import Linear, Softmax

SETTINGS = (
    ("linear", 0.0, 2.0),
    ("linear", 1.0, 2.0),
    ("linear", 2.5, 2.0),
    ("softmax", 1.0, 2.0),
    ("softmax", 1.0, 0.5),
    ("softmax", 3.0, 1.25),
    ("inverse_variance", 1.5, 2.0),
    ("agreement", 0.5, 2.0),
    ("uniform", 4.0, 2.0),
)
TIES = ("strict", "half", "resolved", "right")


def pairs_of(*, gaps: bool) -> PreferencePairs:
    """Sixty pairs under levels, a cost scale, a range and a constant rule.

    With gaps, some cells are unrated, and rules apply to some responses in part or not at all.
    """
    rng = np.random.default_rng(7)
    rules = Rulebook(
        (
            Rule("levels", "Is fine.", LevelScale((1, 2, 3, 4, 5))),
            Rule("cost", "Harms.", LevelScale((4, 3, 2, 1, 0))),
            Rule("range", "Scores.", RangeScale(-2.0, 3.0)),
            Rule("yes", "Agrees.", LevelScale((0, 1))),
            Rule("constant", "Never varies.", LevelScale((1, 2, 3))),
        )
    )
    quality = rng.standard_normal((2, 60)) + np.array([[0.7], [0.0]])
    noise = rng.standard_normal((5, 2, 60))
    values = np.stack(
        [
            np.clip(np.rint(3 + quality + 0.5 * noise[0]), 1, 5),
            np.clip(np.rint(2 - quality + noise[1]), 0, 4),
            np.clip(quality + 0.3 * noise[2], -2, 3),
            (quality + 2 * noise[3] > 0).astype(float),
            np.full((2, 60), 2.0),
        ],
        axis=2,
    )
    if gaps:
        values[rng.random(values.shape) < 0.08] = np.nan
    subsets = [("first", "second", "third")[i % 3] for i in range(60)]
    pairs = PreferencePairs.from_arrays(values[0], values[1], rules, subsets=subsets)
    if not gaps:
        return pairs
    table = pairs.ratings
    applies = rng.choice([0.0, 0.05, 0.5, 1.0], size=table.values.shape, p=[0.2, 0.2, 0.1, 0.5])
    made = RatingsTable(rules, table.values, table.prompts, table.responses, applies=applies)
    return replace(pairs, ratings=made)


def golden() -> dict[str, Any]:
    """Every setting on both sets of pairs, with what the library computes for it."""
    datasets, cases = [], []
    for gaps in (False, True):
        pairs = pairs_of(gaps=gaps)
        calibration = calibrate(pairs, pairs.rules)
        embedded = embed("golden", calibration, pairs, {}, np.random.default_rng(0))
        datasets.append(embedded.to_dict())
        for scheme, strength, temperature in SETTINGS:
            if scheme == "linear":
                weights = Linear(strength=strength)(calibration)
            elif scheme == "softmax":
                weights = Softmax(temperature=temperature / strength)(calibration)
            else:
                own = embedded.schemes[scheme].values
                weights = Weights(pairs.rules, (own / own.max()) ** strength)
            setting = {"scheme": scheme, "strength": strength, "temperature": temperature}
            expected = _expected(pairs, weights)
            expected["beside_uniform"] = _beside_uniform(pairs, weights)
            cases.append({"data": len(datasets) - 1, "setting": setting, "expected": expected})
    return {"datasets": datasets, "cases": cases}


def _expected(pairs: PreferencePairs, weights: Weights) -> dict[str, Any]:
    rewards = compose_rewards(pairs.ratings, weights)
    chosen, rejected = rewards[pairs.chosen], rewards[pairs.rejected]
    verdicts = outcomes(chosen, rejected)
    by_subset = [verdicts.sums()[pairs.subsets.codes == code] for code in range(3)]
    return {
        "weights": weights.values.tolist(),
        "shares": weights.shares.tolist(),
        "rewards": [None if np.isnan(r) else r for r in [*chosen.tolist(), *rejected.tolist()]],
        "separation": separation(chosen, rejected),
        "tallies": [rows.sum(axis=0).tolist() for rows in (verdicts.sums(), *by_subset)],
        "accuracy": {ties: accuracy(verdicts, ties) for ties in TIES},
        "density": density(chosen, 0.1, 1.0).tolist(),
    }


def _beside_uniform(pairs: PreferencePairs, weights: Weights) -> dict[str, Any]:
    """Agreement on the pairs whose reward is also known under the mean."""
    uniform = Weights(pairs.rules, np.ones(len(pairs.rules)))
    rewards, mean = (compose_rewards(pairs.ratings, w) for w in (weights, uniform))
    shared = ~np.isnan(mean[pairs.chosen] + mean[pairs.rejected])
    chosen, rejected = rewards[pairs.chosen[shared]], rewards[pairs.rejected[shared]]
    verdicts = outcomes(chosen, rejected)
    return {
        "separation": separation(chosen, rejected),
        "tally": verdicts.sums().sum(axis=0).tolist(),
    }


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(golden(), allow_nan=False) + "\n")
