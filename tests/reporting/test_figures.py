from __future__ import annotations

import csv
import io
from collections.abc import Callable
from types import ModuleType
from xml.etree import ElementTree

import numpy as np
import pytest

from encore import PreferencePairs, RatingsTable, Rulebook, Weights, compare, compose
from encore.evaluation import accuracy, outcomes, separation
from encore.reporting import report
from encore.reporting.figure import Figure
from encore.reporting.figures import figures_of
from tests.reporting.made import FIVE, HOSTILE, pairs


@pytest.fixture(scope="module")
def drawn() -> dict[str, Figure]:
    made = pairs(120, gaps=0.01)
    return {f.name: f for f in figures_of(report(made, made.rules).content)}


def rows_of(figure: Figure) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(figure.csv().decode())))


def test_pairs_have_six_figures_responses_two_and_a_calibration_one(
    drawn: dict[str, Figure],
) -> None:
    every = {"before-after", "shares", "strength", "entropy-accuracy", "comparison"}
    assert set(drawn) - {"contributions"} == every
    made = pairs(30)
    names = [f.name for f in figures_of(report(made.ratings, made.rules).content)]
    assert names == ["before-after", "shares"]
    calibration = report(made, made.rules).content.calibration
    assert [f.name for f in figures_of(report(calibration).content)] == ["shares"]


def test_the_strengths_are_what_compose_gives(drawn: dict[str, Figure]) -> None:
    made = pairs(120, gaps=0.01)
    content = report(made, made.rules).content
    rows = rows_of(drawn["strength"])
    assert [float(row["strength"]) for row in rows[:3]] == [0.0, 0.1, 0.2]
    rewards = compose(made.ratings, Weights(made.rules, content.weights.values**2))
    # Beside strength 0: on the pairs that the mean knows too.
    mean = compose(made.ratings, content.uniform)
    shared = ~np.isnan(mean[made.chosen] + mean[made.rejected])
    assert 100 < shared.sum() < made.n_pairs
    chosen, rejected = rewards[made.chosen[shared]], rewards[made.rejected[shared]]
    verdicts = outcomes(chosen, rejected)
    assert float(rows[20]["accuracy, a tie counts half"]) == pytest.approx(accuracy(verdicts))
    apart = separation(chosen, rejected)
    assert float(rows[20]["separation"]) == pytest.approx(apart)


def test_the_comparison_s_numbers_are_compare_s(drawn: dict[str, Figure]) -> None:
    made = pairs(120, gaps=0.01)
    expected = compare(made, made.rules)
    rows = rows_of(drawn["comparison"])
    assert {row["subset"] for row in rows} == {"all pairs", "first", "second"}
    for row in rows:
        found = expected.row(row["scheme"])
        of = found.accuracy if row["subset"] == "all pairs" else found.subsets[row["subset"]]
        ties = {
            "a tie is wrong": "strict",
            "a tie counts half": "half",
            "ties left out": "resolved",
        }
        interval = of[ties[row["ties"]]]
        assert float(row["accuracy"]) == interval.value
        assert (float(row["low"]), float(row["high"])) == (interval.low, interval.high)
    assert len(rows) == 3 * 3 * len(expected.rows)


def test_hostile_ids_are_text_in_every_figure(peer: Callable[[str], ModuleType]) -> None:
    peer("matplotlib")
    made = pairs(60, ids=HOSTILE)
    for figure in figures_of(report(made, made.rules).content):
        svg = ElementTree.fromstring(figure.drawn().files["svg"])
        tags = {element.tag.rpartition("}")[2] for element in svg.iter()}
        assert not tags & {"script", "img", "foreignObject", "a"}


def test_subsets_of_odd_names_have_panels_of_their_own(peer: Callable[[str], ModuleType]) -> None:
    peer("matplotlib")
    made = pairs(60)
    subsets = ["all pairs", "do\x07not"] * 30
    odd = PreferencePairs.from_arrays(
        made.ratings.values[made.chosen],
        made.ratings.values[made.rejected],
        made.rules,
        subsets=subsets,
    )
    content = report(odd, odd.rules).content
    (figure,) = (f for f in figures_of(content) if f.name == "comparison")
    assert content.comparison is not None
    uniform = content.comparison.row("uniform")
    rows = [r for r in rows_of(figure) if r["scheme"] == "uniform"]
    values = [float(r["accuracy"]) for r in rows if r["ties"] == "a tie counts half"]
    assert values == [
        uniform.accuracy["half"].value,
        uniform.subsets["all pairs"]["half"].value,
        uniform.subsets["do\x07not"]["half"].value,
    ]
    ElementTree.fromstring(figure.drawn().files["svg"])  # a control character is no XML


def test_one_rule_and_a_hundred(peer: Callable[[str], ModuleType]) -> None:
    peer("matplotlib")
    for ids in (("only",), tuple(f"rule-{k}" for k in range(100))):
        made = pairs(40, ids=ids)
        for figure in figures_of(report(made, made.rules).content):
            assert len(figure.drawn().files["svg"]) < 400_000


def test_what_is_undefined_is_empty_in_the_csv() -> None:
    values = np.array([[5, np.nan], [1, np.nan], [3, np.nan]])
    rules = Rulebook.from_ids(["a", "never"], FIVE)
    content = report(RatingsTable(rules, values), rules).content
    (shares,) = (f for f in figures_of(content) if f.name == "shares")
    assert {row["rule"]: row["normalised entropy"] for row in rows_of(shares)}["never"] == ""


def test_rewards_that_never_vary_still_draw(peer: Callable[[str], ModuleType]) -> None:
    peer("matplotlib")
    rules = Rulebook.from_ids(["a"], FIVE)
    same = PreferencePairs.from_arrays([[3]] * 5, [[3]] * 5, rules)
    for figure in figures_of(report(same, rules).content):
        assert figure.drawn().files["png"]
