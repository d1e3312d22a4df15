from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from encore import (
    Calibration,
    InputError,
    MismatchError,
    PreferencePairs,
    RatingsTable,
    Rulebook,
    calibrate,
    examples,
)
from encore.files import file_digest
from encore.ratings import Ids, files
from encore.reporting import gather as module
from encore.reporting.gather import gather
from tests.reporting.made import FIVE, pairs

RULES = Rulebook.from_ids(["a", "b"], FIVE)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def many(path: Path, n_rows: int, *, ids: bool = False, repeats: bool = False) -> Path:
    """Pairs whose chosen ratings spell their number in base 5."""
    numbers = np.arange(n_rows)
    columns = {
        "chosen.a": numbers % 5 + 1,
        "chosen.b": numbers // 5 % 5 + 1,
        "rejected.a": numbers // 25 % 5 + 1,
        "rejected.b": numbers // 125 % 5 + 1,
    }
    if ids:
        columns["id"] = np.array([f"pair-{n}" for n in numbers])
    if repeats:
        columns["repeat"] = numbers % 2
    pq.write_table(pa.table(columns), path)
    return path


def number_of(values: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> list[int]:
    """The number that a pair's ratings spell."""
    (a, b), (c, d) = values[0::2].T - 1, values[1::2].T - 1
    return [int(n) for n in a + 5 * b + 25 * c + 125 * d]


def test_the_bundled_pairs() -> None:
    found = gather(examples.ratings_path(), examples.rules(), None, rng())
    assert found.pairs is not None
    assert (found.n_pairs, found.pairs.n_pairs, found.n_responses) == (458, 458, 916)
    assert (found.name, found.is_sampled) == ("ratings.parquet", False)
    assert found.rater.startswith("a strong LLM judge")
    assert len(found.sha256) == 64


def test_a_sample_of_a_file_is_even_in_order_and_counts_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PAIRS", 100)
    found = gather(many(tmp_path / "p.parquet", 600), RULES, None, rng())
    assert found.pairs is not None
    assert (found.pairs.n_pairs, found.n_pairs, found.is_sampled) == (100, 600, True)
    numbers = number_of(found.pairs.ratings.values)
    assert numbers == sorted(numbers)
    assert found.calibration.n_responses == 1_200  # of all of them
    # A pair without an id goes by its row in the file, counted from 1.
    assert [int(pair_id) - 1 for pair_id in found.pairs.ids] == numbers


def test_every_row_is_as_likely_to_be_sampled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PAIRS", 100)
    path = many(tmp_path / "p.parquet", 600)
    times = np.zeros(600)
    for seed in range(60):
        found = gather(path, RULES, None, np.random.default_rng(seed))
        assert found.pairs is not None
        times[number_of(found.pairs.ratings.values)] += 1
    # Each is drawn 10 times of 60 in expectation; a third of the file, 2,000 times of 6,000 with
    # a standard deviation below 37.
    assert np.abs(times.reshape(3, 200).sum(axis=1) - 2_000).max() < 150


@pytest.mark.parametrize("most", [100, 1_000], ids=["a sample", "all"])
@pytest.mark.parametrize("own", [True, False], ids=["own calibration", "another's"])
def test_a_file_is_read_and_hashed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, own: bool
) -> None:
    path, other = many(tmp_path / "p.parquet", 600), many(tmp_path / "other.parquet", 9)
    monkeypatch.setattr(module, "MAX_PAIRS", most)
    read: list[Path] = []
    hashed: list[Path] = []
    arrow_batches = files.arrow_batches

    def reading(path: Path, rules: Rulebook, **options: Any) -> Iterator[pa.Table]:
        read.append(path)
        return arrow_batches(path, rules, **options)

    def hashing(path: Path) -> str:
        hashed.append(path)
        return file_digest(path)

    monkeypatch.setattr(files, "arrow_batches", reading)
    for name in ("encore.reporting.gather", "encore.calibration.calibrate"):
        monkeypatch.setattr(sys.modules[name], "file_digest", hashing)
    found = gather(path, RULES, None if own else other, rng())
    assert (read.count(path), hashed.count(path)) == (1, 1)
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.calibration.digest == calibrate(path if own else other, RULES).digest


def test_a_small_file_of_pairs_is_shown_with_its_repeats(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    head = "id,repeat,chosen.a,chosen.b,rejected.a,rejected.b\n"
    path.write_text(f"{head}x,0,5,4,1,2\nx,1,5,3,1,2\ny,0,1,1,2,2\n")
    found = gather(path, RULES, None, rng())
    assert found.pairs is not None
    assert (found.pairs.ids, found.n_pairs) == (("x", "y"), 2)
    assert found.pairs.ratings.values[2].tolist() == [5, 3]  # x, rated again


def test_repeats_are_passed_over_in_a_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PAIRS", 50)
    found = gather(many(tmp_path / "p.parquet", 600, ids=True, repeats=True), RULES, None, rng())
    assert found.pairs is not None
    assert (found.pairs.n_pairs, found.n_pairs) == (50, 300)
    assert not any(n % 2 for n in number_of(found.pairs.ratings.values))


def test_pairs_in_memory_are_sampled_likewise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PAIRS", 40)
    made = pairs(60)
    found = gather(made, made.rules, None, rng())
    assert found.pairs is not None
    assert (found.pairs.n_pairs, found.n_pairs) == (40, 60)
    assert found.calibration.n_responses == 120


def test_responses_have_no_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_RESPONSES", 3)
    path = tmp_path / "r.csv"
    path.write_text("response_id,a,b\n" + "".join(f"r{n},{n % 5 + 1},3\n" for n in range(9)))
    found = gather(path, RULES, None, rng())
    assert found.pairs is None
    assert found.responses is not None
    assert (found.responses.n_rows, found.n_responses) == (3, 9)
    array = gather([[1, 2], [3, 4]], RULES, None, rng())
    assert array.responses is not None
    assert (array.responses.n_rows, array.name) == (2, "ratings")


def test_a_response_rated_again_is_one_response(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("response_id,repeat,a,b\nx,0,1,2\nx,1,5,5\ny,0,3,3\n")
    found = gather(path, RULES, None, rng())
    assert found.responses is not None
    assert (found.n_responses, found.responses.values.tolist()) == (2, [[1, 2], [3, 3]])


def test_a_frame_of_pairs_is_pairs() -> None:
    frame = {"chosen.a": [5], "chosen.b": [4], "rejected.a": [1], "rejected.b": [2]}
    assert gather(frame, RULES, None, rng()).n_pairs == 1
    assert gather({"a": [5], "b": [4]}, RULES, None, rng()).n_pairs == 0


def test_a_calibration_from_memory_or_a_file(tmp_path: Path) -> None:
    calibration = calibrate([[1, 2], [3, 4]], RULES)
    calibration.save(tmp_path / "c.json")
    for source in (calibration, tmp_path / "c.json"):
        found = gather(source, None, None, rng())
        assert found.calibration.digest == calibration.digest
        assert (found.pairs, found.responses, found.n_responses) == (None, None, 2)


def test_a_calibration_set_takes_the_place_of_the_ratings_own() -> None:
    made = pairs(20, ids=("a", "b"))
    ratings = [[1, 2], [3, 4], [5, 5]]
    for given in (ratings, calibrate(ratings, RULES)):
        found = gather(made, RULES, given, rng())
        assert (found.calibration.n_responses, found.own_calibration) == (3, False)


def test_responses_that_pairs_share_are_counted_once() -> None:
    ratings = RatingsTable(RULES, [[1, 2], [3, 4], [5, 5]], prompts=["p"] * 3)
    shared = PreferencePairs(ratings, np.array([1, 2]), np.array([0, 0]), Ids.of(["all"] * 2))
    found = gather(shared, RULES, None, rng())
    assert (found.n_pairs, found.n_responses) == (2, 3)


def test_a_calibration_set_may_be_a_file_of_one(tmp_path: Path) -> None:
    calibrate([[1, 2]], RULES).save(tmp_path / "c.json")
    found = gather([[1, 2], [3, 4]], RULES, str(tmp_path / "c.json"), rng())
    assert (found.calibration.n_responses, found.n_responses) == (1, 2)


def test_what_does_not_go_together_is_refused() -> None:
    calibration: Calibration = calibrate([[1, 2]], RULES)
    with pytest.raises(InputError, match="a calibration holds its own rules"):
        gather(calibration, RULES, None, rng())
    with pytest.raises(InputError, match="give their rules"):
        gather([[1, 2]], None, None, rng())
    others = Rulebook.from_ids(["x", "y"], FIVE)
    with pytest.raises(MismatchError):
        gather(RatingsTable(others, [[1, 2]]), RULES, None, rng())
    with pytest.raises(MismatchError):
        gather([[1, 2]], RULES, calibrate([[1, 2]], others), rng())
