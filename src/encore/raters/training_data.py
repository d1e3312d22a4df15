"""Texts and their ratings, brought together for training heads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encore.errors import InputError, RatingsError
from encore.files import StrPath, file_digest
from encore.heads.model.conversation import Conversation
from encore.heads.training.train import PREFERRED, TrainingData
from encore.raters.protocol import Item
from encore.raters.rated import Rated
from encore.raters.recorded import RowsById
from encore.raters.rows import TextRow
from encore.raters.texts import Texts
from encore.ratings import RatingsTable, as_ratings
from encore.rules import LevelScale, Rulebook


@dataclass(frozen=True)
class _Conversations:
    """The conversations of some texts, read again each time."""

    texts: Texts

    def __iter__(self) -> Iterator[Conversation]:
        rows = map(_read, self.texts)
        return (item.conversation for items in rows for item in items)


def rated_data(
    ratings: Any,
    rules: Rulebook,
    texts: StrPath | None = None,
    *,
    paired: bool = False,
    layout: str | None = None,
    json_messages: bool = False,
) -> TrainingData:
    """Texts with the ratings that heads learn, matched by the ids of responses or of pairs.

    Parameters
    ----------
    ratings : path-like, Rated, frame or RatingsTable
        The ratings.
    rules : Rulebook
        Their rules.
    texts : path-like, optional
        The texts; by default those in the file of ratings. Rows that cannot be read are left out.
    paired : bool
        Whether the texts have to be pairs.
    layout, json_messages
        How the texts are laid out.

    Raises
    ------
    InputError
        If ratings that are not a file come without texts.
    RatingsError
        If the texts hold a response twice, none of them has a rating, or pairs are needed and
        they are not pairs; or if ratings and texts of one file are not one for one.
    MismatchError
        If the ratings were made with other rules.
    """
    is_path = isinstance(ratings, str | os.PathLike)
    if not is_path and texts is None:
        raise InputError("these ratings are not a file that could hold texts; give texts too.")
    source = Texts(ratings if texts is None else texts, layout=layout, json_messages=json_messages)
    if paired:
        _check_pairs(source)
    notes: list[str] = []
    table = as_ratings(ratings.table if isinstance(ratings, Rated) else ratings, rules)
    if texts is None:
        ids, targets = _beside(table, source, notes.append)
    else:
        ids = _ids(source.distinct(notes.append))
        targets = _found(table, ids)
    if np.isnan(targets).all():
        raise RatingsError(f"it rates none of {source.source}; check the ids.", source=table.source)
    made_of = {"ratings": table.source}
    if is_path:
        made_of = {"ratings": Path(ratings).name, "ratings_sha256": file_digest(ratings)}
    named = source.provenance()
    told = {**made_of, **named, "rules_digest": rules.digest}
    prompts = [prompt for prompt, _ in ids]
    talks = _Conversations(source)
    return TrainingData(talks, targets, prompts, rules, told, named, tuple(notes))


def preference_data(
    source: StrPath, *, layout: str | None = None, json_messages: bool = False
) -> TrainingData:
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
    texts = Texts(source, layout=layout, json_messages=json_messages)
    _check_pairs(texts)
    notes: list[str] = []
    prompts = [prompt for prompt, _ in _ids(texts.read(notes.append))]
    rules = Rulebook.from_ids([PREFERRED], LevelScale((0, 1)))
    talks, told = _Conversations(texts), texts.provenance()
    return TrainingData(talks, np.empty((0, 1)), prompts, rules, told, notes=tuple(notes))


def pair_ids(
    source: StrPath, *, layout: str | None = None, json_messages: bool = False
) -> list[str]:
    """The ids of pairs of texts that can be read, in their order."""
    texts = Texts(source, layout=layout, json_messages=json_messages)
    return [str(row.ids["id"]) for row in texts if _read(row)]


def _read(row: TextRow) -> list[Item]:
    """The responses of a row, or none if not all of them can be read."""
    items = [item for item in row.items if isinstance(item, Item)]
    return items if len(items) == len(row.items) else []


def _ids(rows: Iterable[TextRow]) -> list[tuple[str, str]]:
    """The ids of prompt and response of each response."""
    return [(item.prompt_id, item.response_id) for row in rows for item in _read(row)]


def _beside(
    table: RatingsTable, texts: Texts, on_note: Callable[[str], None]
) -> tuple[list[tuple[str, str]], NDArray[np.float64]]:
    """The ids of each response, and the ratings that stand beside it in the same file."""
    ids: list[tuple[str, str]] = []
    kept: list[bool] = []
    for row in texts.read(on_note):
        ids += _ids([row])
        kept += [bool(_read(row))] * len(row.items)
    if len(kept) != len(table.values):
        raise RatingsError(
            f"it rates {len(table.values)} responses and holds {len(kept)} texts; give the texts "
            f"apart, with their ids.",
            source=table.source,
        )
    return ids, table.values[np.array(kept)]


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
