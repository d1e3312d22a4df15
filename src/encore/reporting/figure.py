"""One figure: its numbers, and its picture in every saved format."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from encore.evaluation import Interval
from encore.extras import require
from encore.ratings.write import csv_text
from encore.reporting.style import STYLE

Cell = str | float


@dataclass(frozen=True)
class Figure:
    """One figure.

    Parameters
    ----------
    name : str
        The name of its files.
    title : str
        One line.
    says : str
        What it shows, for those who cannot see it.
    columns, rows : tuple
        Its numbers.
    draw : callable
        Draws into an empty Matplotlib figure.
    """

    name: str
    title: str
    says: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    draw: Callable[[Any], None]

    def csv(self) -> bytes:
        """The numbers as CSV; undefined ones are empty.

        Text that a spreadsheet would take for a formula is prefixed with an apostrophe.
        """
        return csv_text(self.columns, self.rows).encode()

    def drawn(self) -> Drawn:
        """The figure in every format, the same bytes every time.

        Raises
        ------
        MissingExtraError
            If Matplotlib is not installed.
        """
        matplotlib = require("matplotlib", extra="report", feature="A report")
        figures = require("matplotlib.figure", extra="report", feature="A report")
        # Ids are text, never formulas; SVG keeps them as text, which is small and can be searched.
        style = {**STYLE, "text.parse_math": False, "svg.fonttype": "none"}
        files = {"csv": self.csv()}
        with matplotlib.rc_context(style), warnings.catch_warnings():
            # An id may contain characters that no font here has; they are drawn as boxes.
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
            figure = figures.Figure(layout="constrained")
            self.draw(figure)
            # Laid out once, not for each format: layout takes as long as drawing.
            figure.get_layout_engine().execute(figure)
            figure.set_layout_engine("none")
            for form, metadata in _METADATA.items():
                out = io.BytesIO()
                figure.savefig(out, format=form, metadata=metadata, dpi=120)
                files[form] = out.getvalue()
        return Drawn(self.name, self.title, self.says, files)


@dataclass(frozen=True)
class Drawn:
    """A figure as files.

    Parameters
    ----------
    name, title, says : str
        The figure's.
    files : mapping of str to bytes
        By ending: ``svg``, ``png`` and ``csv``.
    """

    name: str
    title: str
    says: str
    files: Mapping[str, bytes]


_METADATA: dict[str, dict[str, None]] = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
}


def short(text: str, most: int = 32) -> str:
    """An id that fits beside an axis; its end is kept, where ids that begin alike differ."""
    # A control character would break the SVG; rules have none, subsets may.
    text = "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
    return text if len(text) <= most else f"{text[: most - 8]}…{text[-7:]}"


def three(found: Interval) -> tuple[float, float, float]:
    """An estimate and the ends of its interval."""
    return found.value, found.low, found.high
