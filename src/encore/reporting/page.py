"""One HTML page that needs nothing else: no network, no other files."""

from __future__ import annotations

import base64
import hashlib
import math
import platform
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from typing import Any

import numpy as np

from encore._version import __version__
from encore.evaluation import Comparison, Interval
from encore.extras import require
from encore.files import without_nan
from encore.formatting import (
    correlation,
    interval,
    number,
    percent,
    percent_interval,
    points,
    points_interval,
)
from encore.reporting.content import Content, RuleRow
from encore.reporting.figure import Drawn, three
from encore.reporting.figures import TIES, before_and_after
from encore.rewards import form_text

_MOST_PARTS = 12  # of a waterfall; the rest are one bar
_ASSETS = resources.files("encore.reporting") / "assets"


def page_of(
    content: Content,
    figures: Sequence[Drawn],
    provenance: Mapping[str, Any],
    texts: Mapping[int, Any],
) -> str:
    """The page as HTML.

    Parameters
    ----------
    content : Content
        What it says.
    figures : sequence of Drawn
        Its figures.
    provenance : mapping
        What it was made from and with.
    texts : mapping of int to mapping
        Prompt, chosen and rejected text by the position of a pair; empty to show none.
    """
    jinja2 = require("jinja2", extra="report", feature="A report")
    # Everything filled in is escaped, unless the template marks it as ours.
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "percent": percent,
        "percent_interval": _below(percent_interval),
        "points": points,
        "points_interval": _below(points_interval),
        "interval": _below(lambda found: interval(found.low, found.high, ".2f")),
        "number": number,
        "bars": _bars,
        "uri": _uri,
    }
    script = _asset("page.js")
    template = environment.from_string(_asset("page.html"))
    page: str = template.render(
        content=content,
        figures={figure.name: figure for figure in figures},
        ties=TIES,
        provenance=provenance,
        texts=texts,
        data=without_nan(_data(content, provenance)),
        style=_asset("page.css"),
        script=script,
        licences=_asset("LICENSES.txt"),
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    return page


def provenance_of(content: Content, seed: int | None, command: str) -> dict[str, Any]:
    """What the report was made from and with."""
    subject, calibration = content.subject, content.calibration
    return {
        "command": command,
        "seed": seed,
        "source": subject.name,
        "source_sha256": subject.sha256,
        "rater": subject.rater,
        "rules_digest": calibration.rules.digest,
        "calibration_digest": calibration.digest,
        "calibrated_on": [s.name for s in calibration.sources],
        "scheme": content.weights.scheme,
        "scheme_options": ", ".join(f"{k}={v}" for k, v in content.weights.options.items()),
        "form": form_text(content.form),
        "pairs": subject.n_pairs,
        "pairs_compared": 0 if subject.pairs is None else subject.pairs.n_pairs,
        "responses": subject.n_responses,
        "responses_calibrated": calibration.n_responses,
        "responses_embedded": content.embedded.n_rows,
        "encore": __version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def _below(form: Callable[[Interval], str]) -> Callable[[Interval], str]:
    """An interval in small print under its estimate, which itself says when it is undefined."""
    return lambda found: "" if math.isnan(found.low) else form(found)


def _data(content: Content, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """What the script reads."""
    comparison, reward = content.comparison, content.reward
    options = content.weights.options
    return {
        "datasets": [content.embedded.to_dict(), content.example.to_dict()],
        "scheme": reward if reward in content.embedded.schemes else "uniform",
        "temperature": options.get("temperature", 2.0),
        "beforeAfter": [
            {
                "says": reward.says,
                "x": reward.x.tolist(),
                "curves": {side: curve.tolist() for side, curve in reward.curves.items()},
            }
            for reward in before_and_after(content)
        ],
        "rules": [
            {
                "rule": row.rule,
                "entropy": three(row.entropy),
                "accuracy": _by_ties(row.accuracy),
            }
            for row in content.rules
        ],
        "correlations": _correlations(comparison),
        "comparison": []
        if comparison is None
        else [
            {
                "scheme": row.scheme,
                "accuracy": _by_ties(row.accuracy),
                "subsets": [_by_ties(row.subsets[name]) for name in content.subsets],
            }
            for row in comparison.rows
        ],
        "subsets": content.subsets,
        "contrasts": [
            {
                "pair": c.pair,
                "weighted": c.weighted,
                "uniform": c.uniform,
                "byRule": [
                    [r.rule, r.weighted, r.uniform] for r in c.by_rule if r.weighted or r.uniform
                ][:_MOST_PARTS],
            }
            for c in content.contrasts
        ],
        "provenance": provenance,
    }


def _correlations(comparison: Comparison | None) -> dict[str, str]:
    if comparison is None:
        return {}
    by_ties = comparison.entropy_correlations.accuracy
    return {ties: correlation(found.pearson) for ties, found in by_ties.items()}


def _by_ties(accuracy: Mapping[str, Interval]) -> dict[str, tuple[float, float, float]]:
    return {ties: three(found) for ties, found in accuracy.items()}


_MIME = {"svg": "image/svg+xml", "png": "image/png", "csv": "text/csv;charset=utf-8"}


def _uri(data: bytes, form: str) -> str:
    return f"data:{_MIME[form]};base64,{base64.b64encode(data).decode()}"


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


def _bars(row: RuleRow) -> list[tuple[float, float, float]]:
    """Place, width and height of a histogram's bars, in percent of its box."""
    top = max(row.counts) or 1
    step = 100 / len(row.counts)
    return [(k * step, 0.9 * step, 100 * count / top) for k, count in enumerate(row.counts)]
