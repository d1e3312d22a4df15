"""Whole numbers in a document that may be anyone's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def whole_numbers(value: Any, name: str) -> NDArray[np.object_]:
    """A list of whole numbers, or lists of as many, as an array of Python's integers.

    Raises
    ------
    ValueError
        If it is anything else.

    Examples
    --------
    >>> whole_numbers([[1, 2**70]], "counts").shape
    (1, 2)
    """
    array = np.array(value, dtype=object)
    wrong = next((each for each in array.flat if type(each) is not int), None)
    if array.ndim == 0 or wrong is not None:
        raise ValueError(f"{name} holds {wrong!r:.60}; expected whole numbers")
    return array


def whole_number(value: Any, name: str) -> int:
    """A whole number of 0 or more.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    if type(value) is not int or value < 0:
        raise ValueError(f"{name} is {value!r:.60}; expected a whole number of 0 or more")
    return value
