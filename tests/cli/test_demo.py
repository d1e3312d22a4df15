from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from encore import Calibration, Rulebook, Weights, as_pairs, examples
from encore.cli.main import main

Run = Callable[..., Result]
FILES = {
    *("ratings.parquet", "ratings-with-applies.parquet", "rules.toml"),
    *("calibration.json", "weights.json", "rewards.parquet"),
}
MADE = FILES if os.environ.get("ENCORE_BARE") else FILES | {"report.html"}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """The folder and the output of one demo."""
    folder = tmp_path_factory.mktemp("demo") / "a" / "b"
    return folder, CliRunner().invoke(main, ["demo", "--out", str(folder)])


def test_the_demo_ends_well_and_has_nothing_to_note(shown: tuple[Path, Result]) -> None:
    assert shown[1].exit_code == 0
    if os.environ.get("ENCORE_BARE"):
        assert shown[1].stderr.startswith("Note: there is no report.html: A report needs ")
        assert "pip install '.[report]'" in shown[1].stderr
    else:
        assert shown[1].stderr == ""


def test_the_demo_writes_its_files_and_names_them(shown: tuple[Path, Result]) -> None:
    folder, result = shown
    assert {path.name for path in folder.iterdir()} == {*MADE, ".encore-demo.json"}
    written = result.stdout.partition("\nWritten:\n")[2]
    assert {Path(line.strip()) for line in written.splitlines()} == {folder / f for f in MADE}


def test_the_files_are_what_their_names_say(shown: tuple[Path, Result]) -> None:
    folder = shown[0]
    # 458 pairs are 916 responses; 240 of the pairs were rated twice, which makes 698 rows.
    assert Calibration.load(folder / "calibration.json").n_responses == 916
    assert Weights.load(folder / "weights.json").scheme == "linear"
    assert Rulebook.load(folder / "rules.toml") == examples.rules()
    rewards = pq.read_table(folder / "rewards.parquet")
    assert rewards.num_rows == 698
    assert {"chosen.reward", "rejected.reward"} < set(rewards.column_names)
    assert rewards["chosen.reward"].null_count == rewards["rejected.reward"].null_count == 0


def test_the_demo_says_what_it_brings_to_know_which_rules_apply(shown: tuple[Path, Result]) -> None:
    folder, result = shown
    pairs = as_pairs(folder / "ratings-with-applies.parquet", examples.rules())
    table, sides = pairs.ratings, (pairs.chosen, pairs.rejected)
    assert table.applies is not None
    weighed = (table.applies * np.nan_to_num(table.unit)).sum(axis=1) / table.applies.sum(axis=1)
    margins = [r[sides[0]] - r[sides[1]] for r in (weighed, plain_mean(folder))]
    halves = [np.where(np.abs(m) < 1e-9, 0.5, m > 0).mean() for m in margins]
    told = f"ranks {100 * halves[0]:.1f} % of the pairs right: {100 * (halves[0] - halves[1]):+.1f}"
    assert told in " ".join(result.stdout.split())


def plain_mean(folder: Path) -> Any:
    return as_pairs(folder / "ratings.parquet", examples.rules()).ratings.unit.mean(axis=1)


def test_the_tables_name_every_rule_and_every_scheme(shown: tuple[Path, Result]) -> None:
    stdout = shown[1].stdout
    assert stdout.startswith("916 responses to 455 prompts under 12 rules, weighed by linear")
    first_words = {line.split()[0] for line in stdout.splitlines() if line.split()}
    assert set(examples.rules().ids) <= first_words
    schemes = "uniform linear softmax inverse_variance information agreement random single"
    assert {*schemes.split(), "bradley_terry"} <= first_words


def test_the_sentence_says_what_458_pairs_support(shown: tuple[Path, Result]) -> None:
    said = "No scheme is distinguishable from uniform on these 458 pairs (smallest Holm-adjusted p"
    sentences = [line for line in shown[1].stdout.splitlines() if line.startswith(said)]
    assert len(sentences) == 1
    assert "ties count one half." in sentences[0]
    assert "Strict accuracies are not comparable here: rewards tie on" in sentences[0]


def test_the_files_of_the_demo_go_into_the_verbs(shown: tuple[Path, Result], run: Run) -> None:
    folder = shown[0]
    made = run("calibrate", folder / "ratings.parquet", "--rules", folder / "rules.toml", "-o", "c")
    assert made.exit_code == 0
    assert Path("c").read_bytes() == (folder / "calibration.json").read_bytes()
    run("weigh", "c", "-o", "w")
    assert Path("w").read_bytes() == (folder / "weights.json").read_bytes()


def test_the_demo_writes_beside_the_caller_by_default_and_over_an_earlier_one(
    run: Run, shown: tuple[Path, Result]
) -> None:
    shutil.copytree(shown[0], "encore-demo")
    # As if an older ENCORE had written it: it is the demo's own, whatever it holds.
    made = Path("encore-demo/.encore-demo.json")
    text = Path("encore-demo/weights.json").read_bytes()
    Path("encore-demo/weights.json").write_text("older")
    digests = made.read_text().replace(
        hashlib.sha256(text).hexdigest(), hashlib.sha256(b"older").hexdigest()
    )
    made.write_text(digests)
    result = run("demo", "--json")
    assert result.exit_code == 0
    assert Weights.load("encore-demo/weights.json").scheme == "linear"
    assert Path("encore-demo/weights.json").read_bytes() == text
    found = json.loads(result.stdout)
    assert set(found) == {"comparison", "mean_by_applies", "weights"}
    assert (found["comparison"]["n_pairs"], found["weights"]["scheme"]) == (458, "linear")


@pytest.mark.parametrize("name", sorted(FILES | {"report.html"}))
@pytest.mark.parametrize("linked", [False, True])
def test_a_file_that_the_demo_did_not_write_is_never_written_over(
    name: str, linked: bool, run: Run, folder: Path
) -> None:
    own = folder / "own" if linked else folder / "mine" / name
    (folder / "mine").mkdir()
    own.write_text("mine")
    if linked:
        (folder / "mine" / name).symlink_to(own)
    result = run("demo", "--out", "mine")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"Error: mine/{name}: the demo did not write it, or it was changed since; name another "
        f"folder with --out.\n"
    )
    assert own.read_text() == "mine" and [p.name for p in (folder / "mine").iterdir()] == [name]


def test_the_bundled_files_may_be_there_already(run: Run, folder: Path) -> None:
    (folder / "d").mkdir()
    shutil.copyfile(examples.ratings_path(), folder / "d" / "ratings.parquet")
    shutil.copyfile(examples.rules_path(), folder / "d" / "rules.toml")
    assert run("demo", "--out", "d").exit_code == 0


def test_a_file_is_no_folder_to_write_to(run: Run) -> None:
    result = run("demo", "--out", "rules.toml")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1] == (
        "Error: Invalid value for '--out': Directory 'rules.toml' is a file."
    )


def test_a_folder_that_cannot_be_made_is_one_line(run: Run) -> None:
    result = run("demo", "--out", "rules.toml/demo")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: rules.toml/demo: Not a directory.\n"
