"""Heads that learn rules with vetoes: their rules are on other scales, and veto as before."""

from __future__ import annotations

import numpy as np

from encore import Rule, Rulebook
from encore.heads.training.save import _moved
from encore.heads.training.train import _ranges
from encore.rules import RangeScale, Veto

LEVELS = Rule("crime", "No crime.", [1, 2, 3, 4, 5], veto={"at": 2, "cap": 0.1}, why="Law.")  # type: ignore[arg-type]


def test_on_a_range_that_holds_the_heads_values_the_veto_is_where_it_was() -> None:
    (rule,) = _ranges(Rulebook((LEVELS,)), np.linspace(0, 6, 1000)[:, None])
    assert isinstance(rule.scale, RangeScale) and rule.scale.best > 5
    assert rule.veto == Veto(2, 0.1) and rule.why == "Law."


def test_where_a_model_s_bias_moves_the_scale_it_moves_the_veto() -> None:
    ranged = Rule("crime", "No crime.", RangeScale(1, 5), veto=2)  # type: ignore[arg-type]
    (rule,) = _moved(Rulebook((ranged,)), np.array([0.5]))
    assert rule.scale == RangeScale(0.5, 4.5) and rule.veto == Veto(1.5)
