from __future__ import annotations

import json
from pathlib import Path

import pytest

from encore.raters import Job, Judge, JudgeOptions, Plan, Recorded, Store, plan
from encore.raters.judge.prompt import rule_prompt
from encore.rules import LevelScale, Rule, Rulebook

SCALE = LevelScale((1, 2, 3, 4, 5))
RULES = Rulebook((Rule("kind", "Is kind.", SCALE), Rule("true", "Is true.", SCALE)))
NOWHERE = "http://127.0.0.1:9/v1"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = [
        {"prompt": "Hi", "response": "x" * 4000},
        {"prompt": "Hi", "response": "x" * 4000},
        {"prompt": "Hi", "response": "y" * 4000},
    ]
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def made(data: Path, options: JudgeOptions) -> Plan:
    with Store() as store:
        return plan(Job(data, RULES, Judge("m", NOWHERE, options=options), store), options)


def test_calls_and_tokens_of_one_rule_a_call(data: Path) -> None:
    planned = made(data, JudgeOptions())
    # Two distinct responses under two rules.
    assert (planned.n_responses, planned.n_distinct) == (3, 2)
    assert (planned.n_answers, planned.n_stored, planned.n_requests) == (4, 0, 4)
    assert planned.completion_tokens == 4 * 2  # a code and its end
    # Every call carries 4,000 bytes, 1,000 tokens, of response, and what stands around them.
    around = planned.prompt_tokens - 4 * 1000
    suffix = 2 * sum(len(rule_prompt(rule).encode()) / 4 for rule in RULES)
    assert suffix < around < suffix + 4 * 250
    # One of the two calls about a response finds its conversation in the cache.
    assert 2 * 1000 < planned.shared_tokens < 2 * 1250


def test_samples_multiply_calls_and_batches_divide_them(data: Path) -> None:
    assert made(data, JudgeOptions(n_samples=3)).n_requests == 12
    batch = made(data, JudgeOptions(n_samples=3, batch_rules=True))
    assert (batch.n_requests, batch.n_answers) == (6, 12)


def test_what_is_recorded_costs_nothing(data: Path, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("prompt_id,response_id,kind,true\np,a,1,1\n")
    with Store() as store:
        planned = plan(Job(data, RULES, Recorded(tmp_path / "r.csv"), store), None)
    assert (planned.n_requests, planned.prompt_tokens, planned.n_answers) == (0, 0, 6)


def test_the_cost_is_tokens_at_their_price() -> None:
    planned = Plan(1, 1, 1, 0, 1, 2_000_000, 0, 500_000)
    assert planned.usage.cost((0.5, 4.0)) == 2 * 0.5 + 0.5 * 4
