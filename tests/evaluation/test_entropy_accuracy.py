from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from encore import LevelScale, PreferencePairs, RatingsTable, Rulebook, compare, examples
from encore.evaluation.entropy_accuracy import (
    correlation_columns,
    correlations,
    rule_outcomes,
)
from encore.ratings import Ids

NAN = float("nan")


@given(xy=npst.arrays(np.float64, (2, 9), elements=st.sampled_from([0.0, 1.0, 2.0, 3.5, 7.0])))
def test_correlations_are_scipy_s(
    xy: np.ndarray[tuple[int, int], np.dtype[np.float64]], peer: Callable[[str], ModuleType]
) -> None:
    x, y = xy
    pearson, spearman = correlations(x, y)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert np.isnan(pearson) and np.isnan(spearman)
        return
    stats = peer("scipy.stats")
    assert float(pearson) == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-12)
    assert float(spearman) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)


def test_unknown_entries_are_left_out_of_both() -> None:
    # Without the third entry: a falling line.
    pearson, spearman = correlations(np.array([1, 2, 9, 3.0]), np.array([6, 5, NAN, 4.0]))
    assert (float(pearson), float(spearman)) == (-1.0, -1.0)


def test_fewer_than_three_entries_have_no_correlation() -> None:
    assert np.isnan(correlations(np.array([1.0, 2.0, NAN]), np.array([1.0, 2.0, 3.0]))).all()


def test_rows_are_taken_one_by_one() -> None:
    x = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
    y = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    np.testing.assert_allclose(correlations(x, y), [[1, -1], [1, -1]], atol=1e-12)


def test_the_sign_of_the_law_depends_on_how_ties_count() -> None:
    # The project's own finding on these ratings, which no user may be spared.
    found = compare(examples.ratings_path(), examples.rules()).entropy_correlations.accuracy
    assert found["strict"].pearson.low > 0.9
    assert found["half"].pearson.low > 0.6
    assert found["resolved"].pearson.low < 0 < found["resolved"].pearson.high
    assert found["right"].pearson.high < -0.3
    assert found["right"].spearman.high < -0.5


def test_entropies_of_another_calibration_set_are_held_fixed() -> None:
    path, rules = examples.ratings_path(), examples.rules()
    own = compare(path, rules).entropy_correlations.accuracy["strict"].pearson
    other = (
        compare(path, rules, calibration_set=path).entropy_correlations.accuracy["strict"].pearson
    )
    assert own.value == pytest.approx(other.value)
    assert (own.low, own.high) != (other.low, other.high)


def test_entropy_goes_with_speaking_and_not_with_being_right() -> None:
    found = compare(examples.ratings_path(), examples.rules()).entropy_correlations
    assert found.resolving.pearson.low > 0.9
    assert found.accuracy["resolved"].pearson.low < 0 < found.accuracy["resolved"].pearson.high


def test_a_rule_is_judged_on_the_pairs_that_it_applies_to() -> None:
    rules = Rulebook.from_ids(["a"], LevelScale((0, 1)))
    applies = np.array([[1], [0.5], [0.4], [1], [0], [1]])
    table = RatingsTable(rules, [[1], [0], [0], [1], [1], [1]], "ppqqrr", applies=applies)
    first = np.array([0, 2, 4])
    pairs = PreferencePairs(table, first, first + 1, Ids.of(["all"] * 3))
    (found,) = rule_outcomes(pairs)
    assert np.nan_to_num(found.half, nan=-1).tolist() == [1, -1, -1]
    counts = correlation_columns(pairs, calibrated_on_pairs=True)[1]
    # Levels 0 and 1 of the ratings that count: q's chosen and r's chosen do not.
    assert counts.tolist() == [[1, 1], [0, 1], [0, 1]]
