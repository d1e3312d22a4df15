"""The scale of a rule: said, or guessed from the values met, or asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from encore.errors import InputError
from encore.ratings.importing.values import Read
from encore.rules import LevelScale, RangeScale, Scale

# Scales that people use and that start where others do not end: their ends alone tell them.
_USUAL = ((1, 5), (1, 7), (1, 10), (0, 10))
_MAX_STEPS = 11
_RANGE = re.compile(
    r"([+-]?(?:\d+\.?\d*|\.\d+))\s*(?:-|\.\.|:|to)\s*([+-]?(?:\d+\.?\d*|\.\d+))", re.IGNORECASE
)


def scale_from_text(text: str, seen: Sequence[float] = ()) -> tuple[Scale, tuple[str, ...]]:
    """A scale as it is said on the command line, and its words if its levels are words.

    ``1-5`` means the levels 1 to 5 where the ratings *seen* are whole numbers, else a range;
    ``0.0-1.0`` always a range. Levels may be listed, worst first: ``5,4,3,2,1``, ``bad,ok,good``.

    Raises
    ------
    InputError
        If it is no scale.

    Examples
    --------
    >>> str(scale_from_text("1-5", [1, 2])[0]), str(scale_from_text("0-1", [0.25])[0])
    ('1, 2, 3, 4, 5', '0 to 1 in 10 bins')
    >>> scale_from_text("bad,ok,good")[1]
    ('bad', 'ok', 'good')
    """
    ends = _RANGE.fullmatch(text.strip())
    if ends:
        low, high = float(ends[1]), float(ends[2])
        points = "." in ends[1] or "." in ends[2]
        whole = not points and all(float(v).is_integer() for v in seen)
        if whole and low != high and abs(high - low) < _MAX_STEPS:
            step = 1 if high > low else -1
            return LevelScale(tuple(range(int(low), int(high) + step, step))), ()
        return RangeScale(low, high), ()
    parts = [" ".join(part.split()) for part in text.split(",")]
    if len(parts) < 2 or not all(parts):
        raise InputError(
            f"{text!r} is no scale; expected its ends, as in 1-5, or its levels from worst to "
            f"best, as in 1,2,3 or bad,ok,good."
        )
    try:
        return LevelScale(tuple(map(float, parts))), ()
    except ValueError as error:
        if isinstance(error, InputError):
            raise
    words = tuple(part.casefold() for part in parts)
    if len(set(words)) < len(words):
        raise InputError(f"{text!r} names a level twice.")
    return word_scale(words), words


def word_scale(words: Sequence[str]) -> LevelScale:
    """The levels of words: 0 and 1 for two, else numbered from 1."""
    return LevelScale(tuple(range(2) if len(words) == 2 else range(1, len(words) + 1)))


def scale_text(scale: Scale, words: Sequence[str] = ()) -> str:
    """A scale as :func:`scale_from_text` reads it."""
    if words:
        return ",".join(words)
    if isinstance(scale, LevelScale):
        return ",".join(f"{level:.15g}" for level in scale.levels)
    low, high = (repr(float(end)) for end in (scale.worst, scale.best))
    return f"{low}..{high}" if "-" in low + high else f"{low}-{high}"


def reversed_scale(scale: Scale) -> Scale:
    """The same scale with its other end the best."""
    if isinstance(scale, LevelScale):
        return LevelScale(scale.levels[::-1])
    return RangeScale(scale.best, scale.worst, scale.bins)


def certain_scale(read: Read, of_all: Sequence[float]) -> Scale | None:
    """The scale of a rule if its values leave no doubt; *of_all* are those of all like it."""
    seen = np.array(read.seen)
    if read.words:
        return word_scale(read.words)
    if not seen.size:
        return None
    if read.written == {"bool"} or (len(seen) == 2 and set(seen) == {0.0, 1.0}):
        return LevelScale((0, 1))
    if read.written == {"percent"} and seen.min() >= 0 and seen.max() <= 100:
        return RangeScale(0, 100)
    tops = {w for w in read.written if w.startswith("ratio ")}
    if tops and tops == read.written:
        top = float(next(iter(tops)).split()[1])
        if len(tops) == 1 and 0.0 in seen and top.is_integer() and top < _MAX_STEPS:
            return LevelScale(tuple(range(int(top) + 1)))
        return None
    if tops or "percent" in read.written:
        return None
    return _usual(seen, np.array(of_all))


def _usual(seen: np.ndarray, of_all: np.ndarray) -> Scale | None:
    if not of_all.size or not set(seen.tolist()) <= set(of_all.tolist()):
        return None
    whole = bool((of_all == np.floor(of_all)).all())
    for low, high in _USUAL:
        if not whole or (of_all.min(), of_all.max()) != (low, high):
            continue
        # More than half of a scale's levels, both ends among them; a rule that is only ever 1 may
        # be a yes or no among scales.
        if 2 * len(of_all) > high - low + 1 and not set(seen.tolist()) <= {0.0, 1.0}:
            return LevelScale(tuple(range(low, high + 1)))
    return None


def likely_scales(read: Read) -> list[str]:
    """Scales that the values seen fit, the likeliest first, as one would say them."""
    if read.unsure:
        return [",".join(words) for words in read.unsure]
    if not read.seen:
        return ["1-5", "0-1"]
    low, high = min(read.seen), max(read.seen)
    tops = sorted(int(w.split()[1]) for w in read.written if re.fullmatch(r"ratio \d+", w))
    whole = all(value.is_integer() for value in read.seen)
    ends = [(1, tops[-1]), (0, tops[-1])] if tops else []
    if whole:
        ends += [(0, 1), (1, 5), (0, 5), (1, 7), (1, 10), (0, 10), (0, 100)]
    else:
        ends += [(0, 1), (1, 5), (0, 5), (1, 10), (0, 10), (0, 100), (-1, 1)]
    fits = [f"{a}-{b}" if a >= 0 else f"{a}..{b}" for a, b in ends if a <= low and high <= b]
    return list(dict.fromkeys(fits))[:2] or [f"{low:.6g}..{high:.6g}"]
