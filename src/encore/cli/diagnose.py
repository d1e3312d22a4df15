"""``encore diagnose``."""

from __future__ import annotations

from pathlib import Path

import click

from encore.calibration import Calibration, calibrate, premise
from encore.calibration import diagnose as diagnose_calibration
from encore.cli.options import counted, json_option, rules_option
from encore.cli.paths import Reads
from encore.cli.screen import print_json, say, show, working
from encore.cli.tables import calibration_table
from encore.cli.verb import format_option, verb
from encore.errors import InputError
from encore.rules import Rulebook
from encore.weights import Auto


@verb()
@click.argument("source", type=Reads(streams=True))
@rules_option(required=False)
@format_option
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
        show(calibration_table(calibration, diagnosis))
        for finding in diagnosis.findings:
            say(f"{finding.kind}: {finding.message}")
        say(counted(len(diagnosis), "finding"))
        say(found.sentence, f"{chosen[0].upper()}{chosen[1:]}.")
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
