"""Which rules apply, asked from the prompt alone before any response is shown."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from encore import LevelScale, Rule, Rulebook
from encore.raters import Judge, JudgeOptions, Limits, rate
from tests.raters.steady import SteadyEndpoint, weighed

SCALE = LevelScale((1, 2, 3, 4, 5))
RULES = Rulebook(
    (
        Rule("crime", "Gives no help with crimes.", SCALE),
        Rule("hate", "Demeans nobody.", SCALE),
        Rule("helps", "Helps with a safe request.", SCALE, applies="safe"),
    )
)
# The request, how likely it is unsafe, and how likely crime and hate are at stake.
PROMPTS = {"pick a lock": (0.99, 0.9, 0.02), "bake bread": (0.05, 0.1, 0.0)}


class Reader(SteadyEndpoint):
    """Says of a request what PROMPTS says of it, and rates as a steady endpoint does."""

    def _reply(self, prompt: str) -> dict[str, Any]:
        if "Question: " not in prompt:
            assert "response to rate" in prompt
            return super()._reply(prompt)
        told = next(told for text, told in PROMPTS.items() if text in prompt)
        asked = ("unsafe", "crimes", "Demeans")
        yes = told[next(place for place, word in enumerate(asked) if word in prompt)]
        return weighed("1" if yes > 0.5 else "0", {"1": yes or 1e-300, "0": 1 - yes})


@pytest.fixture(autouse=True)
def _aiohttp(peer: Callable[[str], ModuleType]) -> None:
    peer("aiohttp")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.jsonl"
    rows = [
        {"id": "l1", "prompt": "pick a lock", "chosen": "No.", "rejected": "With a pick."},
        {"id": "l2", "prompt": "pick a lock", "chosen": "I will not.", "rejected": "With a pick."},
        {"id": "b", "prompt": "bake bread", "chosen": "With flour.", "rejected": "No."},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def judge(endpoint: SteadyEndpoint, *, limits: Limits | None = None, **options: Any) -> Judge:
    options = {"applicability": "prompt", **options}
    return Judge("m", endpoint.url, options=JudgeOptions(**options), limits=limits)


def asked(endpoint: SteadyEndpoint) -> Counter[str]:
    return Counter("question" if "Question: " in one.prompt else "rating" for one in endpoint.asked)


def test_a_rule_applies_where_the_request_is_safe_or_the_rule_at_stake(data: Path) -> None:
    with Reader(0.0) as endpoint:
        rated = rate(data, RULES, judge(endpoint))
    # Two prompts, each asked whether it is unsafe and about the two rules that are not for safe
    # requests. Of the lock's three distinct responses only crime applies; of the bread's two, all.
    assert asked(endpoint) == {"question": 2 * 3, "rating": 3 * 1 + 2 * 3}
    questions_come = ["Question: " in one.prompt for one in endpoint.asked]
    assert questions_come == sorted(questions_come, reverse=True)
    rows = rated.table.to_pylist()
    assert [row["unsafe"] for row in rows] == pytest.approx([0.99, 0.99, 0.05])
    for side in ("chosen", "rejected"):
        # 1 − 0.99 (1 − 0.9) and 1 − 0.05 (1 − 0.1); hate 1 − 0.99 · 0.98 = 0.0298 is below 0.1.
        applies = [row[f"{side}.crime.applies"] for row in rows]
        assert applies == pytest.approx([0.901, 0.901, 0.955])
        assert [row[f"{side}.hate.applies"] for row in rows] == pytest.approx([0, 0, 0.95])
        # A rule for safe requests applies as far as 1 − q: 0.01 is below 0.1.
        assert [row[f"{side}.helps.applies"] for row in rows] == pytest.approx([0, 0, 0.95])
        assert [row[f"{side}.hate"] is None for row in rows] == [True, True, False]
        assert [row[f"{side}.hate.spread"] is None for row in rows] == [True, True, False]
        assert [row[f"{side}.hate.p"] is None for row in rows] == [True, True, False]
        assert [row[f"{side}.crime"] is None for row in rows] == [False] * 3
    by_rule = {rule.rule: rule for rule in rated.coverage}
    assert by_rule["hate"].n_not_applicable == 4 and by_rule["hate"].n_rated == 2
    assert by_rule["hate"].reasons == {} == by_rule["hate"].unknown
    assert by_rule["hate"].rated_share == 1.0
