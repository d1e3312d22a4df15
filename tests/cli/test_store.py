from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import Result

from encore import Rulebook
from encore.raters import Answer, Identity, Reason, Store, Usage

Run = Callable[..., Result]


@pytest.fixture
def store(folder: Path) -> Path:
    """Two answers of a judge, one of them unrated."""
    rules = Rulebook.load("rules.toml")
    who = Identity({"kind": "judge", "model": "m"})
    with Store(folder / "s.sqlite") as opened:
        rater, (harm, privacy) = opened.rater_id(who), opened.rule_ids(rules, who)
        good = Answer(value=4.5, spread=0.2, reply="5", usage=Usage(1, 100, 0, 1))
        opened.put(b"k" * 16, rater, harm, 0, good)
        bad = Answer(reason=Reason.REFUSED, reply='No, "never",\nno.', usage=Usage(2, 9, 0, 9))
        opened.put(b"k" * 16, rater, privacy, 0, bad)
    return folder / "s.sqlite"


def test_info_says_who_rated_what(store: Path, run: Run) -> None:
    result = run("store", "info", "s.sqlite")
    assert result.exit_code == 0
    first, second = result.stdout.splitlines()
    assert first.startswith("s.sqlite: ") and first.endswith(" bytes, 1 rater")
    assert second.startswith(
        "  judge m: 2 answers about 1 response under 2 rules, 1 unrated, 3 requests, last on "
    )
    shown = json.loads(run("store", "info", "s.sqlite", "--json").stdout)
    assert shown["raters"][0]["prompt_tokens"] == 109


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_an_export_holds_every_answer(suffix: str, store: Path, run: Run) -> None:
    result = run("store", "export", "s.sqlite", "-o", f"a{suffix}")
    assert (result.exit_code, result.stdout) == (0, f"a{suffix}: 2 answers\n")
    if suffix == ".parquet":
        rows = pq.read_table("a.parquet").to_pylist()
    else:
        with Path(f"a{suffix}").open(newline="") as file:
            rows = list(csv.DictReader(file) if suffix == ".csv" else map(json.loads, file))
    harm, privacy = rows
    assert (harm["rule"], float(harm["value"]), harm["reason"]) == (
        *("Does no harm.", 4.5),
        "" if suffix == ".csv" else None,
    )
    assert (privacy["reason"], privacy["reply"]) == ("refused", 'No, "never",\nno.')


def test_an_export_of_another_kind_is_refused(store: Path, run: Run) -> None:
    result = run("store", "export", "s.sqlite", "-o", "a.xlsx")
    assert result.exit_code == 1
    assert "a.xlsx: unknown ending; expected one of .parquet, .csv, .jsonl" in result.stderr


def test_an_export_of_an_empty_store_has_its_columns(run: Run) -> None:
    with Store("empty.sqlite") as store:
        store.info()
    assert run("store", "export", "empty.sqlite", "-o", "a.csv").stdout == "a.csv: 0 answers\n"
    assert Path("a.csv").read_text().startswith("conversation,rater,rule,scale,sample,value,")


def test_gc_counts_before_it_removes(store: Path, run: Run) -> None:
    options = ("store", "gc", "s.sqlite", "--unrated")
    assert run(*options, "--dry-run").stdout == "s.sqlite: 1 answer to remove\n"
    assert run(*options).stdout == "s.sqlite: 1 answer removed\n"
    assert run(*options).stdout == "s.sqlite: 0 answers removed\n"
    shown = json.loads(run("store", "gc", "s.sqlite", "--older-than", "0", "--json").stdout)
    assert shown == {"n_answers": 1, "dry_run": False}


def test_gc_keeps_the_answers_under_the_rules_that_are_given(store: Path, run: Run) -> None:
    assert run("store", "gc", "s.sqlite", "--rules", "rules.toml").stdout == (
        "s.sqlite: 0 answers removed\n"
    )
    Path("rules.toml").write_text(Path("rules.toml").read_text().replace("secrets", "promises"))
    assert run("store", "gc", "s.sqlite", "--rules", "rules.toml").stdout == (
        "s.sqlite: 1 answer removed\n"
    )


def test_gc_of_nothing_in_particular_is_refused(store: Path, run: Run) -> None:
    result = run("store", "gc", "s.sqlite")
    assert result.exit_code == 1
    assert "say what to remove: --rules, --older-than or --unrated" in result.stderr


def test_a_file_that_is_no_store_is_one_line(store: Path, run: Run) -> None:
    result = run("store", "info", "rules.toml")
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert "rules.toml: not a store of ratings" in result.stderr
    assert Path("rules.toml").read_text().startswith("\n[[rule]]")
