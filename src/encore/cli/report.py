"""``encore report``."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from encore.cli.options import (
    existing,
    json_option,
    note,
    output,
    print_json,
    refuse_no_folder,
    refuse_overwrite,
    rules_option,
    seed_option,
    working,
)
from encore.errors import InputError
from encore.extras import require
from encore.reporting import Report
from encore.reporting import report as make_report
from encore.reporting.figures import FILES
from encore.rules import Rulebook
from encore.weights import Weights


@click.command()
@click.argument("source", type=existing())
@rules_option(required=False)
@click.option(
    "--weights", type=existing(), help="A weights.json to look at.  [default: scheme linear]"
)
@click.option(
    "--calibration-set",
    type=existing(),
    help="Ratings, or a calibration.json, to calibrate on instead.",
)
@click.option(
    "--include-text",
    is_flag=True,
    help="Show the texts of the pairs looked into, which may be unsafe to read.",
)
@click.option(
    "--figures",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to also write every figure to, as PNG, SVG and CSV.",
)
@output("The HTML page to write.")
@seed_option("For the intervals and the samples.")
@json_option()
def report(
    source: Path,
    rules_source: str | None,
    weights: Path | None,
    calibration_set: Path | None,
    include_text: bool,
    figures: Path | None,
    out: Path,
    seed: int,
    as_json: bool,
) -> None:
    """Write one HTML page about a calibration.json, rated responses, or labelled pairs.

    Labelled pairs give the whole of it. The page needs no network and no other file.

    \b
    Examples:
      encore report pairs.parquet --rules rules.toml -o report.html
      encore report calibration.json -o report.html
      encore report pairs.parquet --rules rules.toml --weights weights.json --figures figures \\
        -o report.html
    """
    given = (source, weights, calibration_set, Path(rules_source or ""))
    read = [path for path in given if path is not None and path.is_file()]
    refuse_overwrite(out, *read)
    refuse_no_folder(out)
    for name in ("jinja2", "matplotlib"):  # before the work, not after it
        require(name, extra="report", feature="A report")
    if figures is not None:
        for name in FILES:
            refuse_overwrite(figures / name, *read)
            if (figures / name).resolve() == out.resolve():
                raise InputError(
                    f"{out} is one of the files of --figures; write the page elsewhere."
                )
        figures.mkdir(parents=True, exist_ok=True)
    options = {
        "--rules": rules_source,
        "--weights": weights,
        "--calibration-set": calibration_set,
        "--seed": seed,
    }
    with working("making the report"):
        made = make_report(
            source,
            None if rules_source is None else Rulebook.load(rules_source),
            calibration_set=calibration_set,
            weights=None if weights is None else Weights.load(weights),
            rng=seed,
        )
        command = _command(source, {**options, "-o": out}, include_text=include_text)
        made.save(out, include_text=include_text, command=command)
        drawn = [] if figures is None else made.save_figures(figures)
    if as_json:
        return print_json(_said(made, out, drawn))
    content = made.content
    for text in content.notes:
        note(f"Note: {text}")
    click.echo(f"{content.evidence}\n{out}")
    if figures is not None:
        click.echo(f"{figures}: {len(drawn)} files")


def _command(source: Path, options: dict[str, object], *, include_text: bool) -> str:
    """The command that makes this page again."""
    words = ["encore", "report", str(source)]
    for name, value in options.items():
        words += [] if value is None else [name, str(value)]
    return shlex.join([*words, *(["--include-text"] if include_text else [])])


def _said(made: Report, out: Path, drawn: list[Path]) -> dict[str, object]:
    content = made.content
    return {
        "out": str(out),
        "figures": [str(path) for path in drawn],
        "recommended": content.recommended,
        "evidence": content.evidence,
        "notes": list(content.notes),
    }
