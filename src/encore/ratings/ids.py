"""Ids: how they are read, everywhere, and a column of them."""

from __future__ import annotations

import datetime
import decimal
import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encore.arrays import Record

ID_COLUMNS = ("id", "prompt_id", "response_id", "subset", "model")
"""The columns that are read as ids."""

_PLAIN = (str, int)
_EXPECTED = "an id is text or a whole number; write it as text"


def as_id(value: Any) -> str | None:
    """An id as text; None where it is empty.

    Text stays as it is: ``007`` is not ``7``, and neither is 7 with a space. A whole number is its
    digits, also as a float, which pandas makes of whole numbers where one is missing. A boolean is
    ``true`` or ``false``, as in JSON, a date is written as in ISO 8601, and a list as JSON.

    Raises
    ------
    ValueError
        If it is not Unicode, a float too large to be told from its neighbours, or anything else.

    Examples
    --------
    >>> as_id("007"), as_id(7), as_id(7.0), as_id(True), as_id(""), as_id(float("nan"))
    ('007', '7', '7', 'true', None, None)
    """
    if isinstance(value, str):
        value.encode()  # a lone surrogate is a ValueError
        return str(value) or None
    if value is None or type(value).__name__ in ("NAType", "NaTType", "MaskedConstant"):
        return None
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating | decimal.Decimal):
        return _digits(value)
    if isinstance(value, bytes):
        return value.decode() or None
    if isinstance(value, datetime.date | uuid.UUID):
        return str(value)
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, ensure_ascii=False, default=repr)
    raise ValueError(f"{value!r:.60} is of type {type(value).__name__}; {_EXPECTED}")


def is_own_prompt(prompt: str, response: str) -> bool:
    """Whether this is how a pair's prompt is called where the data names none: after its id.

    Examples
    --------
    >>> is_own_prompt("7", "7/chosen"), is_own_prompt("4:safe:7", "7"), is_own_prompt("p", "7")
    (True, True, False)
    """
    pair = response.removesuffix("/chosen").removesuffix("/rejected")
    return prompt == pair or prompt.endswith(f":{pair}")


def largest_whole(kind: Any) -> float:
    """The whole number below which a NumPy type of floats holds every other."""
    return float(2.0 ** (np.finfo(kind).nmant + 1) - 1)


def _digits(value: Any) -> str | None:
    """A number without a fraction as its digits, any other as the shortest text that gives it."""
    if value != value:
        return None
    exact = isinstance(value, decimal.Decimal)
    if value.is_infinite() if exact else abs(value) > largest_whole(type(value)):
        raise ValueError(f"{value} is too large for a float to hold exactly; {_EXPECTED}")
    if value == int(value):
        return str(int(value))
    return format(value.normalize(), "f") if exact else str(value)


@dataclass(frozen=True, eq=False, repr=False)
class Ids(Record):
    """A column of ids: an integer code per row, and the distinct ids that the codes stand for.

    Parameters
    ----------
    codes : ndarray of int64, shape (n_rows,)
        Positions in *names*.
    names : sequence
        The distinct ids.
    """

    codes: NDArray[np.int64]
    names: Sequence[Any]

    @classmethod
    def of(cls, values: Iterable[Any]) -> Ids:
        """Codes in order of first appearance, with names that can be hashed.

        In memory, a prompt may be anything, and the number 1, the text "1" and True are three.
        """
        index: dict[Any, int] = {}
        native = values.tolist() if isinstance(values, np.ndarray) else values
        plain = (value if type(value) in _PLAIN else _name(value) for value in native)
        codes = [index.setdefault(name, len(index)) for name in plain]
        return cls(np.array(codes, dtype=np.int64), list(index))

    @classmethod
    def distinct(cls, n_rows: int) -> Ids:
        """An id of its own for every row."""
        return cls(np.arange(n_rows), range(n_rows))

    def run_starts(self) -> NDArray[np.int64]:
        """First row of each run of one id."""
        new = np.ones(len(self.codes), dtype=bool)
        new[1:] = self.codes[1:] != self.codes[:-1]
        return np.flatnonzero(new)

    def take(self, rows: NDArray[Any] | slice) -> Ids:
        """These rows only; the names are kept."""
        return Ids(self.codes[rows], self.names)

    def __len__(self) -> int:
        return len(self.codes)


def _name(value: Any) -> Any:
    """Text and whole numbers are their own names; that of anything else says what kind it is."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool | np.bool_):
        return ("bool", bool(value))
    if isinstance(value, float | np.number) and np.isfinite(value) and value == int(value):
        return int(value)
    return ("json", json.dumps(value, default=repr, ensure_ascii=False))
