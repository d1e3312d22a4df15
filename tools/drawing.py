"""How the documentation's figures look, and how they are written: the same bytes every time."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

# By name, so that types can be checked where the extra is not installed.
plt: Any = importlib.import_module("matplotlib.pyplot")

# Okabe and Ito's colours, which people with any colour vision tell apart.
BLUE, ORANGE, GREEN, RED, BLACK = "#0072b2", "#b87d00", "#00795a", "#c04a00", "#222222"
STYLE = {
    "svg.hashsalt": "encore",
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


def save_all(figures: Mapping[str, Callable[[], Any]], folder: Path, suffix: str = "svg") -> None:
    """Draw each figure into *folder*, under its name."""
    folder.mkdir(parents=True, exist_ok=True)
    with plt.rc_context(STYLE):
        for name, draw in figures.items():
            figure = draw()
            metadata = {"Date": None, "Creator": None} if suffix == "svg" else {}
            figure.savefig(folder / f"{name}.{suffix}", metadata=metadata, dpi=78)
            plt.close(figure)
