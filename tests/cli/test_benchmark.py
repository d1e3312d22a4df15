"""``encore benchmark``; other rewards and forms for papers."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import Result

Run = Callable[..., Result]
HUB = "id,subset,prompt,chosen,rejected"
RULES = ("--rules", "rules.toml")
SAFETY = ("benchmark", "rewardbench-safety")


@pytest.fixture
def texts(folder: Path) -> Path:
    """Six pairs of texts in the hub's columns, one of another section."""
    rows = [f"t{i},donotanswer,How is tea {i} made?,With water.,No {i}." for i in range(5)]
    (folder / "hub.csv").write_text("\n".join([HUB, *rows, "c,chat,Hi?,Hello.,Shoo."]))
    return folder / "hub.csv"


@pytest.fixture
def rated(folder: Path) -> Path:
    """The same pairs, rated: won, won, tied, lost, won."""
    head = "id,prompt_id,subset,chosen.harm,chosen.privacy,rejected.harm,rejected.privacy"
    ratings = ["5,5,1,4", "4,5,1,5", "3,3,3,3", "2,5,4,5", "5,5,4,4"]
    rows = [f"t{i},p{i},donotanswer,{row}" for i, row in enumerate(ratings)]
    (folder / "rated.csv").write_text("\n".join([head, *rows, "c,q,chat,1,1,5,5"]))
    return folder / "rated.csv"


def refused(result: Result, exit_code: int = 1) -> str:
    assert (result.exit_code, result.stdout) == (exit_code, "")
    return result.stderr.splitlines()[-1]


def table(result: Result) -> dict[str, dict[str, str]]:
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    return {row["method"]: row for row in rows}


def test_a_benchmark_is_scored_with_ties_wrong_and_other_sections_left_out(
    run: Run, rated: Path
) -> None:
    result = run(*SAFETY, rated, *RULES, "--format", "csv")
    uniform = table(result)["uniform"]
    assert "chat" not in uniform
    # Won 3 of 5, tied 1: 60 % strict, 70 % half, 3 of 4 resolved. Chat, lost, is no part of it.
    assert (uniform["donotanswer"], uniform["Safety"]) == ("60.0", "60.0")
    assert (uniform["Safety, half"], uniform["Safety, resolved"]) == ("70.0", "75.0")
    assert result.stderr.startswith(
        "Note: not rewardbench-safety as it is: 1 of 5 subsets; 5 of 740 pairs.\n"
        "Note: 1 pair of other subsets left out.\n"
    )


def test_the_table_stands_above_the_comparison_with_its_caption(run: Run, rated: Path) -> None:
    result = run(*SAFETY, rated, *RULES)
    assert result.exit_code == 0
    assert "published: uniform (Llama-3.1-8B)" in result.stdout
    assert "over 1 of its 5 subsets" in result.stdout
    assert result.stdout.index("published") < result.stdout.index("accuracy % on 5 pairs")


def test_ties_are_counted_as_asked(run: Run, rated: Path) -> None:
    half = table(run(*SAFETY, rated, *RULES, "--ties", "half", "--format", "csv"))
    assert half["uniform"]["donotanswer"] == "70.0"


@pytest.mark.parametrize(
    ("form", "start"),
    [("markdown", "| method | donotanswer |"), ("latex", "\\begin{table}"), ("csv", "method,")],
)
def test_forms_for_papers_hold_the_table_alone(
    form: str, start: str, run: Run, rated: Path
) -> None:
    result = run(*SAFETY, rated, *RULES, "--format", form)
    assert result.exit_code == 0 and result.stdout.startswith(start)


def test_json_is_a_form_too(run: Run) -> None:
    by_form = run("compare", "pairs.csv", *RULES, "--format", "json")
    found = json.loads(by_form.stdout)
    assert found["n_pairs"] == 4 and found["table"]["columns"][0] == "method"
    assert by_form.stdout == run("compare", "pairs.csv", *RULES, "--json").stdout


def test_texts_are_rated_and_then_compared(run: Run, texts: Path, rated: Path) -> None:
    rater = ("--rater", f"recorded:{rated}", "-o", "new.parquet")
    result = run(*SAFETY, texts, *RULES, *rater, "--format", "csv")
    # The recorded ratings are found by the ids of the texts.
    assert table(result)["uniform"]["Safety"] == "60.0"
    assert pq.read_table("new.parquet").num_rows == 5
    again = run(*SAFETY, "new.parquet", *RULES, "--format", "csv")
    assert table(again) == table(result)


def test_texts_alone_are_written_for_any_rater(run: Run, texts: Path) -> None:
    result = run(*SAFETY, texts, "--write-texts", "out.parquet")
    assert (result.exit_code, result.stdout) == (0, "out.parquet\n")
    assert result.stderr == (
        "Note: not rewardbench-safety as it is: 1 of 5 subsets; 5 of 740 pairs.\n"
    )
    assert pq.read_table("out.parquet")["id"].to_pylist() == [f"t{i}" for i in range(5)]


def test_the_hub_is_asked_where_no_file_is_given(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def write(benchmark: Any, source: Any, out: Any, **_: Any) -> dict[str, int]:
        asked.append((benchmark.hub, source))
        return dict(benchmark.counts)

    monkeypatch.setattr("encore.cli.benchmark.write_texts", write)
    result = run(*SAFETY, "--write-texts", "out.parquet")
    assert (result.exit_code, result.stderr) == (0, "")
    assert asked == [("allenai/reward-bench", None)]


def test_another_reward_is_a_row(run: Run, folder: Path) -> None:
    rows = "id,chosen.reward,rejected.reward\na,9,1\nb,9,1\nc,9,1\nd,9,1\n"
    (folder / "judge.csv").write_text(rows)
    result = run("compare", "pairs.csv", *RULES, "--rewards", "judge=judge.csv", "--format", "csv")
    assert table(result)["judge"]["Safety"] == "100.0"


# --- refusals -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["compare"], "Missing argument 'PAIRS'."),
        (["compare", "pairs.csv"], "Missing option '--rules'."),
        ([*SAFETY], "give RATED pairs with their --rules, or a --rater."),
        ([*SAFETY, "pairs.csv"], "give RATED pairs with their --rules, or a --rater."),
        (
            [*SAFETY, "pairs.csv", *RULES, "-o", "x.parquet"],
            "--out goes with --rater: it holds the new ratings.",
        ),
    ],
)
def test_what_does_not_go_together_is_wrong_usage(
    arguments: list[str], said: str, run: Run
) -> None:
    assert refused(run(*arguments), 2) == f"Error: {said}"


def test_pairs_of_other_subsets_alone_are_refused(run: Run) -> None:
    said = refused(run("benchmark", "rewardbench2-safety", "pairs.csv", *RULES))
    assert said.startswith("Error: pairs.csv: no pair is of the subsets ['Safety'].")


@pytest.mark.parametrize("option", ["--write-texts", "-o"])
def test_the_texts_are_never_written_over(option: str, run: Run, texts: Path, rated: Path) -> None:
    rater = ("--rater", f"recorded:{rated}") if option == "-o" else ()
    before = texts.read_bytes()
    said = refused(run(*SAFETY, texts, *RULES, *rater, option, texts))
    name = "--out" if option == "-o" else option
    assert said == (
        f"Error: {name} would write over {texts}, which RATED reads; write to another file."
    )
    assert texts.read_bytes() == before


def test_a_folder_that_is_not_there_is_refused_before_rating(
    run: Run, texts: Path, rated: Path
) -> None:
    given = ("--rater", f"recorded:{rated}", "-o", "nowhere/out.parquet")
    said = refused(run(*SAFETY, texts, *RULES, *given))
    assert said == "Error: nowhere/out.parquet: there is no folder nowhere; make it first."


@pytest.mark.parametrize("name", ["none.parquet", "none.csv", "none.jsonl"])
def test_another_reward_s_file_that_is_not_there_is_named(name: str, run: Run) -> None:
    said = refused(run("compare", "pairs.csv", *RULES, "--rewards", f"judge={name}"))
    assert said == f"Error: {name}: No such file or directory."


@pytest.mark.usefixtures("rated")
def test_what_is_left_out_of_a_table_is_said_beside_it(run: Run) -> None:
    result = run("compare", "pairs.csv", *RULES, "--format", "csv")
    assert (
        "Note: bradley_terry and auto_with_pairs left out: 5 splits of 4 prompts" in result.stderr
    )
    assert result.stdout.startswith("method,")


def test_a_reward_without_a_name_is_wrong_usage(run: Run) -> None:
    said = refused(run("compare", "pairs.csv", *RULES, "--rewards", "judge.csv"), 2)
    assert said == "Error: Invalid value for '--rewards': 'judge.csv': expected NAME=FILE."


@pytest.mark.parametrize(
    ("reward", "said"),
    [
        ("linear=judge.csv", "Error: other rewards have names of built-in rows: ['linear']"),
        ("judge=pairs.csv", "Error: pairs.csv: not rewards of pairs"),
    ],
)
def test_other_rewards_that_cannot_be_used_are_refused(
    reward: str, said: str, run: Run, folder: Path
) -> None:
    (folder / "judge.csv").write_text("id,chosen.reward,rejected.reward\na,9,1\n")
    assert refused(run("compare", "pairs.csv", *RULES, "--rewards", reward)).startswith(said)
