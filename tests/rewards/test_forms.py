from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from encore import (
    InputError,
    RangeScale,
    RatingsTable,
    Rulebook,
    UnknownNameError,
    Weights,
    compose,
)
from encore.rewards import FORMS, Form, Geometric, Mean, Pessimistic, Power, as_form, form_text

NAN = float("nan")

EVERY = [
    *(make() for make in FORMS.values()),
    *(Geometric(epsilon) for epsilon in (1e-30, 0.001, 1.0, 1e6)),
    *(Power(p) for p in (-1e6, -1000.0, -1.0, -1e-9, -1e-300, 0.0, 1e-9, 1.0, 2.0, 1e6)),
    *(Pessimistic(beta) for beta in (1e-12, 0.1, 30.0, 1e6)),
]
every_form = pytest.mark.parametrize("form", EVERY, ids=map(repr, EVERY))

Array = np.ndarray[Any, np.dtype[np.float64]]
units = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(0, 1, allow_subnormal=False))
raw = st.lists(st.floats(0.01, 10), min_size=4, max_size=4)
tables = npst.arrays(np.float64, (6, 4), elements=units)


def weights(*values: float) -> Weights:
    rules = Rulebook.from_ids([f"r{k}" for k in range(len(values))], RangeScale(0, 1))
    return Weights(rules, np.array(values))


def reward(form: Form | str, ratings: Any, *values: float, **how: Any) -> float:
    return float(compose([ratings], weights(*values), form=form, **how)[0])


# What a form promises, over all of them.


@every_form
@given(values=tables, of=raw)
def test_rewards_lie_between_the_worst_and_the_best_of_their_ratings(
    form: Form, values: Array, of: list[float]
) -> None:
    found = compose(values, weights(*of), form=form)
    assert ((found >= 0) & (found <= 1 + 1e-15)).all()
    if isinstance(form, Geometric):  # its scale is moved: (u + epsilon) / (1 + epsilon)
        values = (values + form.epsilon) / (1 + form.epsilon)
    assert (found >= values.min(axis=1) - 1e-9).all() and (found <= values.max(axis=1) + 1e-9).all()


@every_form
@given(values=tables, of=raw, rule=st.integers(0, 3), raised=units)
def test_no_reward_falls_as_a_rating_rises(
    form: Form, values: Array, of: list[float], rule: int, raised: float
) -> None:
    higher = values.copy()
    higher[:, rule] = np.maximum(values[:, rule], raised)
    before, after = (compose(v, weights(*of), form=form) for v in (values, higher))
    assert (after >= before - 1e-12).all()


@every_form
@given(values=tables, of=raw, order=st.permutations(range(4)))
def test_the_order_of_the_rules_does_not_matter(
    form: Form, values: Array, of: list[float], order: list[int]
) -> None:
    found = compose(values, weights(*of), form=form)
    other = compose(values[:, order], weights(*np.array(of)[order]), form=form)
    np.testing.assert_allclose(other, found, rtol=0, atol=1e-12)


@every_form
@given(values=tables, of=raw)
def test_contributions_sum_to_the_reward(form: Form, values: Array, of: list[float]) -> None:
    found = compose(values, weights(*of), form=form, contributions=True)
    np.testing.assert_allclose(found.contributions.sum(axis=1), found.rewards, rtol=0, atol=1e-9)
    # Nothing falls short under a rule that is rated best: it contributes all of its weight.
    best = values == 1
    np.testing.assert_allclose(found.contributions[best], found.weights[best], rtol=0, atol=1e-12)
    assert (found.contributions <= found.weights + 1e-12).all()


@every_form
def test_contributions_sum_to_the_reward_where_rules_are_left_out_too(form: Form) -> None:
    of = weights(3, 2, 1, 1)
    values = [[0.2, 0.9, NAN, 0.5], [0.2, NAN, 0.7, 0.5], [NAN, 0.4, 0.1, 1]]
    applies = [[1, 0.5, 1, 1], [0.3, 0, 1, 1], [0, 1, 0.2, 1]]
    table = RatingsTable(of.rules, values, applies=applies)
    found = compose(table, of, form=form, contributions=True)
    np.testing.assert_allclose(found.contributions.sum(axis=1), found.rewards, rtol=0, atol=1e-9)
    # Weights 3, 1, 0, 1; 0.9, 0, 1, 1; 0, 2, 0.2, 1, each over its sum.
    np.testing.assert_allclose(
        found.weights,
        [[3 / 5, 1 / 5, 0, 1 / 5], [9 / 29, 0, 10 / 29, 10 / 29], [0, 10 / 16, 1 / 16, 5 / 16]],
    )
    assert (found.contributions[found.weights == 0] == 0).all()


@every_form
def test_equal_ratings_are_the_reward(form: Form) -> None:
    for unit in (0.0, 0.3, 1.0):
        moved = unit
        if isinstance(form, Geometric):
            moved = (unit + form.epsilon) / (1 + form.epsilon)
        assert reward(form, [unit] * 3, 1, 2, 3) == pytest.approx(moved, abs=1e-9)


@every_form
def test_a_response_has_one_reward_to_the_last_bit_however_it_is_batched(form: Form) -> None:
    rng = np.random.default_rng(0)
    values = rng.random((203, 7))
    values[rng.random(values.shape) < 0.1] = NAN
    values[:20] = rng.random((20, 7))  # a batch in which nothing is unrated
    applies = rng.choice([0.05, 0.3, 0.7, 1.0, 1.0, 1.0], values.shape)
    applies[:40] = 1.0  # rows under which every rule applies, beside others and alone
    of = weights(*rng.random(7))

    def composed(rows: Any) -> Array:
        table = RatingsTable(of.rules, values[rows], applies=applies[rows])
        return compose(table, of, form=form, max_missing=0.5)

    whole = composed(slice(None))
    for size in (1, 3, 64):
        parts = [composed(slice(k, k + size)) for k in range(0, 203, size)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)
    np.testing.assert_array_equal(composed(slice(None, None, -1))[::-1], whole)


@every_form
def test_an_unrated_rule_is_left_out_of_the_mean_in_every_form(form: Form) -> None:
    # 0.2 of the share is unrated: as if there were three rules.
    assert reward(form, [0.2, 0.9, 0.5, NAN], 3, 3, 2, 2) == pytest.approx(
        reward(form, [0.2, 0.9, 0.5], 3, 3, 2), abs=1e-12
    )
    assert math.isnan(reward(form, [0.2, NAN, 0.5, 1], 3, 3, 2, 2))


@every_form
def test_a_rule_without_weight_takes_no_part(form: Form) -> None:
    assert reward(form, [0.2, 0.9, 0.0], 1, 1, 0) == reward(form, [0.2, 0.9], 1, 1)


@every_form
@given(values=tables, of=raw, applies=npst.arrays(np.float64, (6, 4), elements=units))
def test_weighing_by_how_far_rules_apply_is_weighing_by_share_times_that(
    form: Form, values: Array, of: list[float], applies: Array
) -> None:
    applies = np.where(applies > 0, np.maximum(applies, 1e-3), 0.0)
    of_rules = weights(*of)
    found = compose(RatingsTable(of_rules.rules, values, applies=applies), of_rules, form=form)
    for row in range(6):
        on = applies[row] > 0
        if applies[row].max() < 0.1 - 1e-9:
            assert math.isnan(found[row])
        elif applies[row].max() > 0.1 + 1e-9:
            own = weights(*(np.array(of) * applies[row])[on])
            again = compose(values[row : row + 1, on], own, form=form)[0]
            assert found[row] == pytest.approx(again, abs=1e-12)


# Each form, by hand or against SciPy.


def test_the_mean_is_the_default() -> None:
    of = weights(3, 1)
    assert compose([[0.5, 1]], of).tolist() == compose([[0.5, 1]], of, form=Mean()).tolist()
    # Shares 3/4 and 1/4: 3/8 + 1/4.
    assert reward("mean", [0.5, 1], 3, 1) == 0.625


def test_the_geometric_mean_by_hand() -> None:
    # Ten rules alike, one of them worst: (0.05 / 1.05) ** (1 / 10), where the mean has 0.9.
    assert reward("geometric", [0, *[1] * 9], *[1] * 10) == pytest.approx(21**-0.1)
    # Shares 1/4 and 3/4, epsilon 1: (1.5 / 2) ** (1/4) (1.25 / 2) ** (3/4).
    assert reward("geometric:epsilon=1", [0.5, 0.25], 1, 3) == pytest.approx(
        0.75**0.25 * 0.625**0.75
    )


def test_geometric_ratings_of_0_everywhere_give_the_least_reward_which_is_not_0() -> None:
    assert reward("geometric", [0, 0], 1, 1) == pytest.approx(0.05 / 1.05)
    assert reward("geometric:epsilon=1e-30", [0, 0], 1, 1) == pytest.approx(1e-30)


@given(
    values=st.lists(st.floats(0.01, 1), min_size=4, max_size=4),
    of=raw,
    exponent=st.floats(-20, 20).filter(lambda p: abs(p) > 1e-3),  # where SciPy keeps its digits
)
def test_power_means_are_scipy_s(
    peer: Callable[[str], ModuleType], values: list[float], of: list[float], exponent: float
) -> None:
    expected = peer("scipy.stats").pmean(values, exponent, weights=of)
    assert reward(Power(exponent), values, *of) == pytest.approx(expected, rel=1e-6)


def test_known_power_means() -> None:
    assert reward(Power(1), [0.25, 1], 3, 1) == pytest.approx(reward("mean", [0.25, 1], 3, 1))
    assert reward(Power(0), [0.25, 1], 1, 1) == pytest.approx(0.5)
    assert reward(Power(-1), [0.25, 1], 1, 1) == pytest.approx(2 / (4 + 1))
    assert reward(Power(2), [0.6, 0.8], 1, 1) == pytest.approx(math.sqrt(0.5))
    assert reward(Power(-1e6), [0.3, 0.7, 0.9], 1, 5, 9) == pytest.approx(0.3, abs=1e-5)
    assert reward(Power(1e6), [0.3, 0.7, 0.9], 9, 5, 1) == pytest.approx(0.9, abs=1e-5)


@pytest.mark.parametrize("exponent", [-1e6, -1.0, -1e-9, 0.0])
def test_with_an_exponent_of_0_or_less_one_rating_of_0_is_decisive(exponent: float) -> None:
    found = compose([[0, 1, 1]], weights(1, 50, 50), form=Power(exponent), contributions=True)
    assert found.rewards.tolist() == [0.0]
    # The rule with the 0 is charged with the whole shortfall of 1, less its own share.
    np.testing.assert_allclose(found.contributions, [[1 / 101 - 1, 50 / 101, 50 / 101]])


def test_pessimistic_by_hand() -> None:
    # beta = ln 4: exp(-beta u) is 1 for 0, 1/2 for 1/2, 1/4 for 1. Mean (1 + 1/4) / 2 = 5/8.
    beta = math.log(4)
    assert reward(Pessimistic(beta), [0, 1], 1, 1) == pytest.approx(-math.log(5 / 8) / beta)


def uncertain(probabilities: Any, values: Any) -> RatingsTable:
    return RatingsTable(["a", "b"], values, scale=[1, 2, 3], probabilities=probabilities)


def test_an_uncertain_rating_counts_less_than_a_certain_one_of_the_same_mean() -> None:
    table = uncertain([[[0.5, 0, 0.5], [0, 1, 0]], [[0, 1, 0], [0, 1, 0]]], [[2, 2], [2, 2]])
    of = Weights(table.rules, np.array([1, 1]))
    beta = math.log(4)
    # E is 5/8 for the first rule and 1/2 for the second: mean 9/16.
    expected = [-math.log(9 / 16) / beta, 0.5]
    np.testing.assert_allclose(compose(table, of, form=Pessimistic(beta)), expected)
    # The others look at the rating alone.
    for form in (Mean(), Geometric(), Power()):
        first, second = compose(table, of, form=form)
        assert first == second


def test_where_the_probabilities_are_unknown_the_rating_is_certain() -> None:
    none = [NAN, NAN, NAN]
    table = uncertain([[none, [0.5, 0, 0.5]], [[0, 1, 0], [0.5, 0, 0.5]]], [[2, 2], [2, 2]])
    of = Weights(table.rules, np.array([1, 1]))
    first, second = compose(table, of, form="pessimistic")
    assert first == pytest.approx(second, abs=1e-15)


@given(p=npst.arrays(np.float64, (3, 2, 3), elements=st.floats(0.001, 1)), beta=st.floats(0.01, 50))
def test_pessimistic_never_exceeds_the_mean(p: Array, beta: float) -> None:
    table = uncertain(p / p.sum(axis=2, keepdims=True), np.full((3, 2), NAN))
    of = Weights(table.rules, np.array([2, 1]))
    assert (compose(table, of, form=Pessimistic(beta)) <= compose(table, of) + 1e-12).all()


# Continuous in their options.


@given(values=st.lists(units, min_size=4, max_size=4), of=raw, exponent=st.floats(-50, 50))
def test_power_is_continuous_in_the_exponent(
    values: list[float], of: list[float], exponent: float
) -> None:
    # Its derivative in p is at most the variance of log u where p is 0, and falls from there; a
    # rating of 0 is the limit of small ones, where it is steep just above 0.
    values = [max(value, 1e-3) for value in values]
    near = reward(Power(exponent + 1e-8), values, *of)
    assert reward(Power(exponent), values, *of) == pytest.approx(near, abs=1e-5)


@given(values=st.lists(units, min_size=4, max_size=4), of=raw)
def test_an_exponent_of_0_is_the_limit_from_both_sides(
    values: list[float], of: list[float]
) -> None:
    zero = reward(Power(0), values, *of)
    for exponent in (-1e-9, -1e-12, -1e-13, 1e-13, 1e-12, 1e-9):
        assert reward(Power(exponent), values, *of) == pytest.approx(zero, abs=1e-5)


@given(values=st.lists(units, min_size=4, max_size=4), of=raw, x=st.floats(1e-3, 100))
def test_the_others_are_continuous_in_their_options(
    values: list[float], of: list[float], x: float
) -> None:
    for form in (Geometric, Pessimistic):
        near = reward(form(x * (1 + 1e-9)), values, *of)
        assert reward(form(x), values, *of) == pytest.approx(near, abs=1e-6)


@given(values=st.lists(units, min_size=4, max_size=4), of=raw)
def test_a_small_beta_is_the_mean_and_a_large_epsilon_orders_as_the_mean(
    values: list[float], of: list[float]
) -> None:
    mean = reward("mean", values, *of)
    assert reward(Pessimistic(1e-9), values, *of) == pytest.approx(mean, abs=1e-7)
    # log((u + e) / (1 + e)) is -(1 - u) / e to the first order.
    assert 1 - 1e8 * (1 - reward(Geometric(1e8), values, *of)) == pytest.approx(mean, abs=1e-6)


# Names and options.


@pytest.mark.parametrize("form", [make() for make in FORMS.values()], ids=FORMS)
def test_a_form_reads_back_from_its_text(form: Form) -> None:
    assert as_form(form_text(form)) == form


def test_options_read_as_numbers() -> None:
    assert as_form(" geometric:epsilon = 0.1") == Geometric(0.1)
    assert as_form("power:exponent=-inf".replace("inf", "3")) == Power(-3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("geometrc", "no form is called 'geometrc'. Did you mean 'geometric'?"),
        ("mean:epsilon=1", "form 'mean' has no option"),
        ("geometric:0.1", "NAME:OPTION=NUMBER"),
        ("geometric:epsilon=small", "NAME:OPTION=NUMBER"),
        ("geometric:epsilon=0", "epsilon is 0.0; expected a finite number above 0"),
        ("pessimistic:beta=-1", "expected a finite number above 0"),
        ("pessimistic:beta=nan", "expected a finite number above 0"),
        ("power:exponent=-inf", "expected a finite number"),
        ("", "no form is called ''"),
    ],
)
def test_what_is_no_form_is_refused(text: str, said: str) -> None:
    with pytest.raises((InputError, UnknownNameError)) as caught:
        compose([[1, 1]], weights(1, 1), form=text)
    assert said in str(caught.value)


@pytest.mark.parametrize("form", [None, 3, Mean, np.mean])
def test_what_is_not_even_text_is_refused(form: Any) -> None:
    with pytest.raises(InputError, match="a form is one of mean, geometric, power, pessimistic"):
        compose([[1, 1]], weights(1, 1), form=form)
