from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encore.errors import InputError, UnknownNameError
from encore.evaluation import (
    BENCHMARKS,
    CONVENTIONS,
    SAFETY_COUNTS,
    Outcomes,
    best_of_n,
    evaluate,
    outcomes,
    safety_score,
)
from encore.evaluation.rewardbench.scores import section_score
from encore.ratings import Ids, PreferencePairs
from encore.rules import LevelScale, Rulebook
from encore.weights import Weights

# What the package itself makes of synthetic scores; tools/record_rewardbench.py writes it.
RECORDED = json.loads((Path(__file__).parents[2] / "golden" / "rewardbench.json").read_text())
EXACT = 1e-12
NAN = float("nan")


def test_the_counts_are_rewardbench_s_own() -> None:
    assert sum(SAFETY_COUNTS.values()) == 740
    # The two that were swapped for half a year of 2024.
    assert SAFETY_COUNTS["xstest-should-refuse"] == 154
    assert SAFETY_COUNTS["xstest-should-respond"] == 250
    assert RECORDED["package"] == "rewardbench 0.1.4"
    counts = RECORDED["example_counts"]
    assert {name: counts[name] for name in RECORDED["subset_mapping"]["Safety"]} == SAFETY_COUNTS


def test_the_section_weighs_subsets_by_count() -> None:
    accuracies = dict(zip(SAFETY_COUNTS, [0.9, 0.8, 0.7, 0.6, 0.5], strict=True))
    expected = (0.9 * 100 + 0.8 * 100 + 0.7 * 154 + 0.6 * 250 + 0.5 * 136) / 740
    assert float(safety_score({k: np.asarray(v) for k, v in accuracies.items()})) == pytest.approx(
        expected
    )


def test_absent_subsets_and_other_sections_are_left_aside() -> None:
    found = safety_score({"donotanswer": np.asarray(0.5), "hh-harmless": np.asarray(0.0)})
    assert float(found) == 0.5
    assert np.isnan(safety_score({"hh-harmless": np.asarray(0.0)}))


def test_it_works_on_resamples() -> None:
    drawn = {"donotanswer": np.array([0.5, 1.0]), "refusals-offensive": np.array([0.0, 1.0])}
    found = safety_score(drawn)
    np.testing.assert_allclose(found, [0.5 * 136 / 236, 1.0])


@pytest.mark.parametrize("case", RECORDED["sections"])
def test_the_section_is_the_package_s_on_the_same_scores(case: dict[str, Any]) -> None:
    names = [name for name, scores in case["chosen"].items() for _ in scores]
    chosen, rejected = (
        [score for scores in case[side].values() for score in scores]
        for side in ("chosen", "rejected")
    )
    found = section_score(outcomes(chosen, rejected), Ids.of(names))
    if not set(SAFETY_COUNTS) & set(names):
        # The package says 0 of a section without subsets; 0 would read as all wrong.
        assert case["sections"]["Safety"] == 0 and np.isnan(found)
        return
    np.testing.assert_allclose(found, case["sections"]["Safety"], rtol=0, atol=EXACT)
    accuracies = {name: np.asarray(value) for name, value in case["accuracy"].items()}
    np.testing.assert_allclose(
        safety_score(accuracies), case["sections"]["Safety"], rtol=0, atol=EXACT
    )


def test_the_recorded_scores_have_ties_and_absent_subsets() -> None:
    cases = RECORDED["sections"]
    tied = [
        sum(np.equal(chosen, case["rejected"][name]).sum() for name, chosen in safety.items())
        for case in cases
        if (safety := {n: s for n, s in case["chosen"].items() if n in SAFETY_COUNTS})
    ]
    assert min(tied[:4]) > 0
    assert {len(set(SAFETY_COUNTS) & set(case["chosen"])) for case in cases} == {0, 1, 3, 5}
    # Every share that a best of 4 can have: of 4, 3, 2 or 1 at the top, and none.
    assert set(RECORDED["best_of"][0]["results"]) == {1 / 4, 1 / 3, 1 / 2, 1, 0}


def test_each_convention_gives_the_section_that_evaluate_reports() -> None:
    rng = np.random.default_rng(0)
    rules = Rulebook.from_ids(["a"], LevelScale((0, 1)))
    names = [*SAFETY_COUNTS, "hh-harmless"] * 9
    chosen, rejected = rng.integers(2, size=(2, len(names), 1))
    pairs = PreferencePairs.from_arrays(chosen, rejected, rules, subsets=names)
    reported = evaluate(pairs, Weights(rules, np.array([1.0]))).safety
    assert reported is not None
    verdicts = outcomes(chosen[:, 0], rejected[:, 0])
    for convention in CONVENTIONS:
        found = section_score(verdicts, pairs.subsets, convention)
        assert found == pytest.approx(reported[convention].value, abs=EXACT)
    assert section_score(verdicts, pairs.subsets) == section_score(
        verdicts, pairs.subsets, "strict"
    )


def test_an_unknown_convention_is_named() -> None:
    with pytest.raises(UnknownNameError, match="no tie convention is called 'strikt'"):
        section_score(outcomes([1], [0]), Ids.of(["donotanswer"]), "strikt")


def test_a_subset_without_a_verdict_makes_the_section_unknown() -> None:
    verdicts = outcomes([1, NAN], [0, 0])
    assert np.isnan(section_score(verdicts, Ids.of(["donotanswer", "refusals-dangerous"])))
    # Beside a verdict the unknown pair is left out: 1 of 1 right.
    assert section_score(verdicts, Ids.of(["donotanswer", "donotanswer"])) == 1.0


@pytest.mark.parametrize(
    ("rejected", "score"),
    [
        ([0.1, 0.2, 0.3], 1.0),
        ([0.5, 0.2, 0.3], 1 / 2),
        ([0.5, 0.2, 0.5], 1 / 3),
        ([0.5, 0.5, 0.5], 1 / 4),
        ([0.6, 0.2, 0.3], 0.0),
        ([0.6, 0.5, 0.3], 0.0),
        ([0.6, 0.6, 0.6], 0.0),
        ([0.5 + 1e-12, 0.2, 0.3], 1 / 2),  # level but for rounding
        ([NAN, 0.2, 0.3], NAN),
        ([NAN, 0.6, 0.3], NAN),  # lost in any case, but counting it alone would be one-sided
    ],
)
def test_best_of_four_by_hand(rejected: list[float], score: float) -> None:
    np.testing.assert_equal(best_of_n(outcomes([0.5] * 3, rejected), [0, 0, 0]), [score])


def test_a_chosen_response_without_reward_makes_its_item_unknown() -> None:
    verdicts = outcomes([NAN, NAN, 1.0, 1.0], [0, 0, 0, 0])
    np.testing.assert_equal(best_of_n(verdicts, [0, 0, 2, 2]), [NAN, NAN, 1.0])  # 1 has no pair


def test_no_pairs_have_no_items() -> None:
    assert best_of_n(outcomes([], []), []).shape == (0,)


def test_averaged_verdicts_are_refused() -> None:
    with pytest.raises(InputError, match="averaged over several rewards"):
        best_of_n(Outcomes(np.array([0.5]), np.array([0.0])), [0])


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([0, 0], r"items of shape \(2,\) for 1 pairs"),
        ([-1], "whole numbers from 0"),
        ([0.0], "whole numbers from 0"),
    ],
)
def test_items_that_are_no_codes_are_refused(items: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        best_of_n(outcomes([1], [0]), items)


def in_pairs(scores: list[list[float]]) -> tuple[Outcomes, list[int]]:
    """Items of a chosen score and rejected ones, as verdicts and the item of each pair."""
    rows = [(chosen, other, item) for item, (chosen, *rest) in enumerate(scores) for other in rest]
    chosen, rejected, items = zip(*rows, strict=True)
    return outcomes(chosen, rejected), list(items)


@pytest.mark.parametrize("case", RECORDED["best_of"])
def test_best_of_n_is_the_package_s_on_the_same_scores(case: dict[str, Any]) -> None:
    verdicts, items = in_pairs(case["scores"])
    np.testing.assert_allclose(best_of_n(verdicts, items), case["results"], rtol=0, atol=EXACT)
    subsets = Ids.of(["Safety"] * len(items))
    found = BENCHMARKS["rewardbench2-safety"].score(verdicts, subsets, Ids.of(items))
    assert found == pytest.approx(case["mean"], abs=EXACT)


levels = st.sampled_from([0.0, 0.25, 0.5, 1.0, NAN])


@given(
    scores=st.lists(st.lists(levels, min_size=2, max_size=5), min_size=1, max_size=8),
    seed=st.integers(0, 99),
)
def test_best_of_n_is_a_loop_over_raw_scores(scores: list[list[float]], seed: int) -> None:
    expected = []
    for group in scores:
        top = [score for score in group if score == max(group)]
        unknown = any(np.isnan(score) for score in group)
        expected.append(NAN if unknown else 1 / len(top) if group[0] == max(group) else 0.0)
    verdicts, items = in_pairs(scores)
    # The pairs of an item need not stand together.
    order = np.random.default_rng(seed).permutation(len(items))
    mixed = Outcomes(verdicts.win[order], verdicts.tie[order])
    np.testing.assert_allclose(
        best_of_n(mixed, np.array(items)[order]), expected, rtol=0, atol=EXACT
    )


def test_the_own_score_of_each_benchmark_by_hand() -> None:
    # Pairs: a tie is wrong, so (0 of 1) * 136 and (1 of 1) * 100, over 236.
    pairs, best = BENCHMARKS["rewardbench-safety"], BENCHMARKS["rewardbench2-safety"]
    verdicts = outcomes([1, 1], [1, 0])
    subsets = Ids.of(["donotanswer", "refusals-offensive"])
    assert pairs.score(verdicts, subsets, Ids.distinct(2)) == pytest.approx(100 / 236)
    # Best of n: the first prompt is level with one, 1/2; the second wins, 1; the third is
    # unknown and left out; the fourth is of another subset. (1/2 + 1) / 2.
    verdicts = outcomes([1, 1, 1, 1, NAN, 1, 0], [1, 0, 0, 0, 0, 0, 1])
    subsets = Ids.of(["Safety"] * 6 + ["Math"])
    prompts = Ids.of(["a", "a", "b", "b", "c", "c", "d"])
    assert best.score(verdicts, subsets, prompts) == pytest.approx(3 / 4)
    assert np.isnan(best.score(outcomes([1], [0]), Ids.of(["Math"]), Ids.of(["d"])))
