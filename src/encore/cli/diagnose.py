"""``encore diagnose``."""

from __future__ import annotations

from pathlib import Path

import click

from encore.calibration import Calibration, calibrate, premise
from encore.calibration import diagnose as diagnose_calibration
from encore.cli.options import (
    console,
    counted,
    existing,
    json_option,
    print_json,
    rules_option,
    working,
)
from encore.cli.tables import calibration_table
from encore.errors import InputError
from encore.rules import Rulebook
from encore.weights import Auto


@click.command()
@click.argument("source", type=existing())
@rules_option(required=False)
@click.option("--strict", is_flag=True, help="Exit with status 1 if anything is found.")
@json_option()
@click.pass_context
def diagnose(
    ctx: click.Context, source: Path, rules_source: str | None, strict: bool, as_json: bool
) -> None:
    """Look for rules whose weight would mislead, in ratings or a calibration.json.

    \b
    Examples:
      encore diagnose calibration.json
      encore diagnose ratings.parquet --rules rules.toml --strict
    """
    calibration = _calibration(source, rules_source)
    diagnosis = diagnose_calibration(calibration)
    found = premise(calibration)
    (chosen, *_) = Auto()(calibration).notes
    if as_json:
        print_json({**diagnosis.to_dict(), "premise": found.to_dict(), "supported": chosen})
    else:
        console().print(calibration_table(calibration, diagnosis))
        for finding in diagnosis.findings:
            click.echo(f"{finding.kind}: {finding.message}")
        click.echo(counted(len(diagnosis), "finding"))
        click.echo(f"{found.sentence}\n{chosen[0].upper()}{chosen[1:]}.")
    ctx.exit(1 if strict and len(diagnosis) else 0)


def _calibration(source: Path, rules_source: str | None) -> Calibration:
    if source.suffix == ".json":
        if rules_source is not None:
            raise InputError(f"{source} holds its rules; --rules goes with ratings.")
        return Calibration.load(source)
    if rules_source is None:
        raise InputError(f"{source} is a ratings file: give its rules with --rules RULES.")
    with working("calibrating"):
        return calibrate(source, Rulebook.load(rules_source))
