from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encore.errors import InputError
from encore.rules import LevelScale, RangeScale, Scale
from encore.rules.scale import outside, scale_from_dict

FIVE = LevelScale((1, 2, 3, 4, 5))
COST = LevelScale((5, 4, 3, 2, 1))
RANGE = RangeScale(worst=-1.0, best=1.0, bins=4)
NAN = float("nan")


def test_levels_map_evenly_to_the_unit_interval() -> None:
    # (v - 1) / (5 - 1)
    assert FIVE.unit([1, 2, 3, 4, 5]).tolist() == [0, 1 / 4, 2 / 4, 3 / 4, 1]


def test_a_cost_is_a_scale_the_other_way_round() -> None:
    assert COST.unit([1, 5, 4]).tolist() == [1.0, 0.0, 0.25]
    assert COST.level_of([5, 1]).tolist() == [0, 4]


def test_uneven_levels_map_by_their_value() -> None:
    # (1 - 0) / (10 - 0)
    assert LevelScale((0, 1, 10)).unit([1]).tolist() == [0.1]


def test_nan_is_no_level_and_stays_nan() -> None:
    for scale in (FIVE, RANGE):
        assert np.isnan(scale.unit([NAN])).all()
        assert scale.level_of([NAN]).tolist() == [-1]
        assert not scale.off_level([NAN]).any()
        assert not outside(scale, [NAN]).any()


def test_a_range_counts_in_equal_bins_that_hold_their_ends() -> None:
    # Four bins of width 1/2 from -1: -1 and -0.51 in bin 0, -0.5 in 1, 0 in 2, 0.5 and 1 in 3.
    assert RANGE.level_of([-1, -0.51, -0.5, 0, 0.5, 1]).tolist() == [0, 0, 1, 2, 3, 3]


def test_beyond_a_range_is_clipped_and_marked() -> None:
    values = [-1.5, -1, 1, 1.5]
    assert RANGE.unit(values).tolist() == [0, 0, 1, 1]
    assert outside(RANGE, values).tolist() == [True, False, False, True]


def test_a_value_between_levels_belongs_to_the_nearest_and_is_marked() -> None:
    assert FIVE.level_of([4.4, 4.6]).tolist() == [3, 4]
    assert FIVE.off_level([4.4, 4.0]).tolist() == [True, False]
    assert not RANGE.off_level([0.123]).any()


def test_float32_levels_are_still_levels() -> None:
    scale = LevelScale((0.1, 0.2, 0.7))
    values = np.array([0.1, 0.2, 0.7], dtype=np.float32)
    assert not scale.off_level(values).any()
    assert scale.level_of(values).tolist() == [0, 1, 2]
    assert not outside(scale, values).any()


@pytest.mark.parametrize("levels", [(), (1,), (1, 1), (1, 3, 2), (1, NAN), (1, float("inf"))])
def test_unordered_or_too_few_levels_are_refused(levels: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="two or more finite numbers in order, worst to best"):
        LevelScale(levels)


@pytest.mark.parametrize("ends", [(0, 0), (0, NAN), (float("-inf"), 0)])
def test_a_range_needs_two_different_ends(ends: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="two different finite ends"):
        RangeScale(*ends)


@pytest.mark.parametrize("bins", [1, 0, -3, 2.5, True])
def test_a_range_needs_two_bins(bins: int) -> None:
    with pytest.raises(InputError, match="whole number of bins, 2 or more"):
        RangeScale(0, 1, bins)


@pytest.mark.parametrize("scale", [FIVE, COST, RANGE, RangeScale(3, 1)])
def test_plain_data_makes_the_same_scale(scale: Scale) -> None:
    assert scale_from_dict(scale.to_dict()) == scale


def test_bins_have_a_default() -> None:
    assert scale_from_dict({"worst": 0, "best": 1}) == RangeScale(0, 1, 10)


@pytest.mark.parametrize(
    "data", [{}, {"level": [1, 2]}, {"levels": [1, 2], "bins": 2}, {"worst": 0}]
)
def test_a_misspelt_scale_is_refused_with_both_forms(data: dict[str, object]) -> None:
    with pytest.raises(InputError, match=r"levels = \[1, 2, 3\]\} or \{worst = 0.0"):
        scale_from_dict(data)


def test_a_scale_of_words_is_refused() -> None:
    with pytest.raises(InputError, match="made of numbers"):
        scale_from_dict({"levels": 5})


@given(
    worst=st.floats(-1e6, 1e6),
    width=st.floats(1e-3, 1e6),
    falling=st.booleans(),
    shares=st.lists(st.floats(0, 1), min_size=1),
)
def test_units_undo_any_affine_change_of_the_raw_scale(
    worst: float, width: float, falling: bool, shares: list[float]
) -> None:
    best = worst - width if falling else worst + width
    raw = worst + np.array(shares) * (best - worst)
    np.testing.assert_allclose(RangeScale(worst, best).unit(raw), shares, atol=1e-6)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_values_on_the_borders_of_bins_are_counted_alike_in_any_precision(kind: type) -> None:
    # Tenths on ten bins: each begins a bin, and 1.0 is held in the last.
    tenths = np.array([i / 10 for i in range(11)]).astype(kind).tolist()
    assert RangeScale(0, 1).level_of(tenths).tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9]
    assert RangeScale(1, 0).level_of(tenths).tolist() == [9, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    assert RangeScale(0, 100, 100).level_of(np.arange(100)).tolist() == list(range(100))


def test_more_levels_than_can_be_counted_are_refused() -> None:
    with pytest.raises(InputError, match="bins"):
        RangeScale(0, 1, 100_000)
    with pytest.raises(InputError, match="levels"):
        LevelScale(tuple(range(40_000)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: RangeScale(-1e308, 1e308),
        lambda: RangeScale(1.7e308, -1.7e308),
        lambda: LevelScale((-1e308, 0, 1e308)),
        lambda: LevelScale((1e308, -1e308)),
        lambda: scale_from_dict({"worst": -1e308, "best": 1e308, "bins": 4}),
        lambda: scale_from_dict({"levels": [-1.7e308, 1, 1.7e308]}),
    ],
)
def test_a_scale_whose_ends_differ_by_infinity_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(InputError, match="is too wide: its ends differ by more than a 64-bit"):
        make()


@pytest.mark.parametrize(
    ("worst", "best"), [(-8e307, 8e307), (1.6e308, 1.7e308), (0.0, 5e-324), (3e-320, -3e-320)]
)
def test_a_scale_at_the_limits_of_floats_maps_as_any(worst: float, best: float) -> None:
    scale = RangeScale(worst, best, bins=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ends = [-1.7e308, worst, best, 1.7e308]
        units = scale.unit(ends).tolist()
        beyond = outside(scale, [worst, best, 1.7e308, -1.7e308]).tolist()
    assert units == ([0, 0, 1, 1] if best > worst else [1, 0, 1, 0])
    # 1.7e308 is the end of the second scale.
    assert beyond == [False, False, best != 1.7e308, True]
    assert LevelScale((worst, best)).level_of([worst, best]).tolist() == [0, 1]


def test_masked_ratings_have_no_level() -> None:
    masked = np.ma.array([1.0, 5.0], mask=[False, True])
    for scale in (LevelScale((1, 5)), RangeScale(1, 5)):
        np.testing.assert_array_equal(scale.unit(masked), [0, np.nan])
        assert scale.level_of(masked).tolist() == [0, -1]
        assert scale.off_level(masked).tolist() == outside(scale, masked).tolist() == [False] * 2
