from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from encore import (
    Calibration,
    Comparison,
    InputError,
    MismatchError,
    PreferencePairs,
    RatingsTable,
    Rulebook,
    UnknownNameError,
    Weights,
    calibrate,
    compare,
    compose,
    examples,
)
from encore.evaluation import accuracy, outcomes
from encore.ratings.convert import as_pairs
from encore.rewards import save_rewards
from encore.weights import LEARNED, SCHEMES, Auto, Random, Single, Uniform
from tests.evaluation.made import FIVE, made


@pytest.fixture(scope="module")
def bundled() -> Comparison:
    return compare(examples.ratings_path(), examples.rules())


def test_every_scheme_and_baseline_has_a_row_or_a_reason(bundled: Comparison) -> None:
    names = [row.scheme for row in bundled.rows]
    assert names[0] == "uniform"
    expected = [*SCHEMES, *LEARNED, "auto_with_pairs"]
    assert sorted([*names, *bundled.skipped]) == sorted(expected)
    assert (bundled.n_pairs, bundled.n_prompts, dict(bundled.skipped)) == (458, 455, {})


def test_a_row_is_what_one_reward_alone_would_get(bundled: Comparison) -> None:
    rules = examples.rules()
    pairs = as_pairs(examples.ratings_path(), rules)
    rewards = compose(pairs.ratings, Uniform()(calibrate(pairs, rules)))
    verdicts = outcomes(rewards[pairs.chosen], rewards[pairs.rejected])
    for convention, found in bundled.row("uniform").accuracy.items():
        assert found.value == accuracy(verdicts, convention)


def test_uniform_is_compared_with_itself_to_no_effect(bundled: Comparison) -> None:
    row = bundled.row("uniform")
    assert (row.difference.value, row.difference.low, row.difference.high) == (0.0, 0.0, 0.0)
    assert row.p_value == 1.0 and np.isnan(row.p_holm)


def test_differences_are_of_half_credit_accuracy(bundled: Comparison) -> None:
    uniform = bundled.row("uniform").accuracy["half"].value
    for row in bundled.rows:
        assert row.difference.value == pytest.approx(
            row.accuracy["half"].value - uniform, abs=1e-12
        )
        assert row.difference.low <= row.difference.value <= row.difference.high


def test_no_scheme_beats_uniform_on_the_bundled_ratings_and_the_sentence_says_so(
    bundled: Comparison,
) -> None:
    schemes = [row for row in bundled.rows[1:] if row.scheme not in ("random", "single")]
    assert all(row.p_holm >= 0.05 for row in schemes)
    assert bundled.sentence.startswith(
        "No scheme is distinguishable from uniform on these 458 pairs"
    )
    assert "Strict accuracies are not comparable here" in bundled.sentence


def test_the_rules_alone_are_as_counted(bundled: Comparison) -> None:
    pairs = as_pairs(examples.ratings_path(), examples.rules())
    for rule, margin in zip(bundled.rules, pairs.margins.T, strict=True):
        assert rule.accuracy["strict"].value == pytest.approx((margin > 0).mean())
        assert rule.tie_rate == pytest.approx((margin == 0).mean())


def test_a_learned_scheme_that_is_clearly_better_is_said_to_be() -> None:
    # One good rule among five coin tosses: uniform drowns it, Bradley-Terry finds it.
    pairs = made(0.95, 0.5, 0.5, 0.5, 0.5, 0.5)
    comparison = compare(pairs, pairs.rules)
    row = comparison.row("bradley_terry")
    assert row.p_holm < 0.01 and row.difference.low > 0
    assert "bradley_terry is better than uniform by" in comparison.sentence


def test_learned_schemes_never_see_the_prompt_that_they_are_judged_on() -> None:
    # Sixty coin-tossing rules and 40 pairs: fitted in sample, Bradley-Terry looks far better than
    # chance; out of sample it cannot be.
    pairs = made(*[0.5] * 60, n=40)
    fitted = LEARNED["bradley_terry"]()(pairs)
    rewards = compose(pairs.ratings, fitted)
    in_sample = accuracy(outcomes(rewards[pairs.chosen], rewards[pairs.rejected]))
    held_out = compare(pairs, pairs.rules).row("bradley_terry").accuracy["half"].value
    assert in_sample > 0.9 and held_out < 0.7


def test_pairs_of_one_prompt_fall_into_one_fold() -> None:
    # Every pair stands twice under one prompt: leaking would show as in-sample accuracy.
    single = made(*[0.5] * 60, n=40)
    unit = single.ratings.values
    twice = PreferencePairs.from_arrays(
        np.repeat(unit[single.chosen], 2, axis=0),
        np.repeat(unit[single.rejected], 2, axis=0),
        single.rules,
        prompts=np.repeat(np.arange(40), 2).tolist(),
    )
    assert compare(twice, twice.rules).row("bradley_terry").accuracy["half"].value < 0.7


def test_schemes_that_the_ratings_do_not_allow_are_left_out_with_the_reason() -> None:
    pairs = made(0.9, 0.8)
    skipped = compare(pairs, pairs.rules).skipped
    assert set(skipped) == {"information", "agreement"}
    assert "neither a spread nor repeated ratings" in skipped["information"]
    assert "three rules" in skipped["agreement"]


def test_ratings_that_tell_nothing_apart_are_called_that() -> None:
    rules = Rulebook.from_ids(["a", "b"], FIVE)
    pairs = PreferencePairs.from_arrays([[5, 5]] * 50, [[5, 5]] * 50, rules)
    comparison = compare(pairs, rules)
    assert comparison.sentence.startswith("These ratings hardly tell responses apart")
    assert comparison.row("uniform").tie_rate == 1.0


def test_another_calibration_set_changes_label_free_schemes_alone() -> None:
    pairs = made(0.9, 0.7, 0.6, n=100)
    values = made(0.5, 0.9, 0.9, n=100, seed=9).ratings.values.copy()
    values[:, 0] = 5
    prompts = (np.arange(200) // 2).tolist()
    own = compare(pairs, pairs.rules)
    other = compare(
        pairs, pairs.rules, calibration_set=calibrate(values, pairs.rules, prompts=prompts)
    )
    assert other.row("linear").accuracy != own.row("linear").accuracy
    assert other.row("uniform").accuracy == own.row("uniform").accuracy


def test_the_same_seed_gives_the_same_bits(bundled: Comparison) -> None:
    again = compare(examples.ratings_path(), examples.rules(), rng=0)
    assert json.dumps(again.to_dict()) == json.dumps(bundled.to_dict())


def test_one_fold_is_refused() -> None:
    pairs = made(0.9, n=40)
    with pytest.raises(InputError, match="n_folds is 1; expected 2 or more"):
        compare(pairs, pairs.rules, n_folds=1)


@pytest.mark.parametrize("n_folds", [41])
def test_folds_need_prompts(n_folds: int) -> None:
    pairs = made(0.9, n=40)
    assert (
        f"{n_folds} splits of 40 prompts"
        in compare(pairs, pairs.rules, n_folds=n_folds).skipped["bradley_terry"]
    )


@pytest.mark.parametrize("form", ["calibration", "pairs"])
def test_other_rules_are_refused(form: str) -> None:
    pairs = made(0.9)
    other = Rulebook.from_ids(["x"], FIVE)
    options: dict[str, Any] = {}
    if form == "calibration":
        options["calibration_set"] = calibrate([[1]], other)
    rules = pairs.rules if form == "calibration" else other
    with pytest.raises(MismatchError):
        compare(pairs, rules, **options)


def test_pairs_that_uniform_knows_nothing_of_are_refused_by_rule() -> None:
    rules = Rulebook.from_ids(["a", "b"], FIVE)
    nan = float("nan")
    pairs = PreferencePairs.from_arrays([[5, nan], [4, nan]], [[1, nan], [1, nan]], rules)
    with pytest.raises(InputError, match=r"no pair has a known reward .* Rated least: b \(0%\)"):
        compare(pairs, rules)


def test_a_scheme_that_knows_no_pair_is_left_out_and_the_others_stay() -> None:
    # Rule f is rated once in 80: its entropy is 0, so `linear` gives it the most of the weight.
    pairs = made(*[0.8] * 6, n=40)
    values = pairs.ratings.values.copy()
    values[1:, 5] = np.nan
    table = RatingsTable(pairs.rules, values, pairs.ratings.prompts)
    comparison = compare(replace(pairs, ratings=table), pairs.rules)
    assert "no pair has a known reward" in comparison.skipped["linear"]
    assert comparison.row("uniform").n_unknown == 0
    with pytest.raises(UnknownNameError, match="no scheme in this comparison is called 'linear'"):
        comparison.row("linear")


def test_other_rewards_are_rows_beside_ours() -> None:
    pairs = made(0.7, 0.7, n=60)
    # Right on all pairs but one that is tied and one that is unknown.
    other = np.tile([2.0, 1.0], (60, 1))
    other[0], other[1] = [3.0, 3.0], [np.nan, 1.0]
    row = compare(pairs, pairs.rules, rewards={"judge": other}).row("judge")
    assert (row.how, row.n_unknown) == ("another reward", 1)
    assert row.accuracy["strict"].value == pytest.approx(58 / 59)
    assert row.accuracy["half"].value == pytest.approx(58.5 / 59)
    assert row.p_holm < 0.05


def test_other_rewards_are_one_chosen_and_one_rejected_a_pair() -> None:
    pairs = made(0.9, n=40)
    with pytest.raises(InputError, match=r"'judge' have shape \(40,\); expected \(40, 2\)"):
        compare(pairs, pairs.rules, rewards={"judge": np.ones(40)})


def test_other_rewards_take_no_name_of_ours() -> None:
    pairs = made(0.9, n=40)
    with pytest.raises(InputError, match=r"built-in rows: \['linear', 'random'\]"):
        compare(pairs, pairs.rules, rewards={"random": [], "linear": []})


def test_other_rewards_may_be_a_file(tmp_path: Path) -> None:
    pairs = made(0.9, n=40)
    rewards = np.column_stack([np.arange(40.0), np.full(40, 9.5)])  # 30 of 40 chosen are above 9.5
    save_rewards(pairs.ids, rewards, tmp_path / "judge.parquet")
    row = compare(pairs, pairs.rules, rewards={"judge": tmp_path / "judge.parquet"}).row("judge")
    assert row.accuracy["half"].value == 30 / 40


def test_a_scheme_that_finds_no_weights_is_left_out_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(self: object, calibration: Calibration) -> Weights:
        raise InputError("it wants more rules.")

    for scheme in (Auto, Random, Single):
        monkeypatch.setattr(scheme, "__call__", refuse)
    pairs = made(0.9, n=40)
    comparison = compare(pairs, pairs.rules)
    for name in ("auto", "random", "single"):
        assert comparison.skipped[name] == "it wants more rules."
        assert name not in {row.scheme for row in comparison.rows}
    assert comparison.row("uniform").accuracy["half"].value > 0.5


def test_the_spread_over_random_weights_is_told() -> None:
    pairs = made(0.9, 0.5, 0.5)
    comparison = compare(pairs, pairs.rules)
    assert comparison.row("random").deviation > 0.01
    assert np.isnan(comparison.row("linear").deviation)


def test_auto_is_uniform_where_there_is_no_evidence_and_both_ways_are_rows() -> None:
    pairs = made(0.7, 0.7, n=60)
    comparison = compare(pairs, pairs.rules)
    assert comparison.row("auto").difference.value == 0.0
    assert comparison.row("auto_with_pairs").how == "chosen, 5 splits by prompt"


def test_a_subset_that_is_all_right_has_the_interval_of_its_own_prompts() -> None:
    chosen, rejected = [[5]] * 4 + [[5]] * 20 + [[1]] * 20, [[1]] * 24 + [[5]] * 20
    rules = Rulebook.from_ids(["r"], FIVE)
    pairs = PreferencePairs.from_arrays(
        chosen, rejected, rules, subsets=["all right"] * 4 + ["x"] * 40
    )
    found = compare(pairs, rules).row("uniform").subsets["all right"]["half"]
    # No resample of it is ever wrong, so the exact bound for four prompts stands in.
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(0.025 ** (1 / 4))


def test_a_comparison_is_a_frame_and_a_table(
    bundled: Comparison, peer: Callable[[str], ModuleType]
) -> None:
    peer("pandas")
    frame = bundled.to_frame()
    assert list(frame.index) == list(bundled) and len(frame) == len(bundled)
    linear = bundled["linear"]
    assert frame.loc["linear", "half"] == linear.accuracy["half"].value
    assert frame.loc["linear", "difference_high"] == linear.difference.high
    assert frame["half"].between(frame["half_low"], frame["half_high"]).all()
    assert bundled.to_latex() == bundled.by_subset("half").to("latex")
    assert bundled.to_markdown("strict") == bundled.by_subset("strict").to("markdown")


def test_rules_may_be_ids_with_a_scale() -> None:
    pairs = made(0.9, n=40)
    ids = list(pairs.rules.ids)
    given = compare({**columns(pairs)}, ids, scale=FIVE)
    assert (
        given["uniform"].accuracy["half"] == compare(pairs, pairs.rules)["uniform"].accuracy["half"]
    )


def columns(pairs: PreferencePairs) -> dict[str, Any]:
    """The pairs as a mapping of columns."""
    found: dict[str, Any] = {"id": list(pairs.ids)}
    for side, rows in (("chosen", pairs.chosen), ("rejected", pairs.rejected)):
        for place, rule_id in enumerate(pairs.rules.ids):
            found[f"{side}.{rule_id}"] = pairs.ratings.values[rows, place].tolist()
    return found
