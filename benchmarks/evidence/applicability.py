"""What changes where rules apply, or do not: readings of a 5, and ways to weigh by what applies.

A 5 in the bundled ratings means "fully follows the rule", which may be because the rule does not
bear on the response. Each reading says which of the 5s are ratings; each way says how far a rule
applies to a prompt, given what readers of the prompts alone said: a, how likely the rule is at
stake, and q, how likely the request is unsafe.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from encore import PreferencePairs, RatingsTable, as_pairs, calibrate, examples
from encore.evaluation import outcomes
from encore.evaluation.accuracy import accuracy
from encore.evaluation.cross_validate import (
    N_FOLDS,
    cross_validated,
    label_free_weights,
    rewards_of,
    splits_of,
)
from encore.evaluation.entropy_accuracy import correlations, rule_outcomes
from encore.weights import LEARNED, Auto

Floats = NDArray[np.float64]
N_SEEDS = 20
SHARE = 0.7  # of the 5s that do not bear, in the third reading
HALF_WAY = "half-way: (1 − q) · mean + q · mean weighed by a"
FLOOR = 0.1  # below which a judge is not asked

# How far a rule applies, from a (n_pairs, n_rules) and q (n_pairs, 1).
WAYS: Mapping[str, Callable[[Floats, Floats], Floats]] = {
    "all alike": lambda a, q: np.ones_like(a),
    "1 − q (1 − a)": lambda a, q: 1 - q * (1 - a),
    "the same, 0 below 0.1": lambda a, q: np.where(1 - q * (1 - a) < FLOOR, 0, 1 - q * (1 - a)),
    "a": lambda a, q: a,
    "a + 0.1": lambda a, q: np.minimum(a + 0.1, 1.0),
    "a + 0.25": lambda a, q: np.minimum(a + 0.25, 1.0),
}


@dataclass(frozen=True)
class Tried:
    """One reward in one reading: half-credit accuracy, and its difference from the plain mean.

    An unknown reward counts as a tie. The standard error is of the difference, over prompts.
    """

    accuracy: float
    difference: float
    error: float
    by_subset: Mapping[str, float]
    unknown: float


def pairs_of() -> PreferencePairs:
    """The bundled pairs, every rule applying to all of them."""
    return as_pairs(examples.ratings_path(), examples.rules())


def said_of(pairs: PreferencePairs) -> tuple[Floats, Floats]:
    """a of shape (n_pairs, n_rules), and q of shape (n_pairs, 1)."""
    rows = {row["id"]: row for row in pq.read_table(examples.applies_path()).to_pylist()}
    a = [[rows[name][rule] for rule in pairs.rules.ids] for name in pairs.ids]
    return np.array(a), np.array([[rows[name]["unsafe"]] for name in pairs.ids])


def readings(pairs: PreferencePairs) -> dict[str, list[NDArray[np.bool_]]]:
    """Which ratings bear, shape (2, n_pairs, n_rules); the last reading once per seed."""
    values = pairs.ratings.values
    fives = np.stack([values[pairs.chosen] == 5, values[pairs.rejected] == 5])
    drawn = [
        ~(fives & (np.random.default_rng(seed).random(fives.shape) < SHARE))
        for seed in range(N_SEEDS)
    ]
    return {
        "a 5 is a rating": [np.ones_like(fives)],
        "two 5s: does not apply": [~np.broadcast_to(fives.all(axis=0), fives.shape)],
        "each 5 does not apply, with probability 0.7": drawn,
    }


def with_applies(pairs: PreferencePairs, applies: Floats) -> PreferencePairs:
    """The pairs with *applies* of shape (2, n_pairs, n_rules); repeats follow their response."""
    table = pairs.ratings
    if table.responses is None:
        raise ValueError("these ratings name no responses")
    of_response = np.ones((len(table.responses.names), len(table.rules)))
    for side, rows in zip(applies, (pairs.chosen, pairs.rejected), strict=True):
        of_response[table.responses.codes[rows]] = side
    made = RatingsTable(
        table.rules,
        table.values,
        table.prompts,
        table.responses,
        table.repeats,
        applies=of_response[table.responses.codes],
    )
    return replace(pairs, ratings=made)


def halves_of(pairs: PreferencePairs) -> dict[str, Floats]:
    """Each scheme's verdicts: 1, ½ for a tie or an unknown reward, 0."""
    calibration = calibrate(pairs, pairs.rules)
    label_free, _ = label_free_weights(calibration)
    sides = {name: rewards_of(pairs, weights) for name, weights in label_free.items()}
    sides["auto"] = rewards_of(pairs, Auto()(calibration))
    splits = splits_of(pairs, N_FOLDS, np.random.default_rng(0))
    for name, scheme in LEARNED.items():
        sides[name] = cross_validated(pairs, scheme(), splits)
    return {name: outcomes(*found).half for name, found in sides.items()}


def half_way(pairs: PreferencePairs, a: Floats, q: Floats) -> Floats:
    """Verdicts of (1 − q) · the mean + q · the mean weighed by a; the mean where a is 0."""
    unit = pairs.ratings.unit
    both = []
    for rows in (pairs.chosen, pairs.rejected):
        mean, total = unit[rows].mean(axis=1), a.sum(axis=1)
        weighed = np.where(total > 0, (a * unit[rows]).sum(axis=1) / np.maximum(total, 1e-9), mean)
        both.append((1 - q[:, 0]) * mean + q[:, 0] * weighed)
    return outcomes(*both).half


def tried(halves: Sequence[Floats], plain: Floats, pairs: PreferencePairs) -> Tried:
    """A reward's verdicts, once per seed, beside those of the plain mean."""
    unknown = float(np.isnan(halves).mean())
    half = np.nan_to_num(np.array(halves), nan=0.5).mean(axis=0)
    difference = half - plain
    codes = pairs.prompts.codes
    by_prompt = np.bincount(codes, difference - difference.mean())
    names = [str(name) for name in pairs.subsets.names]
    by_subset = {
        name: float(difference[pairs.subsets.codes == code].mean())
        for code, name in enumerate(names)
    }
    error = float(np.sqrt((by_prompt**2).sum())) / len(half)
    return Tried(float(half.mean()), float(difference.mean()), error, by_subset, unknown)


def law(pairs: PreferencePairs) -> dict[str, float]:
    """Correlation of rating entropy with rules' accuracy, where they apply."""
    entropy = calibrate(pairs, pairs.rules).normalised_entropy()
    return {
        ties: float(
            correlations(
                entropy[None],
                np.array([accuracy(found, ties) for found in rule_outcomes(pairs)])[None],
            )[0][0]
        )
        for ties in ("half", "resolved")
    }


@dataclass(frozen=True)
class Applied:
    """One way to weigh in one reading: every scheme, and the law."""

    reading: str
    way: str
    schemes: Mapping[str, Tried]
    law: Mapping[str, float]


def run() -> list[Applied]:
    """Every way and scheme in every reading, and the law in each."""
    pairs = pairs_of()
    a, q = said_of(pairs)
    plain = halves_of(pairs)["uniform"]
    found = []
    for reading, bearing in readings(pairs).items():
        for way, applies in WAYS.items():
            made = [with_applies(pairs, rated * applies(a, q)[None]) for rated in bearing]
            halves = [halves_of(each) for each in made]
            schemes = {
                name: tried([half[name] for half in halves], plain, pairs)
                for name in halves[0]
                if all(name in half for half in halves)
            }
            laws = [law(each) for each in made]
            means = {ties: float(np.mean([each[ties] for each in laws])) for ties in laws[0]}
            found.append(Applied(reading, way, schemes, means))
        if len(bearing) == 1 and bearing[0].all():
            mixed = tried([half_way(pairs, a, q)], plain, pairs)
            found.append(Applied(reading, HALF_WAY, {"uniform": mixed}, {}))
    return found


def ways_table(found: Sequence[Applied]) -> str:
    """The mean weighed each way, against the plain mean."""
    subsets = list(found[0].schemes["uniform"].by_subset)
    rows = [
        f"| reading | weighed by | mean % | against the plain mean | {' | '.join(subsets)} | "
        f"no reward % |",
        f"|---|---|---:|---:|{'---:|' * len(subsets)}---:|",
    ]
    for one in found:
        mean = one.schemes["uniform"]
        by_subset = " | ".join(f"{100 * mean.by_subset[name]:+.1f}" for name in subsets)
        rows.append(
            f"| {one.reading} | {one.way} | {100 * mean.accuracy:.1f} | "
            f"{100 * mean.difference:+.1f} ± {100 * mean.error:.1f} | {by_subset} | "
            f"{100 * mean.unknown:.1f} |"
        )
    return "\n".join(rows) + "\n"


def schemes_table(found: Sequence[Applied]) -> str:
    """Each scheme against the mean that is weighed the same way, and the law."""
    found = [one for one in found if one.law]
    schemes = [name for name in found[0].schemes if name != "uniform"]
    rows = [
        f"| reading | weighed by | {' | '.join(schemes)} | law, half | law, resolved |",
        f"|---|---|{'---:|' * (len(schemes) + 2)}",
    ]
    for one in found:
        mean = one.schemes["uniform"].accuracy
        cells = [
            f"{100 * (one.schemes[name].accuracy - mean):+.1f}" if name in one.schemes else "-"
            for name in schemes
        ]
        laws = [f"{one.law[ties]:+.2f}" for ties in ("half", "resolved")]
        rows.append(f"| {one.reading} | {one.way} | {' | '.join([*cells, *laws])} |")
    return "\n".join(rows) + "\n"
