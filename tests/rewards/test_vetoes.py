from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from encore import (
    PreferencePairs,
    RatingsTable,
    Reward,
    Rule,
    Rulebook,
    Weights,
    calibrate,
    compare,
    compose,
    weigh,
)
from encore.rewards import FORMS

NAN = float("nan")
FIVE = [1, 2, 3, 4, 5]


def weights(veto: object, *values: float, scale: object = FIVE) -> Weights:
    """The first rule vetoes."""
    rules = [Rule("crime", "No crime.", scale, veto=veto)]  # type: ignore[arg-type]
    rules += [Rule(f"r{k}", "Good.", FIVE) for k in range(len(values) - 1)]  # type: ignore[arg-type]
    return Weights(Rulebook(tuple(rules)), np.array(values))


def test_a_rating_at_the_veto_or_worse_caps_the_reward_at_0() -> None:
    # Units of the second rule are 1; shares 1/2: without a veto 5/8, 4/8.
    of = weights(2, 1, 1)
    assert compose([[3, 5], [2, 5], [1, 5]], of).tolist() == [0.75, 0.0, 0.0]


def test_a_cap_is_the_most_that_the_reward_can_be() -> None:
    of = weights({"at": 2, "cap": 0.25}, 1, 1)
    # 0.625 is capped; 0.125 is below the cap already.
    assert compose([[2, 5], [2, 1]], of).tolist() == [0.25, 0.125]


@pytest.mark.parametrize("form", FORMS)
@given(
    values=npst.arrays(np.float64, (5, 3), elements=st.sampled_from([1.0, 2.0, 3.0, 5.0, NAN])),
    raw=st.lists(st.floats(0.01, 9), min_size=3, max_size=3),
    cap=st.sampled_from([0.0, 0.3]),
)
def test_a_veto_overrides_in_every_form_and_changes_nothing_else(
    form: str,
    values: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    raw: list[float],
    cap: float,
) -> None:
    plain = compose(values, weights(None, *raw), form=form)
    found = compose(values, weights({"at": 2, "cap": cap}, *raw), form=form)
    fires = values[:, 0] <= 2
    np.testing.assert_array_equal(found[~fires], plain[~fires])
    if cap:
        np.testing.assert_array_equal(found[fires], np.minimum(plain, cap)[fires])
    else:
        assert (found[fires] == 0).all()


def test_worse_is_meant_in_the_scale_s_own_direction() -> None:
    cost = weights(4, 1, 1, scale=[5, 4, 3, 2, 1])  # 5 is worst
    assert compose([[5, 5], [4, 5], [3, 5]], cost).tolist() == [0, 0, 0.75]
    ranged = weights(-0.5, 1, 1, scale={"worst": -1, "best": 1})
    assert compose([[-1, 5], [-0.5, 5], [-0.4, 5]], ranged).tolist() == pytest.approx([0, 0, 0.65])
    falling = weights(0.5, 1, 1, scale={"worst": 1, "best": 0})
    assert compose([[0.9, 5], [0.5, 5], [0.4, 5]], falling).tolist() == pytest.approx([0, 0, 0.8])


def test_a_level_in_float32_is_that_level() -> None:
    of = weights(0.1, 1, scale=[0, 0.1, 1])
    values = np.array([[0.1]], dtype=np.float32)
    assert float(values[0, 0]) > 0.1
    assert compose(values, of).tolist() == [0]


def test_an_expected_level_vetoes_at_the_level_or_below() -> None:
    of = weights(2, 1)
    table = RatingsTable(of.rules, [[1.9], [2.1]], spread=[[0.3], [0.3]])
    assert compose(table, of).tolist() == pytest.approx([0, 1.1 / 4])


def test_the_harshest_of_several_caps_counts_in_any_order() -> None:
    rules = [
        Rule("a", "A.", FIVE, veto={"at": 1, "cap": 0.3}),  # type: ignore[arg-type]
        Rule("b", "B.", FIVE, veto={"at": 1, "cap": 0.1}),  # type: ignore[arg-type]
        Rule("c", "C.", FIVE),  # type: ignore[arg-type]
    ]
    for order in ([0, 1, 2], [1, 0, 2]):
        of = Weights(Rulebook(tuple(rules[k] for k in order)), np.array([1, 1, 10]))
        assert compose([[1, 1, 5]], of).tolist() == [0.1]


def test_a_veto_needs_its_rule_to_apply_at_one_half_and_no_weight() -> None:
    of = weights(1, 0, 1)
    table = RatingsTable(of.rules, [[1, 5]] * 3, applies=np.array([[1, 1], [0.5, 1], [0.49, 1]]))
    assert compose(table, of).tolist() == [0, 0, 1]
    # By prompt it applies at 0.66 to all three.
    table = RatingsTable(of.rules, table.values, ["p"] * 3, applies=table.applies)
    assert compose(table, of, applies_by="prompt").tolist() == [0, 0, 0]


def test_an_unrated_rule_vetoes_nothing() -> None:
    assert compose([[NAN, 5]], weights(5 - 1, 1, 9)).tolist() == [1]


def test_a_cap_of_0_is_certain_where_the_rest_is_unrated_and_a_higher_cap_is_not() -> None:
    found = [compose([[1, NAN]], weights({"at": 1, "cap": cap}, 1, 9)) for cap in (0, 0.1)]
    assert found[0].tolist() == [0] and np.isnan(found[1]).all()


def test_contributions_say_who_vetoes_and_sum_to_what_the_reward_would_be() -> None:
    of = weights(2, 1, 3)
    found = compose([[2, 5], [3, 5], [1, NAN]], of, contributions=True)
    assert found.vetoed_by == (("crime",), (), ("crime",))
    assert found.rewards.tolist() == [0, 0.875, 0]
    assert found.before_vetoes.tolist()[:2] == [0.8125, 0.875] and np.isnan(found.before_vetoes[2])
    np.testing.assert_allclose(found.contributions[:2].sum(axis=1), found.before_vetoes[:2])
    assert found.reasons == ("", "", "")
    assert repr(found) == (
        "Contributions to 3 rewards, on average crime 0.094, r0 0.750; 2 vetoed by crime"
    )


def test_a_reward_s_file_holds_the_veto_and_a_weights_file_does(tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    of = weights({"at": 2, "cap": 0.25}, 1, 1)
    of.save(folder / "weights.json")
    Reward(of).save(folder / "reward.json")
    for name in ("weights.json", "reward.json"):
        loaded = Reward.load(folder / name)
        assert loaded.weights == of and loaded([[2, 5]]).tolist() == [0.25]


def test_rewards_that_veto_otherwise_are_not_equal() -> None:
    assert weights(2, 1, 1) == weights(2, 1, 1)
    assert weights(2, 1, 1) != weights(1, 1, 1) != weights(None, 1, 1)


def test_weights_learned_from_pairs_keep_the_vetoes_of_the_rules_that_are_weighed() -> None:
    plain, vetoing = (weights(veto, 1, 1).rules for veto in (None, 2))
    chosen, rejected = [[5, 4], [4, 5], [5, 5]] * 4, [[3, 4], [4, 3], [1, 5]] * 4
    pairs = PreferencePairs.from_arrays(chosen, rejected, plain)
    calibration = calibrate(pairs, vetoing)
    for scheme in ("bradley_terry", "auto"):
        assert weigh(calibration, scheme, pairs=pairs).rules.vetoes == vetoing.vetoes
    # And in every row of a comparison: what people chose is vetoed, whatever weights they teach.
    pairs = PreferencePairs.from_arrays([[1, 5]] * 12, [[3, 2]] * 12, plain)
    compared = compare(pairs, vetoing)
    assert {row.accuracy["half"].value for row in compared.rows if row.scheme != "single"} == {0.0}
