from __future__ import annotations

import pytest

from encore import InputError, LevelScale, RangeScale, Rule
from encore.raters.judge.codes import Codes


def labels(scale: LevelScale | RangeScale) -> Codes:
    return Codes.of(Rule("r", "Is kind.", scale))


def test_levels_of_one_digit_are_their_own_labels() -> None:
    found = labels(LevelScale((1, 2, 3, 4, 5)))
    assert found.names == ("1", "2", "3", "4", "5") and found.values == (1, 2, 3, 4, 5)
    assert (found.noun, found.listed) == ("number", "1, 2, 3, 4 or 5")


def test_a_falling_scale_keeps_its_digits_and_is_listed_in_reading_order() -> None:
    found = labels(LevelScale((4, 2, 0)))
    assert (found.names, found.values, found.listed) == (("4", "2", "0"), (4, 2, 0), "0, 2 or 4")


@pytest.mark.parametrize("levels", [(0.5, 1.0), (-1, 0, 1), (1, 10), (0, 50, 100)])
def test_other_levels_are_numbered_from_one(levels: tuple[float, ...]) -> None:
    found = labels(LevelScale(levels))
    assert found.names == ("1", "2", "3")[: len(levels)] and found.values == levels


def test_more_than_nine_are_lettered() -> None:
    found = labels(LevelScale(tuple(range(11))))
    assert found.names == tuple("ABCDEFGHIJK") and found.values == tuple(range(11))
    assert found.noun == "letter" and found.listed.endswith("J or K")


def test_bins_of_a_range_stand_for_even_values_from_worst_to_best() -> None:
    # From 1 (worst) to 0 (best) in five: 1, 3/4, 1/2, 1/4, 0.
    found = labels(RangeScale(worst=1.0, best=0.0, bins=5))
    assert found.names == ("1", "2", "3", "4", "5")
    assert found.values == (1.0, 0.75, 0.5, 0.25, 0.0)


def test_more_levels_than_letters_cannot_be_asked() -> None:
    assert len(labels(LevelScale(tuple(range(26)))).names) == 26
    with pytest.raises(InputError, match=r"rule 'r' has 27 levels; .* at most 26"):
        labels(LevelScale(tuple(range(27))))
