"""The evidence page: template.md with its placeholders filled in."""

from __future__ import annotations

import datetime
import importlib.metadata
import string
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.evidence.ablation import N_SEEDS, Found
from benchmarks.evidence.applicability import Applied, schemes_table, ways_table
from benchmarks.evidence.figures import TITLES, Ablation
from benchmarks.evidence.raters import Rated
from encore.calibration import calibrate, premise
from encore.evaluation import CONVENTIONS, Interval

CLEARLY = 2.0  # standard errors
SHOWN = (
    *("linear", "softmax", "inverse_variance", "information", "agreement", "auto"),
    *("bradley_terry", "auto_with_pairs"),
)
SWEPT = (
    "strength of linear",
    "temperature of softmax",
    "rules of lowest entropy alone",
)


def page(
    raters: Sequence[Rated], ablations: Mapping[str, Ablation], applied: Sequence[Applied]
) -> str:
    """The page as Markdown."""
    template = string.Template((Path(__file__).parent / "template.md").read_text(encoding="utf-8"))
    tables = (f"### {rated.name}\n\n{_paper_table(rated)}" for rated in raters)
    whole = (f"### All cases, {name}\n\n{_cases(found)}" for name, found in ablations.items())
    options = "".join(_sweeps(name, found) for name, found in ablations.items())
    parts = {
        "version": importlib.metadata.version("encore-reward"),
        "today": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "raters": "\n".join(map(_rater, raters)),
        "summary": _summary(raters),
        "tables": "\n\n".join(map(str.strip, tables)),
        "correlations": _correlation_table(raters),
        "premises": "\n".join(f"- {rated.name}: {_premise(rated)}" for rated in raters),
        "n_seeds": str(N_SEEDS),
        "breaking": _breaking(ablations),
        "auto": _auto(ablations),
        "ways": ways_table(applied),
        "applied_schemes": schemes_table(applied),
        "cases": "\n\n".join([*map(str.strip, whole), f"### The schemes' options\n\n{options}"]),
    }
    return template.substitute({name: part.strip() for name, part in parts.items()})


def _rater(rated: Rated) -> str:
    found = rated.comparison
    return (
        f"- **{rated.name}**: {rated.told}. {found.n_pairs} pairs of {found.n_prompts} prompts, "
        f"{len(found.rules)} rules."
    )


def _points(found: Interval, *, signed: bool = False) -> str:
    form = "+.1f" if signed else ".1f"
    ends = f"{100 * found.low:{form}} to {100 * found.high:{form}}"
    return f"{100 * found.value:{form}} ({ends})"


def _summary(raters: Sequence[Rated]) -> str:
    rows = [
        "| scheme | " + " | ".join(rated.name for rated in raters) + " |",
        "|---|" + "---:|" * len(raters),
    ]
    for scheme in ("uniform", *SHOWN, "random", "dawid_skene"):
        cells = []
        for rated in raters:
            row = {row.scheme: row for row in rated.comparison.rows}.get(scheme)
            if row is None:
                cells.append("-")
            elif scheme == "uniform":
                cells.append(_points(row.accuracy["half"]))
            else:
                p = f", p = {row.p_holm:.2g}" if row.p_holm < 0.05 else ""
                cells.append(f"{_points(row.difference, signed=True)}{p}")
        rows.append(f"| {scheme} | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _paper_table(rated: Rated) -> str:
    comparison = rated.comparison
    left_out = "".join(
        f"\nLeft out: {name}, because {reason[0].lower()}{reason[1:]}\n"
        for name, reason in comparison.skipped.items()
    )
    table = comparison.by_subset(ties="strict").to("markdown")
    return f"{table}\n> {comparison.sentence}\n{left_out}"


def _correlation_table(raters: Sequence[Rated]) -> str:
    rows = [
        "| entropy with | " + " | ".join(rated.name for rated in raters) + " |",
        "|---|" + "---:|" * len(raters),
    ]
    for convention in CONVENTIONS:
        cells = (
            _correlation(r.comparison.entropy_correlations.accuracy[convention].pearson)
            for r in raters
        )
        rows.append(f"| accuracy, {TITLES[convention]} | {' | '.join(cells)} |")
    cells = (
        _correlation(rated.comparison.entropy_correlations.resolving.pearson) for rated in raters
    )
    rows.append(f"| the share of pairs that a rule resolves | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _correlation(found: Interval) -> str:
    if found.value != found.value:
        return "-"
    return f"{found.value:+.2f} ({found.low:+.2f} to {found.high:+.2f})"


def _premise(rated: Rated) -> str:
    found = premise(calibrate(rated.pairs, rated.pairs.rules))
    (with_labels,) = (
        part for part in rated.comparison.sentence.split(". ") if "ow entropy means" in part
    )
    return f"with labels: {with_labels}. Without: {found.sentence}"


def _breaking(ablations: Mapping[str, Ablation]) -> str:
    rows = [
        f"| scheme | loses to uniform by more than {CLEARLY:g} standard errors | gains as much |",
        "|---|---|---|",
    ]
    for scheme in SHOWN:
        worse, better = (
            "; ".join(
                part
                for name, found in ablations.items()
                for part in _clear(name, found, scheme, sign)
            )
            for sign in (-1, 1)
        )
        rows.append(f"| `{scheme}` | {worse or 'nowhere'} | {better or 'nowhere'} |")
    return "\n".join(rows) + "\n"


def _clear(name: str, ablation: Ablation, scheme: str, sign: int) -> Iterator[str]:
    """The axes on which a scheme clearly differs in one direction, with the settings."""
    by_axis: dict[str, list[str]] = {}
    for case, by_scheme in ablation:
        found = by_scheme.get(scheme)
        if case.axis in SWEPT or found is None or sign * found.in_errors <= CLEARLY:
            continue
        by_axis.setdefault(case.axis, []).append(f"{case.setting} {_difference(found)}".strip())
    letter = name.split()[0]
    for axis, settings in by_axis.items():
        yield f"{letter} {axis}: {', '.join(settings)}"


def _difference(found: Found) -> str:
    return f"({100 * found.difference:+.1f})"


def _auto(ablations: Mapping[str, Ablation]) -> str:
    sentences = []
    for scheme in ("auto", "auto_with_pairs"):
        found = [
            (by_scheme[scheme].in_errors, name, case, by_scheme[scheme])
            for name, ablation in ablations.items()
            for case, by_scheme in ablation
            if scheme in by_scheme and case.axis not in SWEPT
        ]
        errors, name, case, worst = min(found, key=lambda entry: entry[0])
        where = f"{case.axis} {case.setting}".strip()
        sentences.append(
            f"`{scheme}`, at its worst of {len(found)} cases ({name}, {where}), is "
            f"{100 * worst.difference:+.1f} points from uniform, {errors:+.1f} standard errors."
        )
    return " ".join(sentences) + "\n"


def _cases(ablation: Ablation) -> str:
    whole = [(case, found) for case, found in ablation if case.axis not in SWEPT]
    schemes = [scheme for scheme in SHOWN if any(scheme in found for _, found in whole)]
    rows = [
        f"| case | | uniform % | {' | '.join(schemes)} |",
        "|---|---|---:|" + "---:|" * len(schemes),
    ]
    for case, found in whole:
        uniform = f"{100 * found['uniform'].mean:.1f}"
        cells = (_cell(found.get(scheme)) for scheme in schemes)
        rows.append(f"| {case.axis} | {case.setting} | {uniform} | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _cell(found: Found | None) -> str:
    """The difference in points with its standard error; bold where it is clear."""
    if found is None:
        return "-"
    text = f"{100 * found.difference:+.1f} ± {100 * found.error:.1f}"
    return f"**{text}**" if abs(found.in_errors) > CLEARLY else text


def _sweeps(name: str, ablation: Ablation) -> str:
    lines = []
    for axis in SWEPT:
        settings = [
            f"{case.setting}: {_cell(found)}"
            for case, by_scheme in ablation
            if case.axis == axis
            for scheme, found in by_scheme.items()
            if scheme != "uniform"
        ]
        lines.append(f"- {name}, {axis}: {'; '.join(settings)}\n")
    return "".join(lines)
