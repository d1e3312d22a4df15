"""What every weighting scheme promises: a new row of SCHEMES is tested before a test is written."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from encore import Calibration, InputError, RangeScale, RatingsTable, Rulebook, calibrate, compose
from encore.errors import UnknownNameError
from encore.rules import LevelScale
from encore.weights import LEARNED, SCHEMES, WeightingScheme, Weights, make_scheme

every_scheme = pytest.mark.parametrize("name", SCHEMES)
# These weigh by position or by draw: what is promised of ratings does not concern them.
by_ratings = pytest.mark.parametrize("name", [n for n in SCHEMES if n not in ("random", "single")])
Floats = NDArray[np.float64]
pytestmark = pytest.mark.early
FIVE = LevelScale((1, 2, 3, 4, 5))
# Every cell is drawn: of arrays mostly of one value hardly an example would be left, since schemes
# refuse them for good reasons.
VALUES = npst.arrays(
    np.float64, (24, 4), elements=st.sampled_from([1.0, 2.0, 3.0, 4.0, 5.0]), fill=st.nothing()
)
PROMPTS = np.repeat(np.arange(8), 3).tolist()


def calibration(
    values: Floats,
    names: str = "abcd",
    scale: LevelScale | RangeScale = FIVE,
) -> Calibration:
    """With a spread of half a nat at most, so that no scheme lacks what it needs."""
    spread = np.broadcast_to(np.linspace(0.0, 0.5, len(values))[:, None], values.shape)
    rules = Rulebook.from_ids(list(names[: values.shape[1]]), scale)
    return calibrate(RatingsTable(rules, values, prompts=PROMPTS, spread=spread), rules)


def weigh(name: str, of: Calibration) -> Weights:
    """The scheme's weights; data that it refuses for a stated reason is no example."""
    scheme: WeightingScheme = SCHEMES[name]()
    try:
        return scheme(of)
    except InputError as error:
        assert "use another scheme" in str(error).lower()
        assume(False)
        raise


@every_scheme
@given(values=VALUES)
def test_shares_are_a_distribution(name: str, values: Floats) -> None:
    weights = weigh(name, calibration(values))
    assert (weights.values >= 0).all() and np.isfinite(weights.values).all()
    assert weights.shares.sum() == pytest.approx(1.0, abs=1e-12)


@by_ratings
@given(values=VALUES)
def test_reordering_the_rules_reorders_the_weights(name: str, values: Floats) -> None:
    made_from = calibration(values)
    # Rules that mirror each other exactly cannot be told apart by anything but their order.
    assume(len(set(made_from.margin_variance.round(9))) == 4)
    ahead = weigh(name, made_from).shares
    behind = weigh(name, calibration(values[:, ::-1], "dcba")).shares
    np.testing.assert_allclose(ahead, behind[::-1], atol=1e-6)


@every_scheme
@given(values=VALUES, factor=st.floats(0.01, 100), offset=st.floats(-100, 100))
def test_an_affine_change_of_the_raw_scale_changes_no_weight(
    name: str,
    values: Floats,
    factor: float,
    offset: float,
) -> None:
    levels = LevelScale(tuple(factor * level + offset for level in FIVE.levels))
    before = weigh(name, calibration(values)).shares
    after = weigh(name, calibration(factor * values + offset, scale=levels)).shares
    np.testing.assert_allclose(before, after, atol=1e-6)


@by_ratings
@given(values=VALUES)
def test_a_constant_rule_changes_no_ranking(name: str, values: Floats) -> None:
    without = compose(values, weigh(name, calibration(values)))
    more = np.column_stack([values, np.full(len(values), 4.0)])
    # One more rule changes every share by one factor and adds a constant: never an order.
    with_it = compose(more, weigh(name, calibration(more, "abcde")))
    apart = np.abs(without[:, None] - without) > 1e-5
    before = np.sign(without[:, None] - without)[apart]
    np.testing.assert_array_equal(np.sign(with_it[:, None] - with_it)[apart], before)


@every_scheme
def test_the_same_calibration_gives_the_same_bits(name: str) -> None:
    values = np.random.default_rng(0).integers(1, 6, (24, 4)).astype(float)
    first, second = (weigh(name, calibration(values)) for _ in range(2))
    np.testing.assert_array_equal(first.values, second.values)


@every_scheme
def test_weights_say_what_made_them(name: str) -> None:
    values = np.random.default_rng(0).integers(1, 6, (24, 4)).astype(float)
    made_from = calibration(values)
    weights = weigh(name, made_from)
    assert (weights.scheme, weights.calibration_digest) == (name, made_from.digest)
    assert make_scheme(name, dict(weights.options)) == SCHEMES[name]()


@every_scheme
def test_an_option_that_a_scheme_does_not_have_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"scheme '{name}' has no option \\['tau'\\]"):
        make_scheme(name, {"tau": 1})


@every_scheme
def test_a_misspelt_name_is_refused_with_the_nearest(name: str) -> None:
    with pytest.raises(UnknownNameError, match="no weighting scheme is called") as caught:
        make_scheme(f"{name}x", {})
    assert caught.value.known == (*SCHEMES, *LEARNED)
    assert f"Did you mean '{name}'" in str(caught.value)


@by_ratings
@pytest.mark.parametrize(
    ("applies", "why"), [(0.0, "they apply to none of the responses"), (1.0, "")]
)
def test_a_rule_that_never_applies_is_named(name: str, applies: float, why: str) -> None:
    # Rule d is unrated, so that it has nothing to be weighed by either way; here is why.
    rng = np.random.default_rng(0)
    values = rng.integers(1, 6, (24, 4)).astype(float)
    values[:, 3] = np.nan
    rules = Rulebook.from_ids(list("abcd"), FIVE)
    every = np.tile([1, 1, 1, applies], (24, 1))
    of = calibrate(RatingsTable(rules, values, PROMPTS, applies=every), rules)
    if name in ("uniform", "auto"):
        assert SCHEMES[name]()(of).values.tolist() == [1.0] * 4
        return
    with pytest.raises(InputError, match=r"rules \[('a', 'b', 'c', )?'d'\] cannot") as error:
        SCHEMES[name]()(of)
    assert ("they apply to none of the responses" in str(error.value)) is bool(why)
