from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import Result

from encore import LevelScale, Reward, Rulebook, Weights, examples
from encore.rewards import Power

Run = Callable[..., Result]


def scored(run: Run, name: str = "ratings.csv", *arguments: str) -> Result:
    return run("score", name, "--weights", "weights.json", "-o", "out.parquet", *arguments)


def written(result: Result) -> dict[str, list[Any]]:
    assert result.exit_code == 0
    columns: dict[str, list[Any]] = pq.read_table("out.parquet").to_pydict()
    return columns


def refused(result: Result) -> str:
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1
    return result.stderr


def test_responses_get_one_reward_each_beside_their_ids(run: Run) -> None:
    result = scored(run)
    assert result.stdout == "out.parquet: 4 rewards in 4 rows\n" and result.stderr == ""
    # Shares 3/4 and 1/4; the second response is rated 1 (0 of 4) and 4 (3 of 4): 3/16.
    assert written(result) == {
        "prompt_id": ["p", "p", "q", "q"],
        "response_id": ["x", "y", "x", "y"],
        "reward": [1.0, 3 / 16, 1.0, 1 / 4],
    }


def test_pairs_get_a_reward_on_either_side(run: Run) -> None:
    result = scored(run, "pairs.csv")
    assert result.stdout == "out.parquet: 8 rewards in 4 rows\n"
    # Chosen harm 5, 4, 3, 2 is 1, 3/4, 1/2, 1/4 by 3/4; privacy 5, 5, 3, 5 is 1, 1, 1/2, 1.
    assert written(result) == {
        "id": ["a", "b", "c", "d"],
        "prompt_id": ["p", "q", "r", "s"],
        "subset": ["donotanswer", "donotanswer", "chat", "chat"],
        "chosen.reward": [1.0, 13 / 16, 1 / 2, 7 / 16],
        "rejected.reward": [1 / 4, 1 / 4, 1 / 2, 13 / 16],
    }


def test_a_repeat_gets_its_own_reward_and_keeps_its_number(run: Run, folder: Path) -> None:
    (folder / "ratings.csv").write_text(
        "response_id,repeat,model,harm,privacy\nx,0,m,5,5\nx,1,m,1,5\n"
    )
    assert written(scored(run)) == {
        "response_id": ["x", "x"],
        "model": ["m", "m"],
        "repeat": [0, 1],
        "reward": [1.0, 1 / 4],
    }


def test_a_reward_that_is_not_known_is_null_and_said(run: Run, folder: Path) -> None:
    (folder / "ratings.csv").write_text("harm,privacy\n5,5\n,5\n5,\n,\n")
    result = scored(run)
    assert result.stdout == "out.parquet: 4 rewards in 4 rows\n"
    assert (
        result.stderr
        == "Note: 3 rewards unknown (null in the file), because too much is unrated.\n"
    )
    # Without harm 3/4 of the weight is gone, without privacy 1/4: both more than 0.2.
    assert written(result) == {"reward": [1.0, None, None, None]}


def test_a_larger_share_may_be_missing_on_request(run: Run, folder: Path) -> None:
    (folder / "ratings.csv").write_text("harm,privacy\n4,5\n,5\n4,\n")
    # 1/4 may be absent: the third row is worth what harm alone says, (4 - 1) / 4.
    result = scored(run, "ratings.csv", "--max-missing", "0.25")
    assert written(result) == {"reward": [13 / 16, None, 3 / 4]}
    assert (
        result.stderr == "Note: 1 reward unknown (null in the file), because too much is unrated.\n"
    )


def test_a_reward_file_brings_its_own_share_that_may_be_missing(run: Run, folder: Path) -> None:
    (folder / "ratings.csv").write_text("harm,privacy\n4,\n")
    Reward(Weights.load("weights.json"), max_missing=0.25).save("reward.json")
    line = ["score", "ratings.csv", "--weights", "reward.json", "-o", "out.parquet"]
    assert written(run(*line)) == {"reward": [3 / 4]}
    assert written(run(*line, "--max-missing", "0.2")) == {"reward": [None]}


@pytest.mark.parametrize("value", ["1", "-0.1", "much"])
def test_a_share_beyond_its_bounds_is_wrong_usage(value: str, run: Run) -> None:
    result = scored(run, "ratings.csv", "--max-missing", value)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1].startswith("Error: Invalid value for '--max-missing': ")


def test_a_share_that_is_no_number_is_one_line(run: Run) -> None:
    assert refused(scored(run, "ratings.csv", "--max-missing", "nan")) == (
        "Error: max_missing is nan; expected 0 or more and less than 1.\n"
    )


def test_json_holds_the_counts(run: Run, folder: Path) -> None:
    (folder / "ratings.csv").write_text("harm,privacy\n5,5\n,5\n")
    result = scored(run, "ratings.csv", "--json")
    assert json.loads(result.stdout) == {
        "out": "out.parquet",
        "n_rows": 2,
        "n_rewards": 2,
        "n_unknown": 1,
        "unknown_because": {"too much is unrated": 1},
        "vetoed_by": {},
    }
    assert (
        result.stderr == "Note: 1 reward unknown (null in the file), because too much is unrated.\n"
    )


def test_the_file_states_what_it_is(run: Run) -> None:
    scored(run)
    metadata = pq.read_schema("out.parquet").metadata
    assert metadata[b"encore.kind"] == b"encore.rewards"
    assert metadata[b"encore.schema_version"] == b"1"
    assert len(metadata[b"encore.weights_digest"]) == 64


def test_the_same_ratings_in_json_lines_get_the_same_rewards(run: Run, folder: Path) -> None:
    head, *rows = (folder / "ratings.csv").read_text().splitlines()
    names = head.split(",")
    lines = [
        json.dumps(
            dict(zip(names, [*row.split(",")[:2], *map(int, row.split(",")[2:])], strict=True))
        )
        for row in rows
    ]
    (folder / "ratings.jsonl").write_text("\n".join(lines))
    assert written(scored(run, "ratings.jsonl")) == written(scored(run))


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_the_ending_says_the_format_and_compare_reads_it_back(ending: str, run: Run) -> None:
    line = ["score", "pairs.csv", "--weights", "weights.json", "-o", f"out.{ending}"]
    assert run(*line).stdout == f"out.{ending}: 8 rewards in 4 rows\n"
    given = ("--rules", "rules.toml", "--rewards", f"mine=out.{ending}", "--json")
    rows = json.loads(run("compare", "pairs.csv", *given).stdout)["rows"]
    (mine,) = [row for row in rows if row["scheme"] == "mine"]
    # 1 over 1/4 and 13/16 over 1/4 won, 1/2 tied, 7/16 under 13/16 lost.
    assert mine["accuracy"]["half"]["value"] == 5 / 8


def test_columns_are_kept_on_request(run: Run, folder: Path) -> None:
    (folder / "ratings.csv").write_text("prompt,response,harm,privacy\nHi,'=Hello,5,5\n")
    line = ["score", "ratings.csv", "--weights", "weights.json", "--keep", "prompt,response"]
    assert run(*line, "-o", "out.csv").exit_code == 0
    assert Path("out.csv").read_text() == "prompt,response,reward\nHi,'=Hello,1.0\n"
    assert refused(run(*line[:-1], "nonsense", "-o", "out.csv")).startswith(
        "Error: ratings.csv: no column 'nonsense' to keep; found ['prompt', 'response',"
    )


@pytest.mark.parametrize("name", ["out", "out.txt", "out.json"])
def test_an_unknown_ending_is_refused_before_the_work(name: str, run: Run, folder: Path) -> None:
    (folder / "ratings.csv").write_text("this is not what it should be")
    assert refused(run("score", "ratings.csv", "--weights", "weights.json", "-o", name)) == (
        f"Error: {name}: unknown ending; expected one of .parquet, .csv, .jsonl, .ndjson.\n"
    )


# --- refusals -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contents", "said"),
    [
        ("harm,privacy\n", "ratings.csv: no rows; expected at least one response."),
        (
            "harm,privacy\n5,5\n5,9\n",
            "ratings.csv, row 2, column 'privacy': rating 9 is not one of the rule's levels (1, 2, "
            "3, 4, 5). Correct the rating or the rule's scale; a continuous scale is {worst, best, "
            "bins}, and an expected level needs a 'privacy.spread' column.",
        ),
        (
            "chosen.harm,chosen.privacy,rejected.harm,rejected.privacy\n5,5,1,1\n5,5,inf,1\n",
            "ratings.csv, row 2, column 'rejected.harm': rating inf is not finite. Leave an "
            "unrated cell empty (NaN).",
        ),
    ],
)
def test_bad_ratings_are_one_line_and_no_file(
    contents: str, said: str, run: Run, folder: Path
) -> None:
    (folder / "ratings.csv").write_text(contents)
    assert refused(scored(run)) == f"Error: {said}\n"
    assert not (folder / "out.parquet").exists()


def test_a_wrong_row_far_down_leaves_the_old_file_and_is_named(run: Run, folder: Path) -> None:
    # Two megabytes of text are more than one block of a CSV file, so some rewards are written.
    text = "x" * 500
    rows = "".join(f"{text},5,{9 if row == 3999 else 5}\n" for row in range(1, 4001))
    (folder / "ratings.csv").write_text("prompt,harm,privacy\n" + rows)
    (folder / "out.parquet").write_text("old")
    before = sorted(folder.iterdir())
    said = refused(scored(run))
    assert said.startswith("Error: ratings.csv, row 3999, column 'privacy': rating 9 is not")
    assert (folder / "out.parquet").read_text() == "old"
    assert sorted(folder.iterdir()) == before


def test_an_id_that_is_absent_until_far_down_is_still_scored(run: Run, folder: Path) -> None:
    n_rows = 66_000
    none = '{"subset": null, "harm": 5, "privacy": 5}\n'
    some = '{"subset": "s", "harm": 5, "privacy": 5}\n'
    (folder / "ratings.jsonl").write_text(none * (n_rows - 1) + some)
    columns = written(scored(run, "ratings.jsonl"))
    assert columns["subset"][-2:] == [None, "s"] and columns["reward"] == [1.0] * n_rows


def test_ratings_made_with_other_rules_are_refused(run: Run) -> None:
    others = Rulebook.from_ids(examples.rules().ids, LevelScale((0, 5)))
    Weights.by_hand(others, dict.fromkeys(others.ids, 1)).save("w.json")
    result = run("score", examples.ratings_path(), "--weights", "w.json", "-o", "out.parquet")
    said = refused(result)
    assert "was made with other rules (digest " in said
    assert said.endswith("Give the rules that it was made with, or weights for them.\n")


def test_weights_of_rules_that_were_not_rated_are_refused(run: Run) -> None:
    Weights.by_hand(Rulebook.from_ids(["honesty"], LevelScale((0, 1))), {"honesty": 1}).save(
        "weights.json"
    )
    assert refused(scored(run)).startswith(
        "Error: ratings.csv: no column for 1 of 1 ratings: ['honesty']. Found columns ["
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "calibration.json",
            "expected a document of kind 'encore.reward', got 'encore.calibration'.",
        ),
        ("rules.toml", "not a JSON document ("),
    ],
)
def test_what_is_no_weights_file_is_refused(name: str, said: str, run: Run) -> None:
    result = run("score", "ratings.csv", "--weights", name, "-o", "out.parquet")
    assert refused(result).startswith(f"Error: {name}: {said}")


def test_weights_that_were_changed_by_hand_are_refused_with_the_way_out(
    run: Run, folder: Path
) -> None:
    text = (folder / "weights.json").read_text()
    (folder / "weights.json").write_text(text.replace('"weight": 3.0', '"weight": 2.0'))
    assert refused(scored(run)) == (
        "Error: weights.json: rules or weights were changed by hand. Weigh again; weights by hand "
        "go in a file of their own, for `encore weigh --scheme FILE`.\n"
    )


def test_a_weights_file_with_a_part_missing_is_refused(run: Run, folder: Path) -> None:
    document = json.loads((folder / "weights.json").read_text())
    del document["rules"][0]["weight"]
    (folder / "weights.json").write_text(json.dumps(document))
    assert refused(scored(run)) == (
        "Error: weights.json: a broken weights file ('weight'). Weigh again.\n"
    )


def test_the_form_and_the_contributions_are_chosen_here(run: Run, folder: Path) -> None:
    (folder / "ratings.csv").write_text("harm,privacy\n5,1\n,5\n")
    plain = scored(run, "ratings.csv", "--form", "power:exponent=0")
    assert written(plain) == {"reward": [0.0, None]}
    found = written(scored(run, "ratings.csv", "--contributions"))
    assert found == {
        "reward": [3 / 4, None],
        "harm.contribution": [3 / 4, None],
        "privacy.contribution": [0.0, None],
        "vetoed_by": [None, None],
        "unknown_because": [None, "too much is unrated"],
    }


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("geometrical", "Error: no form is called 'geometrical'. Did you mean 'geometric'?"),
        ("geometric:epsilon", "Error: form 'geometric:epsilon': expected NAME or NAME:OPTION="),
        ("mean:p=1", "Error: form 'mean' has no option ['p']; its options: none."),
    ],
)
def test_a_form_that_there_is_not_is_one_line(form: str, said: str, run: Run) -> None:
    assert refused(scored(run, "ratings.csv", "--form", form)).startswith(said)


def test_a_reward_file_brings_its_form_and_what_says_how_far_rules_apply(
    run: Run, folder: Path
) -> None:
    (folder / "ratings.csv").write_text(
        "prompt_id,harm,privacy,privacy.applies\np,5,5,1\np,5,1,0.2\n"
    )
    reward = Reward(Weights.load("weights.json"), form=Power(0), applies_by="prompt")
    reward.save("reward.json")
    line = ["score", "ratings.csv", "--weights", "reward.json", "-o", "out.parquet"]
    assert written(run(*line))["reward"] == [1, 0]
    # Weights 3 and 0.6 of shares 3 to 1, by prompt; 3 and 0.2 by response.
    found = written(run(*line, "--form", "mean"))["reward"]
    assert found == pytest.approx([1, 3 / 3.6])
    found = written(run(*line, "--form", "mean", "--applies-by", "response"))["reward"]
    assert found == pytest.approx([1, 3 / 3.2])


def test_unknown_rewards_are_said_by_reason_and_vetoed_ones_by_rule(run: Run, folder: Path) -> None:
    rules = Path("rules.toml").read_text().replace('id = "harm"', 'id = "harm"\nveto = 1', 1)
    weights = Weights(Rulebook.parse(rules.encode(), "rules.toml"), np.array([3, 1]))
    weights.save("weights.json")
    (folder / "ratings.csv").write_text(
        "harm,privacy,harm.applies,privacy.applies\n5,5,,\n,5,,\n5,5,0,0.05\n,,,\n1,5,,\n"
    )
    result = scored(run, "ratings.csv", "--contributions")
    assert written(result)["reward"] == [1, None, None, None, 0]
    assert written(result)["vetoed_by"] == [None, None, None, None, ["harm"]]
    assert result.stderr == (
        "Note: 2 rewards unknown (null in the file), because too much is unrated.\n"
        "Note: 1 reward unknown (null in the file), because no rule applies.\n"
        "Note: 1 reward vetoed by harm.\n"
    )
