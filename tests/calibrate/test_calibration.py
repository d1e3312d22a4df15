from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encore import Calibration, LevelScale, RatingsTable, Rulebook, calibrate, examples
from encore.calibrate import calibrate_batches
from encore.errors import DocumentError, InputError, MismatchError
from encore.ratings.files import read_batches

RULES = Rulebook.from_ids(["a", "b"], LevelScale((1, 2, 3, 4)))
NAN = float("nan")


def bundled() -> Calibration:
    return calibrate(examples.ratings_path(), examples.rules())


def test_what_a_calibration_says_by_hand() -> None:
    # Rule a: 1, 1, 4, unrated: p = 2/3, 1/3. Rule b: 2 four times. Prompts p (rows 0, 1) and
    # q (rows 2, 3): a resolves none of its one pair, b none of its two.
    ratings = [[1, 2], [1, 2], [4, 2], [NAN, 2]]
    found = calibrate(ratings, RULES, prompts=["p", "p", "q", "q"])
    entropy = -(2 / 3 * np.log(2 / 3) + 1 / 3 * np.log(1 / 3))
    np.testing.assert_allclose(found.entropy(), [entropy, 0], atol=1e-15)
    np.testing.assert_allclose(found.normalised_entropy(), [entropy / np.log(4), 0], atol=1e-15)
    assert found.coverage.tolist() == [0.75, 1.0]
    assert found.n_ratings.tolist() == [3, 4]
    assert found.resolved_share.tolist() == [0.0, 0.0]
    assert found.margin_variance.tolist() == [0.0, 0.0]
    assert np.isnan(found.spread).all() and np.isnan(found.information).all()
    assert (found.n_responses, found.n_prompts, found.n_split_prompts) == (4, 2, 0)


def test_a_rule_that_was_never_rated_is_unknown_not_zero() -> None:
    found = calibrate([[1, NAN], [2, NAN]], RULES, prompts=["p", "p"])
    assert np.isnan([found.entropy()[1], found.resolved_share[1], found.margin_variance[1]]).all()
    assert found.coverage.tolist() == [1.0, 0.0]


def test_information_is_what_is_left_of_the_entropy_without_the_spread() -> None:
    # Rule a: levels 1 and 3 evenly, H = ln 2, mean spread ln 2 / 4. Rule b is constant.
    spread = np.array([[np.log(2) / 4, 0.3], [np.log(2) / 4, 0.3]])
    found = calibrate(RatingsTable(RULES, [[1, 2], [3, 2]], spread=spread), RULES)
    np.testing.assert_allclose(found.information, [0.75, 0.0])


def test_miller_madow_never_exceeds_what_the_levels_allow() -> None:
    found = calibrate([[1, 1], [2, 1], [3, 1], [4, 1]], RULES)
    # Plug-in is already ln 4; (4 - 1) / 8 more would be above it.
    assert found.entropy("miller_madow")[0] == np.log(4)


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


def test_calibrations_of_different_rules_do_not_add() -> None:
    other = Rulebook.from_ids(["a", "c"], LevelScale((1, 2, 3, 4)))
    with pytest.raises(
        MismatchError, match=r"rules \[a, b\]; calibration of ratings: rules \[a, c\]"
    ):
        calibrate([[1, 1]], RULES) + calibrate([[1, 1]], other)


def test_no_ratings_are_refused() -> None:
    with pytest.raises(InputError, match="at least one response"):
        calibrate(np.empty((0, 2)), RULES)
    with pytest.raises(InputError, match="at least one response"):
        calibrate_batches([], RULES)


@given(
    values=st.lists(
        st.tuples(*[st.sampled_from([1.0, 2.0, 3.0, 4.0, NAN])] * 2), min_size=1, max_size=12
    ),
    per_prompt=st.integers(1, 4),
)
def test_a_file_brings_back_the_same_calibration_to_the_last_bit(
    values: list[tuple[float, float]],
    per_prompt: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("calibration") / "calibration.json"
    prompts = [row // per_prompt for row in range(len(values))]
    calibration = calibrate(values, RULES, prompts=prompts)
    calibration.save(path)
    again = Calibration.load(path)
    assert again.statistics.to_dict() == calibration.statistics.to_dict()
    assert (again.rules, again.sources) == (calibration.rules, calibration.sources)
    assert again.digest == calibration.digest


def test_a_calibration_says_what_it_was_made_from(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    bundled().save(path)
    source = json.loads(path.read_text())["sources"][0]
    assert (source["name"], source["n_responses"]) == ("ratings.parquet", 916)
    assert len(source["sha256"]) == 64


def test_a_calibration_of_any_size_is_a_few_kilobytes(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    bundled().save(path)
    assert path.stat().st_size < 32_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rules": []}, "a broken calibration .*at least one rule"),
        ({"statistics": {}}, "a broken calibration .*Make it again"),
        ({"sources": [{}]}, "a broken calibration"),
        ({"rules_digest": "0"}, "the rules were changed by hand"),
        ({"kind": "encore.weights"}, "expected a document of kind 'encore.calibration'"),
    ],
)
def test_a_broken_calibration_is_refused(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    path = tmp_path / "calibration.json"
    calibrate([[1, 1]], RULES).save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DocumentError, match=message):
        Calibration.load(path)


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
