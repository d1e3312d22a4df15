from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from encore import Rulebook, examples

Run = Callable[..., Result]


def test_rules_are_chosen_by_ratings_and_written_as_a_rules_file(run: Run, folder: Path) -> None:
    ratings = examples.ratings_path()
    result = run("rules", "select", "safety-12", "-k", "3", "--ratings", ratings, "-o", "mine.toml")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-1] == "mine.toml: 3 rules"
    # In the order of the catalogue, each rule as it stands there.
    mine, whole = Rulebook.load("mine.toml"), Rulebook.load("safety-12")
    assert [rule for rule in whole if rule.id in mine.ids] == list(mine)
    assert Path("mine.toml").read_text().startswith("# 3 of the rules of safety-12, by ratings.\n")


def test_a_calibration_serves_as_well_as_its_ratings(run: Run, folder: Path) -> None:
    line = ("rules", "select", "rules.toml", "-k", "1", "-o", "one.toml", "--json", "--ratings")
    by_ratings = json.loads(run(*line, "ratings.csv").stdout)
    assert json.loads(run(*line, "calibration.json").stdout) == by_ratings
    # Of the pairs, harm tells both apart by 1, privacy the first by 1 / 4.
    assert [pick["rule"] for pick in by_ratings["picks"]] == ["harm"]


def test_fewer_rules_than_wanted_are_said(run: Run, folder: Path) -> None:
    Path("flat.csv").write_text("prompt_id,harm,privacy\np,5,5\np,1,5\n")
    line = ("rules", "select", "rules.toml", "-k", "2", "--ratings", "flat.csv", "-o", "one.toml")
    result = run(*line)
    assert result.stderr == "Note: only 1 rules tell something that the others do not.\n"
    assert Rulebook.load("one.toml").ids == ("harm",)


@pytest.mark.parametrize("given", [(), ("--ratings", "ratings.csv", "--data", "texts.csv")])
def test_ratings_or_data_must_be_given_and_not_both(given: tuple[str, ...], run: Run) -> None:
    result = run("rules", "select", "rules.toml", "-k", "1", "-o", "out", *given)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith("Error: Give either '--ratings' or '--data'")


@pytest.mark.parametrize("rater", [(), ("--rater", "recorded:pairs.csv")])
def test_who_is_no_judge_cannot_choose(rater: tuple[str, ...], run: Run) -> None:
    line = ("rules", "select", "rules.toml", "-k", "1", "--data", "texts.csv", "-o", "out")
    result = run(*line, *rater)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "choosing by --data needs a judge: give --rater openai:MODEL or local." in result.stderr


def test_the_rules_are_not_written_over(run: Run, folder: Path) -> None:
    before = (folder / "rules.toml").read_bytes()
    line = ("rules", "select", "rules.toml", "-k", "1", "--ratings", "ratings.csv")
    assert (
        "--out would write over rules.toml, which NAME reads"
        in run(*line, "-o", "rules.toml").stderr
    )
    assert (folder / "rules.toml").read_bytes() == before


def test_a_calibration_of_other_rules_is_refused(run: Run) -> None:
    line = ("rules", "select", "safety-12", "-k", "1", "--ratings", "calibration.json")
    result = run(*line, "-o", "out")
    assert result.exit_code == 1 and "Use files made from the same rules" in result.stderr
