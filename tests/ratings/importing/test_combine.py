"""Several raters' tables as one: the mean, or all of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encore.errors import InputError, RatingsError, UnknownNameError
from encore.ratings import as_pairs, as_ratings
from encore.ratings.importing.combine import Combined, combine_raters
from encore.rules import LevelScale, RangeScale, Rule, Rulebook

RULES = Rulebook(
    (
        Rule("harm", "Does no harm.", LevelScale((1, 2, 3, 4, 5))),
        Rule("tone", "Is kind.", RangeScale(0.0, 1.0, bins=4)),
    )
)
HARM = Rulebook((RULES.rules[0],))
LN2 = math.log(2)


def responses(*rows: tuple[Any, ...], **more: list[Any]) -> pa.Table:
    prompts, names, harm = zip(*rows, strict=True)
    ids = {"prompt_id": prompts, "response_id": names}
    return pa.table({**ids, "harm": pa.array(harm, pa.float64()), **more})


def mean_of(one: pa.Table, other: pa.Table, rules: Rulebook = HARM) -> Combined:
    found = combine_raters({"one": one, "other": other}, rules, how="mean")
    as_ratings(found.table, rules)  # what is combined is a ratings table
    return found


def test_the_mean_of_two_levels_is_an_expected_level_with_its_spread() -> None:
    found = mean_of(
        responses(("p", "a", 1), ("p", "b", 5), ("q", "a", 2)),
        responses(("q", "a", 3), ("p", "b", 5), ("p", "a", 5)),
    )
    assert found.table["harm"].to_pylist() == [3, 5, 2.5]
    # Two raters on two levels: H = ln 2, and (2 - 1) / (2 · 2) for their being two. Alike: 0.
    expected = [LN2 + 0.25, 0.0, LN2 + 0.25]
    assert found.table["harm.spread"].to_pylist() == pytest.approx(expected)
    assert (found.n_responses, found.n_alone) == (3, 0)


def test_a_response_that_one_rater_has_or_rated_stays_as_it_is() -> None:
    found = mean_of(
        responses(("p", "a", 1), ("p", "b", None), ("p", "c", None)),
        responses(("p", "b", 4), ("r", "x", 2), ("p", "d", 3), ("p", "c", None)),
    )
    rows = dict(
        zip(found.table["response_id"].to_pylist(), found.table["harm"].to_pylist(), strict=True)
    )
    assert rows == {"a": 1, "b": 4, "c": None, "d": 3, "x": 2}
    assert found.table["prompt_id"].to_pylist() == ["p", "p", "p", "p", "r"]
    assert "harm.spread" not in found.table.column_names
    assert (found.n_responses, found.n_alone) == (5, 3)
    assert found.agreement[0].n_shared == 0


def test_not_applicable_and_unrated_stay_distinct() -> None:
    names = "abcde"
    one = responses(
        *(("p", name, value) for name, value in zip(names, [4, None, None, None, 4], strict=True)),
        **{"harm.applies": [1.0, 0.0, 0.0, 1.0, 0.5]},
    )
    other = responses(
        *(("p", name, value) for name, value in zip(names, [None, None, 2, None, 4], strict=True)),
        **{"harm.applies": [0.0, 0.0, 1.0, 0.4, 1.0]},
    )
    found = mean_of(one, other)
    table = as_ratings(found.table, HARM)
    # a: rated, and "does not apply" (½). b: neither applies. c: as a. d: nobody rated, and nobody
    # said that it does not apply: unrated, (1 + 0.4) / 2. e: both rated, (0.5 + 1) / 2.
    assert found.table["harm.applies"].to_pylist() == pytest.approx([0.5, 0, 0.5, 0.7, 0.75])
    assert found.table["harm"].to_pylist() == [4, None, 2, None, 4]
    assert table.not_applicable.ravel().tolist() == [False, True, False, False, False]
    assert table.unrated.ravel().tolist() == [False, False, False, True, False]


def test_an_unrated_rater_says_nothing_of_how_far_a_rule_applies() -> None:
    one = responses(("p", "a", None), **{"harm.applies": [1.0]})
    other = responses(("p", "a", 3), **{"harm.applies": [0.5]})
    assert mean_of(one, other).table["harm.applies"].to_pylist() == [0.5]


def test_level_probabilities_are_averaged_where_both_are_known() -> None:
    one = responses(
        ("p", "a", None), ("p", "b", None), **{"harm.p": [[0.5, 0.5, 0, 0, 0], [0, 0, 0, 0, 1.0]]}
    )
    other = responses(("p", "a", 5), ("p", "b", 3.0), **{"harm.spread": [None, 0.4]})
    found = mean_of(one, other)
    # a: (½ (1 + 2) + 5) / 2 = 3.25, over ¼, ¼, ½: H = 2 · ¼ ln 4 + ½ ln 2 = 3/2 ln 2; and
    # Σ Var/p = (¼ · ¼ / ¼) · 2 + (½ · ½ / ½) = ½ + ½ = 1, by 2 n = 4. b: the second rater's
    # distribution is not known.
    assert found.table["harm"].to_pylist() == pytest.approx([3.25, 4])
    assert found.table["harm.p"].to_pylist() == [[0.25, 0.25, 0, 0, 0.5], None]
    assert found.table["harm.spread"][0].as_py() == pytest.approx(1.5 * LN2 + 0.25)
    assert found.table["harm.spread"][1].as_py() == pytest.approx(LN2 + 0.25)


def test_raters_who_agree_are_no_surer_than_each_of_them() -> None:
    rows = ("p", "a", 3.5)
    spread: dict[str, list[Any]] = {"harm.spread": [1.2]}
    found = mean_of(responses(rows, **spread), responses(rows, **spread))
    assert found.table["harm.spread"].to_pylist() == pytest.approx([1.2])


def test_the_mean_on_a_range_has_a_spread_only_where_there_was_one() -> None:
    def table(tone: list[float], **more: list[Any]) -> pa.Table:
        return responses(("p", "a", 1), ("p", "b", 1), tone=tone, **more)

    found = mean_of(table([0.25, 1.0]), table([0.75, 1.0], **{"tone.spread": [0.5, None]}), RULES)
    assert found.table["tone"].to_pylist() == [0.5, 1.0]
    assert found.table["tone.spread"].to_pylist() == [0.5, None]


def test_the_mean_of_equal_ratings_is_no_other_number() -> None:
    rules = Rulebook((RULES.rules[1],))
    table = responses(("p", "a", 1), tone=[0.1]).drop(["harm"])
    found = combine_raters(dict.fromkeys("xyz", table), rules, how="mean")
    assert found.table["tone"].to_pylist() == [0.1]  # and not (0.1 + 0.1 + 0.1) / 3


def test_all_ratings_are_kept_as_repeats() -> None:
    one = responses(("p", "a", 1), ("q", "a", 2), ("p", "a", 3), repeat=[4, 0, 1])
    other = responses(("p", "b", 4), ("p", "a", 5), repeat=[0, 0])
    found = combine_raters({"one": one, "other": other}, HARM, how="repeats")
    rows = list(
        zip(
            *(
                found.table[name].to_pylist()
                for name in ("prompt_id", "response_id", "repeat", "rater", "harm")
            ),
            strict=True,
        )
    )
    assert rows == [
        ("p", "a", 0, "one", 3),
        ("p", "a", 1, "one", 1),
        ("p", "a", 2, "other", 5),
        ("p", "b", 0, "other", 4),
        ("q", "a", 0, "one", 2),
    ]
    table = as_ratings(found.table, HARM)
    assert table.repeats is not None
    assert table.is_first.tolist() == [True, False, False, True, True]


def test_pairs_are_combined_side_by_side() -> None:
    def pairs(ids: list[str], chosen: list[Any], rejected: list[Any]) -> pa.Table:
        ratings = {"chosen.harm": chosen, "rejected.harm": rejected}
        return pa.table({"id": ids, "subset": ["s"] * len(ids), **ratings})

    one, other = pairs(["1", "2"], [5, 4], [1, None]), pairs(["2", "1"], [2, 5], [3, 2])
    found = mean_of(one, other)
    assert found.table["id"].to_pylist() == ["1", "2"]
    assert found.table["chosen.harm"].to_pylist() == [5, 3]
    assert found.table["rejected.harm"].to_pylist() == [1.5, 3]
    assert found.table["subset"].to_pylist() == ["s", "s"]
    assert found.agreement[0].n_shared == 3  # sides: 5 and 5, 1 and 2, 4 and 2
    assert found.agreement[0].exact == pytest.approx(1 / 3)
    assert as_pairs(found.table, HARM).n_pairs == 2
    both = combine_raters({"one": one, "other": other}, HARM, how="repeats").table
    assert both["id"].to_pylist() == ["1", "1", "2", "2"]
    assert both["repeat"].to_pylist() == [0, 1, 0, 1]
    assert both["chosen.harm"].to_pylist() == [5, 5, 4, 2]
    assert as_pairs(both, HARM).n_pairs == 2


def test_agreement_counts_ratings_where_the_rule_applies_at_least_half() -> None:
    rows = [("p", name, 4) for name in "abc"]
    one = responses(*rows, **{"harm.applies": [1.0, 0.4, 0.5]})
    found = mean_of(one, responses(*rows))
    assert found.agreement[0].n_shared == 2
    assert found.agreement[0].exact == 1
    assert math.isnan(found.agreement[0].alpha)  # all ratings are the same


def test_other_columns_are_of_the_first_rater_who_has_the_response() -> None:
    one = responses(("p", "a", 1), note=["x"], size=[3], odd=[1])
    other = responses(("p", "a", 2), ("p", "b", 2), note=["y", "z"], odd=["u", "v"])
    found = mean_of(one, other).table
    assert found["note"].to_pylist() == ["x", "z"]
    assert found["size"].to_pylist() == [3, None]
    assert found["odd"].to_pylist() == ["1", "v"]


def test_reasons_of_all_raters_stand_beside_the_mean_of_their_ratings() -> None:
    rows = [("p", name, 4) for name in "abc"]
    one = responses(*rows, **{"harm.reason": ["Kind.", None, None]})
    other = responses(*rows, **{"harm.reason": ["Cold.", "Cold.", None]})
    found = mean_of(one, other).table
    assert found["harm.reason"].to_pylist() == ["one: Kind. | other: Cold.", "Cold.", None]
    third = responses(*rows)  # says nothing at all
    both = combine_raters({"one": one, "third": third}, HARM, how="repeats").table
    assert both["harm.reason"].to_pylist() == ["Kind."] + [None] * 5


def test_ids_of_numbers_and_of_text_are_one() -> None:
    found = mean_of(
        pa.table({"prompt_id": [1], "response_id": [2], "harm": [1]}), responses(("1", "2", 3))
    )
    assert found.table["harm"].to_pylist() == [2]
    assert found.n_alone == 0


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ([responses(("p", "a", 1)).drop(["response_id"])] * 2, "no column 'response_id'"),
        (
            [responses(("p", "a", 1)), pa.table({"id": ["1"], "chosen.harm": [1]})],
            "one: these are ratings of responses, those of 'other' of pairs",
        ),
        (
            [responses(("p", "a", 1)), responses(("p", "a", 1), ("q", "a", 1), ("p", "a", 2))],
            "other, row 3: prompt_id 'p', response_id 'a' is rated in row 1 already",
        ),
        ([responses(("p", "a", 1.5)), responses(("p", "a", 1))], "one, row 1, .*not one of"),
    ],
)
def test_tables_that_cannot_be_matched_are_refused(tables: list[pa.Table], message: str) -> None:
    with pytest.raises(RatingsError, match=message):
        mean_of(*tables)


def test_one_rater_and_an_unknown_way_are_refused() -> None:
    table = responses(("p", "a", 1))
    with pytest.raises(InputError, match="1 raters; there is nothing to combine"):
        combine_raters({"one": table}, HARM, how="mean")
    with pytest.raises(UnknownNameError, match="'repeats'"):
        combine_raters({"one": table, "two": table}, HARM, how="repeat")  # type: ignore[arg-type]


RATING = st.sampled_from([None, 1.0, 2.0, 3.0, 4.0, 5.0])
APPLIES = st.sampled_from([0.0, 0.25, 0.5, 1.0])
CELL = st.tuples(RATING, APPLIES)


@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=6))
def test_the_mean_does_not_depend_on_the_order_of_raters(
    cells: list[tuple[tuple[float | None, float], ...]],
) -> None:
    tables = {
        name: responses(
            *(("p", str(row), cell[rater][0]) for row, cell in enumerate(cells)),
            **{"harm.applies": [cell[rater][1] for cell in cells]},
        )
        for rater, name in enumerate(["x", "y", "z"])
    }
    found = [
        combine_raters({name: tables[name] for name in order}, HARM, how="mean")
        for order in ("xyz", "zyx")
    ]
    one, other = (as_ratings(each.table, HARM) for each in found)
    np.testing.assert_allclose(one.values, other.values)
    np.testing.assert_array_equal(one.unrated, other.unrated)
    np.testing.assert_array_equal(one.not_applicable, other.not_applicable)
    for row, cell in enumerate(cells):
        # Not applicable only where a rater said so and none rated under a rule that applies.
        rates = [rating is not None and a > 0 for rating, a in cell]
        assert one.not_applicable[row, 0] == (not any(rates) and any(a == 0 for _, a in cell))
        assert one.rated[row, 0] == any(rates)
