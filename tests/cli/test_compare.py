from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from encore import examples

Run = Callable[..., Result]
HEAD = "chosen.harm,chosen.privacy,rejected.harm,rejected.privacy"
# Information needs a spread, agreement three rules, and five folds need five prompts.
SKIPPED = (
    "Note: information left out: rules ['harm', 'privacy'] cannot be weighed: the rater gave "
    "neither a spread nor repeated ratings for them. Calibrate on ratings that have this, leave "
    "these rules out, or use a scheme that does not need it.\n"
    "Note: agreement left out: agreement needs three rules whose margins vary; 2 of 2 do. Use "
    "another scheme.\n"
    "Note: bradley_terry and auto_with_pairs left out: 5 splits of 4 prompts; expected 2 splits or "
    "more, and a prompt for each.\n"
)


def compared(run: Run, *arguments: str | Path) -> Result:
    return run("compare", "pairs.csv", "--rules", "rules.toml", *arguments)


def of_json(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def refused(result: Result) -> str:
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1
    return result.stderr


@pytest.fixture
def spread_pairs(folder: Path) -> None:
    """pairs.csv with privacy varying, so that every rule has a margin."""
    rows = ["p,5,5,1,4", "q,4,5,1,5", "r,3,3,3,3", "s,2,5,4,5"]
    (folder / "pairs.csv").write_text("\n".join([f"prompt_id,{HEAD}", *rows]))


@pytest.mark.usefixtures("spread_pairs")
def test_tables_notes_and_a_sentence_are_printed(run: Run) -> None:
    result = compared(run)
    assert result.exit_code == 0
    assert result.stderr == SKIPPED
    for part in (
        "accuracy % on 4 pairs of 4 prompts",
        "each rule alone",
        "correlation of rating entropy with accuracy",
        "wrong (strict)",
    ):
        assert part in result.stdout
    rows = {line.split()[0]: line.split() for line in result.stdout.splitlines() if line.split()}
    # Uniform: won, won, tied, lost.
    assert rows["uniform"][:3] == ["uniform", "50.0", "62.5"]
    assert rows["uniform"][-2:] == ["66.7", "25.0"]
    # harm alone wins the first two, ties the third and loses the last.
    assert rows["harm"][2:5] == ["50.0", "62.5", "66.7"]
    assert list(rows)[:1] == ["accuracy"] and "softmax" in rows and "random" in rows


@pytest.mark.usefixtures("spread_pairs")
def test_the_last_line_is_the_sentence_that_json_holds(run: Run) -> None:
    sentence = of_json(compared(run, "--json"))["sentence"]
    assert compared(run).stdout.splitlines()[-1] == sentence
    assert sentence.startswith("No scheme is distinguishable from uniform on these 4 pairs")


@pytest.mark.usefixtures("spread_pairs")
def test_json_holds_every_scheme_uniform_first_and_why_others_are_left_out(run: Run) -> None:
    found = of_json(compared(run, "--json"))
    names = [row["scheme"] for row in found["rows"]]
    assert names[0] == "uniform"
    assert {"linear", "softmax", "inverse_variance", "random", "single"} < set(names)
    assert set(found["skipped"]) == {
        *("information", "agreement", "bradley_terry", "auto_with_pairs")
    }
    assert (found["n_pairs"], found["n_prompts"], found["n_folds"]) == (4, 4, 5)
    uniform = {name: part["value"] for name, part in found["rows"][0]["accuracy"].items()}
    assert uniform == {"strict": 1 / 2, "half": 5 / 8, "resolved": 2 / 3, "right": 3 / 4}


@pytest.mark.usefixtures("spread_pairs")
def test_fewer_folds_let_the_learned_scheme_in(run: Run) -> None:
    found = of_json(compared(run, "--n-folds", "2", "--json"))
    assert "bradley_terry" in [row["scheme"] for row in found["rows"]]
    assert "bradley_terry" not in found["skipped"]


@pytest.mark.usefixtures("spread_pairs")
def test_the_same_seed_gives_the_same_comparison(run: Run) -> None:
    assert (
        compared(run, "--seed", "5", "--json").stdout
        == compared(run, "--seed", "5", "--json").stdout
    )


def test_a_calibration_set_of_its_own_gives_the_entropies(run: Run, folder: Path) -> None:
    (folder / "ratings.csv").write_text("harm,privacy\n5,5\n5,1\n")
    rules = of_json(compared(run, "--calibration-set", "ratings.csv", "--json"))["rules"]
    # harm is constant there: H = 0; privacy is 5 or 1: ln 2 of ln 5.
    assert [round(rule["entropy"], 3) for rule in rules] == [0.0, 0.431]


def test_a_scheme_that_does_not_know_some_pairs_says_so(run: Run, folder: Path) -> None:
    rows = ["5,5,1,4", "4,5,1,5", "3,3,3,3", "2,5,4,", "5,5,1,1"]
    (folder / "pairs.csv").write_text("\n".join([HEAD, *rows]))
    assert "Note: uniform: 1 pair left out because a reward is unknown.\n" in compared(run).stderr


def test_the_bundled_pairs_are_compared_without_a_note(run: Run) -> None:
    result = run("compare", examples.ratings_path(), "--rules", "safety-12")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "bradley_terry" in result.stdout and "information" in result.stdout


def test_a_title_is_not_broken_over_lines(run: Run) -> None:
    title = "correlation of rating entropy with accuracy over the rules"
    assert title in compared(run).stdout


# --- refusals -------------------------------------------------------------------------------


def test_responses_are_no_pairs(run: Run) -> None:
    assert refused(run("compare", "ratings.csv", "--rules", "rules.toml")) == (
        "Error: ratings.csv: these are not pairs: expected columns 'chosen.<rule>' and "
        "'rejected.<rule>', found ['prompt_id', 'response_id', 'harm', 'privacy']. Only pairs say "
        "which response people chose. If each response has a label, such as a person's score, name "
        "that column: --label COLUMN (label=).\n"
    )


def test_pairs_without_rows_are_refused(run: Run, folder: Path) -> None:
    (folder / "pairs.csv").write_text(HEAD + "\n")
    assert refused(compared(run)) == (
        "Error: pairs.csv: no rows; expected at least one response.\n"
    )


def test_pairs_of_other_rules_are_refused(run: Run) -> None:
    said = refused(run("compare", "pairs.csv", "--rules", "safety-12"))
    assert said.startswith("Error: pairs.csv: no column for 22 of 24 ratings: ['chosen.violence', ")


def test_pairs_made_with_other_rules_are_refused_by_their_digest(run: Run, folder: Path) -> None:
    text = examples.rules_path().read_text().replace("levels = [1, 2, 3, 4, 5]", "levels = [1, 5]")
    (folder / "rules.toml").write_text(text)
    said = refused(run("compare", examples.ratings_path(), "--rules", "rules.toml"))
    assert "was made with other rules (digest " in said


def test_an_error_of_the_calibration_set_names_that_file(run: Run, folder: Path) -> None:
    (folder / "ratings.csv").write_text("harm,privacy\n5,9\n")
    said = refused(compared(run, "--calibration-set", "ratings.csv"))
    assert said.startswith("Error: ratings.csv, row 1, column 'privacy': rating 9 is not one of")


def test_pairs_that_no_scheme_can_tell_of_are_refused(run: Run, folder: Path) -> None:
    (folder / "pairs.csv").write_text(f"{HEAD}\n,,,\n")
    assert refused(compared(run)) == (
        "Error: no pair has a known reward under uniform weights: too much is unrated. Rated "
        "least: harm (0%), privacy (0%). Rate these rules, or leave them out.\n"
    )


@pytest.mark.parametrize("option", [["--n-folds", "1"], ["--seed", "-1"], ["--n-folds", "x"]])
def test_an_option_beyond_its_bounds_is_wrong_usage(option: list[str], run: Run) -> None:
    result = compared(run, *option)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1].startswith(f"Error: Invalid value for '{option[0]}': ")


def test_forms_are_compared_on_request_in_a_table_of_their_own(run: Run) -> None:
    plain, found = of_json(compared(run, "--json")), of_json(compared(run, "--forms", "--json"))
    assert plain["forms"] == [] and found["rows"] == plain["rows"]
    names = [row["scheme"] for row in found["forms"]]
    assert names == ["mean", "geometric:epsilon=0.05", "power:exponent=0.5", "pessimistic:beta=4.0"]
    printed = compared(run, "--forms").stdout
    assert "forms under uniform weights, accuracy %" in printed
    assert "geometric:epsilon=0.05" in printed


def test_every_row_is_of_the_form_asked_for(run: Run) -> None:
    result = compared(run, "--form", "geometric", "--applies-by", "prompt")
    assert "form: geometric:epsilon=0.05" in " ".join(result.stdout.split())
    assert refused(compared(run, "--form", "median")).startswith(
        "Error: no form is called 'median'"
    )
