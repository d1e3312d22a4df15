"""``encore report``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from encore.cli.labels import label_options, said
from encore.cli.options import composing_options, json_option, output, rules_option, seed_option
from encore.cli.paths import Reads, WritesFolder
from encore.cli.screen import note, print_json, say, working
from encore.cli.verb import format_option, verb
from encore.extras import require
from encore.reporting import Report
from encore.reporting import report as make_report
from encore.reporting.figures import FILES
from encore.rewards import AppliesBy, Reward
from encore.rules import Rulebook


@verb()
@click.argument("source", type=Reads(streams=True))
@rules_option(required=False)
@label_options()
@click.option(
    "--weights",
    type=Reads(),
    help="A weights.json or reward.json to look at.  [default: scheme linear]",
)
@composing_options
@click.option(
    "--calibration-set",
    type=Reads(streams=True),
    help="Ratings, or a calibration.json, to calibrate on instead.",
)
@click.option(
    "--include-text",
    is_flag=True,
    help="Show the texts of the pairs looked into, which may be unsafe to read.",
)
@click.option(
    "--figures",
    type=WritesFolder(FILES),
    help="Folder to also write every figure to, as PNG, SVG and CSV.",
)
@format_option
@output("The HTML page to write.")
@seed_option("For the intervals and the samples.")
@json_option()
def report(
    source: Path,
    rules_source: str | None,
    weights: Path | None,
    form: str | None,
    applies_by: AppliesBy | None,
    calibration_set: Path | None,
    include_text: bool,
    figures: Path | None,
    out: Path,
    seed: int,
    as_json: bool,
    **by_label: Any,
) -> None:
    """Write one HTML page about a calibration.json, rated responses, or labelled pairs.

    Labelled pairs give the whole of it, and so do responses with --label. The page needs no network
    and no other file.

    \b
    Examples:
      encore report pairs.parquet --rules rules.toml -o report.html
      encore report ratings.parquet --rules rules.toml --label human_score -o report.html
      encore report calibration.json -o report.html
      encore report pairs.parquet --rules rules.toml --weights weights.json --figures figures \\
        -o report.html
    """
    for name in ("jinja2", "matplotlib"):  # before the work, not after it
        require(name, extra="report", feature="A report")
    if figures is not None:
        figures.mkdir(parents=True, exist_ok=True)
    options = {
        "--rules": rules_source,
        "--weights": weights,
        "--form": form,
        "--applies-by": applies_by,
        "--calibration-set": calibration_set,
        "--seed": seed,
    }
    with working("making the report"):
        made = make_report(
            source,
            None if rules_source is None else Rulebook.load(rules_source),
            calibration_set=calibration_set,
            weights=None if weights is None else Reward.load(weights),
            form=form,
            applies_by=applies_by,
            **by_label,
            rng=seed,
        )
        flags = [*said(by_label), *(["--include-text"] if include_text else [])]
        command = _command(source, {**options, "-o": out}, flags)
        made.save(out, include_text=include_text, command=command)
        drawn = [] if figures is None else made.save_figures(figures)
    if as_json:
        return print_json(_said(made, out, drawn))
    content = made.content
    for text in content.notes:
        note(f"Note: {text}")
    say(content.evidence, out)
    if figures is not None:
        say(f"{figures}: {len(drawn)} files")


def _command(source: Path, options: dict[str, object], flags: list[str]) -> str:
    """The command that makes this page again."""
    words = ["encore", "report", str(source)]
    for name, value in options.items():
        words += [] if value is None else [name, str(value)]
    return shlex.join([*words, *flags])


def _said(made: Report, out: Path, drawn: list[Path]) -> dict[str, object]:
    content = made.content
    return {
        "out": str(out),
        "figures": [str(path) for path in drawn],
        "recommended": content.recommended,
        "evidence": content.evidence,
        "notes": list(content.notes),
    }
