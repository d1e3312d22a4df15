"""How far raters agree: by hand, by Krippendorff's own example, and by the definition."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from encore.errors import InputError
from encore.ratings.importing.agreement import RatersAgreement, krippendorff_alpha

NAN = float("nan")
# Krippendorff (2011), section C: four observers, twelve units.
OBSERVERS = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
)


def by_definition(ratings: NDArray[np.float64]) -> float:
    """Pair by pair, as the definition has it."""
    units = [[x for x in unit if not np.isnan(x)] for unit in ratings.T]
    units = [unit for unit in units if len(unit) >= 2]
    every = [x for unit in units for x in unit]
    n = len(every)
    if len(units) < 2:
        return NAN
    observed = sum(
        sum((x - y) ** 2 for x, y in permutations(unit, 2)) / (len(unit) - 1) for unit in units
    )
    expected = sum((x - y) ** 2 for x, y in permutations(every, 2)) / (n - 1)
    return NAN if expected == 0 else 1 - observed / expected


def test_krippendorffs_own_example() -> None:
    assert krippendorff_alpha(OBSERVERS) == pytest.approx(0.849, abs=5e-4)


@given(
    npst.arrays(
        float,
        st.tuples(st.integers(2, 4), st.integers(0, 7)),
        elements=st.sampled_from([0.0, 0.25, 0.5, 1.0, NAN]),
    )
)
def test_alpha_is_what_its_definition_says(ratings: NDArray[np.float64]) -> None:
    assert krippendorff_alpha(ratings) == pytest.approx(by_definition(ratings), nan_ok=True)


def test_alpha_does_not_depend_on_where_a_scale_begins_or_on_its_unit() -> None:
    assert krippendorff_alpha(OBSERVERS * 0.01 + 1e4) == pytest.approx(
        krippendorff_alpha(OBSERVERS), abs=1e-6
    )


@pytest.mark.parametrize(
    "ratings", [np.zeros((2, 0)), [[1.0], [2.0]], [[1.0, NAN], [NAN, 1.0]], [[3.3] * 4] * 3]
)
def test_alpha_is_undefined_with_too_few_or_all_alike(ratings: object) -> None:
    assert np.isnan(krippendorff_alpha(ratings))  # type: ignore[arg-type]


def test_alpha_wants_two_dimensions() -> None:
    with pytest.raises(InputError, match=r"shape \(3,\); expected \(n_raters, n_responses\)"):
        krippendorff_alpha([1.0, 2.0, 3.0])


def test_exact_agreement_is_of_pairs_of_ratings() -> None:
    # Three raters: 1, 1, 1 are three pairs alike, 0, 1, 1 one of three, 0 and none no pair.
    found = RatersAgreement.of("harm", np.array([[1, 0, 0], [1, 1, NAN], [1, 1, NAN]]))
    assert found.n_shared == 2
    assert found.exact == pytest.approx(4 / 6)


def test_agreement_of_none_is_unknown() -> None:
    found = RatersAgreement.of("harm", np.array([[1, NAN], [NAN, 1]]))
    assert found.n_shared == 0
    assert np.isnan(found.exact)
    assert np.isnan(found.alpha)
