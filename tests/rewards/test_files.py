from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from encore import InputError, LevelScale, PreferencePairs, RatingsError, Reward, Rulebook, Weights
from encore.ratings import as_pairs
from encore.rewards import load_rewards, save_rewards, score

RULES = Rulebook.from_ids(["a"], LevelScale((1, 2, 3, 4, 5)))
PAIRS = "id,chosen.a,rejected.a\nx,5,1\ny,3,4\nz,2,2\n"


@pytest.fixture
def pairs(tmp_path: Path) -> PreferencePairs:
    (tmp_path / "pairs.csv").write_text(PAIRS)
    return as_pairs(tmp_path / "pairs.csv", RULES)


def written(folder: Path, text: str, name: str = "rewards.csv") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_rewards_come_back_by_the_pairs_ids_in_the_pairs_order(
    tmp_path: Path, pairs: PreferencePairs
) -> None:
    path = tmp_path / "rewards.parquet"
    save_rewards(["z", "other", "x"], np.array([[0.5, np.nan], [9, 9], [2, -1]]), path)
    found = load_rewards(path, pairs)
    # x stands third, y is not there, z first.
    np.testing.assert_array_equal(found, [[2, -1], [np.nan, np.nan], [0.5, np.nan]])


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_what_score_writes_is_read(ending: str, tmp_path: Path, pairs: PreferencePairs) -> None:
    out = tmp_path / f"out.{ending}"
    score(tmp_path / "pairs.csv", Reward(Weights(RULES, np.ones(1))), out)
    # Levels 1 to 5 are 0, 1/4, 1/2, 3/4, 1.
    found = load_rewards(out, pairs)
    np.testing.assert_array_equal(found, [[1, 0], [0.5, 0.75], [0.25, 0.25]])


@pytest.mark.parametrize("name", ["rewards.csv", "rewards.jsonl"])
def test_text_files_are_read_too(name: str, tmp_path: Path, pairs: PreferencePairs) -> None:
    text = "id,chosen.reward,rejected.reward\ny,1,0\n"
    if name.endswith("jsonl"):
        text = '{"id": "y", "chosen.reward": 1, "rejected.reward": 0}\n'
    assert load_rewards(written(tmp_path, text, name), pairs)[1].tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,chosen.reward\nx,1\n", "no column 'rejected.reward'"),
        ("id,chosen.reward,rejected.reward\nx,1,0\nx,1,0\n", "row 2: duplicate pair 'x'"),
        (
            "id,chosen.reward,rejected.reward\nx,good,0\n",
            "row 1, .*'good' is not a number",
        ),
        (
            "id,chosen.reward,rejected.reward\nq,1,0\n",
            r"no id is one of the pairs'; the first here",
        ),
        ("id,chosen.reward,rejected.reward\nx,1,2,3\n", "row 1: 4 cells; expected 3"),
        ("id,chosen.reward,rejected.reward\n", "no rows"),
    ],
)
def test_what_is_no_rewards_is_refused(
    text: str, said: str, tmp_path: Path, pairs: PreferencePairs
) -> None:
    with pytest.raises(RatingsError, match=said):
        load_rewards(written(tmp_path, text), pairs)


def test_a_file_of_another_kind_is_refused(tmp_path: Path, pairs: PreferencePairs) -> None:
    with pytest.raises(InputError, match=r"not a table.*\.parquet, \.csv, \.jsonl"):
        load_rewards(written(tmp_path, "x", "rewards.txt"), pairs)


def test_ids_are_text_even_where_they_look_like_numbers(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text(PAIRS.replace("\nx,", "\n007,"))
    pairs = as_pairs(tmp_path / "pairs.csv", RULES)
    text = "id,chosen.reward,rejected.reward\n007,1,0\n"
    assert load_rewards(written(tmp_path, text), pairs)[0].tolist() == [1.0, 0.0]


def test_pairs_without_ids_go_by_their_number(tmp_path: Path) -> None:
    pairs = PreferencePairs.from_arrays([[5], [4]], [[1], [2]], RULES)
    assert pairs.ids == ("1", "2")
    text = "id,chosen.reward,rejected.reward\n2,1,0\n"
    assert load_rewards(written(tmp_path, text), pairs)[1].tolist() == [1.0, 0.0]
