"""How results show in a notebook: small tables that take the notebook's own colours."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

MOST_ROWS = 200
_BARS = "▁▂▃▄▅▆▇█"


def sparkline(counts: Sequence[int]) -> str:
    """One bar a level, worst first, as high as its share of the largest; a dot for none.

    Examples
    --------
    >>> sparkline([1, 0, 4, 8])
    '▁·▄█'
    """
    top = max(counts, default=0)
    return "".join(_BARS[math.ceil(8 * c / top) - 1] if c else "·" for c in counts)


def html_table(
    caption: str, columns: Sequence[str], rows: Iterable[Sequence[str]], said: str = ""
) -> str:
    """A table as HTML, everything in it escaped; the first column names what a row is about.

    Parameters
    ----------
    caption : str
        What it is a table of.
    columns : sequence of str
        Heads.
    rows : iterable of sequence of str
        Cells; beyond 200 rows only their number is told.
    said : str
        A paragraph below it.

    Examples
    --------
    >>> html_table("t", ["rule"], [["<b>"]]).count("&lt;b&gt;")
    1
    """
    kept = list(rows)
    left, right = (f'style="text-align: {side}"' for side in ("left", "right"))
    heads = [f"<th {right if i else left}>{escape(name)}</th>" for i, name in enumerate(columns)]
    lines = []
    for first, *cells in kept[:MOST_ROWS]:
        others = "".join(f"<td {right}>{escape(cell)}</td>" for cell in cells)
        lines.append(f"<tr><th {left}>{escape(first)}</th>{others}</tr>")
    more = len(kept) - MOST_ROWS
    if more > 0:
        lines.append(f'<tr><td colspan="{len(columns)}">… and {more} more</td></tr>')
    table = (
        f"<table><caption {left}>{escape(caption)}</caption>"
        f"<thead><tr>{''.join(heads)}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    )
    return f"{table}<p>{escape(said)}</p>" if said else table


def percent(value: float, digits: int = 1) -> str:
    """A share in percent; a dash where it is undefined."""
    return "-" if math.isnan(value) else f"{100 * value:.{digits}f}"


def number(value: float, form: str = ".3f") -> str:
    """A number in a format; a dash where it is undefined."""
    return "-" if math.isnan(value) else format(value, form)
