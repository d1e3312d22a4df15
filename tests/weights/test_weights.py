from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encore import InputError, LevelScale, Rulebook, Weights
from encore.errors import DocumentError
from encore.weights import load_hand_weights

RULES = Rulebook.from_ids(["a", "b"], LevelScale((1, 2, 3)))


def test_shares_are_weights_over_their_sum() -> None:
    assert Weights(RULES, [1, 3]).shares.tolist() == [1 / 4, 3 / 4]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            [1.0, -0.1],
            "rule 'b': weight -0.1 is not a finite number of 0 or more. .* reverse its scale",
        ),
        ([float("nan"), 1.0], "rule 'a': weight nan"),
        ([1.0, float("inf")], "rule 'b': weight inf"),
        ([0.0, 0.0], "all weights are zero"),
        ([1e308, 1e308], "too large to add up"),
        ([1.0], r"shape \(1,\) for 2 rules"),
    ],
)
def test_unusable_weights_are_refused(values: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Weights(RULES, np.array(values))


@given(values=st.tuples(*[st.floats(1e-300, 1e300)] * 2))
def test_a_file_brings_back_the_same_weights_to_the_last_bit(
    values: tuple[float, float], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("weights") / "weights.json"
    weights = Weights(RULES, np.array(values), "linear", {"strength": 2.0}, "abc", ("a note",))
    weights.save(path)
    again = Weights.load(path)
    np.testing.assert_array_equal(again.values, weights.values)
    assert again.to_dict() == weights.to_dict()


def test_the_file_alone_says_how_to_compose(tmp_path: Path) -> None:
    path = tmp_path / "weights.json"
    Weights(RULES, np.array([1.0, 3.0])).save(path)
    document = json.loads(path.read_text())
    assert (document["kind"], document["schema_version"]) == ("encore.weights", 1)
    assert document["rules"][1] == {
        "id": "b",
        "text": "b",
        "scale": {"levels": [1.0, 2.0, 3.0]},
        "weight": 3.0,
        "share": 0.75,
    }


@pytest.mark.parametrize("key", ["rules", "scheme", "options", "calibration_digest", "notes"])
def test_a_file_that_lacks_a_part_is_refused(tmp_path: Path, key: str) -> None:
    path = tmp_path / "weights.json"
    Weights(RULES, np.array([1.0, 3.0])).save(path)
    document = json.loads(path.read_text())
    del document[key]
    path.write_text(json.dumps(document))
    with pytest.raises(DocumentError, match=f"a broken weights file .*{key}.* Weigh again"):
        Weights.load(path)


def test_weights_by_hand_go_by_name(tmp_path: Path) -> None:
    path = tmp_path / "hand.json"
    path.write_text('{"b": 1, "a": 0}')
    assert load_hand_weights(path, RULES).values.tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ({"a": 1, "bb": 1}, DocumentError, "no rule is called 'bb'. Did you mean 'b'"),
        ({"a": 1}, DocumentError, r"no weight for rules \['b'\]. Give 0 to leave a rule out"),
        ({"a": 1, "b": -1}, DocumentError, "rule 'b': weight -1"),
        ({"a": 1, "b": "1"}, DocumentError, "rule 'b': weight '1' is not a number"),
        ({"a": 1, "b": True}, DocumentError, "weight True is not a number"),
        ({"a": 0, "b": 0}, DocumentError, "all weights are zero"),
        ([1, 2], DocumentError, 'expected {"<rule id>": <weight>, …}'),
    ],
)
def test_unusable_weights_by_hand_are_refused(
    tmp_path: Path, weights: Any, error: type[InputError], message: str
) -> None:
    path = tmp_path / "hand.json"
    path.write_text(json.dumps(weights))
    with pytest.raises(error, match=message):
        load_hand_weights(path, RULES)


@pytest.mark.parametrize("text", ["{", '{"a": NaN, "b": 1}'])
def test_a_hand_file_that_is_not_json_or_holds_nan_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "hand.json"
    path.write_text(text)
    with pytest.raises(DocumentError, match=r"not JSON|weight nan"):
        load_hand_weights(path, RULES)
