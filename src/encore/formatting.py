"""Every number, interval and table that people read, in one style.

The ends of a range are joined by a dash, or by "to" if they are signed; a dash alone is undefined.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Protocol

UNDEFINED = "–"
# Control characters except the line feed, marks that change the direction of writing, line
# separators, and lone surrogates, which no encoding has.
_UNSEEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
MOST_ROWS = 200
_BARS = "▁▂▃▄▅▆▇█"


class Estimate(Protocol):
    """A number with the ends of its interval."""

    @property
    def value(self) -> float:
        """The number; NaN where undefined."""

    @property
    def low(self) -> float:
        """The lower end; NaN where undefined."""

    @property
    def high(self) -> float:
        """The upper end; NaN where undefined."""


def number(value: float, form: str = ".3f", undefined: str = UNDEFINED) -> str:
    """A number in a format; a dash, or another word, where it is undefined.

    Examples
    --------
    >>> number(0.12345), number(1.5, "+.1f"), number(float("nan"))
    ('0.123', '+1.5', '–')
    """
    return undefined if math.isnan(value) else format(value, form)


def percent(value: float, digits: int = 1) -> str:
    """A share in percent, without the percent sign.

    Examples
    --------
    >>> percent(0.7512)
    '75.1'
    """
    return number(100 * value, f".{digits}f")


def points(value: float) -> str:
    """A difference of two shares, in points.

    Examples
    --------
    >>> points(-0.0114)
    '-1.1'
    """
    return number(100 * value, "+.1f")


def interval(low: float, high: float, form: str) -> str:
    """Both ends of an interval; a dash where it is undefined.

    Examples
    --------
    >>> interval(75.21, 82.39, ".1f"), interval(-11.2, 1.24, "+.1f")
    ('75.2–82.4', '-11.2 to +1.2')
    """
    if math.isnan(low) or math.isnan(high):
        return UNDEFINED
    ends = format(low, form), format(high, form)
    return (" to " if "+" in form or "-" in ends[0] + ends[1] else "–").join(ends)


def percent_interval(found: Estimate) -> str:
    """The interval of a share, in percent."""
    return interval(100 * found.low, 100 * found.high, ".1f")


def points_interval(found: Estimate) -> str:
    """The interval of a difference of two shares, in points."""
    return interval(100 * found.low, 100 * found.high, "+.1f")


def correlation(found: Estimate) -> str:
    """A correlation with its interval.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> correlation(SimpleNamespace(value=0.812, low=0.6, high=0.9))
    '+0.81 (+0.60 to +0.90)'
    """
    if math.isnan(found.value):
        return "undefined"
    return f"{found.value:+.2f} ({interval(found.low, found.high, '+.2f')})"


def listed(names: Sequence[str], most: int = 8) -> str:
    """Names separated by commas; if there are many, the first few and how many there are.

    Examples
    --------
    >>> listed(["a", "b", "c"], most=2)
    'a, b, … 3 in all'
    """
    first = ", ".join(names[:most])
    return first if len(names) <= most else f"{first}, … {len(names)} in all"


def sparkline(counts: Sequence[int]) -> str:
    """One bar per level, worst first, relative to the largest; a dot for none.

    Examples
    --------
    >>> sparkline([1, 0, 4, 8])
    '▁·▄█'
    """
    top = max(counts, default=0)
    return "".join(_BARS[math.ceil(8 * c / top) - 1] if c else "·" for c in counts)


def html_table(
    caption: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    said: str = "",
    *,
    text: Sequence[str] = (),
) -> str:
    """A table as HTML, with everything escaped; the first column names what a row is about.

    Parameters
    ----------
    caption : str
        What the table shows.
    columns : sequence of str
        Column headings.
    rows : iterable of sequence of str
        Cells; beyond 200 rows, only how many more there are is shown.
    said : str
        A paragraph below the table.
    text : sequence of str
        The columns aligned left besides the first: those of text, and of bars.

    Examples
    --------
    >>> html_table("t", ["rule"], [["<b>"]]).count("&lt;b&gt;")
    1
    """
    kept = list(rows)
    left, right = (f'style="text-align: {side}"' for side in ("left", "right"))
    sides = [right if i and name not in text else left for i, name in enumerate(columns)]
    heads = [f"<th {s}>{escape(name)}</th>" for s, name in zip(sides, columns, strict=True)]
    lines = []
    for first, *cells in kept[:MOST_ROWS]:
        others = "".join(
            f"<td {side}>{escape(cell)}</td>" for side, cell in zip(sides[1:], cells, strict=True)
        )
        lines.append(f"<tr><th {left}>{escape(first)}</th>{others}</tr>")
    more = len(kept) - MOST_ROWS
    if more > 0:
        lines.append(f'<tr><td colspan="{len(columns)}">… and {more} more</td></tr>')
    table = (
        f"<table><caption {left}>{escape(caption)}</caption>"
        f"<thead><tr>{''.join(heads)}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    )
    return f"{table}<p>{escape(said)}</p>" if said else table


def visible(text: str, *, lines: bool = True) -> str:
    r"""Text that a terminal shows but does not obey: control characters become visible escapes.

    Parameters
    ----------
    text : str
        Anything, from anywhere.
    lines : bool, default True
        Whether it may have several lines.

    Examples
    --------
    >>> visible("\x1b[2Jgone"), visible("two\nlines", lines=False)
    ('\\x1b[2Jgone', 'two\\nlines')
    """
    shown = _UNSEEN.sub(lambda found: _escape(found[0]), text)
    return shown if lines else shown.replace("\n", "\\n")


def visible_json(text: str) -> str:
    r"""The same for JSON, whose value is unchanged: such characters occur only inside strings.

    Examples
    --------
    >>> visible_json('"\x7f"')
    '"\\u007f"'
    """
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escape(letter: str) -> str:
    named = {"\t": "\\t", "\r": "\\r"}
    code = ord(letter)
    return named.get(letter) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")
