"""Which rules apply, from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pyarrow.parquet as pq
import pytest
from click.testing import Result

from encore import Rulebook
from tests.raters.reader import RULES, Reader

Run = Callable[..., Result]
PAIRS = [
    {"id": "l", "prompt": "pick a lock", "chosen": "No.", "rejected": "With a pick."},
    {"id": "b", "prompt": "bake bread", "chosen": "With flour.", "rejected": "No."},
]


@pytest.fixture
def endpoint(
    folder: Path, peer: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Reader]:
    peer("aiohttp")
    RULES.save("three.toml")
    Path("asked.jsonl").write_text("".join(json.dumps(row) + "\n" for row in PAIRS))
    with Reader(0.0) as running:
        yield running


def rate(run: Run, endpoint: Reader, *more: str) -> Result:
    out = () if "--dry-run" in more else ("-o", "ratings.parquet")
    rater = ("--rater", "openai:m", "--base-url", endpoint.url)
    return run("rate", "asked.jsonl", "--rules", "three.toml", *rater, *out, *more)


def test_a_run_says_what_asking_first_has_cost_and_spared(run: Run, endpoint: Reader) -> None:
    before = rate(run, endpoint, "--applicability", "prompt", "--dry-run").stdout.splitlines()
    # 2 prompts with 3 questions each; then at most 4 responses under 3 rules.
    assert before[1].startswith(
        "Which rules apply: 2 prompts, 2 of them to be asked about first, with 6 requests and about"
    )
    assert before[2] == "What they leave out is not known before: the whole is at least 6 requests."
    assert before[3].startswith("Left to ask: at most 18 requests, about ")
    assert not endpoint.asked
    result = rate(run, endpoint, "--applicability", "prompt")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    # Of the lock's two responses, hate and helps are left out: 4 of 12.
    assert ["hate", "4", "2", "100.0"] in [line.split()[:4] for line in lines]
    told = lines[-2]
    assert told.startswith("Which rules apply: 2 prompts, 6 requests, 600 tokens in. ")
    assert "So 4 of 12 answers were not asked for: 4 requests and about " in told
    assert "4 responses under 3 rules; 14 requests, 1,400 tokens in" in lines[-1]
    after = rate(run, endpoint, "--applicability", "prompt", "--dry-run").stdout.splitlines()
    assert "2 prompts, 0 of them to be asked about" in after[1]
    assert after[2] == "By what is known of the others, 4 answers need not be asked for."
    assert after[3].startswith("Left to ask: 0 requests, ")


def test_it_says_so_in_json(run: Run, endpoint: Reader) -> None:
    shown = json.loads(rate(run, endpoint, "--applicability", "prompt", "--json").stdout)
    told = shown["applicability"]
    assert (told["n_prompts"], told["n_left_out"]) == (2, 4)
    assert told["usage"]["n_requests"] == 6 and told["saved"]["n_requests"] == 4
    assert shown["usage"]["n_requests"] == 14
    shown = json.loads(rate(run, endpoint, "--applicability", "none", "--json").stdout)
    assert shown["applicability"] is None and shown["usage"]["n_requests"] == 4


def test_the_file_says_how_it_was_asked(run: Run, endpoint: Reader) -> None:
    assert rate(run, endpoint, "--applicability", "prompt").exit_code == 0
    said = json.loads(pq.read_schema("ratings.parquet").metadata[b"encore.provenance"])
    assert said["applicability"]["at_least"] == 0.1
    assert said["applicability"]["rater"]["asks"] == "prompt" and "asks" not in said["rater"]


def test_what_nobody_said_is_counted(run: Run, endpoint: Reader) -> None:
    Path("asked.jsonl").write_text('{"response": "No."}\n')
    result = rate(run, endpoint, "--applicability", "prompt", "--layout", "unprompted")
    assert (
        "Note: in 3 of 3 cells it is not known how far the rule applies (3 no prompt); it counts "
        "as if it does.\n"
    ) in result.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--rater", "recorded:pairs.csv", "--applicability", "prompt"), "recorded ratings say"),
        (("--rater", "heads:encore:mini", "--applicability", "response"), "whether or not a rule"),
        (("--rater", "heads:encore:mini", "--applies-at-least", "0"), "asks a judge"),
        (
            ("--rater", "local", "--applicability", "response", "--applies-at-least", "0.2"),
            "--applies-at-least goes with --applicability prompt; got response.",
        ),
    ],
)
def test_only_a_judge_can_be_asked(
    options: tuple[str, ...], said: str, folder: Path, run: Run
) -> None:
    result = run("rate", "texts.csv", "--rules", "rules.toml", *options, "-o", "out.parquet")
    assert result.exit_code == 1 and said in result.stderr
    assert not Path("out.parquet").exists()


def test_none_can_be_said_of_any_rater(folder: Path, run: Run) -> None:
    options = ("--rater", "recorded:pairs.csv", "--applicability", "none")
    result = run("rate", "texts.csv", "--rules", "rules.toml", *options, "-o", "out.parquet")
    assert result.exit_code == 0


def test_rules_are_checked_on_ratings_and_on_texts(run: Run, endpoint: Reader) -> None:
    two = Rulebook(RULES.rules[:2])
    two.save("two.toml")
    rater = ("--rater", "openai:m", "--base-url", endpoint.url)
    result = run("rules", "check", "two.toml", "--on", "asked.jsonl", *rater)
    assert result.exit_code == 0
    # Crime applies to the lock, and both to the bread.
    assert result.stdout.splitlines()[-1] == "  no rule applies to 0 of 2 prompts, at 0.1 or more"
    assert len(endpoint.asked) == 6
    Rulebook(RULES.rules[1:2]).save("one.toml")
    result = run("rules", "check", "one.toml", "--on", "asked.jsonl", *rater, "--strict")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1] == "  no rule applies to 1 of 2 prompts, at 0.1 or more"
    # Nothing more was asked: hate's question is stored.
    assert len(endpoint.asked) == 6
    rate(run, endpoint, "--applicability", "prompt")
    assert len(endpoint.asked) == 6 + 8
    shown = json.loads(
        run("rules", "check", "three.toml", "--on", "ratings.parquet", "--json").stdout
    )
    assert shown["prompts"] == {
        **{"n_prompts": 2, "n_without": 0, "by_rule": {"crime": 2, "hate": 1, "helps": 1}}
    }


def test_ratings_that_do_not_say_so_are_refused(folder: Path, run: Run) -> None:
    result = run("rules", "check", "rules.toml", "--on", "pairs.csv")
    assert result.exit_code == 1
    assert "pairs.csv does not say how far rules apply. Rate with --applicability" in result.stderr


def test_a_judge_is_asked_about_prompts_only(folder: Path, run: Run) -> None:
    assert run("rules", "check", "rules.toml", "--rater", "local").exit_code == 2
    options = ("--on", "texts.csv", "--rater", "recorded:pairs.csv")
    result = run("rules", "check", "rules.toml", *options)
    assert result.exit_code == 1 and "--applicability asks a judge" in result.stderr


def test_a_store_tells_questions_from_ratings_and_keeps_both(run: Run, endpoint: Reader) -> None:
    rate(run, endpoint, "--applicability", "prompt")
    told = run("store", "info", "encore-store.sqlite").stdout.splitlines()
    assert any("8 answers about 4 responses under 3 rules, 0 unrated" in line for line in told)
    assert any("6 answers about 2 prompts under 3 questions, 0 unrated" in line for line in told)
    result = run("store", "gc", "encore-store.sqlite", "--rules", "three.toml", "--dry-run")
    assert result.stdout.endswith(": 0 answers to remove\n")
    Rulebook(RULES.rules[:1]).save("one.toml")
    result = run("store", "gc", "encore-store.sqlite", "--rules", "one.toml")
    # Of hate 2 ratings and 2 questions, of helps 2 ratings; whether requests are unsafe stays.
    assert result.stdout.endswith(": 6 answers removed\n")
