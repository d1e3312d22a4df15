"""Blocks of numbers with one cell per response and rule, as a caller gives them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from encore.arrays import as_floats, as_numpy
from encore.errors import InputError
from encore.ratings.ids import largest_whole
from encore.ratings.origin import Origin
from encore.rules import Rulebook


def numbers_block(name: str, values: ArrayLike, origin: Origin) -> NDArray[np.float64]:
    """An array of numbers, with NaN where there is none.

    Raises
    ------
    RatingsError
        If they are not numbers.
    """
    try:
        return as_floats(values, name, "unrated")
    except InputError as error:
        raise origin.error(str(error)) from error


def ratings_block(values: ArrayLike, rules: Rulebook, origin: Origin) -> NDArray[np.float64]:
    """Ratings as an array of numbers with one column per rule; the values are not checked.

    Raises
    ------
    RatingsError
        If they are not numbers, or not of shape (n_rows, n_rules).
    """
    block = numbers_block("values", values, origin)
    if block.ndim != 2 or block.shape[1] != len(rules):
        expected = f"(n_rows, {len(rules)}), one column per rule"
        raise origin.error(f"ratings have shape {block.shape}; expected {expected}.")
    return block


def whole_repeats(repeats: ArrayLike, origin: Origin) -> NDArray[np.int64]:
    """Numbers of repeats.

    Raises
    ------
    RatingsError
        If one is not a whole number of 0 or more, or too large to be told from its neighbours.
    """
    repeats = as_numpy(repeats)
    numbers = numbers_block("repeats", repeats, origin)
    if np.asarray(repeats).dtype == bool:
        raise origin.error("repeats are true or false; expected 0, 1, 2, ….", 0, "repeat")
    wrong = ~((numbers == np.floor(numbers)) & (numbers >= 0) & np.isfinite(numbers))
    if wrong.any():
        row = int(wrong.argmax())
        raise origin.error(
            f"repeat {numbers[row]:g} is not a whole number of 0 or more; expected 0 for a "
            f"rating, 1, 2, … for the same response rated again.",
            row,
            "repeat",
        )
    large = numbers > largest_whole(np.float64)
    if large.any():
        row = int(large.argmax())
        raise origin.error(
            f"repeat {numbers[row]:g} is too large to be told from its neighbours; number repeats "
            f"1, 2, ….",
            row,
            "repeat",
        )
    return numbers.astype(np.int64)


def expected_levels(
    probabilities: NDArray[np.float64], rules: Rulebook
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Expected level and entropy (nats) of each cell's level probabilities; NaN where unknown."""
    # In one order of memory, so that a sum has the same bits whoever gave the array.
    probabilities = np.ascontiguousarray(probabilities)
    levels = np.zeros(probabilities.shape[1:])
    for position, rule in enumerate(rules):
        scale = np.asarray(getattr(rule.scale, "levels", ()))
        levels[position, : len(scale)] = scale
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(probabilities > 0, np.log(probabilities), 0.0)
    entropy = -(probabilities * logs).sum(axis=2)
    return (probabilities * levels).sum(axis=2), np.maximum(entropy, 0.0)
