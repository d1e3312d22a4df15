"""How the documentation's figures look, and how they are written: the same bytes every time."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from encore.reporting.style import BLACK, BLUE, GREEN, ORANGE, RED, STYLE

# By name, so that types can be checked where the extra is not installed.
plt: Any = importlib.import_module("matplotlib.pyplot")

__all__ = ["BLACK", "BLUE", "GREEN", "ORANGE", "RED", "STYLE", "plt", "save_all"]


def save_all(figures: Mapping[str, Callable[[], Any]], folder: Path, suffix: str = "svg") -> None:
    """Draw each figure into *folder*, under its name."""
    folder.mkdir(parents=True, exist_ok=True)
    with plt.rc_context(STYLE):
        for name, draw in figures.items():
            figure = draw()
            metadata = {"Date": None, "Creator": None} if suffix == "svg" else {}
            figure.savefig(folder / f"{name}.{suffix}", metadata=metadata, dpi=78)
            plt.close(figure)
