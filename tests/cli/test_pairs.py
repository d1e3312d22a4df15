"""``encore pairs``, and ``--label`` of the verbs that take pairs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner, Result

import encore
from encore.cli.main import main
from encore.ratings import as_pairs

Run = Callable[..., Result]
# Of 5, 4, 5, 4, 5, 4 and six ones: 129 - 33 * 33 / 12 = 38.25, and sqrt(38.25 / 11) = 1.865.
SAID = (
    "6 pairs of 6 prompts, by the labels in 'score' (1 to 5, higher is better), which differ by at "
    "least 1.865 (one standard deviation). Left out: 1 response without a label."
)


@pytest.fixture
def rated(folder: Path) -> Path:
    """rated.csv: seven prompts with two responses, the last of which has no label."""
    rows = ["prompt_id,response_id,harm,privacy,score"]
    for prompt in range(6):
        rows += [
            f"p{prompt},a,{5 - prompt % 2},4,{5 - prompt % 2}",
            f"p{prompt},b,1,{prompt % 3 + 3},1",
        ]
    rows[1:1] = ["p9,a,2,2,"]
    path = folder / "rated.csv"
    path.write_text("\n".join(rows))
    return path


def test_pairs_are_written_and_said(run: Run, rated: Path) -> None:
    result = run("pairs", rated, "--rules", "rules.toml", "--label", "score", "-o", "made.parquet")
    pairs = encore.pairs(rated, "rules.toml", "score")
    assert (result.exit_code, result.output) == (0, f"made.parquet: {SAID}\n")
    assert as_pairs("made.parquet", "rules.toml").ids == pairs.ids == ("a > b",) * 6


def test_json_has_every_count(run: Run, rated: Path) -> None:
    result = run(
        *("pairs", rated, "--rules", "rules.toml", "--label", "score", "-o", "made.csv"),
        *("--gap", "3.5", "--max-per-prompt", "1", "--seed", "1", "--json"),
    )
    found = json.loads(result.output)
    assert (found["n_responses"], found["n_labelled"], found["n_possible"]) == (13, 12, 6)
    assert (found["gap"], found["n_pairs"], found["n_close"]) == (3.5, 3, 3)


def test_pairs_go_through_pipes(run: Run, rated: Path) -> None:
    words = ["pairs", "-", "--rules", "rules.toml", "--label", "score", "-o", "-"]
    result = CliRunner().invoke(main, words, input=rated.read_bytes())
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["prompt_id"] for line in lines] == [f"p{n}" for n in range(6)]
    assert result.stderr == f"-: {SAID}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--label", "scores"],
            "no column of labels in rated.csv is called 'scores'. Did you mean",
        ),
        (["--label", "harm"], "'harm' is one of the rules, so it would be compared with itself"),
        (["--label", "score", "--gap", "9"], "differ by 9: 0 pairs are tied, 6 differ by less"),
    ],
)
def test_what_makes_no_pairs_is_one_line(
    run: Run, rated: Path, words: list[str], said: str
) -> None:
    result = run("pairs", "rated.csv", "--rules", "rules.toml", *words, "-o", "made.csv")
    assert result.exit_code == 1 and said in result.stderr
    assert len(result.stderr.splitlines()) == 1 and not Path("made.csv").exists()


def test_a_rank_has_to_say_which_end_is_best(run: Run, rated: Path) -> None:
    text = rated.read_text().replace("score", "rank", 1)
    rated.write_text(text)
    line = ("pairs", rated, "--rules", "rules.toml", "--label", "rank", "-o", "made.csv")
    result = run(*line)
    assert result.exit_code == 1 and "--lower-is-better or --higher-is-better" in result.stderr
    for words, ids in (("--lower-is-better", "b > a"), ("--higher-is-better", "a > b")):
        assert run(*line, words).exit_code == 0
        assert set(as_pairs("made.csv", "rules.toml").ids) == {ids}


def test_compare_takes_labels_and_is_the_same_as_in_python(run: Run, rated: Path) -> None:
    line = ("compare", rated, "--rules", "rules.toml", "--label", "score", "--seed", "2")
    result = run(*line)
    assert result.exit_code == 0 and "Note: 6 pairs of 6 prompts, by the labels" in result.stderr
    assert "accuracy % on 6 pairs of 6 prompts" in result.stdout and "Spearman" in result.stdout
    found = encore.compare(rated, "rules.toml", label="score", rng=2)
    of_json = json.loads(run(*line, "--json").stdout)
    assert of_json["pairing"]["n_pairs"] == 6
    uniform = found.row("uniform").spearman
    assert uniform is not None
    assert of_json["rows"][0]["spearman"] == {
        "value": uniform.value,
        "low": uniform.low,
        "high": uniform.high,
    }


def test_across_prompts_goes_by_groups(run: Run, rated: Path) -> None:
    result = run("compare", rated, "--rules", "rules.toml", "--label", "score", "--across-prompts")
    assert result.exit_code == 0 and "groups of 2 prompts or more" in result.stderr
    assert "of 3 groups of prompts; diff" in result.stdout


def test_weigh_and_evaluate_take_labels(run: Run, rated: Path) -> None:
    run("calibrate", rated, "--rules", "rules.toml", "-o", "made.json")
    line = ("weigh", "made.json", "--scheme", "bradley_terry", "-o", "learned.json")
    result = run(*line, "--pairs", rated, "--label", "score")
    assert result.exit_code == 0 and "Note: 6 pairs of 6 prompts" in result.stderr
    learned = encore.weigh(
        encore.Calibration.load("made.json"), "bradley_terry", pairs=rated, label="score"
    )
    assert encore.Weights.load("learned.json").values.tolist() == learned.values.tolist()
    result = run("evaluate", rated, "--weights", "learned.json", "--label", "score")
    assert result.exit_code == 0 and "Note: 6 pairs of 6 prompts" in result.stderr
    assert "all        6" in result.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["compare", "pairs.csv", "--rules", "rules.toml", "--gap", "1"], "gap: of how pairs are"),
        (["evaluate", "pairs.csv", "--weights", "weights.json", "--across-prompts"], "across_prom"),
        (["evaluate", "rated.csv", "--label", "score"], "say what rewards these (--weights)"),
        (["weigh", "made.json", "--label", "score"], "give these as pairs (--pairs)"),
        (["weigh", "made.json", "--gap", "1"], "gap: of how pairs are made"),
        (["compare", "pairs.csv", "--rules", "rules.toml", "--label", "harm2"], "pairs already"),
        (["compare", "rated.csv", "--rules", "rules.toml"], "name that column: --label COLUMN"),
    ],
)
def test_options_that_do_not_fit_are_never_swallowed(
    run: Run, rated: Path, words: list[str], said: str
) -> None:
    run("calibrate", rated, "--rules", "rules.toml", "-o", "made.json")
    run("weigh", "made.json", "-o", "weights.json")
    result = run(*words)
    assert result.exit_code == 1 and said in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_report_shows_pairs_by_label_and_the_command_that_repeats_it(
    run: Run, rated: Path, peer: Callable[[str], ModuleType]
) -> None:
    peer("matplotlib")
    words = ("--label", "score", "--gap", "2.0", "--lower-is-better")
    result = run("report", rated, "--rules", "rules.toml", *words, "-o", "report.html")
    assert result.exit_code == 0 and "Pairs were made of labels: 6 pairs" in result.stderr
    page = Path("report.html").read_text()
    assert '<th scope="col" class="n">Spearman</th>' in page
    assert "-o report.html --label score --gap 2.0 --lower-is-better" in page
