from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from encore import Calibration, LevelScale, Rulebook, calibrate, examples
from encore.calibration import calibrate_batches
from encore.errors import InputError
from encore.ratings.files import read_batches

RULES = Rulebook.from_ids(["a", "b"], LevelScale((1, 2, 3, 4)))
NAN = float("nan")


def bundled() -> Calibration:
    return calibrate(examples.ratings_path(), examples.rules())


def test_rows_out_of_order_give_the_same_as_rows_in_order() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(1, 5, size=(60, 2)).astype(float)
    prompts = np.repeat(np.arange(20), 3)
    shuffled = rng.permutation(60)
    together = calibrate(values, RULES, prompts=prompts.tolist())
    apart = calibrate(values[shuffled], RULES, prompts=prompts[shuffled].tolist())
    np.testing.assert_array_equal(together.statistics.counts, apart.statistics.counts)
    np.testing.assert_allclose(together.margin_covariance, apart.margin_covariance, atol=1e-15)
    assert apart.n_split_prompts == 0


def test_a_prompt_split_between_two_calibrations_is_said() -> None:
    first = calibrate([[1, 1], [2, 2]], RULES, prompts=["p", "q"])
    second = calibrate([[3, 3], [4, 4]], RULES, prompts=["q", "r"])
    merged = first + second
    assert (merged.n_prompts, merged.n_split_prompts) == (3, 1)
    assert merged.statistics.rated_pairs.tolist() == [0, 0]


def test_a_large_table_is_calibrated_in_blocks_that_split_no_prompt() -> None:
    n = 150_000
    rng = np.random.default_rng(0)
    values = rng.integers(1, 5, size=(n, 2)).astype(float)
    prompts = (np.arange(n) // 7).tolist()
    found = calibrate(values, RULES, prompts=prompts)
    assert found.n_split_prompts == 0
    # 21,428 prompts of seven responses and one of four: 21 pairs each and 6.
    assert found.statistics.rated_pairs.tolist() == [21_428 * 21 + 6] * 2
    assert found.n_prompts == pytest.approx(21_429, rel=0.001)


@pytest.mark.parametrize("batch_rows", [1, 7, 100])
def test_the_batch_size_never_changes_a_file_s_calibration(batch_rows: int) -> None:
    rules = examples.rules()
    batches = read_batches(examples.ratings_path(), rules, batch_rows=batch_rows)
    found = calibrate_batches(batches, rules).statistics
    expected = bundled().statistics
    sums = ("margin_sum", "spread_sum")
    exact = [{k: v for k, v in s.to_dict().items() if k not in sums} for s in (found, expected)]
    assert exact[0] == exact[1]
    for name in sums:
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-12)


def test_no_ratings_are_refused() -> None:
    with pytest.raises(InputError, match="at least one response"):
        calibrate(np.empty((0, 2)), RULES)
    with pytest.raises(InputError, match="at least one response"):
        calibrate_batches([], RULES)


def test_a_calibration_says_what_it_was_made_from(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    bundled().save(path)
    source = json.loads(path.read_text())["sources"][0]
    assert (source["name"], source["n_responses"]) == ("ratings.parquet", 916)
    assert len(source["sha256"]) == 64


def test_the_bundled_ratings_have_the_entropies_that_scipy_finds(
    peer: Callable[[str], ModuleType],
) -> None:
    stats, parquet = peer("scipy.stats"), peer("pyarrow.parquet")
    rows = [
        row for row in parquet.read_table(examples.ratings_path()).to_pylist() if not row["repeat"]
    ]
    for position, rule_id in enumerate(examples.rules().ids):
        ratings = [row[f"{side}.{rule_id}"] for row in rows for side in ("chosen", "rejected")]
        expected = stats.entropy(np.bincount(ratings)) / np.log(5)
        assert bundled().normalised_entropy()[position] == pytest.approx(expected, abs=1e-12)
