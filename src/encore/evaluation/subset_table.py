"""A comparison as one table by subset, for papers and spreadsheets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from encore.errors import UnknownNameError
from encore.evaluation.accuracy import CONVENTIONS
from encore.evaluation.entropy_accuracy import RuleAccuracy
from encore.evaluation.intervals import Interval
from encore.evaluation.rewardbench.published import PUBLISHED, SOURCE
from encore.evaluation.rewardbench.scores import SAFETY_COUNTS, safety_score
from encore.evaluation.row import Row
from encore.formatting import UNDEFINED, html_table, number, percent, percent_interval
from encore.ratings.write import csv_text

_OVERALL = "all"


@dataclass(frozen=True, repr=False)
class SubsetTable:
    """Every row of a comparison by subset, under one tie convention.

    Parameters
    ----------
    columns : tuple of str
        The name of the method, the subsets, the score over them, its interval, the score under
        the other conventions, the share tied, the adjusted p-value against uniform, and where the
        row comes from.
    rows : tuple of tuple of str
        Cells, in percent; empty where there is nothing to say.
    caption : str
        What was compared, on how many pairs, and how intervals were made.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str

    def __repr__(self) -> str:
        return f"SubsetTable, {len(self.rows)} rows: {', '.join(self.columns)}"

    def _repr_html_(self) -> str:
        """In a notebook: the table with its caption."""
        return html_table(self.caption, self.columns, self.rows, text=("source",))

    def to(self, format: str) -> str:
        """The table as text: ``csv``, ``latex`` or ``markdown``.

        Raises
        ------
        UnknownNameError
            If it is none of these.
        """
        if format not in TABLE_FORMATS:
            raise UnknownNameError("format of a table", format, TABLE_FORMATS)
        return TABLE_FORMATS[format](self)


def subset_table(
    compared: Sequence[Row],
    rules: Sequence[RuleAccuracy],
    sizes: tuple[int, int],
    *,
    ties: str,
) -> SubsetTable:
    """Lay a comparison out as the paper lays out its table: methods by subset and Safety.

    Where the pairs hold subsets of RewardBench's Safety section, the score over them is that of
    the section, with RewardBench's own counts, and the paper's published figures follow;
    for RewardBench 2 it is the mean best of n. Otherwise it is the accuracy on all pairs.
    """
    if ties not in CONVENTIONS:
        raise UnknownNameError("tie convention", ties, CONVENTIONS)
    subsets = _ordered(compared[0])
    score, interval_of = _score(compared[0])
    others = [name for name in ("strict", "half", "resolved") if name != ties]
    if score == _BEST_OF:
        others = []
    columns = (
        *("method", *subsets, score, f"{score} 95 %"),
        *(f"{score}, {name}" for name in others),
        *("tied", "p Holm", "source"),
    )
    rows = []
    for row in _in_order(compared):
        found = interval_of(row, ties)
        cells = [percent(row.subsets[name][ties].value) for name in subsets]
        cells += [percent(found.value), percent_interval(found)]
        cells += [percent(interval_of(row, name).value) for name in others]
        p = number(row.p_holm)
        rows.append((_name(row), *cells, percent(row.tie_rate), p, "here"))
        if row.scheme == "single":
            rows += _singles(rules, subsets, (score, ties, *others))
    if score == _SAFETY:
        n_blank = len(columns) - len(subsets) - 3
        for published in PUBLISHED:
            name = f"{published.method} ({published.model})"
            cells = [*[""] * len(subsets), percent(published.safety), *[""] * n_blank]
            rows.append((name, *cells, "published"))
    caption = (
        f"Accuracy in percent on {sizes[0]:,} pairs of {sizes[1]:,} prompts; "
        f"ties {_SAYS[ties]}. 95 % percentile bootstrap intervals that resample prompts; p-values "
        f"against uniform by sign flips over prompts, adjusted by Holm."
    )
    if score == _SAFETY:
        present = sum(name in SAFETY_COUNTS for name in subsets)
        caption += (
            f" Safety: RewardBench's counts over {present} of its 5 subsets. Published rows: "
            f"{SOURCE}, on other ratings and all 5 subsets."
        )
    return SubsetTable(columns, tuple(rows), caption)


_SAFETY, _BEST_OF = "Safety", "Safety (best of n)"
_SAYS = {
    "strict": "count as wrong (strict, as RewardBench 1)",
    "half": "count one half",
    "resolved": "are left out",
    "right": "count as right",
}


def _ordered(first: Row) -> list[str]:
    """RewardBench's subsets in its order, then the others as they come."""
    names = list(first.subsets)
    return [
        *(n for n in SAFETY_COUNTS if n in names),
        *(n for n in names if n not in SAFETY_COUNTS),
    ]


def _score(first: Row) -> tuple[str, Callable[[Row, str], Interval]]:
    if first.best_of is not None:
        return _BEST_OF, lambda row, ties: row.best_of or row.accuracy[ties]
    if first.safety is not None:
        return _SAFETY, lambda row, ties: (row.safety or row.accuracy)[ties]
    return _OVERALL, lambda row, ties: row.accuracy[ties]


def _in_order(rows: Sequence[Row]) -> list[Row]:
    """The paper's order: controls, the mean, what is learned, the paper's schemes, ours."""
    places = (
        *("random", "single", "uniform", "bradley_terry", "softmax", "linear", "dawid_skene"),
        *("inverse_variance", "information", "agreement", "auto", "auto_with_pairs"),
    )
    found = {row.scheme: row for row in rows}
    others = [row for row in rows if row.scheme not in places]
    return [*others, *(found[name] for name in places if name in found)]


def _name(row: Row) -> str:
    names = {
        "random": f"random, {row.how.removesuffix(' Dirichlet draws')} draws "
        f"(sd {100 * row.deviation:.1f})",
        "single": f"single rule, {row.how}",
        "bradley_terry": "learned linear (Bradley-Terry)",
        "softmax": "softmax, temperature 2",
        "dawid_skene": "Dawid-Skene",
    }
    return names.get(row.scheme, row.scheme)


def _singles(
    rules: Sequence[RuleAccuracy], subsets: list[str], scores: tuple[str, ...]
) -> list[tuple[str, ...]]:
    """One row per rule, on its own."""
    score, ties, *others = scores
    rows = []
    for rule in rules:
        cells = [percent(rule.subsets[name][ties]) for name in subsets]
        if score == _SAFETY:
            values = [_safety(rule.subsets, name) for name in (ties, *others)]
        elif score == _OVERALL:
            values = [rule.accuracy[name].value for name in (ties, *others)]
        else:
            values = [float("nan")]
        interval = percent_interval(rule.accuracy[ties]) if score == _OVERALL else ""
        cells += [percent(values[0]), interval, *map(percent, values[1:])]
        rows.append((f"single rule: {rule.rule}", *cells, percent(rule.tie_rate), "", "here"))
    return rows


def _safety(subsets: Mapping[str, Mapping[str, float]], ties: str) -> float:
    import numpy as np

    return float(safety_score({name: np.asarray(found[ties]) for name, found in subsets.items()}))


def _csv(table: SubsetTable) -> str:
    # An undefined cell is empty, so that a column of numbers stays one.
    rows = [["" if cell == UNDEFINED else cell for cell in row] for row in table.rows]
    return csv_text(table.columns, rows)


def _markdown(table: SubsetTable) -> str:
    def line(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"

    rule = "|---|" + "---:|" * (len(table.columns) - 2) + "---|\n"
    return line(table.columns) + rule + "".join(map(line, table.rows)) + f"\n{table.caption}\n"


_LATEX = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
)


def _latex(table: SubsetTable) -> str:
    def line(cells: tuple[str, ...]) -> str:
        return " & ".join(cell.translate(_LATEX) for cell in cells) + r" \\" + "\n"

    return (
        "\\begin{table}\n\\centering\n"
        f"\\begin{{tabular}}{{l{'r' * (len(table.columns) - 2)}l}}\n\\toprule\n"
        f"{line(table.columns)}\\midrule\n{''.join(map(line, table.rows))}\\bottomrule\n"
        f"\\end{{tabular}}\n\\caption{{{table.caption.translate(_LATEX)}}}\n\\end{{table}}\n"
    )


TABLE_FORMATS: dict[str, Callable[[SubsetTable], str]] = {
    "csv": _csv,
    "latex": _latex,
    "markdown": _markdown,
}
"""How a table is written, by name. LaTeX needs the package booktabs."""
