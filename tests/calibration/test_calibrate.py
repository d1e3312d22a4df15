from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from encore import Calibration, LevelScale, Rulebook, calibrate, examples
from encore.calibration import calibrate_batches
from encore.calibration.prompts import prompt_hashes
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


def test_prompts_that_come_back_in_a_file_lose_no_margin_though_no_sample_shows_them(
    tmp_path: Path,
) -> None:
    # 3,000 prompts of two responses. The second responses of the 2,000 with the largest hashes
    # come at the end of the file; the sample holds the 512 with the smallest.
    names = [f"p{number}" for number in range(3000)]
    by_hash = [names[at] for at in np.argsort(prompt_hashes(names))]
    rows = [(name, 1, 2) for name in by_hash[:1000] for _ in range(2)]
    rows += [(name, 1, 4) for name in by_hash[1000:]]
    rows += [(name, 3, 2) for name in by_hash[1000:]]
    path = tmp_path / "ratings.csv"
    lines = [f"{name},{at},{a},{b}" for at, (name, a, b) in enumerate(rows)]
    path.write_text("\n".join(["prompt_id,response_id,a,b", *lines]) + "\n")

    streamed = calibrate_batches(read_batches(path, RULES), RULES)
    assert streamed.n_split_prompts == 0  # all that the sample can see
    assert streamed.statistics.rated_pairs.tolist() == [1000, 1000]

    found = calibrate(path, RULES)
    assert found.statistics.rated_pairs.tolist() == [3000, 3000]
    assert found.statistics.resolved_pairs.tolist() == [2000, 2000]
    # Unit margins are (3 - 1) / 3 and (2 - 4) / 3 in 2,000 of 3,000 prompts, and 0 in the others.
    expected = 2 / 3 * 4 / 9 * np.array([[1, -1], [-1, 1]])
    np.testing.assert_allclose(found.margin_covariance, expected)


@pytest.mark.parametrize("batch_rows", [1, 7, 100])
def test_the_batch_size_never_changes_a_file_s_calibration(batch_rows: int) -> None:
    rules = examples.rules()
    batches = read_batches(examples.ratings_path(), rules, batch_rows=batch_rows)
    assert calibrate_batches(batches, rules).statistics == bundled().statistics


def test_no_ratings_are_refused() -> None:
    with pytest.raises(InputError, match="at least one response"):
        calibrate(np.empty((0, 2)), RULES)
    with pytest.raises(InputError, match="at least one response"):
        calibrate_batches([], RULES)


@pytest.mark.parametrize("n", [1, 3])
def test_a_file_of_unrated_responses_says_so(n: int, tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("prompt_id,response_id,privacy\n" + "".join(f"p,{k},\n" for k in range(n)))
    with pytest.raises(InputError, match=f"ratings.csv: no rating in any of the {n} responses"):
        calibrate(path, ["privacy"], scale=[1, 2])


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
