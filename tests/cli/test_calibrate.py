from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from encore import Calibration

Run = Callable[..., Result]
# harm is rated 1 or 5 and nothing else; 4 ratings on 5 levels are few.
FOUND = (
    "Note: saturated: harm (see `encore diagnose`).\n"
    "Note: small: harm, privacy (see `encore diagnose`).\n"
)


def calibrated(run: Run, *arguments: str) -> Result:
    return run("calibrate", *arguments, "--rules", "rules.toml", "-o", "out.json")


def refused(result: Result) -> str:
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1
    return result.stderr


def test_a_calibration_is_written_and_said(run: Run) -> None:
    result = calibrated(run, "ratings.csv")
    expected = "out.json: 4 responses to 2 prompts under 2 rules\n"
    assert (result.exit_code, result.stdout, result.stderr) == (0, expected, FOUND)
    found = Calibration.load("out.json")
    # harm: two ones and two fives. privacy: one four and three fives.
    assert found.statistics.counts.tolist() == [[2, 0, 0, 0, 2], [0, 0, 0, 1, 3]]
    np.testing.assert_allclose(found.entropy()[0], np.log(2))
    # harm differs by 4/4 under both prompts; privacy by 1/4 under the first of two.
    np.testing.assert_allclose(found.margin_variance, [1, (1 / 4) ** 2 / 2])
    assert [source.name for source in found.sources] == ["ratings.csv"]


def test_json_holds_the_sizes(run: Run) -> None:
    result = run("calibrate", "ratings.csv", "--rules", "rules.toml", "-o", "out.json", "--json")
    assert (result.exit_code, result.stderr) == (0, FOUND)
    assert json.loads(result.stdout) == {
        "out": "out.json",
        "n_responses": 4,
        "n_prompts": 2,
        "n_rules": 2,
        "n_split_prompts": 0,
    }


def test_a_catalogue_stands_for_its_rules(run: Run) -> None:
    from encore import examples

    path = str(examples.ratings_path())
    result = run("calibrate", path, "--rules", "safety-12", "-o", "out.json")
    assert result.stdout == "out.json: 916 responses to 455 prompts under 12 rules\n"
    assert result.stderr == (
        "Note: silent: sexual (see `encore diagnose`).\n"
        "Note: inverted: respect (see `encore diagnose`).\n"
    )


def test_several_files_calibrate_as_the_merge_of_each(run: Run, folder: Path) -> None:
    (folder / "more.csv").write_text("prompt_id,harm,privacy\nr,3,3\nr,2,\ns,1,1\n")
    assert calibrated(run, "ratings.csv", "more.csv").exit_code == 0
    for name in ("ratings", "more"):
        run("calibrate", f"{name}.csv", "--rules", "rules.toml", "-o", f"{name}.json")
    together = (folder / "out.json").read_bytes()
    for order in (["ratings.json", "more.json"], ["more.json", "ratings.json"]):
        result = run("merge", *order, "-o", "merged.json")
        assert result.stdout == "merged.json: 7 responses to 4 prompts under 2 rules\n"
        assert (folder / "merged.json").read_bytes() == together


def test_a_prompt_that_is_split_between_files_is_said(run: Run, folder: Path) -> None:
    (folder / "more.csv").write_text("prompt_id,harm,privacy\nq,3,3\nr,2,4\n")
    result = run(
        "calibrate", "ratings.csv", "more.csv", "--rules", "rules.toml", "-o", "a", "--json"
    )
    assert json.loads(result.stdout)["n_split_prompts"] == 1
    assert result.stderr.splitlines()[-1] == (
        "Note: 1 prompt split between calibrations: margins between the parts are lost. "
        "Calibrate the responses to one prompt together."
    )


def test_rows_out_of_order_calibrate_as_sorted_ones_without_a_word(run: Run, folder: Path) -> None:
    head, a, b, c, d = (folder / "ratings.csv").read_text().splitlines()
    (folder / "ratings.csv").write_text("\n".join([head, d, a, c, b]))
    assert calibrated(run, "ratings.csv").stderr == FOUND
    left, right = Calibration.load("out.json"), Calibration.load("calibration.json")
    np.testing.assert_allclose(left.margin_covariance, right.margin_covariance)
    assert left.statistics.resolved_pairs.tolist() == [2, 1]


def test_values_beyond_a_range_and_gaps_are_said(run: Run, folder: Path) -> None:
    (folder / "rules.toml").write_text(
        '[[rule]]\nid = "a"\ntext = "t"\nscale = { worst = 0.0, best = 1.0, bins = 2 }\n'
        '[[rule]]\nid = "b"\ntext = "t"\nscale = { levels = [0, 1] }\n'
    )
    rows = "".join(f"{1.5 if i % 2 else 0.25},{i % 2 if i % 4 else ''}\n" for i in range(200))
    (folder / "ratings.csv").write_text("a,b\n" + rows)
    result = calibrated(run, "ratings.csv")
    # Every second value of a is 1.5, beyond 1; b is absent in every fourth row.
    assert result.stderr.splitlines() == [
        "Note: outside: a (see `encore diagnose`).",
        "Note: coverage: b (see `encore diagnose`).",
    ]


def test_ratings_that_hardly_speak_are_said_to(run: Run, folder: Path) -> None:
    (folder / "ratings.csv").write_text("harm,privacy\n" + "5,5\n" * 200)
    assert calibrated(run, "ratings.csv").stderr == (
        "Note: empty: all rules (see `encore diagnose`).\n"
        "Note: constant: harm, privacy (see `encore diagnose`).\n"
    )


@pytest.mark.parametrize(
    ("contents", "said"),
    [
        ("harm,privacy\n", "ratings.csv: no rows; expected at least one response."),
        (
            "harm\n5\n",
            "ratings.csv: no column for 1 of 2 ratings: ['privacy']. Found columns ['harm']. Name "
            "the columns after the rules' ids, or give the rules that these ratings were made "
            "with; `encore import` reads tables of other shapes and names (--rule-columns, "
            "--prefix).",
        ),
        (
            "harm,privacy\n5,5\n5,inf\n",
            "ratings.csv, row 2, column 'privacy': rating inf is not finite. Leave an unrated cell "
            "empty (NaN).",
        ),
        (
            "harm,privacy\n5,5\n5,good\n",
            "ratings.csv, row 2, column 'privacy': 'good' is not a number; expected one, or "
            "nothing where unrated. `encore import` reads words, percentages and N/A (--map, --na, "
            "--unrated).",
        ),
        (
            "harm,privacy\n5,5\n2.5,5\n",
            "ratings.csv, row 2, column 'harm': rating 2.5 is not one of the rule's levels (1, 2, "
            "3, 4, 5). Correct the rating or the rule's scale; a continuous scale is {worst, best, "
            "bins}, and an expected level needs a 'harm.spread' column.",
        ),
        (
            "response_id,harm,privacy\nx,5,5\nx,4,4\n",
            "ratings.csv, row 2, column 'response_id': response 'x' of one prompt is rated twice "
            "(also in row 1). Remove one, or number them in a 'repeat' column.",
        ),
        (
            "harm,privacy,harm\n5,5,5\n",
            "ratings.csv: duplicate columns: ['harm']. Keep one of each.",
        ),
        (
            "harm,privacy\n5,5\n5\n",
            "ratings.csv, row 2: 1 cells; expected 2, as in the header. Quote text that holds "
            "commas or line breaks.",
        ),
    ],
)
def test_bad_ratings_are_one_line_that_says_where(
    contents: str, said: str, run: Run, folder: Path
) -> None:
    (folder / "ratings.csv").write_text(contents)
    assert refused(calibrated(run, "ratings.csv")) == f"Error: {said}\n"
    assert not (folder / "out.json").exists()


def test_a_wrong_suffix_is_one_line(run: Run) -> None:
    assert refused(calibrated(run, "weights.json")) == (
        "Error: weights.json: not a table. Expected a name ending in .parquet, .csv, .jsonl, "
        ".ndjson; `encore import` reads others.\n"
    )


def test_ratings_made_with_other_rules_are_refused_by_their_digest(run: Run, folder: Path) -> None:
    import pyarrow as pa

    from encore import LevelScale, Rulebook
    from encore.ratings.files import write_ratings

    others = Rulebook.from_ids(["harm", "privacy"], LevelScale((1, 2, 3, 4, 5)))
    write_ratings("a.parquet", pa.table({"harm": [5], "privacy": [5]}), others, {})
    mine = Rulebook.load("rules.toml")
    assert refused(calibrated(run, "a.parquet")) == (
        f"Error: a.parquet was made with other rules (digest {others.digest[:12]}…) than these "
        f"(digest {mine.digest[:12]}…). Give the rules that it was made with, or weights "
        "for them.\n"
    )


def test_rewards_are_no_ratings(run: Run) -> None:
    run("score", "ratings.csv", "--weights", "weights.json", "-o", "rewards.parquet")
    assert refused(calibrated(run, "rewards.parquet")) == (
        "Error: rewards.parquet: expected a file of kind 'encore.ratings', got 'encore.rewards'.\n"
    )


# --- merge ----------------------------------------------------------------------------------


def test_one_calibration_merges_to_itself(run: Run, folder: Path) -> None:
    result = run("merge", "calibration.json", "-o", "out.json")
    assert (result.exit_code, result.stderr) == (0, FOUND)
    assert (folder / "out.json").read_bytes() == (folder / "calibration.json").read_bytes()


def test_a_calibration_merged_with_itself_counts_twice_and_says_so(run: Run) -> None:
    result = run("merge", "calibration.json", "calibration.json", "-o", "out.json", "--json")
    assert json.loads(result.stdout) == {
        "out": "out.json",
        "n_responses": 8,
        "n_prompts": 2,
        "n_rules": 2,
        "n_split_prompts": 2,
    }
    twice, split = result.stderr.splitlines()[-2:]
    assert twice == "Note: ratings.csv is counted more than once. Calibrate or merge it once."
    assert split.startswith("Note: 2 prompts split between calibrations: ")


def test_calibrations_of_other_rules_do_not_merge(run: Run, example_calibration: Path) -> None:
    result = run("merge", "calibration.json", example_calibration, "-o", "out.json")
    assert refused(result) == (
        "Error: calibration of ratings.csv: rules [harm, privacy]; calibration of ratings.parquet: "
        "rules [violence, crime, hate, sexual, self_harm, privacy, misinformation, advice, … 12 in "
        "all]. Use files made from the same rules, in the same order.\n"
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "weights.json",
            "weights.json: expected a document of kind 'encore.calibration', got 'encore.weights'.",
        ),
        (
            "ratings.csv",
            "ratings.csv: not a JSON document (Expecting value: line 1 column 1 (char 0)). "
            "Expected 'encore.calibration'.",
        ),
    ],
)
def test_what_is_no_calibration_does_not_merge(name: str, said: str, run: Run) -> None:
    assert refused(run("merge", "calibration.json", name, "-o", "out.json")) == f"Error: {said}\n"


def test_a_calibration_of_a_later_version_is_refused_with_the_way_out(
    run: Run, folder: Path
) -> None:
    document = json.loads((folder / "calibration.json").read_text())
    (folder / "later.json").write_text(json.dumps({**document, "schema_version": 4}))
    assert refused(run("merge", "later.json", "-o", "out.json")) == (
        "Error: later.json: schema version 4 of 'encore.calibration' is not one that this version "
        "of ENCORE reads (3 to 3). Install the version that wrote it, or a newer one.\n"
    )
