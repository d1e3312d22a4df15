"""Any order, division and merging of the same ratings gives the same file, to the last byte."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from encore import Calibration, calibrate
from encore.calibration import calibrate_batches
from encore.ratings import RatingsTable
from encore.rules import LevelScale, RangeScale, Rule, Rulebook

RULES = Rulebook(
    (
        Rule("four", "Four levels.", LevelScale((1, 2, 3, 4))),
        Rule("cost", "Three levels, falling.", LevelScale((3, 2, 1))),
        Rule("range", "A range.", RangeScale(-0.5, 1.0, 4)),
    )
)
NAN = float("nan")


@dataclass
class Rows:
    """All that a table holds, row by row."""

    values: NDArray[np.float64]
    prompts: NDArray[np.int64]
    responses: NDArray[np.int64]
    repeats: NDArray[np.int64]
    spread: NDArray[np.float64]
    applies: NDArray[np.float64]
    probabilities: NDArray[np.float64]

    def table(self, rows: NDArray[np.int64]) -> RatingsTable:
        """These rows, in this order."""
        return RatingsTable(
            RULES,
            self.values[rows],
            [f"prompt {prompt}" for prompt in self.prompts[rows].tolist()],
            self.responses[rows],
            self.repeats[rows],
            spread=self.spread[rows],
            applies=self.applies[rows],
            probabilities=self.probabilities[rows],
        )


def rows_of(rng: np.random.Generator, sizes: list[int], gaps: float) -> Rows:
    """Responses to prompts, some rated twice, with everything that ratings may have."""
    prompts = np.repeat(np.arange(len(sizes)), sizes)
    again = np.flatnonzero(rng.random(len(prompts)) < 0.3)
    at = np.sort(np.concatenate([np.arange(len(prompts)), again]))
    repeats = np.r_[0, at[1:] == at[:-1]].astype(np.int64)
    n = len(at)
    values = np.column_stack(
        [rng.integers(1, 5, n), rng.integers(1, 4, n), rng.uniform(-0.6, 1.1, n)]
    ).astype(float)
    values[rng.random(values.shape) < gaps] = NAN
    spread = np.where(rng.random(values.shape) < gaps, rng.random(values.shape), NAN)
    applies = np.where(rng.random(values.shape) < gaps, rng.random(values.shape), 1.0)
    p = rng.dirichlet(np.ones(4), (n, 3))
    p[:, 1] = np.pad(rng.dirichlet(np.ones(3), n), ((0, 0), (0, 1)))
    p[rng.random((n, 3)) >= gaps] = NAN
    p[:, 2] = NAN
    return Rows(values, prompts[at], at, repeats, spread, applies, p)


def written(calibration: Calibration, folder: pytest.TempPathFactory) -> bytes:
    """The bytes of calibration.json, but for where the ratings came from."""
    path = folder.mktemp("order") / "calibration.json"
    replace(calibration, sources=()).save(path)
    return path.read_bytes()


@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=12),
    gaps=st.sampled_from([0.0, 0.2]),
    n_parts=st.integers(1, 4),
)
def test_any_order_division_and_merging_give_the_same_bytes(
    seed: int, sizes: list[int], gaps: float, n_parts: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rng = np.random.default_rng(seed)
    rows = rows_of(rng, sizes, gaps)
    whole = calibrate(rows.table(np.arange(len(rows.values))), RULES)

    # Prompts in another order, each on one of the machines; the rows of each in any order.
    machine = rng.integers(n_parts, size=len(sizes))
    parts = []
    for each in range(n_parts):
        own = rng.permutation(np.flatnonzero(machine[rows.prompts] == each))
        if len(own):
            parts.append(calibrate(rows.table(own), RULES))
    while len(parts) > 1:  # any tree of merges
        one = parts.pop(rng.integers(len(parts)))
        other = parts.pop(rng.integers(len(parts)))
        parts.append(one + other)
    assert parts[0].digest == whole.digest
    assert written(parts[0], tmp_path_factory) == written(whole, tmp_path_factory)

    # Every prompt in a batch of its own.
    order = rng.permutation(len(sizes))
    batches = (rows.table(np.flatnonzero(rows.prompts == prompt)) for prompt in order)
    assert calibrate_batches(batches, RULES).statistics == whole.statistics


@pytest.mark.parametrize("size", [2, 3, 5])
@pytest.mark.parametrize("gaps", [0.0, 0.2])
def test_blocks_of_any_size_give_the_same_sums(
    size: int, gaps: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(size)
    rows = rows_of(rng, [size] * 300, gaps)
    table = rows.table(np.arange(len(rows.values)))
    whole = calibrate(table, RULES)
    for most in (1, 100, 3000):
        monkeypatch.setattr("encore.calibration.moments._MAX_ELEMENTS", most)
        monkeypatch.setattr(import_module("encore.calibration.calibrate"), "_BLOCK_ROWS", most)
        assert calibrate(table, RULES) == whole


@given(seed=st.integers(0, 2**32 - 1), gaps=st.sampled_from([0.0, 0.3]))
def test_sums_are_those_of_floats_to_one_part_in_a_billion(seed: int, gaps: float) -> None:
    rng = np.random.default_rng(seed)
    n, size = 40, int(rng.integers(2, 12))
    two = [rng.integers(1, most, n * size) for most in (5, 4)]
    values = np.column_stack([*two, rng.uniform(-0.5, 1, n * size)]).astype(np.float64)
    values[rng.random(values.shape) < gaps] = NAN
    prompts = np.arange(n).repeat(size)
    found = calibrate(values, RULES, prompts=prompts.tolist())
    unit = RULES.unit(values).reshape(n, size, 3)
    margins = unit[:, :, None] - unit[:, None]  # of every two responses, both ways round
    both = ~np.isnan(margins[..., :, None] + margins[..., None, :])
    both &= ~np.eye(size, dtype=bool)[None, :, :, None, None]
    products = np.where(both, margins[..., :, None] * margins[..., None, :], 0.0)
    n_pairs = both.sum(axis=(1, 2))
    means = products.sum(axis=(1, 2)) / np.maximum(n_pairs, 1)
    covariance = means.sum(axis=0) / (n_pairs > 0).sum(axis=0)
    deviation = np.sqrt(np.diagonal(covariance))
    np.testing.assert_allclose(
        found.margin_covariance / np.outer(deviation, deviation),
        covariance / np.outer(deviation, deviation),
        atol=1e-9,
    )
