"""What people hold in their hands: short to print, equal by value, never changed from outside."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import encore
from encore import examples
from encore.arrays import Record, as_floats, cached_array, read_only, same
from encore.calibration import select_rules
from encore.evaluation import outcomes
from encore.raters import Coverage, Rated
from encore.ratings import Ids
from encore.theory import Mixture, study_stand_ins

SRC = Path(encore.__file__).parent
MOST_LINES, MOST_LETTERS = 10, 1_000


def held() -> dict[str, Any]:
    """One of each, made from the bundled ratings."""
    path, rules = examples.ratings_path(), examples.rules()
    calibration = encore.calibrate(path, rules)
    weights = encore.weigh(calibration)
    pairs = encore.as_pairs(path, rules)
    comparison = encore.compare(pairs, rules)
    evaluation = encore.evaluate(pairs, weights)
    table = encore.as_ratings([[1, 2]], ["a", "b"], scale=[1, 2, 3], prompts=["p"])
    chosen, noise = np.array([1.0, 0.5]), np.array([0.3, 0.6])
    mixture = Mixture(chosen, np.zeros(2), noise, rules["crime"].scale)
    coverage = Coverage("crime", 4, 3, 0, {"refused": 1}, {}, 0.5)
    return {
        "rulebook": rules,
        "rule": rules["crime"],
        "scale": rules["crime"].scale,
        "range": encore.RangeScale(0, 1),
        "ratings": pairs.ratings,
        "table": table,
        "pairs": pairs,
        "ids": pairs.subsets,
        "calibration": calibration,
        "statistics": calibration.statistics,
        "diagnosis": encore.diagnose(calibration),
        "premise": encore.calibration.premise(calibration),
        "selection": select_rules(calibration, 4),
        "weights": weights,
        "reward": encore.Reward(weights),
        "evaluation": evaluation,
        "comparison": comparison,
        "row": comparison["linear"],
        "rule accuracy": comparison.rules[0],
        "correlations": comparison.entropy_correlations,
        "interval": comparison["linear"].difference,
        "subset table": comparison.by_subset(),
        "outcomes": outcomes([1.0, 2.0], [0.0, 2.0]),
        "report": encore.report(path, rules),
        "mixture": mixture,
        "study": study_stand_ins([mixture], rng=0, n_pairs=500),
        "rated": Rated(rules, pairs_table(), (coverage,), 0, {}),
    }


def pairs_table() -> Any:
    import pyarrow as pa

    return pa.table({"id": ["a"]})


HELD = held()
everything = pytest.mark.parametrize("name", HELD)


@everything
def test_it_prints_in_ten_lines(name: str) -> None:
    shown = repr(HELD[name])
    assert len(shown.splitlines()) <= MOST_LINES and len(shown) <= MOST_LETTERS
    assert "array(" not in shown


@everything
def test_it_equals_itself_and_nothing_else(name: str) -> None:
    assert (HELD[name] == HELD[name]) is True
    assert (HELD[name] != HELD[name]) is False
    assert HELD[name] != "something else" and HELD[name] is not None


def test_the_same_numbers_made_again_are_equal() -> None:
    again = held()
    unequal = [name for name in HELD if HELD[name] != again[name]]
    assert unequal == []


def test_other_numbers_are_not_equal() -> None:
    rules = encore.Rulebook.from_ids(["a", "b"], [0, 1])
    rising, falling = np.array([1.0, 2.0]), np.array([2.0, 1.0])
    assert encore.Weights(rules, rising) == encore.Weights(rules, rising.copy())
    assert encore.Weights(rules, rising) != encore.Weights(rules, falling)
    assert encore.Weights(rules, rising) != encore.Weights(rules, rising, notes=("a note",))
    one, other = (encore.calibrate(ratings, rules) for ratings in ([[1, 0]], [[1, 1]]))
    assert one != other and one + other == other + one
    assert Ids.of(["a", "b"]) != Ids.of(["a", "a"])


@everything
def test_its_arrays_cannot_be_written_to(name: str) -> None:
    thing = HELD[name]
    kept = [f.name for f in fields(thing)] if is_dataclass(thing) else []
    computed = [
        name
        for name, value in vars(type(thing)).items()
        if isinstance(value, cached_property) and not name.startswith("_")
    ]
    for attribute in (*kept, *computed):
        value = getattr(thing, attribute)
        if isinstance(value, np.ndarray):
            assert not value.flags.writeable, attribute


def test_an_array_that_was_given_may_still_change_without_changing_weights() -> None:
    values = np.array([1.0, 3.0])
    weights = encore.Weights(encore.Rulebook.from_ids(["a", "b"], [0, 1]), values)
    values[0] = 100.0
    assert weights["a"] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        weights.values[0] = 2.0
    with pytest.raises(ValueError, match="read-only"):
        weights.shares[0] = 2.0


SHOWN = (
    *("rulebook", "calibration", "diagnosis", "selection", "weights", "reward"),
    *("evaluation", "comparison", "subset table", "rated"),
)


@pytest.mark.parametrize("name", SHOWN)
def test_a_notebook_shows_a_table(name: str) -> None:
    html = HELD[name]._repr_html_()
    assert html.startswith("<table") and html.count("<tr>") >= 1


def array_fields() -> list[tuple[str, bool]]:
    """Every dataclass of the library that holds an array, and whether it is a Record."""
    found = []
    for path in sorted(SRC.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ClassDef) or node.name.startswith("_"):
                continue
            # What is not frozen is a sum under way.
            if not any("frozen=True" in ast.unparse(d) for d in node.decorator_list):
                continue
            kinds = [ast.unparse(n.annotation) for n in node.body if isinstance(n, ast.AnnAssign)]
            if any("NDArray" in kind or kind in ("Floats", "_Floats", "Array") for kind in kinds):
                is_record = any(ast.unparse(base) == "Record" for base in node.bases)
                found.append((f"{path.relative_to(SRC)}:{node.name}", is_record))
    return found


def test_every_dataclass_with_an_array_is_a_record() -> None:
    found = array_fields()
    assert len(found) > 10
    assert [name for name, is_record in found if not is_record] == []


@dataclass(frozen=True, eq=False, repr=False)
class Sample(Record):
    name: str
    numbers: Any

    @cached_array
    def double(self) -> Any:
        """Twice the numbers."""
        return 2 * self.numbers


def test_a_record_by_hand() -> None:
    one = Sample("a", np.array([1.0, np.nan]))
    assert one == Sample("a", np.array([1.0, np.nan]))
    assert one != Sample("a", np.array([1.0, 2.0])) and one != Sample("b", one.numbers)
    assert repr(one) == "Sample(name='a', numbers=[1.0, nan])"
    assert repr(Sample("a", np.zeros((3, 4)))) == (
        "Sample(name='a', numbers=<float64 of shape (3, 4)>)"
    )
    assert not one.double.flags.writeable and one.double is one.double
    assert Sample.double.__doc__ == "Twice the numbers."
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        (float("nan"), float("nan"), True),
        (1, 1.0, True),
        ({"a": np.array([1])}, {"a": np.array([1])}, True),
        ({"a": 1}, {"b": 1}, False),
        ((1, (2.0, float("nan"))), (1, (2.0, float("nan"))), True),
        ([1, 2], [1, 2, 3], False),
        (range(2), [0, 1], True),
        (np.array([1]), np.array([1, 2]), False),
        (np.array(["a"]), np.array(["a"]), True),
        (None, 0, False),
    ],
)
def test_values_are_the_same_by_their_entries(one: Any, other: Any, alike: bool) -> None:
    assert same(one, other) is alike
    assert same(other, one) is alike


def test_a_read_only_view_leaves_the_array_as_it_is() -> None:
    array = np.zeros(2)
    assert not read_only(array).flags.writeable and array.flags.writeable


# --- numbers from anywhere --------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["i1", "u8", "f2", "f4", ">f8", ">i4", "g"])
def test_numbers_of_every_kind_are_float64(kind: str) -> None:
    found = as_floats(np.array([1, 5], dtype=kind), "numbers")
    assert (str(found.dtype), found.tolist()) == ("float64", [1.0, 5.0])


@pytest.mark.parametrize("kind", ["i4", "f4", "f8", "?", "u2"])
@pytest.mark.parametrize("form", [list, tuple, np.ma.array], ids=["rows", "a tuple", "an array"])
def test_what_is_masked_is_unknown(kind: str, form: Any) -> None:
    rows = [
        np.ma.array([1, 1], mask=[False, True]).astype(kind),
        np.ma.array([1, 0], mask=False).astype(kind),
    ]
    found = as_floats(form(rows), "numbers")
    assert not isinstance(found, np.ma.MaskedArray)
    np.testing.assert_array_equal(found, [[1, np.nan], [1, 0]])


@pytest.mark.parametrize(
    "values",
    [
        *([1j], ["1"], [b"1"], [None], [10**400]),
        *(np.array(["2020"], dtype="M8[s]"), np.array([1], dtype="m8[s]")),
        *(np.zeros(2, dtype=[("a", "f8")]), np.ma.array(["1"], mask=True)),
    ],
)
def test_what_is_no_number_is_refused(values: Any) -> None:
    with pytest.raises(encore.InputError, match=r"weights are of type .*; expected numbers"):
        as_floats(values, "weights")


MASKED = np.ma.array([[5, 1], [3, 3]], mask=[[False, True], [False, False]])
TWO = encore.Rulebook.from_ids(["a", "b"], encore.LevelScale((1, 2, 3, 4, 5)))


def test_every_verb_takes_a_masked_rating_for_unrated() -> None:
    gappy = np.where(MASKED.mask, np.nan, MASKED.data)
    weights = encore.Weights(TWO, np.array([1.0, 3.0]))
    # Of the first response only a is rated, a quarter of the weight: 1. The second is (3-1)/4.
    verbs: list[Callable[..., Any]] = [encore.compose, encore.score]
    for verb in verbs:
        assert verb(MASKED, weights, max_missing=0.9).tolist() == [1.0, 0.5]
        assert np.isnan(verb(MASKED, weights, max_missing=0.5)[0])
    assert encore.calibrate(MASKED, TWO).statistics == encore.calibrate(gappy, TWO).statistics
    pairs, same_pairs = (
        encore.PreferencePairs.from_arrays(rows, rows[::-1], TWO) for rows in (MASKED, gappy)
    )
    np.testing.assert_array_equal(pairs.margins, same_pairs.margins)
    table = encore.RatingsTable(TWO, [[5, 1], [3, 3]], spread=MASKED / 10)
    np.testing.assert_array_equal(table.spread, gappy / 10)


def test_a_masked_weight_is_no_weight() -> None:
    with pytest.raises(encore.InputError, match="rule 'b': weight nan is not a finite number"):
        encore.Weights(TWO, np.ma.array([1.0, 1.0], mask=[False, True]))


def test_masked_rewards_are_unknown_to_compare() -> None:
    rng = np.random.default_rng(0)
    rows = rng.integers(1, 6, (2, 40, 2))
    pairs = encore.PreferencePairs.from_arrays(rows[0], rows[1], TWO)
    other = np.ma.array(rng.random((40, 2)), mask=False)
    other[:7] = np.ma.masked
    found = encore.compare(pairs, TWO, rewards={"other": other}, n_folds=2)["other"]
    assert found.n_unknown == 7
    other.mask = False
    other[3, 0] = np.inf
    with pytest.raises(encore.InputError, match="'other': pair 4 has an infinite reward"):
        encore.compare(pairs, TWO, rewards={"other": other}, n_folds=2)
