"""How figures look: the same colours on the page, in papers and in the documentation."""

from __future__ import annotations

from typing import Any

# Okabe and Ito's colours, darkened where text or thin lines need it: distinct for any eye.
BLUE, ORANGE, GREEN, RED, BLACK = "#0072b2", "#b87d00", "#00795a", "#c04a00", "#222222"

STYLE: dict[str, Any] = {
    "svg.hashsalt": "encore",  # the same bytes every time
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "axes.axisbelow": True,
    "lines.linewidth": 2,
    "figure.facecolor": "white",
    "figure.constrained_layout.w_pad": 0.08,
}
