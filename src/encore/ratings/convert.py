"""Ratings in any form as a table, or as pairs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from encore.errors import InputError
from encore.ratings.forms import settled
from encore.ratings.pairs import PreferencePairs
from encore.ratings.table import RatingsTable
from encore.rules import Rules, as_rulebook


def as_ratings(
    data: Any, rules: Rules, *, scale: Any = None, prompts: Sequence[Any] | None = None
) -> RatingsTable:
    """A ratings table from ratings in any form.

    Parameters
    ----------
    data : RatingsTable, PreferencePairs, array_like, frame or path
        An array of shape (n_responses, n_rules), of NumPy (where it is masked, it is unrated),
        torch or JAX; or, with a column per rule, a frame (Arrow, polars, pandas, a ``Dataset`` of
        datasets), a list of rows, a mapping of columns, or a file.
    rules : Rulebook, path, catalogue's name, or list of ids
        The rules; they order the columns. See :func:`encore.rules.as_rulebook`.
    scale : LevelScale, RangeScale or list of levels, optional
        The scale, if the rules are a list of ids.
    prompts : sequence, optional
        The prompt of each row, for an array; other forms carry their own.

    Raises
    ------
    MismatchError
        If *data* was made with different rules.
    InputError
        If *data* is none of these forms, or *prompts* are given with one that has its own.
    RatingsError
        If the ratings break their contract.
    """
    rules, data = as_rulebook(rules, scale), settled(data)
    if isinstance(data, np.ndarray | list | tuple):
        return RatingsTable(rules, data, prompts)
    if prompts is not None:
        raise InputError(
            f"prompts go with an array of ratings; a {type(data).__name__} names its own in "
            f"'prompt_id'."
        )
    if isinstance(data, PreferencePairs):
        data = data.ratings
    if isinstance(data, RatingsTable):
        rules.same_as(data.rules, "these rules", data.source)
        return data
    # pyarrow takes as long to import as all the rest: plain arrays must not pay for it.
    from encore.ratings import arrow, files

    if isinstance(data, str | os.PathLike):
        path = os.fspath(data)
        return arrow.ratings_from(files.read_arrow(path, rules), rules, path)
    return arrow.ratings_from(arrow.to_arrow(data, "ratings"), rules, "ratings")


def as_pairs(data: Any, rules: Rules, *, scale: Any = None) -> PreferencePairs:
    """Preference pairs from pairs, a frame or a file in the pairs layout.

    Rules and their scale are given as to :func:`as_ratings`.

    Raises
    ------
    MismatchError, InputError, RatingsError
        As :func:`as_ratings`; also if *data* is not in the pairs layout.
    """
    rules, data = as_rulebook(rules, scale), settled(data, "pairs")
    if isinstance(data, np.ndarray | list | tuple):
        raise InputError(
            "an array does not say which responses belong together; make pairs of the ratings of "
            "the chosen and of the rejected ones with PreferencePairs.from_arrays."
        )
    if isinstance(data, PreferencePairs):
        rules.same_as(data.rules, "these rules", data.ratings.source)
        return data
    from encore.ratings import arrow, files

    if isinstance(data, str | os.PathLike):
        path = os.fspath(data)
        return arrow.pairs_from(files.read_arrow(path, rules, also=("subset",)), rules, path)
    return arrow.pairs_from(arrow.to_arrow(data, "pairs"), rules, "pairs")
