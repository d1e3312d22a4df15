"""The texts of the pairs that a report looks into, read from the file only when asked for."""

from __future__ import annotations

from typing import Any

from encore.errors import InputError
from encore.raters.texts import Texts
from encore.ratings.ids import as_id
from encore.reporting.content import Content

MOST_CHARACTERS = 4_000
_COLUMNS = ("prompt", "chosen", "rejected")


def texts_of(content: Content) -> dict[int, dict[str, str]]:
    """Prompt, chosen and rejected response by the position of a pair, cut at 4,000 characters.

    A pair's row is the one with its id and its subset.

    Raises
    ------
    InputError
        If the report is not of a file with such columns, or two rows match one pair.
    """
    path = content.subject.path
    if path is None or content.subject.pairs is None:
        raise InputError("texts can be shown only for a file of pairs.")
    wanted: dict[tuple[str | None, str | None], int]
    wanted = {(contrast.pair, contrast.subset): contrast.position for contrast in content.contrasts}
    found: dict[int, dict[str, str]] = {}
    for number, row in enumerate(Texts(path).rows(), start=1):
        key = (as_id(row.get("id", number)), as_id(row.get("subset", "all")))
        if key not in wanted or float(row.get("repeat") or 0):
            continue
        if wanted[key] in found:
            raise InputError(
                f"{path}: two rows have the id {key[0]!r} in the subset {key[1]!r}, so their texts "
                f"cannot be told apart. Give each pair its own id."
            )
        found[wanted[key]] = {name: _text(row.get(name)) for name in _COLUMNS if name in row}
    if wanted and not any("chosen" in texts for texts in found.values()):
        raise InputError(
            f"{path} holds no texts (columns {', '.join(_COLUMNS)}); leave --include-text out, "
            f"or report on a file that has them."
        )
    return found


def _text(value: Any) -> str:
    """A text, or a list of chat messages, as text."""
    if isinstance(value, list) and all(isinstance(m, dict) for m in value):
        value = "\n\n".join(f"{m.get('role', '')}: {m.get('content', '')}" for m in value)
    text = "" if value is None else str(value)
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]} …"
