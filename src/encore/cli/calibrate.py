"""``encore calibrate`` and ``encore merge``."""

from __future__ import annotations

from pathlib import Path

import click

from encore.calibration import Calibration, diagnose
from encore.calibration import calibrate as calibrate_ratings
from encore.cli.options import counted, json_option, output, rules_option
from encore.cli.paths import Reads
from encore.cli.screen import note, print_json, say, working
from encore.cli.verb import format_option, verb
from encore.rules import Rulebook


@verb()
@click.argument("ratings", type=Reads(streams=True), nargs=-1, required=True)
@rules_option()
@format_option
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
        first, *others = (calibrate_ratings(path, rules) for path in ratings)
        calibration = sum(others, first)
    calibration.save(out)
    _report(calibration, out, as_json)


@verb()
@click.argument("calibrations", type=Reads(), nargs=-1, required=True)
@output("The calibration.json to write.")
@json_option()
def merge(calibrations: tuple[Path, ...], out: Path, as_json: bool) -> None:
    """Add CALIBRATIONS of the same rules into one.

    \b
    Example:
      encore merge monday.json tuesday.json -o week.json
    """
    first, *others = map(Calibration.load, calibrations)
    calibration = sum(others, first)
    calibration.save(out)
    _report(calibration, out, as_json)


def _report(calibration: Calibration, out: Path, as_json: bool) -> None:
    """Say what was written, and on standard error what a user should know of it."""
    _notes(calibration)
    if as_json:
        return print_json(
            {
                "out": str(out),
                "n_responses": calibration.n_responses,
                "n_prompts": calibration.n_prompts,
                "n_rules": len(calibration.rules),
                "n_split_prompts": calibration.n_split_prompts,
            }
        )
    responses = counted(calibration.n_responses, "response")
    prompts = counted(calibration.n_prompts, "prompt")
    say(f"{out}: {responses} to {prompts} under {counted(len(calibration.rules), 'rule')}")


def _notes(calibration: Calibration) -> None:
    rules_of_kind: dict[str, list[str]] = {}
    for found in diagnose(calibration).findings:
        rules_of_kind.setdefault(found.kind, []).append(found.rule or "all rules")
    for kind, rules in rules_of_kind.items():
        more = f" and {len(rules) - 8} more" if len(rules) > 8 else ""
        note(f"Note: {kind}: {', '.join(rules[:8])}{more} (see `encore diagnose`).")
    for name in calibration.counted_twice:
        note(f"Note: {name} is counted more than once. Calibrate or merge it once.")
    split = calibration.n_split_prompts
    if split:
        about = "" if calibration.statistics.prompts.is_complete else "about "
        note(
            f"Note: {about}{counted(split, 'prompt')} split between calibrations: margins between "
            f"the parts are lost. Calibrate the responses to one prompt together."
        )
