"""One family of errors."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from encore import errors


def test_every_error_is_in_the_family_and_in_its_drawing() -> None:
    classes = [
        c for _, c in inspect.getmembers(errors, inspect.isclass) if c.__module__ == errors.__name__
    ]
    assert all(issubclass(c, errors.EncoreError) for c in classes)
    assert all(c.__name__ in (errors.__doc__ or "") for c in classes)


def test_errors_are_also_what_python_programmers_expect() -> None:
    assert issubclass(errors.InputError, ValueError)
    assert issubclass(errors.MissingExtraError, ImportError)


def test_an_unknown_name_suggests_the_nearest_and_lists_the_rest() -> None:
    error = errors.UnknownNameError("weighting scheme", "liner", ["linear", "uniform"])
    expected = (
        "no weighting scheme is called 'liner'. Did you mean 'linear'? Known: linear, uniform."
    )
    assert str(error) == expected
    assert (error.name, error.known) == ("liner", ("linear", "uniform"))


@pytest.mark.parametrize(
    ("row", "column", "where"),
    [
        (3, "privacy", "a.csv, row 3, column 'privacy'"),
        (3, None, "a.csv, row 3"),
        (None, None, "a.csv"),
    ],
)
def test_a_ratings_error_says_where(row: int | None, column: str | None, where: str) -> None:
    error = errors.RatingsError("is wrong.", source="a.csv", row=row, column=column)
    assert str(error) == f"{where}: is wrong."
    assert (error.row, error.column) == (row, column)


def test_a_name_that_is_no_text_is_unknown_too() -> None:
    name: Any = 1
    said = str(errors.UnknownNameError("rule", name, ["1"]))
    assert said == "no rule is called 1. Did you mean '1'? Known: 1."
