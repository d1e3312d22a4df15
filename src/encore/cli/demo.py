"""``encore demo``: the whole road on the bundled ratings."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import cast

import click

from encore import examples
from encore.calibration import diagnose
from encore.cli.compare import print_comparison
from encore.cli.options import console, json_option, note, print_json, working
from encore.cli.tables import calibration_table
from encore.errors import MissingExtraError
from encore.evaluation import Comparison
from encore.reporting import report
from encore.rewards import Reward, score_file


@click.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("encore-demo"),
    show_default=True,
    help="Folder to write to.",
)
@json_option()
def demo(out: Path, as_json: bool) -> None:
    """Calibrate, weigh, score, compare and report on the bundled real ratings.

    458 human-labelled safety pairs, each response rated by an LLM judge under 12 rules.

    \b
    Example:
      encore demo --out encore-demo
    """
    out.mkdir(parents=True, exist_ok=True)
    ratings, rules = out / "ratings.parquet", out / "rules.toml"
    shutil.copyfile(examples.ratings_path(), ratings)
    shutil.copyfile(examples.rules_path(), rules)
    files = [out / name for name in ("calibration.json", "weights.json", "rewards.parquet")]
    page = out / "report.html"
    with working("calibrating, comparing and drawing"):
        made = report(ratings, examples.rules())
        calibration, linear = made.content.calibration, made.content.weights
        comparison = cast("Comparison", made.content.comparison)  # its pairs do compare
        calibration.save(files[0])
        linear.save(files[1])
        score_file(ratings, Reward(linear), files[2])
        try:
            words = ("encore", "report", ratings, "--rules", rules, "-o", page)
            made.save(page, command=shlex.join(map(str, words)))
            files.append(page)
        except MissingExtraError as error:
            note(f"Note: there is no report.html: {error}")
    if as_json:
        return print_json({"comparison": comparison.to_dict(), "weights": linear.to_dict()})
    console().print(calibration_table(calibration, diagnose(calibration), linear))
    print_comparison(comparison)
    click.echo("\nWritten:\n" + "\n".join(f"  {path}" for path in (ratings, rules, *files)))
