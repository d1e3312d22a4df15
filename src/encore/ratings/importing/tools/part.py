"""Taking a tool's document apart, with errors that name the place."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from encore.errors import RatingsError

Kind = TypeVar("Kind")
_CALLED = {dict: "an object", list: "a list", str: "text", bool: "true or false"}


@dataclass(frozen=True)
class Part:
    """An object of a document, and where it stands.

    Parameters
    ----------
    value : mapping
        The object.
    source : str
        The file.
    row : int
        The document's row, counted from 1.
    path : str
        The place in that row; empty for the row itself.
    """

    value: Mapping[str, Any]
    source: str
    row: int
    path: str = ""

    def __contains__(self, key: str) -> bool:
        return self.value.get(key) is not None

    def fail(self, message: str, key: object = "") -> NoReturn:
        """Raise an error about a key."""
        place = f"{self.path}.{key}".strip(".")
        raise RatingsError(message, source=self.source, row=self.row, column=place or None)

    def find(self, key: str, kind: type[Kind]) -> Kind | None:
        """The value of a key; None where it is absent or null."""
        value = self.value.get(key)
        if value is not None and not isinstance(value, kind):
            self.fail(f"expected {_CALLED.get(kind, kind.__name__)}; got {value!r:.80}.", key)
        return value

    def take(self, key: str, kind: type[Kind]) -> Kind:
        """The value of a key, which must be there."""
        value = self.find(key, kind)
        if value is None:
            self.fail("is not there; is the file whole, and the tool's version a usual one?", key)
        return value

    def inner(self, key: str) -> Part:
        """The object of a key; an empty one where it is absent or null."""
        return self.at(self.find(key, dict) or {}, key)

    def objects(self, key: str) -> list[Part]:
        """The objects of a list; none where it is absent or null."""
        values = self.find(key, list) or []
        return [self.at(value, f"{key}[{place}]") for place, value in enumerate(values)]

    def at(self, value: Any, key: str) -> Part:
        """A value below this one, which must be an object."""
        if not isinstance(value, dict):
            self.fail(f"expected an object; got {value!r:.80}.", key)
        return Part(value, self.source, self.row, f"{self.path}.{key}".strip("."))

    def score(self, key: str) -> float | bool | str | None:
        """The score of a key: a number, a truth value or text; None where NaN or null."""
        value = self.value.get(key)
        if not isinstance(value, bool | int | float | str | None):
            self.fail(f"expected a score; got {value!r:.80}.", key)
        return None if isinstance(value, float) and math.isnan(value) else value

    def number(self, key: str) -> float | None:
        """The number of a key; None where NaN or null."""
        value = self.score(key)
        try:
            if isinstance(value, str):
                raise TypeError
            return None if value is None else float(value)
        except (TypeError, OverflowError):
            self.fail(f"expected a number; got {value!r:.80}.", key)

    def words(self, key: str) -> str | None:
        """The text of a key, of an id, or of chat messages; None where absent or null."""
        value = self.value.get(key)
        return None if value is None else said(value)


def rows_of(document: Any, source: str) -> list[Part]:
    """The rows of a document that is a list."""
    rows = []
    for row, value in enumerate(document, 1):
        if not isinstance(value, dict):
            raise RatingsError(f"expected an object; got {value!r:.80}.", source=source, row=row)
        rows.append(Part(value, source, row))
    return rows


def first_of(document: Any) -> Mapping[str, Any]:
    """The first row of a document that is a list of objects; an empty one of any other."""
    if isinstance(document, list) and document and isinstance(document[0], dict):
        return document[0]
    return {}


def said(value: Any) -> str:
    """What is said in a text, a chat message's content, or a list of messages.

    Of one message that is its content, of several each after its role.

    Examples
    --------
    >>> said([{"role": "user", "content": "Hi"}])
    'Hi'
    """
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(part, dict) for part in value):
        if all("role" in part and "content" in part for part in value):
            if len(value) == 1:
                return said(value[0]["content"])
            return "\n\n".join(f"{part['role']}: {said(part['content'])}" for part in value)
        if all(isinstance(part.get("text"), str) for part in value):
            return "".join(part["text"] for part in value)
    return json.dumps(value, ensure_ascii=False)


def named(value: Any) -> str:
    """A short id that equal texts, or equal data, have in every file."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def one_line(text: str) -> str:
    """A rule's name from a text that may have lines and spaces around it."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def numbered(names: Sequence[str]) -> list[str]:
    """The names, with a number after those that stand there again.

    Examples
    --------
    >>> numbered(["contains", "rubric", "contains"])
    ['contains', 'rubric', 'contains 2']
    """
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} {seen[name]}")
    return found
