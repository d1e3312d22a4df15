"""Write docs/explanation/evidence.md anew, from the ratings in this folder: `make evidence`."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.evidence.ablation import N_SEEDS, Found, cases, run
from benchmarks.evidence.figures import Ablation, figures
from benchmarks.evidence.page import page
from benchmarks.evidence.raters import RATERS, Rated
from tools.drawing import save_all

ROOT = Path(__file__).parents[2]
ABLATED = ("llm", "mini")  # the third rater's ratings tell nothing apart, whatever is done to them


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
        names = ("accuracy", "low", "high", "difference", "error")
        writer.writerow(("rater", "axis", "setting", "scheme", *names, "seeds"))
        for key, ablation in ablations.items():
            for case, by_scheme in ablation:
                for scheme, found in by_scheme.items():
                    writer.writerow((key, case.axis, case.setting, scheme, *_numbers(found)))


def _numbers(found: Found) -> tuple[str, ...]:
    values = (found.mean, found.low, found.high, found.difference, found.error)
    return (*(f"{value:.5f}" for value in values), str(N_SEEDS))


def main(raters: Sequence[Rated] = RATERS) -> None:
    ablations: dict[str, Ablation] = {r.key: ablate(r) for r in raters if r.key in ABLATED}
    write_csv(Path(__file__).parent / "ablation.csv", ablations)
    named = {rated.name: ablations[rated.key] for rated in raters if rated.key in ABLATED}
    save_all(figures(raters, named), ROOT / "docs" / "images")
    text = page(raters, named)
    (ROOT / "docs" / "explanation" / "evidence.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
