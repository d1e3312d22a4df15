"""``encore calibrate`` and ``encore merge``."""

from __future__ import annotations

from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import click

from encore.calibrate import Calibration, diagnose
from encore.calibrate import calibrate as calibrate_ratings
from encore.cli.options import (
    existing,
    json_option,
    note,
    output,
    print_json,
    rules_option,
    working,
)
from encore.rules import Rulebook


@click.command()
@click.argument("ratings", type=existing(), nargs=-1, required=True)
@rules_option()
@output("The calibration.json to write.")
@json_option()
def calibrate(ratings: tuple[Path, ...], rules_source: str, out: Path, as_json: bool) -> None:
    """Estimate each rule's entropy and margins from RATINGS, one file or several.

    \b
    Example:
      encore calibrate ratings.parquet --rules rules.toml -o calibration.json
    """
    rules = Rulebook.load(rules_source)
    with working("calibrating"):
        calibration = reduce(add, (calibrate_ratings(path, rules) for path in ratings))
    calibration.save(out)
    _report(calibration, out, as_json)


@click.command()
@click.argument("calibrations", type=existing(), nargs=-1, required=True)
@output("The calibration.json to write.")
@json_option()
def merge(calibrations: tuple[Path, ...], out: Path, as_json: bool) -> None:
    """Add CALIBRATIONS of the same rules into one.

    \b
    Example:
      encore merge monday.json tuesday.json -o week.json
    """
    calibration = reduce(add, map(Calibration.load, calibrations))
    calibration.save(out)
    _report(calibration, out, as_json)


def _report(calibration: Calibration, out: Path, as_json: bool) -> None:
    """Say what was written, and on standard error what a user should know of it."""
    findings = [found for found in diagnose(calibration).findings if found.kind in _WORTH_SAYING]
    for found in findings:
        note(f"Note: {found.message}")
    split = calibration.n_split_prompts
    if split:
        about = "" if calibration.statistics.prompts.is_complete else "about "
        note(
            f"Note: {about}{split} prompts are split between calibrations; margins between their "
            f"parts are lost. Calibrate the responses to one prompt together."
        )
    summary: dict[str, Any] = {
        "out": str(out),
        "n_responses": calibration.n_responses,
        "n_prompts": calibration.n_prompts,
        "n_rules": len(calibration.rules),
        "n_split_prompts": split,
    }
    if as_json:
        return print_json(summary)
    click.echo(
        f"{out}: {calibration.n_responses} responses to {calibration.n_prompts} prompts under "
        f"{len(calibration.rules)} rules"
    )


_WORTH_SAYING = ("empty", "outside", "coverage", "small")
