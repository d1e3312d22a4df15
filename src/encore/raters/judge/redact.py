"""An endpoint's key, taken out of everything that the endpoint says."""

from __future__ import annotations

import base64
import itertools
from urllib.parse import quote

from encore.errors import InputError

# So many characters of a key in a row are taken out, wherever they stand; a shorter key only as
# a whole word, since "x" or "none" stands in many words that are no key.
RUN = 8


def check_key(api_key: str | None) -> str | None:
    """A key without spaces around it; None if there is none.

    Raises
    ------
    InputError
        If no request can carry it. The message does not repeat it.
    """
    key = (api_key or "").strip()
    if not key.isascii() or not key.isprintable():
        raise InputError(
            "the API key contains a line break, a character outside ASCII, or another one that no "
            "request can carry. Check the environment variable that holds it."
        )
    return key or None


class Redactor:
    """Replaces what gives a key away by an ellipsis.

    That is any run of 8 or more characters of the key, in whatever case, of its percent-encoded,
    base64 or hexadecimal form too.

    Parameters
    ----------
    key : str, optional
        The key.

    Examples
    --------
    >>> redactor = Redactor("sk-very-secret")
    >>> redactor("no such key: SK-VERY-SECRET."), redactor("sk-very-s… is wrong")
    ('no such key: ….', '…… is wrong')
    """

    def __init__(self, key: str | None) -> None:
        forms = [] if not key else [key] if len(key) < RUN else _forms(key)
        self._size = min(len(key or ""), RUN)
        self._runs = {
            form[at : at + self._size].lower()
            for form in forms
            for at in range(len(form) - self._size + 1)
        }

    def __call__(self, text: str) -> str:
        """The text without the key."""
        if not self._runs:
            return text
        low, hidden = _lower(text), [False] * len(text)
        for at in range(len(text) - self._size + 1):
            end = at + self._size
            if low[at:end] in self._runs and (self._size == RUN or _is_word(low, at, end)):
                hidden[at:end] = [True] * self._size
        runs = itertools.groupby(zip(hidden, text, strict=True), key=lambda pair: pair[0])
        return "".join("…" if hide else "".join(c for _, c in run) for hide, run in runs)


def _is_word(text: str, start: int, end: int) -> bool:
    """Whether no letter or digit stands right before or after."""
    return not any(c.isalnum() for c in text[max(start - 1, 0) : start] + text[end : end + 1])


def _lower(text: str) -> str:
    """Lower case that keeps every position: some letters outside ASCII have two in lower case."""
    return "".join(c.lower() if c.isascii() else c for c in text)


def _forms(key: str) -> list[str]:
    """The key as it may be written. Of base64, what does not depend on the bytes around it."""
    raw = key.encode()
    encoded = [base64.b64encode(b"\0" * before + raw).decode() for before in range(3)]
    inner = [form.rstrip("=")[4 if before else 0 : -1] for before, form in enumerate(encoded)]
    return [key, quote(key, safe=""), *inner, raw.hex()]
