"""Ratings in any form as a table, or as pairs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from encore.errors import InputError
from encore.ratings.forms import settled
from encore.ratings.label_pairs import pairs_by_label
from encore.ratings.labels import labelled_responses
from encore.ratings.pairing import MAX_PER_PROMPT
from encore.ratings.pairs import PreferencePairs
from encore.ratings.table import RatingsTable
from encore.rules import Rules, as_rulebook

UNSAID: dict[str, Any] = {
    "gap": None,
    "max_per_prompt": MAX_PER_PROMPT,
    "across_prompts": False,
    "lower_is_better": None,
}
"""How pairs are made of labels where nothing is said; without a label nothing may be."""


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


def as_pairs(
    data: Any,
    rules: Rules,
    *,
    scale: Any = None,
    label: str | ArrayLike | None = None,
    gap: float | None = None,
    max_per_prompt: int = MAX_PER_PROMPT,
    across_prompts: bool = False,
    lower_is_better: bool | None = None,
    rng: np.random.Generator | int = 0,
) -> PreferencePairs:
    """Preference pairs from pairs, a frame or a file in the pairs layout.

    Rules and their scale are given as to :func:`as_ratings`. With *label*, pairs are made of rated
    responses, see :func:`encore.pairs`, which says what the other options mean.

    Raises
    ------
    MismatchError, InputError, RatingsError
        As :func:`as_ratings`; also if *data* is not in the pairs layout, or if with *label* no two
        responses make a pair.
    """
    rules = as_rulebook(rules, scale)
    how: dict[str, Any] = {
        "gap": gap,
        "max_per_prompt": max_per_prompt,
        "across_prompts": across_prompts,
        "lower_is_better": lower_is_better,
    }
    check_said(label, **how)
    data = settled(data, "pairs" if label is None else "ratings")
    if label is not None:
        ratings, labels, subsets = labelled_responses(data, rules, label)
        column = label if isinstance(label, str) else ""
        return pairs_by_label(ratings, labels, column=column, subsets=subsets, rng=rng, **how)
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


def check_said(label: Any, **how: Any) -> None:
    """Refuse options of how pairs are made of labels where there is no label.

    Raises
    ------
    InputError
        If one is given.
    """
    said = [name for name, value in how.items() if value != UNSAID[name]]
    if label is None and said:
        raise InputError(
            f"{', '.join(said)}: of how pairs are made of labels, so give the labels too: --label "
            f"COLUMN (label=)."
        )
