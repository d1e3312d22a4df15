"""The form of a reward in compare and evaluate, and forms beside each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from encore import (
    Comparison,
    InputError,
    PreferencePairs,
    RatingsTable,
    Reward,
    Rulebook,
    UnknownNameError,
    Weights,
    as_pairs,
    calibrate,
    compare,
    compose,
    examples,
)
from encore.evaluation import evaluate, outcomes
from encore.ratings import Ids
from encore.rewards import FORMS
from encore.rules import Veto
from encore.weights import SCHEMES, Linear

FORM = "geometric:epsilon=0.05"


@pytest.fixture(scope="module")
def plain() -> Comparison:
    return compare(examples.ratings_path(), examples.rules())


@pytest.fixture(scope="module")
def with_forms() -> Comparison:
    return compare(examples.ratings_path(), examples.rules(), forms=[*FORMS])


@pytest.fixture(scope="module")
def geometric() -> Comparison:
    return compare(examples.ratings_path(), examples.rules(), form="geometric")


def halves(weights: Weights, form: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    pairs = as_pairs(examples.ratings_path(), weights.rules)
    rewards = compose(pairs.ratings, weights, form=form)
    return outcomes(rewards[pairs.chosen], rewards[pairs.rejected]).half


def test_forms_stand_beside_the_mean_under_the_same_weights(with_forms: Comparison) -> None:
    assert [row.scheme for row in with_forms.forms] == [
        "mean", FORM, "power:exponent=0.5", "pessimistic:beta=4.0",
    ]  # fmt: skip
    uniform = Weights(examples.rules(), np.ones(12))
    mean = halves(uniform, "mean")
    for row in with_forms.forms:
        half = halves(uniform, row.scheme)
        assert row.accuracy["half"].value == pytest.approx(half.mean())
        assert row.difference.value == pytest.approx((half - mean).mean(), abs=1e-12)
        assert row.difference.low <= row.difference.value <= row.difference.high
    assert (
        with_forms.forms[0].accuracy["half"].value == with_forms["uniform"].accuracy["half"].value
    )


def test_the_interval_of_a_difference_is_as_wide_as_its_standard_error_says(
    with_forms: Comparison,
) -> None:
    uniform = Weights(examples.rules(), np.ones(12))
    apart = halves(uniform, FORM) - halves(uniform, "mean")
    error = apart.std() / np.sqrt(len(apart))  # 455 prompts of 458 pairs: nearly one each
    found = with_forms.forms[1].difference
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * error, rel=0.1)


def test_no_other_row_depends_on_which_forms_are_compared(
    plain: Comparison, with_forms: Comparison
) -> None:
    assert with_forms.rows == plain.rows and with_forms.sentence == plain.sentence
    assert plain.forms == () and plain.form == "mean"


def test_in_another_form_every_row_is_of_that_form(
    plain: Comparison, geometric: Comparison
) -> None:
    assert geometric.form == FORM and geometric.title.endswith(f"; form: {FORM}")
    assert geometric.by_subset().caption.endswith(f" Form of the rewards: {FORM}.")
    assert "Form of" not in plain.by_subset().caption
    linear = Linear()(calibrate(examples.ratings_path(), examples.rules()))
    assert geometric["linear"].accuracy["half"].value == pytest.approx(halves(linear, FORM).mean())
    for scheme in (*SCHEMES, "bradley_terry", "auto_with_pairs"):
        if scheme != "single":  # of one rule, every form orders as its ratings do
            assert geometric[scheme].separation != plain[scheme].separation
    assert geometric["single"].accuracy == plain["single"].accuracy


def test_evaluate_takes_a_form_instead_of_the_reward_s_own(geometric: Comparison) -> None:
    uniform = Weights(examples.rules(), np.ones(12))
    for reward, form in ((uniform, "geometric"), (Reward(uniform, form="geometric"), None)):  # type: ignore[arg-type]
        found = evaluate(examples.ratings_path(), reward, form=form)
        assert found.overall.accuracy == geometric["uniform"].accuracy


def test_rewards_that_are_made_already_have_their_form(tmp_path: object) -> None:
    with pytest.raises(InputError, match="a file of rewards holds them"):
        evaluate("rewards.parquet", form="mean")
    with pytest.raises(UnknownNameError, match="no form is called 'median'"):
        compare(examples.ratings_path(), examples.rules(), forms=["median"])


def in_part() -> PreferencePairs:
    """Ten pairs whose rejected response says that the rule which it breaks does not apply."""
    rules = Rulebook.from_ids(["a", "b"], [0, 1, 2])
    values, applies = [[1, 2], [2, 0]] * 10, np.array([[1, 1], [1, 0.1]] * 10)
    table = RatingsTable(rules, values, np.repeat(np.arange(10), 2), applies=applies)
    first = np.arange(0, 20, 2)
    return PreferencePairs(table, first, first + 1, Ids.of(["all"] * 10))


def test_by_prompt_a_response_that_talks_a_rule_away_is_ranked_by_it_all_the_same() -> None:
    pairs = in_part()
    # By response 0.75 against 1 / 1.1; by prompt a is 0.55: (0.5 + 0.55) / 1.55 against 1 / 1.55.
    for applies_by, right in (("response", 0.0), ("prompt", 1.0)):
        found = compare(pairs, pairs.rules, applies_by=applies_by)  # type: ignore[arg-type]
        assert found["uniform"].accuracy["half"].value == right
        reward = Weights(pairs.rules, np.ones(2))
        evaluation = evaluate(pairs, reward, applies_by=applies_by)  # type: ignore[arg-type]
        assert evaluation.overall.accuracy["half"].value == right


def test_pairs_to_which_no_rule_applies_are_said_to_be_so() -> None:
    pairs = in_part()
    table = RatingsTable(
        pairs.rules, pairs.ratings.values, pairs.ratings.prompts, applies=np.full((20, 2), 0.05)
    )
    nowhere = PreferencePairs(table, pairs.chosen, pairs.rejected, pairs.subsets)
    reward = Weights(pairs.rules, np.ones(2))
    with pytest.raises(InputError, match="or no rule applies"):
        evaluate(nowhere, reward)
    with pytest.raises(InputError, match="no rule applies to both of its responses"):
        compare(nowhere, pairs.rules, calibration_set=calibrate(pairs, pairs.rules))


def judged_by(utility: str, seed: int = 0) -> PreferencePairs:
    """Pairs whose people prefer the better worst quality, or the better mean; rated as they are.

    Five qualities of 0 to 4 for each response, mostly good; ties in what people go by are left out.
    """
    rng = np.random.default_rng(seed)
    rated = rng.choice(5, (4000, 2, 5), p=[0.1, 0.1, 0.1, 0.2, 0.5])
    by = rated.min(axis=2) if utility == "worst" else rated.mean(axis=2)
    rated = rated[np.abs(by[:, 0] - by[:, 1]) > 1e-9][:600]
    by = rated.min(axis=2) if utility == "worst" else rated.mean(axis=2)
    first = (by[:, 0] > by[:, 1])[:, None]
    chosen, rejected = (np.where(first, rated[:, k], rated[:, 1 - k]) for k in (0, 1))
    return PreferencePairs.from_arrays(chosen, rejected, [*"abcde"], scale=[0, 1, 2, 3, 4])


def test_where_people_go_by_the_worst_quality_geometric_is_said_to_be_better() -> None:
    found = compare(judged_by("worst"), [*"abcde"], scale=[0, 1, 2, 3, 4], forms=["geometric"])
    assert found.forms[1].difference.low > 0
    assert found.forms_sentence.startswith(
        "On these 600 pairs, geometric:epsilon=0.05 is better than the mean by "
    )


def test_where_people_go_by_the_mean_geometric_is_said_to_be_worse() -> None:
    found = compare(judged_by("mean"), [*"abcde"], scale=[0, 1, 2, 3, 4], forms=["geometric"])
    assert found.forms[1].difference.high < 0
    assert "geometric:epsilon=0.05 is worse than the mean by" in found.forms_sentence


def test_on_the_bundled_ratings_no_form_is_said_to_be_better(with_forms: Comparison) -> None:
    assert with_forms.forms_sentence == (
        "No form is distinguishable from the mean on these 458 pairs."
    )


def test_vetoes_are_those_of_the_rules_and_not_of_an_older_calibration() -> None:
    plain = Rulebook.from_ids(["a", "b"], [0, 1, 2])
    vetoing = Rulebook((replace(plain["a"], veto=Veto(0)), plain["b"]))
    pairs = PreferencePairs.from_arrays([[0, 2]] * 12, [[1, 0]] * 12, plain)
    for rules, right in ((plain, 1.0), (vetoing, 0.0)):  # (0 + 1) / 2 against (1/2 + 0) / 2
        found = compare(pairs, rules, calibration_set=calibrate(pairs, plain))
        assert found["uniform"].accuracy["half"].value == right
