from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]
WHY = "fewer than three rules resolve any pair of responses to one prompt"
UNKNOWN = f"Without labels these ratings do not say what low entropy means: {WHY}."
CHOSEN = f"Auto chose uniform: without labels there is no evidence for another ({WHY})."


@pytest.fixture
def healthy(folder: Path) -> None:
    """Ratings without a fault: 40 of every level of both rules, in every combination alike."""
    rows = [f"{i % 5 + 1},{i // 5 % 5 + 1}\n" for i in range(200)]
    (folder / "ratings.csv").write_text("harm,privacy\n" + "".join(rows))


@pytest.fixture
def faulty(folder: Path) -> None:
    """The same, but for privacy, which is always 5."""
    rows = [f"{i % 5 + 1},5\n" for i in range(200)]
    (folder / "ratings.csv").write_text("harm,privacy\n" + "".join(rows))


def diagnosed(run: Run, *arguments: str) -> Result:
    return run("diagnose", "ratings.csv", "--rules", "rules.toml", *arguments)


def refused(result: Result) -> str:
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1
    return result.stderr


@pytest.mark.usefixtures("healthy")
def test_healthy_ratings_have_no_findings(run: Run) -> None:
    result = diagnosed(run)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-3:] == ["0 findings", UNKNOWN, CHOSEN]
    rows = [line.split() for line in result.stdout.splitlines()]
    # 40 of each level: H = ln 5 = 1.609; no prompts, so nothing is known of resolved pairs.
    assert ["harm", "█████", "1.609", "1.000", "100.0", "–"] in rows


@pytest.mark.usefixtures("faulty")
def test_a_finding_is_flagged_and_said(run: Run) -> None:
    result = diagnosed(run)
    assert (result.exit_code, result.stderr) == (0, "")
    said = (
        "constant: rule 'privacy' gives every response that it rates the same rating: it cannot "
        "rank anything (0)."
    )
    assert result.stdout.splitlines()[-4:] == [said, "1 finding", UNKNOWN, CHOSEN]
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["privacy", "····█", "0.000", "0.000", "100.0", "–", "constant"] in rows


@pytest.mark.usefixtures("faulty")
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_strict_exits_1_where_something_is_found(form: list[str], run: Run) -> None:
    strict = diagnosed(run, "--strict", *form)
    assert (strict.exit_code, strict.stderr) == (1, "")
    assert strict.stdout == diagnosed(run, *form).stdout


@pytest.mark.usefixtures("healthy")
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_strict_exits_0_where_nothing_is_found(form: list[str], run: Run) -> None:
    assert diagnosed(run, "--strict", *form).exit_code == 0


@pytest.mark.usefixtures("faulty")
def test_json_holds_the_findings(run: Run) -> None:
    found = json.loads(diagnosed(run, "--json").stdout)
    assert found["findings"] == [
        {
            "kind": "constant",
            "rule": "privacy",
            "value": 0.0,
            "message": "rule 'privacy' gives every response that it rates the same rating: it "
            "cannot rank anything (0).",
        }
    ]
    assert (found["premise"]["meaning"], found["premise"]["linear"]) == ("unknown", None)
    assert found["supported"].startswith("auto chose uniform")


@pytest.mark.usefixtures("healthy")
def test_no_findings_are_an_empty_list_in_json(run: Run) -> None:
    assert json.loads(diagnosed(run, "--json").stdout)["findings"] == []


def test_a_calibration_is_diagnosed_as_the_ratings_it_was_made_from(run: Run) -> None:
    result = run("diagnose", "calibration.json")
    assert (result.exit_code, result.stdout) == (0, diagnosed(run).stdout)
    assert result.stdout.startswith("4 responses to 2 prompts under 2 rules")


def test_the_bundled_ratings_have_a_silent_and_an_inverted_rule(
    run: Run, example_calibration: Path
) -> None:
    result = run("diagnose", example_calibration, "--strict")
    assert result.exit_code == 1
    assert [line.split(":")[0] for line in result.stdout.splitlines()[-5:]] == [
        *("silent", "inverted", "2 findings"),
        "Low entropy means silent",
        "Auto chose uniform",
    ]


def test_a_rule_that_was_never_rated_is_shown_and_found(run: Run, folder: Path) -> None:
    (folder / "ratings.csv").write_text("harm,privacy\n" + "5,\n1,\n" * 100)
    result = diagnosed(run)
    assert result.exit_code == 0
    assert (
        "coverage: rule 'privacy' rates fewer than 80% of the responses that it applies to (0)."
        in result.stdout
    )


@pytest.mark.usefixtures("healthy")
def test_how_often_a_rule_applies_is_shown_where_it_does_not_always(run: Run, folder: Path) -> None:
    lines = (folder / "ratings.csv").read_text().splitlines()
    assert "applies" not in diagnosed(run).stdout
    rows = [f"{line},{int(i < 5)}" for i, line in enumerate(lines[1:])]
    (folder / "ratings.csv").write_text("\n".join([f"{lines[0]},privacy.applies", *rows]) + "\n")
    result = diagnosed(run)
    shown = [line.split() for line in result.stdout.splitlines()]
    assert [
        "rule",
        "ratings",
        "H",
        "nats",
        "H",
        "norm",
        "applies",
        "rated",
        "resolved",
        "flags",
    ] in (shown)
    assert ["harm", "█████", "1.609", "1.000", "100.0", "100.0", "–"] in shown
    # Privacy applies to 5 of 200 responses, all rated 1.
    flags = ["constant", "rare", "small"]
    assert ["privacy", "█····", "0.000", "0.000", "2.5", "100.0", "–", *flags] in shown
    assert (
        "rare: rule 'privacy' applies to fewer than 5% of the responses: little is known of it "
        "(0.025)." in result.stdout
    )


def test_a_rule_that_never_applies_is_shown_and_named(run: Run, folder: Path) -> None:
    (folder / "ratings.csv").write_text("harm,privacy,privacy.applies\n" + "5,,0\n1,,0\n" * 100)
    result = diagnosed(run)
    assert result.exit_code == 0
    assert ["privacy", "·····", "–", "–", "0.0", "–", "–", "rare", "small"] in [
        line.split() for line in result.stdout.splitlines()
    ]
    assert "what low entropy means: a rule never applies." in result.stdout


# --- refusals -------------------------------------------------------------------------------


def test_ratings_need_their_rules(run: Run) -> None:
    assert refused(run("diagnose", "ratings.csv")) == (
        "Error: ratings.csv is a ratings file: give its rules with --rules RULES.\n"
    )


def test_a_calibration_takes_no_rules(run: Run) -> None:
    assert refused(run("diagnose", "calibration.json", "--rules", "rules.toml")) == (
        "Error: calibration.json holds its rules; --rules goes with ratings.\n"
    )


def test_what_is_no_calibration_is_refused(run: Run) -> None:
    assert refused(run("diagnose", "weights.json")) == (
        "Error: weights.json: expected a document of kind 'encore.calibration', got "
        "'encore.weights'.\n"
    )


def test_an_error_is_told_from_a_finding_by_its_line(run: Run, folder: Path) -> None:
    (folder / "ratings.csv").write_text("harm,privacy\n5,9\n")
    said = refused(diagnosed(run, "--strict"))
    assert said.startswith("Error: ratings.csv, row 1, column 'privacy': rating 9 is not one of")
