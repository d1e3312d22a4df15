"""JSON and TOML from strangers: plain data that the rest can rely on, or a ValueError."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import Any

MAX_DEPTH = 100
"""Lists and objects within each other; whatever walks a document stays far from Python's limit."""
_MAX_BITS = 1023  # a larger whole number is no float
# Of a key of many parts; the parser's time grows with the square of their number.
_PARTS = re.compile(
    rf"(?<![\w-])(?:(?:[\w-]++|\"[^\"\n]*+\"|'[^'\n]*+')[ \t]*+\.[ \t]*+){{{MAX_DEPTH}}}"
)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def json_value(data: bytes | str, *, finite: bool = True) -> Any:
    r"""The value of a JSON text: UTF-8, with or without a byte order mark, no key twice.

    Parameters
    ----------
    data : bytes or str
        The text.
    finite : bool, default True
        Whether NaN and infinite numbers, which Python and some models' files write, are refused.

    Raises
    ------
    ValueError
        If it is not such a text, or holds what :func:`check_plain` refuses.

    Examples
    --------
    >>> json_value(b'\xef\xbb\xbf{"a": [1, 2.5]}')
    {'a': [1, 2.5]}
    """
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
        value = _DECODER.decode(text)
    except RecursionError as error:
        raise _too_deep() from error
    # Where neither depth nor text can be wrong, rows by the million are spared the walk.
    if finite or text.count("[") + text.count("{") > MAX_DEPTH or _SURROGATE.search(text):
        check_plain(value, finite=finite)
    return value


def toml_document(data: bytes) -> dict[str, Any]:
    """The tables of a TOML text: UTF-8, with or without a byte order mark.

    Raises
    ------
    ValueError
        If it is not such a text, or holds what :func:`check_plain` refuses.
    """
    import tomllib  # slow to import, and only needed here

    text = data.decode("utf-8-sig")
    if _PARTS.search(text):
        raise _too_deep()
    try:
        document = tomllib.loads(text)
    except RecursionError as error:
        raise _too_deep() from error
    check_plain(document, finite=False)
    return document


def check_plain(value: Any, *, finite: bool = True) -> None:
    r"""Refuse data that cannot be written again, or computed with.

    Raises
    ------
    ValueError
        If it nests too deeply, a whole number is larger than any float, a text holds a lone
        surrogate, or, if *finite*, a number is not.

    Examples
    --------
    >>> check_plain({"a": ["\ud800"]})
    Traceback (most recent call last):
    ValueError: a text holds half of a character, '\ud800', which no UTF-8 file can
    """
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        below: list[Any] = []
        for part in level:
            if isinstance(part, dict):
                below += part.keys()
                below += part.values()
            elif isinstance(part, list):
                below += part
            else:
                _check_leaf(part, finite=finite)
        if not below:
            return
        level = below
    raise _too_deep()


def _check_leaf(value: Any, *, finite: bool) -> None:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            half = value[error.start]
            message = f"a text holds half of a character, {half!r}, which no UTF-8 file can"
            raise ValueError(message) from error
    elif isinstance(value, int) and value.bit_length() > _MAX_BITS:
        raise ValueError(f"a whole number of {value.bit_length()} bits is too large")
    elif finite and isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")


def refuse_twin_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, for ``object_pairs_hook``; a key that stands twice is a ValueError."""
    value = dict(pairs)
    if len(value) < len(pairs):
        twice = sorted(key for key, n in Counter(key for key, _ in pairs).items() if n > 1)
        raise ValueError(f"keys stand twice: {twice[:5]}")
    return value


def _too_deep() -> ValueError:
    return ValueError(f"lists and objects are nested more than {MAX_DEPTH} deep")


# Made once: by the million, making it takes longer than reading a row.
_DECODER = json.JSONDecoder(object_pairs_hook=refuse_twin_keys)
