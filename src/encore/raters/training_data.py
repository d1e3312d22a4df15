"""Texts and their ratings, brought together for training heads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encore.errors import InputError, RatingsError
from encore.files import StrPath, file_digest
from encore.heads.model.conversation import Conversation
from encore.heads.training.train import PREFERRED, TrainingData
from encore.raters.rated import Rated
from encore.raters.recorded import RowsById
from encore.raters.texts import Texts
from encore.ratings import RatingsTable, as_ratings
from encore.rules import LevelScale, Rulebook


@dataclass(frozen=True)
class _Conversations:
    """The conversations of some texts, read again each time."""

    texts: Texts

    def __iter__(self) -> Iterator[Conversation]:
        return (item.conversation for item in self.texts.items())


def rated_data(
    ratings: Any, rules: Rulebook, texts: StrPath | None = None, *, paired: bool = False
) -> TrainingData:
    """Texts with the ratings that heads learn, matched by the ids of responses or of pairs.

    Parameters
    ----------
    ratings : path-like, Rated, frame or RatingsTable
        The ratings.
    rules : Rulebook
        Their rules.
    texts : path-like, optional
        The texts; by default those in the file of ratings.
    paired : bool
        Whether the texts have to be pairs.

    Raises
    ------
    InputError
        If ratings that are not a file come without texts.
    RatingsError
        If the texts hold a response twice, none of them has a rating, or pairs are needed and
        they are not pairs.
    MismatchError
        If the ratings were made with other rules.
    """
    is_path = isinstance(ratings, str | os.PathLike)
    if not is_path and texts is None:
        raise InputError("these ratings are not a file that could hold texts; give texts too.")
    source = Texts(ratings if texts is None else texts)
    if paired:
        _check_pairs(source)
    table = as_ratings(ratings.table if isinstance(ratings, Rated) else ratings, rules)
    if texts is None:
        ids, targets = _ids(source), table.values
    else:
        ids = _ids(source, distinct=True)
        targets = _found(table, ids)
    if np.isnan(targets).all():
        raise RatingsError(f"it rates none of {source.source}; check the ids.", source=table.source)
    made_of = {"ratings": table.source}
    if is_path:
        made_of = {"ratings": Path(ratings).name, "ratings_sha256": file_digest(ratings)}
    named = source.provenance()
    told = {**made_of, **named, "rules_digest": rules.digest}
    prompts = [prompt for prompt, _ in ids]
    return TrainingData(_Conversations(source), targets, prompts, rules, told, named)


def preference_data(source: StrPath) -> TrainingData:
    """Pairs of texts, for what learns from preferences alone.

    Raises
    ------
    InputError
        If *source* is not a path.
    RatingsError
        If the texts are not pairs.
    """
    if not isinstance(source, str | os.PathLike):
        raise InputError(
            f"preferences are learned from texts; give the path of a file of pairs of texts, not a "
            f"{type(source).__name__}."
        )
    texts = Texts(source)
    _check_pairs(texts)
    prompts = [prompt for prompt, _ in _ids(texts)]
    rules = Rulebook.from_ids([PREFERRED], LevelScale((0, 1)))
    return TrainingData(_Conversations(texts), np.empty((0, 1)), prompts, rules, texts.provenance())


def pair_ids(source: StrPath) -> list[str]:
    """The ids of pairs of texts, in their order."""
    return [str(row.ids["id"]) for row in Texts(source)]


def _ids(texts: Texts, *, distinct: bool = False) -> list[tuple[str, str]]:
    """The ids of prompt and response of each response."""
    rows = texts.distinct() if distinct else texts
    return [(item.prompt_id, item.response_id) for row in rows for item in row.items]


def _found(table: RatingsTable, ids: list[tuple[str, str]]) -> NDArray[np.float64]:
    """The ratings of each response, shape (n_responses, n_rules); NaN where there are none."""
    rows = RowsById(table)
    places = [rows.get(prompt, response) for prompt, response in ids]
    known = np.array([place is not None for place in places])
    targets = np.full((len(ids), len(table.rules)), np.nan)
    targets[known] = table.values[[place for place in places if place is not None]]
    return targets


def _check_pairs(texts: Texts) -> None:
    if len(next(iter(texts)).items) != 2:  # all rows are of one kind
        message = "expected pairs, with the columns chosen and rejected."
        raise RatingsError(message, source=str(texts.source))
