from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest

from encore import LevelScale, PreferencePairs, RangeScale, RatingsTable, Rulebook, calibrate
from encore.reporting import embed as module
from encore.reporting.embed import embed, simulated
from encore.weights import Linear
from tests.reporting.made import FIVE, pairs


def unpacked(column: dict[str, Any]) -> np.ndarray[Any, Any]:
    if "values" in column:
        return np.frombuffer(base64.b64decode(column["values"]), "<f8")
    table = np.append(np.array(column["table"]), np.full(256 - len(column["table"]), np.nan))
    return np.asarray(table[np.frombuffer(base64.b64decode(column["codes"]), np.uint8)])


def embedded(rated: PreferencePairs | RatingsTable, seed: int = 0) -> dict[str, Any]:
    found = embed("e", calibrate(rated, rated.rules), rated, {}, np.random.default_rng(seed))
    return found.to_dict()


def test_what_is_embedded_unpacks_to_the_unit_ratings_chosen_first() -> None:
    rated = pairs(40, gaps=0.1)
    data = embedded(rated)
    unit = rated.ratings.unit
    for k, column in enumerate(data["columns"]):
        expected = np.concatenate([unit[rated.chosen, k], unit[rated.rejected, k]])
        assert np.array_equal(unpacked(column), expected, equal_nan=True)
    assert (data["nRows"], data["nPairs"]) == (80, 40)
    codes = np.frombuffer(base64.b64decode(data["subsets"]["codes"]), "<u2")
    assert [data["subsets"]["names"][code] for code in codes[:3]] == ["first", "second", "first"]


def test_ratings_of_a_range_keep_every_digit() -> None:
    values = np.random.default_rng(0).random((600, 1))
    table = RatingsTable(Rulebook.from_ids(["r"], RangeScale(0.0, 1.0)), values)
    (column,) = embedded(table)["columns"]
    assert unpacked(column).tolist() == values[:, 0].tolist()


def test_counts_are_those_of_the_whole_calibration() -> None:
    rated = pairs(30)
    data = embedded(rated)
    values = rated.ratings.values
    expected = [[int((values[:, k] == level).sum()) for level in range(1, 6)] for k in range(3)]
    assert data["counts"] == expected


def test_at_most_five_thousand_pairs_are_embedded_the_seed_says_which() -> None:
    rated = pairs(6_000, ids=("a",))
    first, again, other = (embedded(rated, seed) for seed in (0, 0, 1))
    assert first["nPairs"] == 5_000
    assert first == again != other


def test_many_rules_of_a_range_are_embedded_of_fewer_pairs() -> None:
    values = np.random.default_rng(0).random((2, 4_000, 100))
    rules = Rulebook.from_ids([f"r{k}" for k in range(100)], RangeScale(0.0, 1.0))
    data = embedded(PreferencePairs.from_arrays(values[0], values[1], rules))
    assert 1_000 < data["nPairs"] < 1_200  # 1,800,000 bytes are 2,250 rows of 100 numbers
    assert len(json.dumps(data)) < 2_600_000


def test_small_subsets_of_many_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SUBSETS", 2)
    chosen, rules = np.ones((6, 1)), Rulebook.from_ids(["r"], LevelScale((0, 1)))
    rated = PreferencePairs.from_arrays(chosen, chosen, rules, subsets=list("abbccc"))
    names, codes = module.largest_subsets(rated)
    assert [names[code] for code in codes] == ["1 smaller subsets", "b", "b", "c", "c", "c"]


def test_weights_are_scaled_to_a_largest_of_one() -> None:
    given = embedded(pairs(200))["weights"]
    assert {"uniform", "inverse_variance"} <= set(given)
    assert all(max(weights) == 1.0 for weights in given.values())


def test_on_the_simulated_mixture_weighing_entropy_down_pulls_the_two_apart() -> None:
    from encore.evaluation import evaluate

    example = simulated(1_000)
    assert example.pairs is not None
    alike, linear = (
        evaluate(example.pairs, Linear(strength=s)(example.calibration)) for s in (0, 1)
    )
    normalised = example.calibration.normalised_entropy()
    assert (np.diff(normalised) > 0).all()  # more noise, more entropy: nothing saturates
    assert linear.separation > 1.3 * alike.separation
    assert linear.overall.accuracy["half"].value > alike.overall.accuracy["half"].value + 0.05


def test_responses_without_labels_have_no_pairs() -> None:
    table = RatingsTable(Rulebook.from_ids(["a"], FIVE), np.array([[1], [5], [np.nan]]))
    data = embedded(table)
    assert (data["nRows"], data["nPairs"], data["subsets"]["names"]) == (3, 0, [])
