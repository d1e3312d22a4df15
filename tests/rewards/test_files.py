from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encore import (
    InputError,
    LevelScale,
    PreferencePairs,
    RatingsError,
    Reward,
    Rulebook,
    Weights,
    evaluate,
)
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


# --- ids within their prompt and subset -----------------------------------------------------

# Each row: id, prompt, subset.
KEYED = [("1", "p", "s"), ("1", "q", "s"), ("2", "p", "s"), ("1", "p", "t")]


def keyed(folder: Path, rows: list[tuple[str, str, str]]) -> PreferencePairs:
    lines = [f"{own},{prompt},{subset},5,1\n" for own, prompt, subset in rows]
    text = "id,prompt_id,subset,chosen.a,rejected.a\n" + "".join(lines)
    return as_pairs(written(folder, text, "keyed.csv"), RULES)


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 1, 0, 2]])
def test_an_id_is_that_of_its_prompt_and_subset(order: list[int], tmp_path: Path) -> None:
    lines = [f"{','.join(KEYED[k])},{k},{-k}\n" for k in order]
    text = "id,prompt_id,subset,chosen.reward,rejected.reward\n" + "".join(lines)
    found = load_rewards(written(tmp_path, text), keyed(tmp_path, KEYED))
    assert found.tolist() == [[0, 0], [1, -1], [2, -2], [3, -3]]


def test_a_pair_of_another_prompt_or_subset_is_another_pair(tmp_path: Path) -> None:
    text = (
        "id,prompt_id,subset,chosen.reward,rejected.reward\n"
        "1,q,t,9,9\n2,q,s,9,9\n001,p,s,9,9\n1,p,s,4,3\n"
    )
    found = load_rewards(written(tmp_path, text), keyed(tmp_path, KEYED))
    np.testing.assert_array_equal(found, [[4, 3], *[[np.nan, np.nan]] * 3])


@pytest.mark.parametrize(
    ("columns", "row"), [("id", "1"), ("id,prompt_id", "1,p"), ("id,subset", "1,s")]
)
def test_a_reward_that_may_be_of_several_pairs_is_refused(
    columns: str, row: str, tmp_path: Path
) -> None:
    text = f"{columns},chosen.reward,rejected.reward\n{row},1,0\n"
    with pytest.raises(RatingsError, match=r"is the .* of more than one pair\. Give both files"):
        load_rewards(written(tmp_path, text), keyed(tmp_path, KEYED))
    # The pair 2 is only one.
    text = text.replace(f"\n{row}", f"\n2{row[1:]}")
    assert load_rewards(written(tmp_path, text), keyed(tmp_path, KEYED))[2].tolist() == [1, 0]


def test_a_pair_with_several_rewards_is_refused(tmp_path: Path, pairs: PreferencePairs) -> None:
    head = "id,prompt_id,chosen.reward,rejected.reward\n"
    path = written(tmp_path, f"{head}x,p,1,0\nx,q,2,0\ny,p,1,0\n")
    with pytest.raises(RatingsError, match="'x' is the id of more than one pair"):
        load_rewards(path, pairs)  # which name no prompts
    path = written(tmp_path, f"{head}other,p,1,0\nother,q,2,0\ny,p,1,0\n")
    assert load_rewards(path, pairs)[1].tolist() == [1, 0]


def test_rewards_of_prompts_of_other_names_say_what_to_do(tmp_path: Path) -> None:
    text = "id,prompt_id,chosen.reward,rejected.reward\n2,a-digest,1,0\n"
    said = r"no id, prompt_id is one of the pairs'; .* 007 is not 7\. Leave out .*'prompt_id'"
    with pytest.raises(RatingsError, match=said):
        load_rewards(written(tmp_path, text), keyed(tmp_path, KEYED))


ROWS = st.tuples(st.sampled_from(["1", "01", "1.0"]), st.sampled_from("pq"), st.sampled_from("st"))


@given(st.lists(ROWS, min_size=1, unique=True), st.lists(ROWS, min_size=1, unique=True))
def test_the_join_is_that_of_a_dict(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str, str]],
    given_rows: list[tuple[str, str, str]],
) -> None:
    folder = tmp_path_factory.mktemp("join")
    rewards = {key: [k, -k] for k, key in enumerate(given_rows)}
    lines = [f"{','.join(key)},{k},{-k}\n" for key, (k, _) in rewards.items()]
    text = "id,prompt_id,subset,chosen.reward,rejected.reward\n" + "".join(lines)
    path, pairs = written(folder, text), keyed(folder, rows)
    expected = [rewards.get(key, [np.nan, np.nan]) for key in rows]
    if not set(rows) & set(rewards):
        with pytest.raises(RatingsError, match="is one of the pairs'"):
            load_rewards(path, pairs)
        return
    np.testing.assert_array_equal(load_rewards(path, pairs), expected)
    # On its own, the file is as many pairs, of as many prompts and subsets.
    found = evaluate(path)
    assert (found.overall.n_pairs, found.n_prompts) == (
        len(rewards),
        len({p for _, p, _ in rewards}),
    )


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_rewards_in_a_frame_of_pandas_with_a_gap_are_those_of_the_pairs(
    ending: str, tmp_path: Path, peer: Callable[[str], ModuleType]
) -> None:
    # Pandas made floats of the ids 7 and 8; score writes the digits.
    frame = peer("pandas").DataFrame({"id": [7.0, 8.0], "chosen.a": [5, 3], "rejected.a": [1, 5]})
    score(frame, Reward(Weights(RULES, np.ones(1))), tmp_path / f"r.{ending}")
    pairs = as_pairs(frame, RULES)
    assert pairs.ids == ("7", "8")
    np.testing.assert_array_equal(load_rewards(tmp_path / f"r.{ending}", pairs), [[1, 0], [0.5, 1]])


def test_numbers_of_pairs_stay_with_the_pairs_that_are_taken(tmp_path: Path) -> None:
    pairs = PreferencePairs.from_arrays([[5], [4], [3]], [[1], [2], [3]], RULES).take([2, 0])
    assert pairs.ids == ("3", "1")
    text = "id,chosen.reward,rejected.reward\n1,1,0\n3,3,2\n"
    assert load_rewards(written(tmp_path, text), pairs).tolist() == [[3, 2], [1, 0]]


# --- repeats, and numbers that are no rewards -----------------------------------------------


def test_the_reward_of_a_pair_is_that_of_its_lowest_repeat(
    tmp_path: Path, pairs: PreferencePairs
) -> None:
    head = "id,repeat,chosen.reward,rejected.reward\n"
    path = written(tmp_path, f"{head}x,2,9,9\nx,1,1,0\ny,0,2,0\ny,3,9,9\n")
    assert load_rewards(path, pairs)[:2].tolist() == [[1, 0], [2, 0]]
    path = written(tmp_path, f"{head}x,1,9,9\ny,0,2,0\nx,1,1,0\n")
    with pytest.raises(RatingsError, match=r"row 3: duplicate pair 'x' \(also in row 1\)"):
        load_rewards(path, pairs)
    with pytest.raises(RatingsError, match="repeat -1 is not a whole number of 0 or more"):
        load_rewards(written(tmp_path, f"{head}x,-1,1,0\n"), pairs)


@pytest.mark.parametrize("value", ["inf", "-inf", "Infinity", "1e400"])
@pytest.mark.parametrize("column", [0, 1])
def test_an_infinite_reward_is_refused_in_its_place(
    value: str, column: int, tmp_path: Path, pairs: PreferencePairs
) -> None:
    cells = ["1", "0"]
    cells[column] = value
    text = f"id,chosen.reward,rejected.reward\ny,1,0\nx,{','.join(cells)}\n"
    for read in (lambda path: load_rewards(path, pairs), evaluate):
        with pytest.raises(RatingsError, match=r"inf is not finite\. Leave it empty") as caught:
            read(written(tmp_path, text))
        assert (caught.value.row, caught.value.column) == (
            2,
            ("chosen.reward", "rejected.reward")[column],
        )


def test_infinite_rewards_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a reward is infinite"):
        save_rewards(["x"], np.array([[np.inf, 0]]), tmp_path / "r.csv")
    assert not list(tmp_path.iterdir())


def test_masked_rewards_are_written_as_unknown(tmp_path: Path, pairs: PreferencePairs) -> None:
    rewards = np.ma.array([[1.0, 99.0]], mask=[[False, True]])
    save_rewards(["x"], rewards, tmp_path / "r.csv")
    np.testing.assert_array_equal(load_rewards(tmp_path / "r.csv", pairs)[0], [1, np.nan])
