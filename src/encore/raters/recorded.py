"""Ratings made elsewhere, as a rater."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np

from encore.files import StrPath, file_digest
from encore.raters.protocol import Answer, Identity, Item, Ledger, Reason, short_digest
from encore.ratings import RatingsTable, as_ratings
from encore.ratings.ids import as_id, is_own_prompt

_Key = TypeVar("_Key", bound=Hashable)
_DIGEST = re.compile("[0-9a-f]{32}")  # the id of a prompt that the texts do not name


class Recorded:
    """Gives each response the rating that a file holds for it, found by its ids.

    Parameters
    ----------
    path : path-like
        A ratings file of either layout, with ``prompt_id`` and ``response_id``, or ``id`` for
        pairs.

    Examples
    --------
    >>> from encore import examples
    >>> Recorded(examples.ratings_path()).identity.goes_by_ids
    True
    """

    def __init__(self, path: StrPath) -> None:
        self.path = Path(path)

    @property
    def files(self) -> tuple[Path, ...]:
        """What is read, and so never overwritten."""
        return (self.path,)

    @cached_property
    def identity(self) -> Identity:
        """The file, by its digest."""
        rater = {"kind": "recorded", "file": self.path.name, "sha256": file_digest(self.path)}
        return Identity(rater, goes_by_ids=True, rules_go_by_ids=True)

    def __call__(self, items: Iterable[Item], ledger: Ledger) -> None:
        """Look each item up.

        Raises
        ------
        RatingsError
            If the file is not a ratings file of these rules, or it does not tell which of several
            responses of one id a rating is of.
        """
        table = as_ratings(self.path, ledger.rules)
        rows = RowsById(table)
        # All are looked up before an answer is kept: one row must not rate two responses.
        found = [(item, rows.get(item.prompt_id, item.response_id)) for item in items]
        for item, row in found:
            for rule, sample in ledger.wants(item):
                answer = _answer(table, row, ledger.rules.position(rule.id))
                ledger.keep(item, rule, answer, sample)


class RowsById:
    """Finds the row of a ratings table that holds a response; repeats of it are skipped.

    Response ids need to be unique only within a prompt, so a response is found by both ids. Where
    one side does not name its prompts, so that a prompt goes by its text or has no id at all, a
    response is found by its own id, if that is one response's alone.

    Parameters
    ----------
    table : RatingsTable
        The ratings.

    Raises
    ------
    RatingsError
        If its responses have no ids.

    Examples
    --------
    >>> from encore.rules import LevelScale, Rulebook
    >>> rules = Rulebook.from_ids(["privacy"], LevelScale((0, 1)))
    >>> table = RatingsTable(rules, [[0], [1], [1]], prompts="ppq", responses="aba")
    >>> rows = RowsById(table)
    >>> rows.get("q", "a"), rows.get("q", "b"), rows.get("another prompt", "b")
    (2, None, None)
    >>> prompt_id_of_a_text = "0123456789abcdef0123456789abcdef"
    >>> rows.get(prompt_id_of_a_text, "b"), rows.get(prompt_id_of_a_text, "a")
    (1, None)
    """

    def __init__(self, table: RatingsTable) -> None:
        if table.responses is None:
            raise table.origin.error(
                "the responses have no ids; recorded ratings are found by 'prompt_id' and "
                "'response_id', or by the 'id' of pairs."
            )
        first = np.flatnonzero(table.is_first)
        columns = (table.responses if table.prompts is None else table.prompts, table.responses)
        prompts, responses = (
            [as_id(ids.names[code]) or "" for code in ids.codes[first].tolist()] for ids in columns
        )
        rows = first.tolist()
        self._origin = table.origin
        self._names_prompts = not all(map(is_own_prompt, prompts, responses))
        # The texts of prompts that have no ids are known by their digests.
        texts = {name: short_digest([["user", name]]).hex() for name in set(prompts)}
        self._rows = _unique(zip(prompts, responses, strict=True), rows)
        self._by_text = _unique(
            ((texts[p], r) for p, r in zip(prompts, responses, strict=True)), rows
        )
        self._alone = _unique(responses, rows)
        self._given: dict[int, str] = {}

    def get(self, prompt: str, response: str) -> int | None:
        """The row of a response; None if there is none, or more than one.

        Raises
        ------
        RatingsError
            If the row of this response was found for another prompt, so that it may be of either.
        """
        for rows in (self._rows, self._by_text):
            if (prompt, response) in rows:
                return rows[prompt, response]
        if self._names_prompts and not _DIGEST.fullmatch(prompt):
            return None
        row = self._alone.get(response)
        if row is not None and self._given.setdefault(row, prompt) != prompt:
            raise self._origin.error(
                f"response {response!r} is rated once, but the texts hold it under two prompts. "
                f"Give the texts the 'prompt_id' of the ratings.",
                row,
            )
        return row


def _unique(keys: Iterable[_Key], rows: Iterable[int]) -> dict[_Key, int]:
    """The row of every key that has only one."""
    found: dict[_Key, list[int]] = defaultdict(list)
    for key, row in zip(keys, rows, strict=True):
        found[key].append(row)
    return {key: places[0] for key, places in found.items() if len(places) == 1}


def _answer(table: RatingsTable, row: int | None, position: int) -> Answer:
    if row is None or table.unrated[row, position]:
        return Answer(reason=Reason.NOT_RECORDED)
    applies = 1.0 if table.applies is None else float(table.applies[row, position])
    if table.not_applicable[row, position]:
        return Answer(applies=0.0)
    spread = float("nan") if table.spread is None else float(table.spread[row, position])
    shares = None
    if table.probabilities is not None:
        n_levels = table.rules.rules[position].scale.n_levels
        shares = table.probabilities[row, position, :n_levels]
    return Answer(
        value=float(table.values[row, position]),
        spread=None if np.isnan(spread) else spread,
        probabilities=None if shares is None or np.isnan(shares[0]) else tuple(shares.tolist()),
        applies=applies,
    )
