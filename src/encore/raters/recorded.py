"""Ratings made elsewhere, as a rater."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import numpy as np

from encore.files import StrPath, file_digest
from encore.raters.protocol import Answer, Identity, Item, Ledger, Reason
from encore.ratings import RatingsTable, as_ratings


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
            If the file is not a ratings file of these rules.
        """
        table = as_ratings(self.path, ledger.rules)
        rows = RowsById(table)
        for item in items:
            row = rows.get(item.prompt_id, item.response_id)
            for rule, sample in ledger.wants(item):
                answer = _answer(table, row, ledger.rules.position(rule.id))
                ledger.keep(item, rule, answer, sample)


class RowsById:
    """Finds the row of a ratings table that holds a response; repeats of it are skipped.

    Response ids may be unique only within a prompt: a response is found by both ids, or by its own
    alone where that is enough.

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
    >>> rows.get("q", "a"), rows.get("another prompt", "b"), rows.get("another prompt", "a")
    (2, 1, None)
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
            [str(ids.names[code]) for code in ids.codes[first].tolist()] for ids in columns
        )
        rows = first.tolist()
        times = Counter(responses)
        self._rows = dict(zip(zip(prompts, responses, strict=True), rows, strict=True))
        self._alone = {
            response: row
            for response, row in zip(responses, rows, strict=True)
            if times[response] == 1
        }

    def get(self, prompt: str, response: str) -> int | None:
        """The row of a response; None if there is none, or more than one."""
        row = self._rows.get((prompt, response))
        return self._alone.get(response) if row is None else row


def _answer(table: RatingsTable, row: int | None, position: int) -> Answer:
    if row is None or not table.rated[row, position]:
        return Answer(reason=Reason.NOT_RECORDED)
    spread = float("nan") if table.spread is None else float(table.spread[row, position])
    return Answer(
        value=float(table.values[row, position]), spread=None if np.isnan(spread) else spread
    )
