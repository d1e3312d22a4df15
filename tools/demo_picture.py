"""Draw the output of `encore demo`, for the README.

Run as ``python tools/demo_picture.py docs/images/demo.svg``.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from encore import calibrate, compare, diagnose, examples
from encore.cli.tables import calibration_table, comparison_table
from encore.weights import Linear


def main(path: Path) -> None:
    calibration = calibrate(examples.ratings_path(), examples.rules())
    comparison = compare(examples.ratings_path(), examples.rules())
    console = Console(record=True, width=84, file=io.StringIO(), highlight=False)
    console.print(calibration_table(calibration, diagnose(calibration), Linear()(calibration)))
    console.print(comparison_table(comparison))
    console.print(f"[bold]{escape(comparison.sentence)}[/bold]")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(console.export_svg(title="encore demo", unique_id="demo"), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
