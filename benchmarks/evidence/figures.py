"""The figures of the evidence page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.evidence.ablation import Case, Found
from benchmarks.evidence.raters import Rated
from encore.evaluation import CONVENTIONS
from tools.drawing import BLACK, BLUE, GREEN, ORANGE, RED, plt

Ablation = Sequence[tuple[Case, Mapping[str, Found]]]
LOOKS = {
    "linear": (RED, "-"),
    "softmax": (RED, ":"),
    "inverse_variance": (ORANGE, "--"),
    "information": (GREEN, "-."),
    "agreement": (BLUE, "-"),
    "auto": (BLACK, "-"),
    "bradley_terry": ("#888888", "--"),
}
TITLES = {
    "strict": "a tie is wrong",
    "half": "a tie is one half",
    "resolved": "ties left out",
    "right": "a tie is right",
}


def entropy_accuracy(raters: Sequence[Rated]) -> Any:
    """Entropy against accuracy of each rule: one row per rater, one column per tie convention."""
    figure, grid = plt.subplots(
        len(raters), len(CONVENTIONS), figsize=(10, 2.6 * len(raters)), layout="constrained"
    )
    for rows, rated in zip(grid, raters, strict=True):
        for axes, convention in zip(rows, CONVENTIONS, strict=True):
            for rule in rated.comparison.rules:
                found = rule.accuracy[convention]
                if np.isnan(found.value):
                    continue
                axes.plot(
                    [rule.entropy] * 2, [100 * found.low, 100 * found.high], color=BLUE, alpha=0.4
                )
                axes.plot(rule.entropy, 100 * found.value, "o", color=BLUE, markersize=5)
            pearson = rated.comparison.entropy_correlations.accuracy[convention].pearson
            told = "" if np.isnan(pearson.value) else f"r = {pearson.value:+.2f}"
            axes.set_title(f"{TITLES[convention]}, {told}" if told else TITLES[convention])
            axes.set(ylim=(-4, 104), xlim=(-0.03, 1.03))
        rows[0].set_ylabel(f"{rated.name}\naccuracy, %")
    for axes in grid[-1]:
        axes.set_xlabel("rating entropy (0 to 1)")
    return figure


def breaking_points(ablations: Mapping[str, Ablation]) -> Any:
    """Difference from uniform by the severity of a case, one column per rater."""
    axes_names = (
        "rules added: pure noise",
        "rules added: rare events",
        "rules turned round",
        "prompts to calibrate on",
    )
    figure, grid = plt.subplots(
        len(axes_names),
        len(ablations),
        figsize=(10, 2.6 * len(axes_names)),
        layout="constrained",
        squeeze=False,
    )
    for column, (name, ablation) in enumerate(ablations.items()):
        for row, axis in enumerate(axes_names):
            _differences(grid[row][column], axis, ablation)
            grid[row][column].set_title(f"{axis}, {name}")
        grid[0][column].set_xlabel("")
    for row in grid:
        row[0].set_ylabel("against uniform, points")
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return figure


def _differences(axes: Any, axis: str, ablation: Ablation) -> None:
    found = [(case.setting, by) for case, by in ablation if case.axis == axis]
    whole = next(by for case, by in ablation if case.axis == "as they are")
    # All prompts go at the end; no rule added or turned round goes at the start.
    settings = [*found, ("all", whole)] if "prompts" in axis else [("0", whole), *found]
    places = range(len(settings))
    for scheme, (colour, dashes) in LOOKS.items():
        there = [
            (x, by[scheme]) for x, (_, by) in zip(places, settings, strict=True) if scheme in by
        ]
        if not there:
            continue
        x = np.array([place for place, _ in there])
        y = np.array([100 * by.difference for _, by in there])
        error = np.array([100 * by.error for _, by in there])
        axes.plot(x, y, color=colour, linestyle=dashes, label=scheme, marker="o", markersize=3)
        axes.fill_between(x, y - error, y + error, color=colour, alpha=0.07, linewidth=0)
    axes.axhline(0, color="#888888", linewidth=1)
    axes.set_xticks(list(places), [setting for setting, _ in settings])


def figures(
    raters: Sequence[Rated], ablations: Mapping[str, Ablation]
) -> dict[str, Callable[[], Any]]:
    """The figures by file name."""
    return {
        "evidence-entropy-accuracy": lambda: entropy_accuracy(raters),
        "evidence-breaking-points": lambda: breaking_points(ablations),
    }
