"""What the cells of one rule mean: numbers, words, "does not apply", or nothing."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encore.arrays import Record
from encore.ratings.importing.choices import ALL, Choices
from encore.ratings.importing.coded import Coded, text_of
from encore.ratings.spread import pooled_entropy

NA_WORDS = frozenset(
    {"n/a", "n.a.", "not applicable", "not_applicable", "notapplicable", "does not apply"}
    | {"inapplicable", "not relevant", "n/a."}
)
"""What is read as "does not apply"; "NA" is not among them, since it may mean "missing"."""
UNRATED_WORDS = frozenset(
    {"", "null", "none", "nan", "-", "--", "?", "unrated", "missing", "unknown", "error", "<na>"}
    | {"parse error", "parse_error", "failed to parse", "refused", "#n/a", "nil", "undefined"}
)
"""What is read as unrated."""
UNSURE_WORDS = ("na",)
SENTINELS = (-1.0, -9.0, -99.0, -999.0, 99.0, 999.0, 9999.0, -9999.0)
"""Numbers that often stand for "no rating"."""
FAMILIES: tuple[tuple[tuple[str, ...], bool], ...] = (
    (("no", "yes"), False),
    (("n", "y"), False),
    (("false", "true"), False),
    (("fail", "pass"), True),
    (("failed", "passed"), True),
    (("not met", "met"), True),
    (("unmet", "met"), True),
    (("violated", "followed"), True),
    (("violation", "compliant"), True),
    (("violates", "complies"), True),
    (("non-compliant", "compliant"), True),
    (("unsafe", "safe"), True),
    (("harmful", "harmless"), True),
    (("incorrect", "correct"), True),
    (("unacceptable", "acceptable"), True),
    (("bad", "good"), True),
    (("bad", "ok", "good"), True),
    (("not met", "partially met", "met"), True),
    (("no", "partial", "yes"), False),
    (("fail", "partial", "pass"), True),
    (("low", "medium", "high"), False),
    (("none", "mild", "moderate", "severe"), False),
    (("poor", "fair", "good", "excellent"), True),
    (("very poor", "poor", "fair", "good", "very good"), True),
    (("very bad", "bad", "neutral", "good", "very good"), True),
    (("strongly disagree", "disagree", "neutral", "agree", "strongly agree"), False),
)
"""Words for levels, worst to best, and whether the words themselves say which end is good."""
LETTERS = ("F", "D", "C", "B", "A"), ("F", "E", "D", "C", "B", "A")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_RATIO = re.compile(r"([+-]?\d+(?:\.\d+)?)\s*(?:/|out of)\s*(\d+(?:\.\d+)?)", re.IGNORECASE)

RATED, NOT_APPLICABLE, NO_RATING, UNREAD = range(4)


@dataclass(frozen=True, eq=False, repr=False)
class Read(Record):
    """What the distinct values of one rule mean.

    Parameters
    ----------
    codes : tuple of int
        The values' codes in their column.
    counts : tuple of int
        How often each occurs.
    texts : tuple of str
        The values as they were found.
    kinds, numbers, spread : ndarray
        What each value is, its number, and the spread of the samples that it lists (NaN: none).
    seen : tuple of float
        The numbers that were given: those of samples, not their means.
    written : frozenset of str
        How numbers were written: "number", "bool", "percent", "ratio 5", "samples", "word".
    words : tuple of str
        The words that are numbered from the worst, if ratings are words.
    sure : bool
        Whether the words say which end is good.
    unsure : tuple of str
        Words that may be several scales', as names of these.
    """

    codes: tuple[int, ...]
    counts: tuple[int, ...]
    texts: tuple[str, ...]
    kinds: NDArray[np.int8]
    numbers: NDArray[np.float64]
    spread: NDArray[np.float64]
    seen: tuple[float, ...]
    written: frozenset[str]
    words: tuple[str, ...] = ()
    sure: bool = False
    unsure: tuple[tuple[str, ...], ...] = field(default=())

    def unread(self) -> list[str]:
        """The values that could not be read."""
        return [t for t, kind in zip(self.texts, self.kinds, strict=True) if kind == UNREAD]


@dataclass
class _Cell:
    kind: int
    number: float = math.nan
    written: str = ""
    spread: float = math.nan
    samples: tuple[float, ...] = ()


def is_rating(value: Any, decimal: str) -> bool:
    """Whether a value could be a rating, or stand where there is none."""
    cell = _cell(value, decimal)
    if cell.kind != UNREAD:
        return True
    word = _word(value)
    return (
        word in UNSURE_WORDS
        or any(word in family for family, _ in FAMILIES)
        or (word.upper() in LETTERS[1])
    )


def is_rated(value: Any, decimal: str) -> bool:
    """Whether a value could be a rating, not only stand where there is none."""
    return is_rating(value, decimal) and _cell(value, decimal).kind in (RATED, UNREAD)


def read_values(
    rule: str, column: Coded, choices: Choices, *, decimal: str, words: Sequence[str] = ()
) -> Read:
    """What every distinct value of a rule means; words are numbered by *words*, worst first."""
    used = column.used()
    objects = column.objects()
    texts = tuple(text_of(objects[code]) or "" for code in used)
    mapped = {**choices.map.get(ALL, {}), **choices.map.get(rule, {})}
    na, unrated = (_matcher(names) for names in (choices.na, choices.unrated))
    cells = []
    for code, text in zip(used, texts, strict=True):
        value: Any = objects[code]
        new = mapped.get(text, mapped.get(text.strip()))
        if new is not None:
            value = new
        if na(text) or (new is not None and na(new)):
            cells.append(_Cell(NOT_APPLICABLE))
        elif unrated(text) or (new is not None and unrated(new)):
            cells.append(_Cell(NO_RATING))
        elif words and _word(value) in words:
            cells.append(_Cell(RATED, float(words.index(_word(value)) + (len(words) > 2)), "word"))
        else:
            cells.append(_cell(value, decimal))
    numbered, sure, unsure = (tuple(words), True, ()) if words else _family(cells, objects, used)
    if numbered and not words:
        base = 0 if len(numbered) == 2 else 1
        for cell, code in zip(cells, used, strict=True):
            if cell.kind == UNREAD and _word(objects[code]) in numbered:
                cell.kind, cell.written = RATED, "word"
                cell.number = float(numbered.index(_word(objects[code])) + base)
    return Read(
        tuple(used),
        tuple(used.values()),
        texts,
        np.array([cell.kind for cell in cells], dtype=np.int8),
        np.array([cell.number for cell in cells]),
        np.array([cell.spread for cell in cells]),
        tuple(sorted({n for c in cells if c.kind == RATED for n in c.samples or (c.number,)})),
        frozenset(cell.written for cell in cells if cell.kind == RATED),
        words=numbered,
        sure=sure,
        unsure=unsure,
    )


def _matcher(words: Sequence[str]) -> Any:
    plain = {word.strip().casefold() for word in words}
    numbers = {_float(word) for word in words} - {None}
    return lambda text: (
        text.strip().casefold() in plain or (bool(numbers) and _float(text) in numbers)
    )


def _float(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text.strip()) else None


def _word(value: Any) -> str:
    return " ".join(str(value).split()).casefold() if isinstance(value, str) else ""


def _cell(value: Any, decimal: str) -> _Cell:
    if isinstance(value, bool | np.bool_):
        return _Cell(RATED, float(value), "bool")
    if isinstance(value, int | float):
        return _number(float(value)) if abs(value) < 1e308 else _Cell(UNREAD)
    if isinstance(value, list):
        return _samples(value, decimal)
    return _text(value.strip(), decimal) if isinstance(value, str) else _Cell(UNREAD)


def _text(text: str, decimal: str) -> _Cell:
    if text.casefold() in NA_WORDS:
        return _Cell(NOT_APPLICABLE)
    if text.casefold() in UNRATED_WORDS:
        return _Cell(NO_RATING)
    if text.startswith("["):
        try:
            return _samples(json.loads(text), decimal)
        except (ValueError, RecursionError):
            return _Cell(UNREAD)
    if decimal == "," and text.count(",") == 1 and "." not in text:
        text = text.replace(",", ".")
    if _NUMBER.fullmatch(text):
        return _number(float(text))
    if text.endswith("%") and _NUMBER.fullmatch(text[:-1].strip()):
        return _Cell(RATED, float(text[:-1]), "percent")
    if (ratio := _RATIO.fullmatch(text)) and float(ratio[2]) > 0:
        return _Cell(RATED, float(ratio[1]), f"ratio {float(ratio[2]):g}")
    return _Cell(UNREAD)


def _number(value: float) -> _Cell:
    return _Cell(RATED, value, "number") if math.isfinite(value) else _Cell(UNREAD)


def _samples(values: Any, decimal: str) -> _Cell:
    """Several samples of one rating: their mean, and the entropy of how they scatter."""
    if not isinstance(values, list):
        return _Cell(UNREAD)
    cells = [_Cell(NO_RATING) if v is None else _cell(v, decimal) for v in values]
    if any(cell.kind == UNREAD or cell.samples for cell in cells):
        return _Cell(UNREAD)
    numbers = [cell.number for cell in cells if cell.kind == RATED]
    if not numbers:
        return _Cell(
            NO_RATING if any(c.kind == NO_RATING for c in cells) or not cells else NOT_APPLICABLE
        )
    if any(cell.kind == NOT_APPLICABLE for cell in cells):
        return _Cell(UNREAD)
    counts = list(Counter(numbers).values())
    spread = float(pooled_entropy(counts, counts, len(numbers)))
    mean = math.fsum(numbers) / len(numbers)
    return _Cell(RATED, mean, "samples", spread, tuple(numbers))


def _family(
    cells: Sequence[_Cell], objects: Sequence[Any], used: Mapping[int, int]
) -> tuple[tuple[str, ...], bool, tuple[tuple[str, ...], ...]]:
    """The words that ratings are, worst to best; whether they say what is good; or candidates."""
    found = {
        _word(objects[code])
        for cell, code in zip(cells, used, strict=True)
        if cell.kind == UNREAD and isinstance(objects[code], str)
    } - {"", *UNSURE_WORDS}
    if not found:
        return (), False, ()
    families = [(words, sure) for words, sure in FAMILIES if found <= set(words)]
    exact = [f for f in families if found == set(f[0])] or [f for f in families if len(f[0]) == 2]
    if exact:
        return (*exact[0], ())
    letters = [tuple(x.lower() for x in f) for f in LETTERS if found <= {x.lower() for x in f}]
    if letters:
        whole = [f for f in letters if found == set(f)]
        return (whole[0], True, ()) if whole else ((), True, tuple(letters))
    return (), False, tuple(words for words, _ in families)
