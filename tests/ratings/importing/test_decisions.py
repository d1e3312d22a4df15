"""Each decision at its edge: one value on this side is certain, the next one is asked about."""

from __future__ import annotations

from pathlib import Path

import pytest

from encore.ratings.importing import UnsureError, import_ratings


def asked(folder: Path, values: tuple[object, ...], name: str = "tone", **how: object) -> list[str]:
    """The kinds of what is asked about a rule with these values."""
    path = folder / "judge.csv"
    path.write_text(f"response,{name}\n" + "".join(f"r{n},{v}\n" for n, v in enumerate(values)))
    try:
        import_ratings(path, **how)  # type: ignore[arg-type]
    except UnsureError as error:
        return sorted(question.kind for question in error.questions)
    return []


@pytest.mark.parametrize(
    ("values", "kinds"),
    [
        ((-1, 2, 3), ["scale", "value"]),  # nothing else is negative
        ((-3, -1, 2), ["scale"]),  # something else is
        ((10, 11, 99), ["scale", "value"]),  # 99 is 9 x 11
        ((10, 20, 99), ["scale"]),  # and less than 9 x 20
        ((-1, 0.5, 1), ["scale", "value"]),  # shares
        ((-1, 0.5, 3.5), ["scale"]),  # logits, for instance
    ],
)
def test_a_number_that_may_stand_for_none(
    values: tuple[float, ...], kinds: list[str], tmp_path: Path
) -> None:
    assert asked(tmp_path, values) == kinds


def test_a_number_on_the_scale_that_is_said_is_a_rating(tmp_path: Path) -> None:
    assert asked(tmp_path, (1, 10, 99), scale="0-90") == ["value"]
    assert asked(tmp_path, (1, 10, 99), scale="0-100") == []


@pytest.mark.parametrize(
    ("values", "kinds"),
    [
        ((1, 3, 5, 6, 8, 10), []),  # 6 of 10 levels
        ((1, 3, 8, 10), ["scale"]),  # 4 of 10
        (("3/5", "0/5"), []),
        (("3/5", 1, 5), ["scale"]),  # of two kinds
        (("50%", "100%"), []),
        (("50%", "150%"), ["scale"]),  # no share of a whole
    ],
)
def test_a_scale_is_certain_or_asked(
    values: tuple[object, ...], kinds: list[str], tmp_path: Path
) -> None:
    assert asked(tmp_path, values) == kinds


def test_a_scale_of_a_rule_says_its_direction_and_one_of_all_does_not(tmp_path: Path) -> None:
    said = {"toxicity": "5,4,3,2,1"}
    assert asked(tmp_path, (1, 3, 5), "toxicity", scale=said) == []
    assert asked(tmp_path, (1, 3, 5), "toxicity", scale="5,4,3,2,1") == ["direction"]


def test_a_rule_of_0_and_1_says_nothing_of_the_scale_of_others(tmp_path: Path) -> None:
    path = tmp_path / "judge.csv"
    path.write_text("response,met,tone,clarity\na,0,1,2\nb,1,3,3\nc,0,5,4\n")
    rules = import_ratings(path).rules
    assert [str(rule.scale) for rule in rules] == ["0, 1", "1, 2, 3, 4, 5", "1, 2, 3, 4, 5"]
