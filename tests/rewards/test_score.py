from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from encore import (
    InputError,
    LevelScale,
    RatingsError,
    Reward,
    Rulebook,
    Weights,
    calibrate,
    compose,
    examples,
)
from encore.rewards import Geometric, score
from encore.rules import Veto
from encore.weights import Linear

RULES = Rulebook.from_ids(["a", "b"], LevelScale((0, 1)))
REWARD = Reward(Weights(RULES, np.array([1.0, 3.0])))


def write(path: Path, columns: Mapping[str, Sequence[object]]) -> Path:
    pq.write_table(pa.table(dict(columns)), path)
    return path


def test_responses_get_a_reward_beside_their_ids(tmp_path: Path) -> None:
    ratings = write(
        tmp_path / "r.parquet",
        {"prompt_id": ["p", "p"], "response_id": ["x", "y"], "response": ["long", "text"],
         "model": ["m", "n"], "a": [1, None], "b": [0, None]},
    )  # fmt: skip
    scored = score(ratings, REWARD, tmp_path / "out.parquet")
    assert (scored.n_rows, scored.n_rewards, scored.n_unknown) == (2, 2, 1)
    assert pq.read_table(tmp_path / "out.parquet").to_pydict() == {
        "prompt_id": ["p", "p"], "response_id": ["x", "y"], "model": ["m", "n"],
        "reward": [0.25, None],
    }  # fmt: skip


def test_pairs_get_two(tmp_path: Path) -> None:
    ratings = write(
        tmp_path / "p.parquet",
        {"id": [1, 2], "subset": ["s", "s"], "chosen.a": [1, 1], "chosen.b": [1, 0],
         "rejected.a": [0, 0], "rejected.b": [0, 1]},
    )  # fmt: skip
    scored = score(ratings, REWARD, tmp_path / "out.parquet")
    assert (scored.n_rows, scored.n_rewards, scored.n_unknown) == (2, 4, 0)
    assert pq.read_table(tmp_path / "out.parquet").to_pydict() == {
        "id": [1, 2], "subset": ["s", "s"],
        "chosen.reward": [1.0, 0.25], "rejected.reward": [0.0, 0.75],
    }  # fmt: skip


def test_columns_are_kept_on_request_in_every_format(tmp_path: Path) -> None:
    ratings = tmp_path / "r.csv"
    ratings.write_text('response_id,response,note,a,b\nx,"3\n5",,1,0\ny,\'=1,7,1,1\n')
    kept = {}
    for ending in ("parquet", "csv", "jsonl"):
        keep = ["response", "note", "a", "response_id"]
        score(ratings, REWARD, tmp_path / f"out.{ending}", keep=keep)
        kept[ending] = (tmp_path / f"out.{ending}").read_text(errors="replace")
    # Texts stay texts, though they look like numbers; a rule's rating is one.
    assert pq.read_table(tmp_path / "out.parquet").to_pydict() == {
        "response_id": ["x", "y"], "response": ["3\n5", "=1"], "note": [None, "7"],
        "a": [1.0, 1.0], "reward": [0.25, 1.0],
    }  # fmt: skip
    assert kept["csv"] == (
        'response_id,response,note,a,reward\nx,"3\n5",,1.0,0.25\ny,\'=1,7,1.0,1.0\n'
    )
    assert kept["jsonl"].splitlines()[1] == (
        '{"response_id": "y", "response": "=1", "note": "7", "a": 1.0, "reward": 1.0}'
    )


def test_messages_are_kept_as_they_are(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "Hi"}]
    row = {"response_id": "x", "prompt": messages, "a": 1, "b": 0}
    (tmp_path / "r.jsonl").write_text(json.dumps(row))
    score(tmp_path / "r.jsonl", REWARD, tmp_path / "out.csv", keep=["prompt"])
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    assert json.loads(rows[0]["prompt"]) == messages


@pytest.mark.parametrize(
    ("keep", "said"),
    [("nonsense", "no column 'nonsense' to keep; found"), ("reward", "are made here")],
)
def test_what_cannot_be_kept_is_refused(keep: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("response_id,a,b\nx,1,0\n")
    with pytest.raises(InputError, match=said):
        score(tmp_path / "r.csv", REWARD, tmp_path / "out.csv", keep=[keep])
    assert not (tmp_path / "out.csv").exists()


def test_ratings_are_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("response_id,a,b\nx,1,0\n")
    (tmp_path / "link.csv").symlink_to("r.csv")
    with pytest.raises(InputError, match="is an input"):
        score(tmp_path / "r.csv", REWARD, tmp_path / "link.csv")
    assert (tmp_path / "r.csv").read_text() == "response_id,a,b\nx,1,0\n"


def test_a_file_scores_as_compose_does(tmp_path: Path) -> None:
    rules = examples.rules()
    weights = Linear()(calibrate(examples.ratings_path(), rules))
    score(examples.ratings_path(), Reward(weights), tmp_path / "out.parquet")
    table = pq.read_table(examples.ratings_path())
    for side in ("chosen", "rejected"):
        columns = {name: table[f"{side}.{name}"] for name in rules.ids}
        expected = compose(columns, weights)
        found = pq.read_table(tmp_path / "out.parquet")[f"{side}.reward"].to_numpy()
        np.testing.assert_array_equal(found, expected)


def test_a_file_that_breaks_half_way_writes_nothing(tmp_path: Path) -> None:
    n = 70_000  # more than a batch
    ratings = write(tmp_path / "r.parquet", {"a": [1] * n, "b": [1] * (n - 1) + [7]})
    out = tmp_path / "out.parquet"
    out.write_text("old")
    with pytest.raises(RatingsError, match="row 70000, column 'b'"):
        score(ratings, REWARD, out)
    assert out.read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.parquet", "r.parquet"]


def test_no_rows_are_refused(tmp_path: Path) -> None:
    table = pa.table({"a": pa.array([], pa.int8()), "b": pa.array([], pa.int8())})
    pq.write_table(table, tmp_path / "r.parquet")
    with pytest.raises(RatingsError, match="no rows"):
        score(tmp_path / "r.parquet", REWARD, tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_a_frame_comes_back_as_a_frame_of_its_library(
    tmp_path: Path, peer: Callable[[str], ModuleType]
) -> None:
    pandas, polars = peer("pandas"), peer("polars")
    columns = {"prompt_id": ["p", "p"], "response_id": ["x", "y"], "a": [1, 0], "b": [1, 1]}
    rules = Rulebook.from_ids(["a", "b"], [0, 1])
    weights = Weights(rules, np.array([3.0, 1.0]))  # rewards 1 and 1/4
    for frame in (pandas.DataFrame(columns), polars.DataFrame(columns)):
        scored = score(frame, weights)
        assert type(scored) is type(frame)
        assert list(scored.columns) == ["prompt_id", "response_id", "reward"]
        assert scored["reward"].to_list() == [1.0, 0.25]
    assert score(columns, weights)["reward"].to_pylist() == [1.0, 0.25]  # a mapping: Arrow
    assert score([[1, 1], [0, 1]], weights).tolist() == [1.0, 0.25]
    assert score(columns, weights, keep=["a"]).column_names[-2:] == ["a", "reward"]
    assert score(columns, weights, tmp_path / "out.csv").n_rewards == 2
    assert (tmp_path / "out.csv").read_text().splitlines()[1] == "p,x,1.0"


def test_a_reward_is_weights_or_a_file_too(tmp_path: Path) -> None:
    nan = float("nan")
    weights = Weights(Rulebook.from_ids(["a", "b"], [0, 1]), np.array([3.0, 1.0]))
    weights.save(tmp_path / "weights.json")
    for reward in (weights, Reward(weights), tmp_path / "weights.json"):
        assert np.isnan(score([[1, nan]], reward)[0])
        assert score([[1, nan]], reward, max_missing=0.25).tolist() == [1.0]


def test_an_array_has_no_columns_to_write_or_keep(tmp_path: Path) -> None:
    weights = Weights(Rulebook.from_ids(["a"], [0, 1]), np.array([1.0]))
    with pytest.raises(InputError, match="list has no columns to write or keep"):
        score([[1]], weights, tmp_path / "out.csv")
    with pytest.raises(RatingsError, match="no column"):
        score({"a": [1]}, weights, keep=["prompt"])
    with pytest.raises(RatingsError, match="no rows"):
        score({"a": np.empty(0)}, weights)
    assert list(tmp_path.iterdir()) == []


def test_contributions_stand_beside_the_rewards_in_both_layouts(tmp_path: Path) -> None:
    vetoing = Rulebook((replace(RULES["a"], veto=Veto(0)), RULES["b"]))
    reward = Reward(Weights(vetoing, np.array([1, 3])))
    responses = write(
        tmp_path / "r.parquet",
        {"response_id": ["x", "y", "z"], "a": [1, 0, 1], "b": [0, 1, None]},
    )
    score(responses, reward, tmp_path / "out.parquet", contributions=True)
    assert pq.read_table(tmp_path / "out.parquet").to_pydict() == {
        "response_id": ["x", "y", "z"],
        "reward": [0.25, 0.0, None],
        "a.contribution": [0.25, 0.0, None],
        "b.contribution": [0.0, 0.75, None],
        "vetoed_by": [None, ["a"], None],
        "unknown_because": [None, None, "too much is unrated"],
    }
    pairs = write(
        tmp_path / "p.parquet",
        {"id": [1], "chosen.a": [1], "chosen.b": [1], "rejected.a": [0], "rejected.b": [1]},
    )
    frame = score(pairs, reward, contributions=True).to_pydict()
    assert frame == {
        "id": [1],
        "chosen.reward": [1.0], "rejected.reward": [0.0],
        "chosen.a.contribution": [0.25], "rejected.a.contribution": [0.0],
        "chosen.b.contribution": [0.75], "rejected.b.contribution": [0.75],
        "chosen.vetoed_by": [None], "rejected.vetoed_by": [["a"]],
        "chosen.unknown_because": [None], "rejected.unknown_because": [None],
    }  # fmt: skip


def test_a_rule_that_has_no_part_contributes_nothing_rather_than_0(tmp_path: Path) -> None:
    ratings = write(
        tmp_path / "r.parquet", {"a": [None, 1], "b": [1, None], "b.applies": [1.0, 0.0]}
    )
    found = score(ratings, replace(REWARD, max_missing=0.5), contributions=True).to_pydict()
    assert found["reward"] == [1, 1]
    assert found["a.contribution"] == [None, 1] and found["b.contribution"] == [1, None]


def test_lists_of_vetoes_are_json_in_csv(tmp_path: Path) -> None:
    reward = Reward(
        Weights(Rulebook((replace(RULES["a"], veto=Veto(0)), RULES["b"])), np.array([1, 3]))
    )
    ratings = write(tmp_path / "r.parquet", {"a": [0, 1], "b": [1, 1]})
    score(ratings, reward, tmp_path / "out.csv", contributions=True)
    assert (tmp_path / "out.csv").read_text() == (
        "reward,a.contribution,b.contribution,vetoed_by,unknown_because\n"
        '0.0,0.0,0.75,"[""a""]",\n1.0,0.25,0.75,,\n'
    )


def test_columns_of_contributions_are_not_kept_beside_those_made_here(tmp_path: Path) -> None:
    ratings = write(tmp_path / "r.parquet", {"a": [1], "b": [1], "vetoed_by": ["me"]})
    assert score(ratings, REWARD, keep=["vetoed_by"])["vetoed_by"].to_pylist() == ["me"]
    for name in ("vetoed_by", "chosen.unknown_because", "a.contribution"):
        with pytest.raises(InputError, match=f"the columns .'{name}'. are made here"):
            score(ratings, REWARD, keep=[name], contributions=True)


@pytest.mark.parametrize("scattered", [False, True])
def test_by_prompt_a_file_averages_over_all_of_a_prompt_wherever_its_rows_are(
    scattered: bool, tmp_path: Path
) -> None:
    # More rows than are read at a time; three responses to a prompt, so one prompt straddles.
    n_rows = 3 * 30_000
    prompts = np.arange(n_rows) % 30_000 if scattered else np.arange(n_rows) // 3
    which = np.arange(n_rows) // 30_000 if scattered else np.arange(n_rows) % 3
    ratings = write(
        tmp_path / "r.parquet",
        {"prompt_id": prompts.tolist(), "a": [1] * n_rows, "b": [0] * n_rows,
         "b.applies": np.array([0.1, 0.2, 0.6])[which].tolist()},
    )  # fmt: skip
    scored = score(ratings, REWARD, tmp_path / "out.parquet", applies_by="prompt")
    assert scored.n_rows == n_rows
    # Shares 1/4 and 3/4; a of b is 0.3 everywhere: 0.25 / (0.25 + 0.225).
    found = pq.read_table(tmp_path / "out.parquet")["reward"].to_numpy()
    np.testing.assert_allclose(found, 0.25 / 0.475, rtol=1e-12)


def test_what_the_reward_says_is_overridden_by_what_is_asked_for() -> None:
    reward = Reward(REWARD.weights, form=Geometric(), max_missing=0.0)
    assert score([[0, 1]], reward)[0] == pytest.approx((0.05 / 1.05) ** 0.25)
    assert score([[0, 1]], reward, form="mean").tolist() == [0.75]
    assert score([[float("nan"), 1]], reward, max_missing=0.25, form="mean").tolist() == [1]
    found = score([[0, 1]], reward, form="mean", contributions=True)
    assert found.contributions.tolist() == [[0, 0.75]]
