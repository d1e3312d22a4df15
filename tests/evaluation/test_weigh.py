from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from encore import (
    Calibration,
    InputError,
    UnknownNameError,
    Weights,
    calibrate,
    examples,
    weigh,
)
from encore.evaluation import choose
from encore.ratings import as_pairs
from encore.weights import LEARNED, SCHEMES, BradleyTerry, Linear, Softmax

PATH, RULES = examples.ratings_path(), examples.rules()


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return calibrate(PATH, RULES)


@pytest.mark.parametrize("name", SCHEMES)
def test_a_scheme_by_its_name_is_the_scheme(calibration: Calibration, name: str) -> None:
    options: dict[str, Any] = {"rule": "crime"} if name == "single" else {}
    assert weigh(calibration, name, **options) == SCHEMES[name](**options)(calibration)


@pytest.mark.parametrize("name", LEARNED)
def test_a_learned_scheme_learns_from_the_pairs(calibration: Calibration, name: str) -> None:
    expected = LEARNED[name]()(as_pairs(PATH, RULES))
    assert weigh(calibration, name, pairs=PATH) == expected
    assert weigh(calibration, LEARNED[name](), pairs=PATH) == expected


def test_options_are_those_of_the_scheme(calibration: Calibration, tmp_path: Path) -> None:
    assert weigh(calibration) == Linear()(calibration)
    assert weigh(calibration, "linear", strength=2) == Linear(strength=2)(calibration)
    assert weigh(calibration, Softmax(temperature=1)) == Softmax(temperature=1)(calibration)
    calibration.save(tmp_path / "calibration.json")
    assert weigh(tmp_path / "calibration.json") == Linear()(calibration)


def test_auto_looks_at_pairs_that_are_given(calibration: Calibration) -> None:
    assert weigh(calibration, "auto", pairs=PATH) == choose(PATH, calibration)
    assert weigh(calibration, "auto") == SCHEMES["auto"]()(calibration)


def test_weights_by_hand_are_a_mapping_or_a_file(tmp_path: Path) -> None:
    calibration = calibrate([[1, 0], [0, 0]], ["a", "b"], scale=[0, 1])
    (tmp_path / "hand.json").write_text(json.dumps({"b": 1, "a": 3}))
    for scheme in ({"a": 3, "b": 1}, tmp_path / "hand.json", str(tmp_path / "hand.json")):
        assert weigh(calibration, scheme).shares.tolist() == [0.75, 0.25]


@pytest.mark.parametrize(
    ("scheme", "options", "message"),
    [
        ("linear", {"sharpness": 2}, r"no option \['sharpness'\]; its options: \['strength'"),
        ("auto", {"strength": 2, "pairs": PATH}, r"scheme 'auto' has no option \['strength'\]"),
        (Linear(), {"strength": 2}, r"options \['strength'\] go with the name of a scheme"),
        ("linear", {"pairs": PATH}, "pairs go with bradley_terry, auto; 'linear' uses no labels"),
        (Linear(), {"pairs": PATH}, "Linear uses no labels"),
        ("bradley_terry", {}, "'bradley_terry' learns from labelled pairs: give pairs"),
        (BradleyTerry(), {}, "BradleyTerry learns from labelled pairs"),
        (dict.fromkeys(RULES.ids, 1), {"pairs": PATH}, "by hand take neither pairs nor options"),
    ],
)
def test_what_does_not_go_together_is_refused(
    calibration: Calibration, scheme: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        weigh(calibration, scheme, **options)


def test_a_misspelt_scheme_is_suggested(calibration: Calibration) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'linear'"):
        weigh(calibration, "liner")


def test_weights_are_read_like_a_mapping() -> None:
    weights = weigh(calibrate([[1, 0]], ["a", "b"], scale=[0, 1]), {"a": 3, "b": 1})
    assert (weights["a"], list(weights), len(weights), dict(weights)) == (
        3.0,
        ["a", "b"],
        2,
        {"a": 3.0, "b": 1.0},
    )
    assert "a" in weights and "c" not in weights and isinstance(weights, Weights)
    with pytest.raises(UnknownNameError, match="no rule is called 'c'"):
        weights["c"]
    np.testing.assert_array_equal(weights.shares, [0.75, 0.25])
