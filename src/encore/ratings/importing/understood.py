"""What was understood of a file, for a look before it is believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from encore.ratings.importing.build import Built
from encore.ratings.importing.decide import Decided
from encore.ratings.importing.grid import RatingsGrid
from encore.ratings.importing.values import NOT_APPLICABLE, RATED, Read
from encore.rules import Rulebook

_MOST_MET = 8
PREVIEWED = 5
"""How many rows are shown."""


@dataclass(frozen=True)
class RuleUnderstood:
    """What was understood of one rule.

    Parameters
    ----------
    rule : str
        Its id.
    column : str
        Where its ratings were found.
    met : tuple of str
        The values met, the most frequent first; a few of them.
    n_met : int
        How many different values there are.
    scale : str
        Its scale, worst to best.
    why : {"rules", "said", "tool", "seen"}
        Where the scale comes from.
    reversed : bool
        Whether the highest value is the worst.
    n_rated, n_not_applicable, n_unrated : int
        How many cells are of each kind.
    read_as : dict of str to str
        Values met that are not numbers, and what they were read as.
    """

    rule: str
    column: str
    met: tuple[str, ...]
    n_met: int
    scale: str
    why: str
    reversed: bool
    n_rated: int
    n_not_applicable: int
    n_unrated: int
    read_as: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Understood:
    """What was understood of files: their shape, columns and rules.

    Parameters
    ----------
    shape : {"wide", "long", "pairs"}
        The shape of their rows.
    tool : str or None
        The tool that wrote them, if it is known.
    files : tuple of str
        The files.
    n_found, n_rows : int
        Rows in the files, and rows of the table: responses, or pairs.
    columns : dict of str to str
        The columns that ids, texts and so on were taken from.
    kept : tuple of str
        Other columns that are kept.
    rules : tuple of RuleUnderstood
        One per rule.
    rows : list of dict
        The first rows of the table.
    notes : tuple of str
        What else should be known.
    """

    shape: str
    tool: str | None
    files: tuple[str, ...]
    n_found: int
    n_rows: int
    columns: Mapping[str, str]
    kept: tuple[str, ...]
    rules: tuple[RuleUnderstood, ...]
    rows: list[dict[str, Any]]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def understood(
    grid: RatingsGrid,
    decided: Mapping[str, Decided],
    columns: Mapping[str, Built],
    rules: Rulebook,
    table: pa.Table,
) -> Understood:
    """What was understood of a grid that is built."""
    found = grid.found
    roles = {role: column for role, column in grid.roles.items() if role != column}
    kept = [n for n in grid.others if n not in grid.roles and n not in ("id", "chosen", "rejected")]
    return Understood(
        grid.shape,
        found.tool,
        found.sources,
        found.n_rows,
        table.num_rows,
        roles,
        tuple(kept),
        tuple(_rule(grid, rule, decided[rule], columns[rule], rules) for rule in grid.rules),
        table.slice(0, PREVIEWED).to_pylist(),
        (*grid.notes, *_notes(grid)),
    )


def _rule(
    grid: RatingsGrid, rule: str, decided: Decided, given: Built, rules: Rulebook
) -> RuleUnderstood:
    read, scale = decided.read, rules[rule].scale
    order = sorted(range(len(read.texts)), key=lambda i: (-read.counts[i], read.texts[i]))
    n_rated = int((~np.isnan(given.values)).sum())
    n_na = int((given.applies == 0).sum())
    return RuleUnderstood(
        rule,
        grid.rules[rule].column,
        tuple(read.texts[i] for i in order[:_MOST_MET]),
        len(read.texts),
        str(scale),
        decided.why,
        scale.worst > scale.best,
        n_rated,
        n_na,
        len(given.values) - n_rated - n_na,
        dict(_read_as(decided, i) for i in order[:_MOST_MET] if _is_word(decided, i)),
    )


def _is_word(decided: Decided, at: int) -> bool:
    read = decided.read
    if read.kinds[at] != RATED:
        return True
    return f"{read.numbers[at]:.12g}" != read.texts[at] and not _same(read.texts[at], read, at)


def _same(text: str, read: Read, at: int) -> bool:
    try:
        return float(text.replace(",", ".")) == float(read.numbers[at])
    except ValueError:
        return False


def _read_as(decided: Decided, at: int) -> tuple[str, str]:
    read = decided.read
    kind = read.kinds[at]
    if kind == RATED:
        return read.texts[at], f"{read.numbers[at]:.6g}"
    return read.texts[at], "does not apply" if kind == NOT_APPLICABLE else "unrated"


def _notes(grid: RatingsGrid) -> list[str]:
    notes = []
    if not {"prompt_id", "prompt"} & set(grid.others) and not grid.paired:
        notes.append(
            "no column says which prompt a response answers, so there are no margins: say "
            "--prompt or --prompt-id if one does."
        )
    if grid.found.decimal == ",":
        notes.append("numbers are read with a decimal comma; --decimal . says otherwise.")
    return notes
