from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

from encore import LevelScale, Rulebook, Weights, examples

Run = Callable[..., Result]


def evaluated(run: Run, *arguments: str) -> dict[str, Any]:
    result = run("evaluate", "pairs.csv", "--weights", "weights.json", "--json", *arguments)
    assert result.exit_code == 0
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def refused(result: Result) -> str:
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1
    return result.stderr


def test_accuracy_is_said_by_subset_under_every_convention(run: Run) -> None:
    result = run("evaluate", "pairs.csv", "--weights", "weights.json")
    assert result.exit_code == 0
    few = "Note: fewer than 30 prompts, so these intervals are too narrow: donotanswer, chat.\n"
    assert result.stderr == few
    rows = {line.split()[0]: line.split() for line in result.stdout.splitlines() if line.split()}
    # Won, won, tied, lost: strict 2/4, half 2.5/4, resolved 2/3, and 1/4 tied.
    assert rows["all"][:4] == ["all", "4", "50.0", "62.5"] and rows["all"][-2:] == ["66.7", "25.0"]
    assert rows["donotanswer"][:4] == ["donotanswer", "2", "100.0", "100.0"]
    assert rows["chat"][:4] == ["chat", "2", "0.0", "25.0"]
    # Rewards 16, 13, 8, 7 sixteenths of the chosen and 4, 4, 8, 13 of the rejected.
    chosen, rejected = np.array([16, 13, 8, 7]), np.array([4, 4, 8, 13])
    pooled = np.sqrt((chosen.var(ddof=1) + rejected.var(ddof=1)) / 2)
    separation = (chosen.mean() - rejected.mean()) / pooled
    last = result.stdout.splitlines()[-1]
    assert last == f"separation {separation:.2f} standard deviations"


def test_pairs_without_subsets_are_said_once(run: Run, folder: Path) -> None:
    text = (folder / "pairs.csv").read_text()
    (folder / "pairs.csv").write_text(text.replace("subset", "section"))
    result = run("evaluate", "pairs.csv", "--weights", "weights.json")
    first = [line.split()[0] for line in result.stdout.splitlines() if line.split()]
    assert first.count("all") == 1
    assert "too narrow: all." in result.stderr


def test_json_holds_the_same_numbers(run: Run) -> None:
    found = evaluated(run)
    overall = found["overall"]
    values = {name: interval["value"] for name, interval in overall["accuracy"].items()}
    assert values == {"strict": 1 / 2, "half": 5 / 8, "resolved": 2 / 3, "right": 3 / 4}
    assert (overall["n_pairs"], overall["tie_rate"], found["n_prompts"]) == (4, 1 / 4, 4)
    assert found["safety_subsets"] == ["donotanswer"]
    assert found["safety"]["half"]["value"] == 1
    assert found["subsets"]["chat"]["accuracy"]["half"]["value"] == 1 / 4


def test_the_same_seed_gives_the_same_intervals(run: Run) -> None:
    first, again, other = (evaluated(run, "--seed", seed) for seed in ("3", "3", "4"))
    assert first == again
    assert first["overall"]["accuracy"]["half"]["value"] == 5 / 8
    assert other["overall"]["accuracy"]["half"]["value"] == 5 / 8


def test_pairs_of_an_unknown_reward_are_left_out_and_said(run: Run, folder: Path) -> None:
    path = folder / "pairs.csv"
    path.write_text(path.read_text().replace("d,s,chat,2,5", "d,s,chat,,5"))
    result = run("evaluate", "pairs.csv", "--weights", "weights.json", "--json")
    assert result.stderr.splitlines()[0] == "Note: 1 pair left out because a reward is unknown."
    found = json.loads(result.stdout)
    assert (found["n_unknown"], found["overall"]["n_pairs"]) == (1, 3)


def test_the_bundled_pairs_are_evaluated(run: Run) -> None:
    Weights.by_hand(examples.rules(), dict.fromkeys(examples.rules().ids, 1)).save("weights.json")
    result = run("evaluate", examples.ratings_path(), "--weights", "weights.json")
    assert "RewardBench Safety (3 of 5 subsets)" in result.stdout


def test_one_pair_is_enough_and_what_it_cannot_say_is_a_dash(run: Run, folder: Path) -> None:
    path = folder / "pairs.csv"
    path.write_text("\n".join([path.read_text().splitlines()[0], "c,r,chat,3,3,3,3"]))
    result = run("evaluate", "pairs.csv", "--weights", "weights.json")
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines()]
    # One tie: nothing is resolved.
    assert ["all", "1", "0.0", "50.0", "50.0–50.0", "–", "100.0"] in rows
    assert evaluated(run)["overall"]["accuracy"]["resolved"]["value"] is None


def test_what_is_not_defined_is_not_printed_as_nan(run: Run, folder: Path) -> None:
    path = folder / "pairs.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:2]))
    result = run("evaluate", "pairs.csv", "--weights", "weights.json")
    assert result.exit_code == 0 and "nan" not in result.stdout


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_what_score_writes_is_evaluated_as_the_weights_are(ending: str, run: Run) -> None:
    name = f"rewards.{ending}"
    assert run("score", "pairs.csv", "--weights", "weights.json", "-o", name).exit_code == 0
    result = run("evaluate", name, "--json")
    assert result.exit_code == 0 and json.loads(result.stdout) == evaluated(run)


def test_repeats_of_a_pair_are_not_counted_twice(run: Run) -> None:
    Weights.by_hand(examples.rules(), dict.fromkeys(examples.rules().ids, 1)).save("weights.json")
    run("score", examples.ratings_path(), "--weights", "weights.json", "-o", "rewards.csv")
    # 240 of the 458 pairs were rated twice: 698 rows.
    assert len(Path("rewards.csv").read_text().splitlines()) == 699
    found = json.loads(run("evaluate", "rewards.csv", "--json").stdout)
    assert (found["overall"]["n_pairs"], found["n_prompts"]) == (458, 455)


def test_pairs_with_ratings_alone_need_weights(run: Run) -> None:
    assert refused(run("evaluate", "pairs.csv")).startswith(
        "Error: pairs.csv: not rewards of pairs: no column 'chosen.reward', 'rejected.reward'"
    )


# --- refusals -------------------------------------------------------------------------------


def test_pairs_that_are_none_are_refused(run: Run) -> None:
    assert refused(run("evaluate", "ratings.csv", "--weights", "weights.json")) == (
        "Error: ratings.csv: these are not pairs: expected columns 'chosen.<rule>' and "
        "'rejected.<rule>', found ['prompt_id', 'response_id', 'harm', 'privacy']. Only pairs say "
        "which response people chose. If each response has a label, such as a person's score, name "
        "that column: --label COLUMN (label=).\n"
    )


def test_pairs_without_a_known_reward_are_refused(run: Run, folder: Path) -> None:
    names = "chosen.harm,chosen.privacy,rejected.harm,rejected.privacy"
    (folder / "pairs.csv").write_text(f"{names}\n,5,1,5\n")
    assert refused(run("evaluate", "pairs.csv", "--weights", "weights.json")) == (
        "Error: no pair has a known reward: too much of the weight is unrated, or no rule applies."
        "\n"
    )


def test_a_wrong_rating_is_placed_in_its_row_and_column(run: Run, folder: Path) -> None:
    path = folder / "pairs.csv"
    path.write_text(path.read_text().replace("c,r,chat,3,3,3,3", "c,r,chat,3,3,3,7"))
    said = refused(run("evaluate", "pairs.csv", "--weights", "weights.json"))
    assert said.startswith(
        "Error: pairs.csv, row 3, column 'rejected.privacy': rating 7 is not one of the rule's "
        "levels (1, 2, 3, 4, 5). "
    )


def test_weights_of_other_rules_are_refused(run: Run) -> None:
    Weights.by_hand(Rulebook.from_ids(["honesty"], LevelScale((0, 1))), {"honesty": 1}).save(
        "weights.json"
    )
    said = refused(run("evaluate", "pairs.csv", "--weights", "weights.json"))
    assert "no column for 2 of 2 ratings: ['chosen.honesty', 'rejected.honesty']" in said


@pytest.mark.parametrize("name", ["calibration.json", "rules.toml"])
def test_what_is_no_weights_file_is_refused(name: str, run: Run) -> None:
    said = refused(run("evaluate", "pairs.csv", "--weights", name))
    assert said.startswith(f"Error: {name}: ")


def test_a_negative_seed_is_wrong_usage(run: Run) -> None:
    result = run("evaluate", "pairs.csv", "--weights", "weights.json", "--seed", "-1")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1].startswith("Error: Invalid value for '--seed': ")
