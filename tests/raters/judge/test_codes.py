from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encore import InputError, LevelScale, RangeScale, Rule
from encore.raters.judge.codes import Codes


def codes(scale: LevelScale | RangeScale) -> Codes:
    return Codes.of(Rule("r", "Is kind.", scale))


def test_levels_of_one_digit_are_their_own_codes() -> None:
    found = codes(LevelScale((1, 2, 3, 4, 5)))
    assert found.names == ("1", "2", "3", "4", "5") and found.values == (1, 2, 3, 4, 5)
    assert found.listed == "1, 2, 3, 4 or 5"
    assert codes(LevelScale(tuple(range(10)))).names == tuple("0123456789")
    assert codes(LevelScale((-0.0, 1))).names == ("0", "1")


def test_a_falling_scale_keeps_its_digits_and_is_listed_in_reading_order() -> None:
    found = codes(LevelScale((4, 2, 0)))
    assert (found.names, found.values, found.listed) == (("4", "2", "0"), (4, 2, 0), "0, 2 or 4")


@pytest.mark.parametrize("levels", [(0.5, 1.0), (-1, 0, 1), (1, 10), (0, 50, 100)])
def test_other_levels_are_numbered_from_one(levels: tuple[float, ...]) -> None:
    found = codes(LevelScale(levels))
    assert found.names == ("1", "2", "3")[: len(levels)] and found.values == levels


def test_ten_that_are_no_whole_numbers_are_numbered_with_one_digit() -> None:
    tenths = tuple(n / 10 for n in range(10))
    assert codes(LevelScale(tenths)).names == tuple("0123456789")
    assert codes(LevelScale(tenths)).values == tenths
    # Ten bins from 0 to 1 are 1/9 apart.
    found = codes(RangeScale(worst=0.0, best=1.0))
    assert found.names == tuple("0123456789")
    assert found.values == pytest.approx([n / 9 for n in range(10)])


@pytest.mark.parametrize(
    ("scale", "first", "last"),
    [
        (LevelScale(tuple(range(11))), "00", "10"),
        (LevelScale(tuple(range(1, 11))), "01", "10"),
        (LevelScale(tuple(range(10, -1, -1))), "10", "00"),
        (LevelScale(tuple(range(0, 100, 5))), "00", "95"),
        # Not whole, or more than two digits: numbered from 1.
        (LevelScale(tuple(n / 10 for n in range(11))), "01", "11"),
        (LevelScale(tuple(range(0, 101, 10))), "01", "11"),
        (RangeScale(worst=1.0, best=0.0, bins=26), "01", "26"),
    ],
)
def test_more_levels_have_two_digits_each(
    scale: LevelScale | RangeScale, first: str, last: str
) -> None:
    found = codes(scale)
    assert (found.names[0], found.names[-1]) == (first, last)
    assert all(len(name) == 2 for name in found.names)
    if isinstance(scale, LevelScale):
        assert found.values == scale.levels


SCALES = st.lists(
    st.integers(-3, 120) | st.floats(-2, 2).map(lambda v: round(v, 3)),
    min_size=2,
    max_size=26,
    unique_by=float,
).map(lambda levels: LevelScale(tuple(sorted(levels))))


@given(SCALES | st.builds(RangeScale, st.just(0.0), st.just(1.0), st.integers(2, 26)))
def test_no_code_begins_another_or_a_word(scale: LevelScale | RangeScale) -> None:
    found = codes(scale)
    assert len(set(found.names)) == len(found.values) == scale.n_levels
    assert len({len(name) for name in found.names}) == 1
    assert all(name.isascii() and name.isdigit() for name in found.names)
    # However a code is spelled, it is read as itself: 07 and 7 alike, 7 and 17 not.
    assert all(int(name) == int(found.names[at]) for name, at in found.spellings.items())


def test_bins_of_a_range_stand_for_even_values_from_worst_to_best() -> None:
    # From 1 (worst) to 0 (best) in five: 1, 3/4, 1/2, 1/4, 0.
    found = codes(RangeScale(worst=1.0, best=0.0, bins=5))
    assert found.names == ("1", "2", "3", "4", "5")
    assert found.values == (1.0, 0.75, 0.5, 0.25, 0.0)


def test_more_levels_than_codes_cannot_be_asked() -> None:
    assert len(codes(LevelScale(tuple(range(26)))).names) == 26
    with pytest.raises(InputError, match=r"rule 'r' has 27 levels; .* at most 26"):
        codes(LevelScale(tuple(range(27))))
