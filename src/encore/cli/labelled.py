"""Conversations for models with heads, and ratings brought to them for training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import click
import numpy as np

from encore.errors import RatingsError
from encore.files import file_digest
from encore.heads.model.conversation import Conversation
from encore.heads.training.train import PREFERRED, TrainingData
from encore.raters import Item, Recorded, Texts, rate
from encore.ratings import as_ratings
from encore.rules import LevelScale, Rulebook


@dataclass(frozen=True)
class _Talks:
    """The conversations of a file of texts, read anew each time."""

    texts: Texts

    def items(self) -> Iterator[Item]:
        for row in self.texts:
            yield from row.items

    def __iter__(self) -> Iterator[Conversation]:
        return map(_talk, self.items())


def _talk(item: Item) -> Conversation:
    return (*item.messages, ("assistant", item.response))


def first_talks(source: str, limit: int) -> list[Conversation]:
    """The first conversations of some texts."""
    return list(islice(_Talks(Texts(source, limit=limit)), limit))


def labelled(
    ratings: Path, texts: str | None, rules_source: str | None, *, paired: bool = False
) -> TrainingData:
    """Ratings with their texts, which are in the same file or are found by their ids.

    Raises
    ------
    RatingsError
        If none of the texts has a rating, or pairs are wanted and it holds none.
    """
    if rules_source is None:
        raise click.UsageError("Missing option '--rules'.")
    rules = Rulebook.load(rules_source)
    talks = _Talks(Texts(texts or ratings))
    if paired:
        _check_pairs(talks.texts)
    table = rate(talks.texts, rules, Recorded(ratings)).table if texts else ratings
    labels = as_ratings(table, rules).values
    if np.isnan(labels).all():
        raise RatingsError(
            f"it rates none of {talks.texts.source}; see the ids.", source=str(ratings)
        )
    made_of = {"ratings": ratings.name, "ratings_sha256": file_digest(ratings)}
    named = talks.texts.provenance()
    told = {**made_of, **named, "rules_digest": rules.digest}
    prompts = [item.prompt_id for item in talks.items()]
    return TrainingData(talks, labels, prompts, rules, told, named)


def preferences(texts: str) -> TrainingData:
    """Pairs of texts, for what learns from preferences alone.

    Raises
    ------
    RatingsError
        If the texts are no pairs.
    """
    talks = _Talks(Texts(texts))
    _check_pairs(talks.texts)
    prompts = [item.prompt_id for item in talks.items()]
    rules = Rulebook.from_ids([PREFERRED], LevelScale((0, 1)))
    return TrainingData(talks, np.empty((0, 1)), prompts, rules, talks.texts.provenance())


def pair_ids(texts: str) -> list[str]:
    """The ids of pairs of texts, in their order."""
    return [str(row.ids["id"]) for row in Texts(texts)]


def _check_pairs(texts: Texts) -> None:
    if len(next(iter(texts)).items) != 2:  # all rows are of one kind
        message = "expected pairs, with the columns chosen and rejected."
        raise RatingsError(message, source=str(texts.source))
