from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from encore import DocumentError, InputError, LevelScale, Reward, Rulebook, Weights

WEIGHTS = Weights(Rulebook.from_ids(["a", "b"], LevelScale((0, 1))), np.array([1.0, 3.0]))


def test_a_reward_is_loaded_from_one_file_and_scores(tmp_path: Path) -> None:
    path = tmp_path / "reward.json"
    Reward(WEIGHTS, max_missing=0.3).save(path)
    loaded = Reward.load(path)
    assert loaded.max_missing == 0.3
    # a alone is unrated: 1/4 of the weight, which 0.3 allows and the default does not.
    assert loaded([[float("nan"), 1]]).tolist() == [1.0]


def test_a_weights_file_is_a_reward_with_the_default(tmp_path: Path) -> None:
    path = tmp_path / "weights.json"
    WEIGHTS.save(path)
    loaded = Reward.load(path)
    assert loaded.max_missing == 0.2
    assert loaded([[0, 1]]).tolist() == [0.75]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "encore.calibration"}, "expected a document of kind 'encore.reward'"),
        ({"schema_version": 3}, "schema version 3 of 'encore.reward'"),
        ({"schema_version": 1}, "version 1 of 'encore.reward' is too old. Save the reward again"),
        ({"weights": {}}, "a broken weights file"),
        ({"max_missing": "x"}, "a broken reward"),
        ({"form": "mean"}, "a broken reward"),
        ({"form": {"name": "harmonic", "options": {}}}, "no form is called 'harmonic'"),
        ({"form": {"name": "power", "options": {"p": 1}}}, "has no option"),
        ({"form": {"name": "power", "options": {"exponent": "1"}}}, "expected a number"),
        ({"applies_by": "rule"}, "a broken reward"),
    ],
)
def test_a_broken_reward_is_refused(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    path = tmp_path / "reward.json"
    Reward(WEIGHTS).save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DocumentError, match=message):
        Reward.load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.json"):
        Reward.load(tmp_path / "none.json")


def test_a_max_missing_that_means_nothing_is_refused_at_birth() -> None:
    with pytest.raises(InputError, match="0 or more and less than 1"):
        Reward(WEIGHTS, max_missing=5)
