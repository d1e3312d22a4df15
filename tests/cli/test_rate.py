from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pyarrow.parquet as pq
import pytest
from click.testing import Result

from encore import Rulebook, as_pairs
from encore.raters import Identity, Store, Texts

Run = Callable[..., Result]


@pytest.fixture
def texts(folder: Path) -> Path:
    return folder / "texts.csv"


def rate(run: Run, *more: str) -> Result:
    out = () if "--dry-run" in more else ("-o", "out.parquet")
    return run("rate", "texts.csv", "--rules", "rules.toml", *more, *out)


def test_recorded_ratings_are_written_with_their_coverage(texts: Path, run: Run) -> None:
    result = rate(run, "--rater", "recorded:pairs.csv")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [line.split() for line in result.stdout.splitlines()]
    # Four of six responses are recorded: 66.7 %.
    assert ["harm", "6", "66.7", "–", "2", "not", "recorded"] in lines
    assert result.stdout.splitlines()[-1] == (
        "out.parquet: 6 responses under 2 rules; 0 requests, 0 tokens in (0% cached), 0 out"
    )
    pairs = as_pairs(pq.read_table("out.parquet"), Rulebook.load("rules.toml"))
    # chosen - rejected of a: harm (5 - 1) / 4, privacy 0; of b: (4 - 1) / 4 and 0.
    assert pairs.margins[:2].tolist() == [[1.0, 0.0], [0.75, 0.0]]


def test_the_result_in_json(texts: Path, run: Run) -> None:
    shown = json.loads(rate(run, "--rater", "recorded:pairs.csv", "--json").stdout)
    assert shown["coverage"][1] == {
        **{"rule": "privacy", "n_responses": 6, "n_rated": 4, "unknown": {}},
        **{"n_not_applicable": 0, "reasons": {"not recorded": 2}, "mean_spread": None},
    }
    assert (shown["n_stored_before"], shown["cost_usd"], shown["notes"]) == (0, None, [])


def test_a_second_run_says_what_is_stored_and_writes_the_same(texts: Path, run: Run) -> None:
    rate(run, "--rater", "recorded:pairs.csv")
    first = (texts.parent / "out.parquet").read_bytes()
    result = rate(run, "--rater", "recorded:pairs.csv")
    assert result.stderr == "12 of 12 answers are in encore-store.sqlite already.\n"
    assert (texts.parent / "out.parquet").read_bytes() == first


def test_a_plan_asks_nothing_and_leaves_nothing(texts: Path, run: Run) -> None:
    options = ("--rater", "openai:m", "--base-url", "http://127.0.0.1:9/v1", "--dry-run")
    result = rate(run, *options, "--price", "1000000", "0")
    assert (result.exit_code, result.stderr) == (0, "")
    first, second, third = result.stdout.splitlines()
    assert first == "6 responses, 6 of them distinct: 12 answers, 0 of them stored."
    assert second.startswith("Left to ask: 12 requests, about ") and "and 24 out." in second
    shown = json.loads(rate(run, *options, "--json", "--price", "1000000", "0").stdout)
    # A million tokens for a million dollars: a dollar a token.
    assert third == f"About ${shown['prompt_tokens']:,}.00, at most, with nothing cached."
    assert shown["cost_usd"] == shown["prompt_tokens"]
    assert not (texts.parent / "encore-store.sqlite").exists()


def test_a_limit_rates_the_first_rows(texts: Path, run: Run) -> None:
    shown = json.loads(rate(run, "--rater", "recorded:pairs.csv", "--limit", "2", "--json").stdout)
    assert shown["n_responses"] == 4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--rater", "gpt-5"), "no rater is called 'gpt-5'"),
        (("--rater", "openai:"), "no rater is called 'openai:'"),
        (("--rater", "openai:m"), "an openai rater needs --base-url, as http://localhost:8000/v1"),
        (("--rater", "local", "--base-url", "http://a/v1"), "--base-url goes with --rater openai"),
        (("--rater", "local:none.gguf"), "none.gguf: no such file; expected a GGUF model."),
        (("--rater", "recorded:none.csv"), "none.csv: No such file or directory."),
        (
            ("--rater", "openai:m", "--base-url", "localhost:8000"),
            "is not an address; expected one",
        ),
        (
            ("--rater", "openai:m", "--base-url", "http://me:secret@host/v1"),
            "the base URL contains a password",
        ),
        (
            ("--rater", "openai:m", "--base-url", "http://a/v1", "--extra", "{"),
            "--extra is not JSON: ",
        ),
        (
            ("--rater", "openai:m", "--base-url", "http://a/v1", "--extra", "[1]"),
            "--extra must be a JSON object; got [1].",
        ),
        (
            (
                *("--rater", "openai:m", "--base-url", "http://a/v1"),
                *("--n-samples", "3", "--temperature", "0"),
            ),
            "several samples at temperature 0 are one answer repeated",
        ),
    ],
)
def test_what_cannot_be_is_one_line(
    texts: Path, run: Run, options: tuple[str, ...], said: str
) -> None:
    result = rate(run, *options)
    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr and "secret" not in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (texts.parent / "out.parquet").exists()


def test_the_data_is_not_written_over(texts: Path, run: Run) -> None:
    shutil.copy(texts, "same.csv")
    options = ("--rules", "rules.toml", "--rater", "recorded:pairs.csv", "-o", "same.csv")
    result = run("rate", "same.csv", *options)
    assert (
        result.exit_code == 1
        and "--out would write over same.csv, which DATA reads" in result.stderr
    )
    assert Path("same.csv").read_text() == texts.read_text()


def test_no_output_is_an_error_unless_it_is_a_plan(texts: Path, run: Run) -> None:
    result = run("rate", "texts.csv", "--rules", "rules.toml", "--rater", "recorded:pairs.csv")
    assert result.exit_code == 2
    assert "or only plan with" in result.stderr


def test_a_run_that_stops_says_how_to_go_on_and_writes_only_if_told_to(
    texts: Path, run: Run, monkeypatch: pytest.MonkeyPatch, peer: Callable[[str], ModuleType]
) -> None:
    peer("aiohttp")
    monkeypatch.setattr("sys.argv", ["encore", "rate", "my texts.csv", "--rater", "openai:m"])
    options = ("--rater", "openai:m", "--base-url", "http://127.0.0.1:9/v1", "--max-requests", "0")
    result = rate(run, *options)
    assert result.exit_code == 1
    assert result.stderr == (
        "0 of 12 answers are in encore-store.sqlite; no file was written.\n"
        "Resume with the same command:\n"
        "  encore rate 'my texts.csv' --rater openai:m\n"
        "Error: the budget of 0 requests is spent.\n"
    )
    assert not Path("out.parquet").exists()
    result = rate(run, *options, "--partial")
    assert result.exit_code == 1
    assert "out.parquet holds them" in result.stderr
    assert pq.read_table("out.parquet")["chosen.harm"].to_pylist() == [None] * 3


def test_the_key_is_taken_from_the_environment_that_is_named(
    texts: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[str | None] = []

    class Judge:
        def __init__(self, *_: object, api_key: str | None, **__: object) -> None:
            held.append(api_key)

        identity = Identity({"kind": "judge"})

        def __call__(self, *_: object) -> None: ...

    monkeypatch.setattr("encore.cli.raters.Judge", Judge)
    monkeypatch.setenv("OPENAI_API_KEY", "one")
    monkeypatch.setenv("MY_KEY", "two")
    options = ("--rater", "openai:m", "--base-url", "http://a/v1")
    rate(run, *options)
    rate(run, *options, "--key-env", "MY_KEY")
    rate(run, *options, "--key-env", "NO_KEY")
    assert held == ["one", "two", None]


def test_the_secret_of_the_fence_is_part_of_who_rates(
    texts: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--rater", "openai:m", "--base-url", "http://127.0.0.1:9/v1", "--max-requests", "0")
    rate(run, *options)
    monkeypatch.setenv("ENCORE_FENCE_KEY", "my secret")
    rate(run, *options)
    with Store("encore-store.sqlite") as store:
        who = [row[0] for row in store._database.execute("SELECT identity FROM raters")]
    assert len(who) == 2 and "my secret" not in "".join(who)


def test_unrated_answers_are_asked_again_on_request(texts: Path, run: Run) -> None:
    rate(run, "--rater", "recorded:pairs.csv")
    with Store("encore-store.sqlite") as store:
        assert store.info().raters[0]["n_unrated"] == 4
        # As if an earlier run had been refused.
        store._database.execute("UPDATE answers SET reason = 'refused', value = NULL")
    shown = json.loads(rate(run, "--rater", "recorded:pairs.csv", "--json").stdout)
    assert shown["coverage"][0]["n_rated"] == 0
    again = ("--rater", "recorded:pairs.csv", "--json", "--retry-unrated")
    shown = json.loads(rate(run, *again).stdout)
    assert (shown["coverage"][0]["n_rated"], shown["n_stored_before"]) == (4, 0)


def test_texts_keep_their_subsets_and_lose_their_words(texts: Path, run: Run) -> None:
    rate(run, "--rater", "recorded:pairs.csv")
    table = pq.read_table("out.parquet")
    assert table["subset"].to_pylist() == [row.ids["subset"] for row in Texts(texts)]
    assert not {"prompt", "chosen", "rejected"} & set(table.column_names)
    assert b"Shoo" not in Path("encore-store.sqlite").read_bytes()


def test_what_is_noticed_in_the_texts_is_said_once(texts: Path, run: Run) -> None:
    rows = [
        {"id": name, "chosen": f"\n\nHuman: {name}\n\nAssistant: Yes", "rejected": rejected}
        for name, rejected in (("a", "\n\nHuman: a\n\nAssistant: No"), ("b", ""))
    ]
    (texts.parent / "hh.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    hh = ("rate", "hh.jsonl", "--rules", "rules.toml", "--rater", "recorded:pairs.csv")
    result = run(*hh, "-o", "out.parquet")
    layout, unreadable = result.stderr.splitlines()
    assert result.exit_code == 0 and layout.startswith("Note: ") and "transcripts" in layout
    assert unreadable.startswith("Note: 1 of 4 responses cannot be read and stay unrated.")
    assert "hh.jsonl, row 2, column 'rejected'" in unreadable
    # Chosen and rejected of a and chosen of b are recorded; the fourth is never looked up.
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["harm", "4", "75.0", "–", "1", "unreadable"] in lines
    shown = json.loads(run(*hh, "-o", "out.parquet", "--json").stdout)
    assert [f"Note: {note}" for note in shown["notes"]] == [layout, unreadable]


def test_texts_without_a_prompt_need_their_layout_named(texts: Path, run: Run) -> None:
    (texts.parent / "bare.csv").write_text("id,chosen,rejected\na,Yes,No\nb,Yes,No\n")
    bare = ("rate", "bare.csv", "--rules", "rules.toml", "--rater", "recorded:pairs.csv")
    refused = run(*bare, "-o", "out.parquet")
    assert refused.exit_code == 1 and len(refused.stderr.splitlines()) == 1
    assert "there is no column 'prompt'" in refused.stderr
    assert not (texts.parent / "out.parquet").exists()
    taken = run(*bare, "-o", "out.parquet", "--layout", "unprompted")
    assert (taken.exit_code, taken.stderr) == (
        *(0, "Note: 4 of 4 responses are rated without a prompt.\n"),
    )
    assert len(set(pq.read_table("out.parquet")["prompt_id"].to_pylist())) == 2


def test_lists_in_a_csv_are_messages_only_where_that_is_said(texts: Path, run: Run) -> None:
    told = json.dumps([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes"}])
    quoted = told.replace('"', '""')
    (texts.parent / "lists.csv").write_text(f'id,chosen,rejected\na,"{quoted}","{quoted}"\n')
    lists = ("rate", "lists.csv", "--rules", "rules.toml", "--rater", "recorded:pairs.csv")
    assert "looks like a list of messages" in run(*lists, "-o", "out.parquet").stderr
    assert run(*lists, "-o", "out.parquet", "--json-messages").stderr == ""
