"""Ratings made elsewhere, as a rater."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import numpy as np

from encore.files import StrPath, file_digest
from encore.raters.protocol import Answer, Identity, Item, Ledger, Reason
from encore.ratings.table import RatingsTable
from encore.rules import Rulebook

# A table of the file, and a row of it.
_Place = tuple[RatingsTable, int]


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
            If the file is no ratings file of these rules.
        """
        rows = self._rows(ledger.rules)
        for item in items:
            # Ids of responses may be unique within a prompt only, or prompts not be named.
            row = rows.get((item.prompt_id, item.response_id)) or rows.get(("", item.response_id))
            for rule, sample in ledger.wants(item):
                ledger.keep(item, rule, _answer(row, ledger.rules.position(rule.id)), sample)

    def _rows(self, rules: Rulebook) -> dict[tuple[str, str], _Place | None]:
        """The rows by prompt and response, and by response alone where that says which."""
        from encore.ratings.files import read_batches

        found: dict[tuple[str, str], _Place | None] = {}
        for table in read_batches(self.path, rules):
            if table.responses is None:
                raise table.origin.error(
                    "responses have no ids here; recorded ratings are found by 'prompt_id' and "
                    "'response_id', or by the 'id' of pairs."
                )
            prompts = table.responses if table.prompts is None else table.prompts
            for row in np.flatnonzero(table.is_first):
                names = (ids.names[ids.codes[row]] for ids in (prompts, table.responses))
                prompt, response = map(str, names)
                found[prompt, response] = (table, int(row))
                found["", response] = None if ("", response) in found else (table, int(row))
        return found


def _answer(found: _Place | None, position: int) -> Answer:
    if found is None:
        return Answer(reason=Reason.NOT_RECORDED)
    table, row = found
    value = float(table.values[row, position])
    if np.isnan(value):
        return Answer(reason=Reason.NOT_RECORDED)
    spread = float("nan") if table.spread is None else float(table.spread[row, position])
    return Answer(value=value, spread=None if np.isnan(spread) else spread)
