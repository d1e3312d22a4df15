"""What an ablation does to rated pairs: other scales, other rules, a noisier rater."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from encore import LevelScale, PreferencePairs, RangeScale, RatingsTable, Rule, Rulebook

Floats = NDArray[np.float64]
Perturbation = Callable[[PreferencePairs, np.random.Generator], PreferencePairs]
RARE = 0.02  # how often a rare event happens


def with_levels(n_levels: int) -> Perturbation:
    """Levels merged evenly to *n_levels*; ranges get that many bins and keep their values."""

    def perturb(pairs: PreferencePairs, rng: np.random.Generator) -> PreferencePairs:
        table = pairs.ratings
        rules, columns = [], []
        for rule, unit, values in zip(table.rules, table.unit.T, table.values.T, strict=True):
            if isinstance(rule.scale, RangeScale):
                rules.append(replace(rule, scale=replace(rule.scale, bins=n_levels)))
                columns.append(values)
            else:
                rules.append(replace(rule, scale=LevelScale(tuple(range(n_levels)))))
                columns.append(np.minimum(np.floor(unit * n_levels), n_levels - 1))
        return _with(pairs, Rulebook(tuple(rules)), np.column_stack(columns))

    return perturb


def adding(kind: str, k: int) -> Perturbation:
    """*k* more rules: ``noise``, ``constant`` or ``rare``."""

    def perturb(pairs: PreferencePairs, rng: np.random.Generator) -> PreferencePairs:
        table = pairs.ratings
        scale = table.rules.rules[0].scale
        more = tuple(Rule(f"{kind}_{i}", "Added by the ablation.", scale) for i in range(k))
        columns = np.column_stack([_column(kind, table, rng) for _ in more])
        added = scale.worst + columns * (scale.best - scale.worst)
        return _with(
            pairs, Rulebook((*table.rules.rules, *more)), np.column_stack([table.values, added])
        )

    return perturb


def _column(kind: str, table: RatingsTable, rng: np.random.Generator) -> Floats:
    """Unit ratings of one added rule, on five levels. Noise is drawn anew for every repeat."""
    if kind == "constant":
        return np.ones(table.n_rows)
    if kind == "noise":
        return rng.integers(5, size=table.n_rows) / 4
    # A rare event belongs to the response, whoever rates it and however often.
    n_responses = table.n_rows if table.responses is None else int(table.responses.codes.max()) + 1
    events = np.where(rng.random(n_responses) < RARE, rng.integers(4, size=n_responses) / 4, 1.0)
    return events if table.responses is None else events[table.responses.codes]


def flipping(k: int) -> Perturbation:
    """*k* rules, drawn at random, the wrong way round."""

    def perturb(pairs: PreferencePairs, rng: np.random.Generator) -> PreferencePairs:
        table = pairs.ratings
        values = table.values.copy()
        for position in rng.choice(len(table.rules), size=k, replace=False):
            scale = table.rules.rules[position].scale
            values[:, position] = scale.worst + scale.best - values[:, position]
        return _with(pairs, table.rules, values)

    return perturb


def second_pass(share: float) -> Perturbation:
    """A *share* of the responses that were rated twice have their two ratings swapped."""

    def perturb(pairs: PreferencePairs, rng: np.random.Generator) -> PreferencePairs:
        table = pairs.ratings
        if table.repeats is None or table.responses is None or table.prompts is None:
            raise ValueError("these ratings hold no second pass")
        order = np.lexsort((table.repeats, table.responses.codes, table.prompts.codes))
        keys = np.column_stack([table.prompts.codes, table.responses.codes])[order]
        again = np.flatnonzero((keys[1:] == keys[:-1]).all(axis=1))
        swapped = again[rng.random(len(again)) < share]
        values = table.values.copy()
        values[order[swapped]] = table.values[order[swapped + 1]]
        values[order[swapped + 1]] = table.values[order[swapped]]
        return _with(pairs, table.rules, values)

    return perturb


def only_prompts(pairs: PreferencePairs, n_prompts: int, rng: np.random.Generator) -> RatingsTable:
    """The ratings of *n_prompts* prompts, drawn at random: a smaller calibration set."""
    table = pairs.ratings
    if table.prompts is None:
        raise ValueError("these ratings name no prompts")
    kept = rng.choice(np.unique(table.prompts.codes), size=n_prompts, replace=False)
    return table.take(np.isin(table.prompts.codes, kept))


def _with(pairs: PreferencePairs, rules: Rulebook, values: Floats) -> PreferencePairs:
    table = pairs.ratings
    changed = RatingsTable(rules, values, table.prompts, table.responses, table.repeats)
    return replace(pairs, ratings=changed)
