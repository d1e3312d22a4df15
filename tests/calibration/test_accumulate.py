"""The statistics, against loops over every pair."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from encore.calibration.accumulate import accumulate
from encore.calibration.fixed_point import ONE, to_float
from encore.errors import InputError
from encore.ratings import RatingsTable
from encore.rules import LevelScale, RangeScale, Rule, Rulebook

NAN = float("nan")
# Levels, a cost with levels, and a cost range: everything that a scale can be.
RULES = Rulebook(
    (
        Rule("five", "five levels", LevelScale((1, 2, 3, 4, 5))),
        Rule("cost", "three levels, falling", LevelScale((3, 2, 1))),
        Rule("range", "a range", RangeScale(1.0, 0.0, 4)),
    )
)
ONE_TO_THREE = st.sampled_from([1.0, 2.0, 3.0, NAN])


@st.composite
def tables(draw: st.DrawFn) -> RatingsTable:
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))
    values = draw(npst.arrays(np.float64, (sum(sizes), 3), elements=ONE_TO_THREE))
    prompts = np.repeat(np.arange(len(sizes)), sizes).tolist()
    return RatingsTable(RULES, values, prompts=prompts)


def by_loops(table: RatingsTable) -> dict[str, Any]:
    """Every sum, the slow way: over prompts, over pairs of responses, over pairs of rules."""
    assert table.prompts is not None
    n_rules = len(table.rules)
    counts = np.zeros((n_rules, 5), dtype=np.int64)
    for row in table.rules.level_of(table.values):
        for rule, level in enumerate(row):
            counts[rule, level] += level >= 0
    rated, resolved = np.zeros(n_rules, dtype=np.int64), np.zeros(n_rules, dtype=np.int64)
    moment, met = np.zeros((n_rules, n_rules)), np.zeros((n_rules, n_rules), dtype=np.int64)
    levels = table.rules.level_of(table.values)
    for prompt in set(table.prompts.codes.tolist()):
        rows = np.flatnonzero(table.prompts.codes == prompt)
        for k in range(n_rules):
            for i, j in combinations(rows, 2):
                if levels[i, k] >= 0 and levels[j, k] >= 0:
                    rated[k] += 1
                    resolved[k] += levels[i, k] != levels[j, k]
            for m in range(n_rules):
                both = [r for r in rows if not np.isnan(table.unit[r, [k, m]]).any()]
                products = [
                    (table.unit[i, k] - table.unit[j, k]) * (table.unit[i, m] - table.unit[j, m])
                    for i, j in combinations(both, 2)
                ]
                if products:
                    moment[k, m] += np.mean(products)
                    met[k, m] += 1
    return {
        "counts": counts,
        "rated_pairs": rated,
        "resolved_pairs": resolved,
        "margin_moment": moment,
        "prompts_with_margin": met,
    }


@given(table=tables())
def test_sums_equal_loops_over_every_pair(table: RatingsTable) -> None:
    found = accumulate(table)
    for name, expected in by_loops(table).items():
        np.testing.assert_allclose(getattr(found, name), expected, atol=1e-12, err_msg=name)


def test_sums_by_hand() -> None:
    # One prompt, three responses, one rule of five levels: units 0, 1/2, 1. The three margins are
    # 1/2, 1/2 and 1, so the mean of their squares is (1/4 + 1/4 + 1) / 3 = 1/2.
    rules = Rulebook.from_ids(["a"], LevelScale((1, 2, 3, 4, 5)))
    found = accumulate(RatingsTable(rules, [[1], [3], [5]], prompts=["p"] * 3))
    assert found.margin_moment.tolist() == [[0.5]]
    assert found.prompts_with_margin.tolist() == [[1]]
    assert found.counts.tolist() == [[1, 0, 1, 0, 1]]
    assert (found.rated_pairs[0], found.resolved_pairs[0]) == (3, 3)


def test_each_prompt_counts_once_however_many_responses_it_has() -> None:
    # Prompt p: margin 1, square 1. Prompt q: four responses 1, 1, 5, 5: of six pairs four have
    # margin 1, mean 2/3. Sum over prompts 5/3.
    rules = Rulebook.from_ids(["a"], LevelScale((1, 5)))
    values = np.array([[1], [5], [1], [1], [5], [5]])
    found = accumulate(RatingsTable(rules, values, prompts=["p"] * 2 + ["q"] * 4))
    assert found.margin_moment[0, 0] == pytest.approx(5 / 3, abs=1e-12)
    assert found.prompts_with_margin[0, 0] == 2


def test_without_prompts_there_are_no_margins() -> None:
    found = accumulate(RatingsTable(RULES, np.ones((4, 3))))
    assert found.rated_pairs.sum() == found.margin_prompts.sum() == found.margin_sum.sum() == 0
    assert found.prompts.n_prompts == 0


def test_margins_far_from_zero_lose_nothing() -> None:
    # Two responses that differ by 1e-3 near the end of a range: the square is 1e-6. Summing squares
    # of 0.81 and subtracting would leave more than rounding to a multiple of 2^-40 does, 5e-13.
    rules = Rulebook.from_ids(["a"], RangeScale(0, 1))
    for more in ([], [0.9]):
        values = np.array([[0.9], [0.9 + 1e-3], *([each] for each in more)])
        found = accumulate(RatingsTable(rules, values, prompts=["p"] * len(values)))
        # Of three responses, two of the three pairs differ.
        expected = 1e-6 if not more else 2e-6 / 3
        assert found.margin_moment[0, 0] == pytest.approx(expected, abs=2**-41)


def test_out_of_range_values_are_counted() -> None:
    table = RatingsTable(RULES, np.array([[1, 1, 0.5], [1, 1, 1.5], [1, 1, -0.1]]))
    assert accumulate(table).n_outside.tolist() == [0, 0, 2]


def test_spread_is_summed_as_given() -> None:
    spread = np.array([[0.1, NAN, 0.0], [0.3, NAN, 0.0]])
    found = accumulate(RatingsTable(RULES, np.ones((2, 3)), spread=spread))
    np.testing.assert_allclose(to_float(found.spread_sum), [0.4, 0.0, 0.0])
    assert found.spread_count.tolist() == [2, 0, 2]


def test_repeats_give_spread_and_are_not_counted_elsewhere() -> None:
    # Response x is rated 5 then 5 (spread 0), y is rated 5 then 4: ln 2 + (2 - 1) / (2 * 2), the
    # entropy of two ratings that differ with Miller-Madow. z is rated once and says nothing.
    rules = Rulebook.from_ids(["a"], LevelScale((1, 2, 3, 4, 5)))
    table = RatingsTable(
        rules,
        np.array([[5], [5], [5], [4], [1]]),
        prompts=["p"] * 5,
        responses=["x", "x", "y", "y", "z"],
        repeats=np.array([0, 1, 0, 1, 0]),
    )
    found = accumulate(table)
    assert found.n_responses == 3
    assert found.counts.tolist() == [[1, 0, 0, 0, 2]]
    assert found.rated_pairs.tolist() == [3]
    assert to_float(found.spread_sum) == pytest.approx([np.log(2) + 1 / 4])
    assert found.spread_count.tolist() == [2]


def test_a_given_spread_goes_before_repeats() -> None:
    rules = Rulebook.from_ids(["a"], LevelScale((1, 2)))
    table = RatingsTable(
        rules,
        np.array([[1.0], [2.0]]),
        responses=["x", "x"],
        repeats=np.array([0, 1]),
        spread=np.array([[0.2], [0.6]]),
    )
    found = accumulate(table)
    assert (found.spread_sum.tolist(), found.spread_count.tolist()) == ([round(0.2 * ONE)], [1])


def test_a_rule_without_a_given_spread_has_that_of_its_repeats() -> None:
    # A response rated twice. The first rule's spread is given once, 0.5; the second has none, and
    # its two ratings differ: ln 2, and (2 - 1) / (2 * 2) for the small sample.
    rules = Rulebook.from_ids(["given", "repeated"], LevelScale((0, 1)))
    table = RatingsTable(
        *(rules, [[1, 1], [0, 0]]),
        responses=["a", "a"],
        repeats=[0, 1],
        spread=[[0.5, NAN], [NAN, NAN]],
    )
    found = accumulate(table)
    assert found.spread_count.tolist() == [1, 1]
    assert to_float(found.spread_sum) == pytest.approx([0.5, np.log(2) + 1 / 4])


def test_responses_of_one_name_to_two_prompts_are_not_each_other_s_repeats() -> None:
    # "a" is rated 0 twice under one prompt and 1 twice under the other: it never wavers.
    rules = Rulebook.from_ids(["steady"], LevelScale((0, 1)))
    table = RatingsTable(
        *(rules, [[0], [0], [1], [1]], ["p", "p", "q", "q"], ["a"] * 4), repeats=[0, 1, 0, 1]
    )
    found = accumulate(table)
    assert (found.spread_count.tolist(), found.spread_sum.tolist()) == ([2], [0])
    assert found.counts.tolist() == [[1, 1]]


def test_gaps_under_many_rules_are_summed_in_blocks_that_leave_no_prompt_out() -> None:
    # 1,024 rules have half a million products, half of the largest array: a block is one prompt.
    # A rule's moments are those that it has beside one other rule.
    rng = np.random.default_rng(0)
    values = rng.integers(0, 2, (10, 1024)).astype(float)
    values[::2, 5] = NAN
    prompts = [f"p{row // 2}" for row in range(10)]
    rules = Rulebook.from_ids([f"r{k}" for k in range(1024)], LevelScale((0, 1)))
    many = accumulate(RatingsTable(rules, values, prompts))
    margins = values[::2, :2] - values[1::2, :2]
    assert many.margin_moment[:2, :2].tolist() == (margins.T @ margins).tolist()
    assert many.prompts_with_margin[0, [0, 5]].tolist() == [5, 0]


def test_very_many_rules_keep_the_diagonal_alone() -> None:
    n_rules = 1025
    rules = Rulebook.from_ids([f"r{i}" for i in range(n_rules)], LevelScale((1, 2, 3)))
    rng = np.random.default_rng(0)
    values = rng.integers(1, 4, size=(7, n_rules)).astype(float)
    values[rng.random(values.shape) < 0.2] = NAN
    prompts = ["p", "p", "q", "q", "q", "r", "r"]
    found = accumulate(RatingsTable(rules, values, prompts=prompts))
    assert found.margin_sum.shape == (1, n_rules)
    few = Rulebook(rules.rules[:40])
    matrix = accumulate(RatingsTable(few, values[:, :40], prompts=prompts))
    assert found.margin_sum[0, :40].tolist() == np.diagonal(matrix.margin_sum[0]).tolist()
    assert found.margin_prompts[0, :40].tolist() == np.diagonal(matrix.margin_prompts[0]).tolist()


@given(x=tables(), y=tables(), z=tables())
def test_statistics_are_a_commutative_monoid(
    x: RatingsTable, y: RatingsTable, z: RatingsTable
) -> None:
    a, b, c = accumulate(x), accumulate(y), accumulate(z)
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a + accumulate(x.take(slice(0, 0))) == a


@given(table=tables(), data=st.data())
def test_cutting_between_prompts_never_changes_the_result(
    table: RatingsTable, data: st.DataObject
) -> None:
    assert table.prompts is not None
    ends = np.flatnonzero(np.diff(table.prompts.codes)) + 1
    cut = data.draw(st.sampled_from([0, *ends.tolist(), table.n_rows]))
    parts = accumulate(table.take(slice(0, cut))) + accumulate(table.take(slice(cut, None)))
    assert parts == accumulate(table)


def test_only_ratings_of_rules_that_apply_at_least_half_are_counted() -> None:
    # The rule applies to the responses by 1, 1/2, 0.49 and 0: the first two are counted. Of the
    # prompts p (two responses counted) and q (none), p alone has a margin, of 1.
    rules = Rulebook.from_ids(["a"], RangeScale(0, 1, 2))
    table = RatingsTable(
        rules,
        [[0.0], [1.0], [7.0], [NAN]],
        prompts=["p", "p", "q", "q"],
        applies=[[1.0], [0.5], [0.49], [0.0]],
        spread=[[0.25], [0.5], [4.0], [4.0]],
    )
    found = accumulate(table)
    assert (found.n_responses, found.applies_count.tolist()) == (4, [2])
    assert found.counts.tolist() == [[1, 1]] and found.n_outside.tolist() == [0]
    assert (to_float(found.spread_sum).tolist(), found.spread_count.tolist()) == ([0.75], [2])
    assert (found.rated_pairs.tolist(), found.resolved_pairs.tolist()) == ([1], [1])
    assert (found.margin_moment.tolist(), found.prompts_with_margin.tolist()) == ([[1.0]], [[1]])


def test_an_unrated_response_that_a_rule_applies_to_is_one_that_it_applies_to() -> None:
    rules = Rulebook.from_ids(["a"], LevelScale((0, 1)))
    found = accumulate(RatingsTable(rules, [[NAN], [1.0], [1.0]], applies=[[1.0], [0.9], [0.1]]))
    assert (found.applies_count.tolist(), found.counts.tolist()) == ([2], [[0, 1]])


def test_of_a_response_s_repeats_the_first_says_whether_a_rule_applies() -> None:
    rules = Rulebook.from_ids(["a"], LevelScale((0, 1)))
    table = RatingsTable(
        *(rules, [[0], [1], [1]], None, ["x", "x", "y"], [0, 1, 0]), applies=[[1], [0], [0]]
    )
    found = accumulate(table)
    assert (found.n_responses, found.applies_count.tolist()) == (2, [1])
    # The repeat does not count, so nothing is known of the spread.
    assert (found.counts.tolist(), found.spread_count.tolist()) == ([[1, 0]], [0])


@given(table=tables(), data=st.data())
def test_ratings_that_do_not_count_are_as_if_they_were_not_there(
    table: RatingsTable, data: st.DataObject
) -> None:
    shape = table.values.shape
    share = st.sampled_from([0.0, 0.3, 0.5, 1.0])
    applies = data.draw(npst.arrays(np.float64, shape, elements=share))
    with_it = RatingsTable(RULES, table.values, table.prompts, applies=applies)
    without = RatingsTable(RULES, np.where(applies >= 0.5, table.values, NAN), table.prompts)
    found, expected = accumulate(with_it).to_dict(), accumulate(without).to_dict()
    assert found.pop("applies_count") == (applies >= 0.5).sum(axis=0).tolist()
    assert expected.pop("applies_count") == [len(applies)] * 3
    assert found == expected


@given(table=tables())
def test_rules_that_always_apply_are_as_if_nothing_was_said(table: RatingsTable) -> None:
    ones = np.ones(table.values.shape)
    told = RatingsTable(RULES, table.values, table.prompts, applies=ones)
    assert accumulate(told) == accumulate(table)


def test_soft_counts_are_the_summed_probabilities_of_the_levels() -> None:
    # Three ratings: two with probabilities, a third all on its level.
    rules = Rulebook.from_ids(["a"], LevelScale((0, 1)))
    p = np.array([[[0.25, 0.75]], [[0.5, 0.5]], [[NAN, NAN]]])
    found = accumulate(RatingsTable(rules, [[NAN], [NAN], [0.0]], probabilities=p))
    assert to_float(found.soft_counts).tolist() == [[0.25 + 0.5 + 1, 0.75 + 0.5]]
    # The expected levels 0.75 and 0.5 are both nearest to 1.
    assert found.counts.tolist() == [[1, 2]]


def test_without_probabilities_soft_counts_are_the_counts() -> None:
    found = accumulate(RatingsTable(RULES, [[1.0, 2.0, 0.5], [1.0, NAN, 0.1]]))
    assert to_float(found.soft_counts).tolist() == found.counts.tolist()


@given(data=st.data())
def test_soft_counts_sum_to_the_ratings_exactly(data: st.DataObject) -> None:
    raw = npst.arrays(np.float64, (4, 1, 3), elements=st.floats(0, 1))
    p = data.draw(raw) + np.array([1e-3, 0, 0])
    p = np.where(data.draw(npst.arrays(np.bool_, (4, 1, 1))), p / p.sum(axis=2, keepdims=True), NAN)
    rules = Rulebook.from_ids(["a"], LevelScale((1, 2, 3)))
    found = accumulate(RatingsTable(rules, [[1.0], [2.0], [3.0], [NAN]], probabilities=p))
    n_ratings = int(found.counts.sum())
    assert sum(found.soft_counts[0]) == n_ratings * ONE
    own = np.where(np.isnan(p), [[[1, 0, 0]], [[0, 1, 0]], [[0, 0, 1]], [[0, 0, 0]]], p)
    # A level's probability is the difference of two that were rounded.
    np.testing.assert_allclose(
        to_float(found.soft_counts)[0], own.sum(axis=(0, 1)), atol=4 * 2**-40
    )


def test_a_spread_that_no_entropy_has_is_refused() -> None:
    rules = Rulebook.from_ids(["a"], LevelScale((0, 1)))
    for spread, wrong in ((4e6, False), (1e7, True), (1e300, True)):
        table = RatingsTable(rules, [[1]], spread=[[spread]])
        if wrong:
            with pytest.raises(InputError, match=r"a\.spread is 1e\+.* expected the entropy"):
                accumulate(table)
        else:
            assert to_float(accumulate(table).spread_sum).tolist() == [spread]


def test_the_spread_of_a_response_does_not_depend_on_what_else_is_in_its_batch() -> None:
    # x has a spread of its own; y, in another batch, has that of its repeats.
    rules = Rulebook.from_ids(["a"], LevelScale((0, 1)))
    table = RatingsTable(
        *(rules, [[1], [1], [0], [1]], None, ["x", "x", "y", "y"], [0, 1, 0, 1]),
        spread=[[0.5], [NAN], [NAN], [NAN]],
    )
    found = accumulate(table)
    assert to_float(found.spread_sum) == pytest.approx([0.5 + np.log(2) + 1 / 4])
    assert accumulate(table.take(slice(0, 2))) + accumulate(table.take(slice(2, 4))) == found
