"""Regenerate docs/explanation/evidence.md from the ratings in this folder: `make evidence`.

With ``--keep-ablation`` the ablation is read from ablation.csv, not run, which takes a minute.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.evidence import applicability
from benchmarks.evidence.ablation import N_SEEDS, Case, Found, cases, run
from benchmarks.evidence.figures import Ablation, figures
from benchmarks.evidence.page import page
from benchmarks.evidence.raters import RATERS, Rated
from tools.drawing import save_all

ROOT = Path(__file__).parents[2]
CSV = Path(__file__).parent / "ablation.csv"
_NAMES = ("accuracy", "low", "high", "difference", "error")
ABLATED = ("llm", "mini")  # the third rater's ratings tell nothing apart in any case


def ablate(rated: Rated) -> Ablation:
    """Every case on one rater's pairs."""
    found = []
    for case in cases(rated.pairs):
        found.append((case, run(case, rated.pairs)))
        print(f"{rated.key}: {case.axis} {case.setting}", file=sys.stderr)
    return found


def write_csv(path: Path, ablations: dict[str, Ablation]) -> None:
    """Every number of the ablation."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("rater", "axis", "setting", "scheme", *_NAMES, "seeds"))
        for key, ablation in ablations.items():
            for case, by_scheme in ablation:
                for scheme, found in by_scheme.items():
                    writer.writerow((key, case.axis, case.setting, scheme, *_numbers(found)))


def read_csv(path: Path) -> dict[str, Ablation]:
    """What :func:`write_csv` wrote."""
    ablations: dict[str, dict[tuple[str, str], dict[str, Found]]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            case = ablations.setdefault(row["rater"], {}).setdefault(
                (row["axis"], row["setting"]), {}
            )
            case[row["scheme"]] = Found(*(float(row[name]) for name in _NAMES))
    return {
        key: [(Case(*names), found) for names, found in cases_of.items()]
        for key, cases_of in ablations.items()
    }


def _numbers(found: Found) -> tuple[str, ...]:
    values = (found.mean, found.low, found.high, found.difference, found.error)
    return (*(f"{value:.5f}" for value in values), str(N_SEEDS))


def main(raters: Sequence[Rated] = RATERS) -> None:
    if "--keep-ablation" not in sys.argv:
        write_csv(CSV, {rated.key: ablate(rated) for rated in raters if rated.key in ABLATED})
    ablations = read_csv(CSV)  # either way, so that the page matches the file
    named = {rated.name: ablations[rated.key] for rated in raters if rated.key in ABLATED}
    save_all(figures(raters, named), ROOT / "docs" / "images")
    text = page(raters, named, applicability.run())
    (ROOT / "docs" / "explanation" / "evidence.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
