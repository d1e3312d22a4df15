"""``encore import`` and ``encore rules guess`` on the command line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

import encore
from encore.cli.main import main

SAMPLES = Path(__file__).parent.parent / "ratings" / "importing" / "tools" / "samples"
Run = Callable[..., Result]


@pytest.fixture
def bad(folder: Path) -> Path:
    """A file whose scale and direction are not certain."""
    path = folder / "judge.csv"
    path.write_text("prompt,response,toxicity\np,a,0.25\np,b,0.75\n")
    return path


def test_on_a_terminal_it_asks_until_the_answer_is_one(
    bad: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("encore.cli.importing._on_terminal", lambda: True)
    answers = "no scale\n0-1\nsideways\nreverse\n"
    done = CliRunner().invoke(main, ["import", str(bad), "-o", "out.parquet"], input=answers)
    assert done.exit_code == 0, done.output
    assert "'no scale' is no scale" in done.output and "'sideways' is no answer" in done.output
    (rule,) = encore.Rulebook.load("out.rules.toml")
    assert (rule.scale.worst, rule.scale.best) == (1, 0)


def test_elsewhere_it_refuses_and_the_options_that_it_names_do(bad: Path, run: Run) -> None:
    done = run("import", bad, "-o", "out.parquet")
    assert done.exit_code == 1 and not Path("out.parquet").exists()
    assert "--scale=0-1" in done.output and "--reverse=toxicity" in done.output
    done = run("import", bad, "-o", "out.parquet", "--scale=0-1", "--reverse=toxicity")
    assert done.exit_code == 0, done.output


def test_two_raters_files_become_one_table_with_their_agreement(folder: Path, run: Run) -> None:
    Path("one.csv").write_text("prompt,response,tone\np,a,1\np,b,5\n")
    Path("two.csv").write_text("prompt,response,tone\np,b,5\np,a,3\n")
    both = ("import", "one.csv", "two.csv", "-o", "out.parquet", "--scale=1-5")
    done = run(*both)
    assert done.exit_code == 1 and "--rater-per-file" not in done.output.split("\n")[0]
    done = run(*both, "--rater-per-file")
    assert done.exit_code == 1 and "--combine=mean" in done.output
    done = run(*both, "--rater-per-file", "--combine=mean")
    assert done.exit_code == 0, done.output
    assert pq.read_table("out.parquet")["tone"].to_pylist() == [2, 5]
    # Of two responses one is rated alike by both.
    assert re.search(r"tone +2 +50\.0 ", done.output)
    done = run(*both, "--rater-per-file", "--combine=repeats")
    assert sorted(pq.read_table("out.parquet")["tone"].to_pylist()) == [1, 3, 5, 5]


def test_rules_are_guessed_alone(folder: Path, run: Run) -> None:
    done = run("rules", "guess", "ratings.csv", "-o", "drafted.toml", "--as-is", "harm", "--json")
    assert done.exit_code == 0, done.output
    assert encore.Rulebook.load("drafted.toml").ids == ("harm", "privacy")
    assert [rule["id"] for rule in json.loads(done.stdout)["rules"]] == ["harm", "privacy"]


def test_given_rules_are_kept_and_the_ratings_state_their_digest(folder: Path, run: Run) -> None:
    done = run("import", "ratings.csv", "-o", "out.parquet", "--rules", "rules.toml")
    assert done.exit_code == 0, done.output
    stated = pq.read_table("out.parquet").schema.metadata[b"encore.rules_digest"].decode()
    assert stated == encore.Rulebook.load("rules.toml").digest
    assert not Path("out.rules.toml").exists()
    done = run("import", "ratings.csv", "-o", "o.csv", "--rules", "rules.toml", "--rules-out", "x")
    assert done.exit_code == 1 and "--rules-out" in done.output


@pytest.mark.parametrize(
    "name", ["autorubric/single.jsonl", "deepeval/run.json", "promptfoo/results.json"]
)
def test_tools_outputs_are_known_by_their_contents(name: str, folder: Path, run: Run) -> None:
    done = run("import", SAMPLES / name, "-o", "out.parquet")
    assert done.exit_code == 0, done.output
    assert f"written by {name.split('/')[0]}" in done.output
    rules = encore.Rulebook.load("out.rules.toml")
    assert encore.as_ratings("out.parquet", rules).n_rows > 0


def test_ratings_of_a_folder_of_no_such_files_are_refused(folder: Path, run: Run) -> None:
    (folder / "empty").mkdir()
    assert "no file in this folder" in run("import", "empty", "-o", "out.parquet").output
    assert "no file matches" in run("import", "none*.csv", "-o", "out.parquet").output
    assert run("import", "ratings.csv", "-o", "ratings.csv").exit_code == 1
