"""A report on rewards of another form than the mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from encore import PreferencePairs, RatingsTable, Reward, Rulebook, Weights, compose, examples
from encore.ratings import Ids
from encore.reporting import Report, report
from encore.rules import Veto

FORM = "geometric:epsilon=0.05"


@pytest.fixture(scope="module")
def geometric() -> Report:
    return report(examples.ratings_path(), examples.rules(), form="geometric")


def test_every_reward_of_the_page_is_of_the_form(geometric: Report) -> None:
    content = geometric.content
    assert content.comparison is not None and content.comparison.form == FORM
    pairs = content.subject.pairs
    assert pairs is not None and content.contrasts
    rewards = compose(pairs.ratings, content.weights, form="geometric")
    for contrast in content.contrasts:
        at = contrast.position
        margin = rewards[pairs.chosen[at]] - rewards[pairs.rejected[at]]
        assert contrast.weighted == pytest.approx(margin, abs=1e-12)
        assert sum(rule.weighted for rule in contrast.by_rule) == pytest.approx(margin, abs=1e-12)


def test_the_page_says_so_and_what_does_not_follow(
    geometric: Report, peer: Callable[[str], ModuleType]
) -> None:
    peer("matplotlib")
    (note,) = [note for note in geometric.content.notes if FORM in note]
    assert note == (
        f"Rewards are of the form {FORM}, except where they are recomputed as sliders move: there "
        f"they are weighted means without vetoes."
    )
    html = geometric.to_html()
    assert f"all rules alike ({FORM})" in html and '"form"' in html


def test_the_form_and_the_vetoes_are_those_of_a_reward_s_file(tmp_path: Path) -> None:
    rules = examples.rules()
    rules = Rulebook((replace(rules.rules[0], veto=Veto(2)), *rules.rules[1:]))
    path = tmp_path / "reward.json"
    Reward(Weights(rules, [1] * 12), form="pessimistic").save(path)  # type: ignore[arg-type]
    content = report(examples.ratings_path(), rules, weights=path).content
    assert content.comparison is not None
    assert content.comparison.form == "pessimistic:beta=4.0"
    assert any("capped by the vetoes of violence" in note for note in content.notes)


def test_by_prompt_rules_apply_as_far_as_to_the_prompt() -> None:
    rules = Rulebook.from_ids(["a", "b"], [0, 1, 2])
    rows = np.tile([[1, 2], [2, 0]], (10, 1))
    applies = np.tile([[1, 1], [1, 0.1]], (10, 1))
    table = RatingsTable(rules, rows, np.repeat(np.arange(10), 2), applies=applies)
    first = np.arange(0, 20, 2)
    pairs = PreferencePairs(table, first, first + 1, Ids.of(["all"] * 10))
    for applies_by, right in (("response", 0.0), ("prompt", 1.0)):
        found = report(pairs, rules, applies_by=applies_by).content.comparison  # type: ignore[arg-type]
        assert found is not None and found["uniform"].accuracy["half"].value == right
