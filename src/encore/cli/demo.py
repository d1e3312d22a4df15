"""``encore demo``: the whole road on the bundled ratings."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from encore import examples, weights
from encore.calibrate import calibrate, diagnose
from encore.cli.compare import print_comparison
from encore.cli.options import console, json_option, print_json, working
from encore.cli.tables import calibration_table
from encore.compose import Reward, score_file
from encore.evaluate import compare


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
    """Calibrate, weigh, score and compare the bundled real ratings.

    458 human-labelled safety pairs, each response rated by an LLM judge under 12 rules.

    \b
    Example:
      encore demo --out encore-demo
    """
    out.mkdir(parents=True, exist_ok=True)
    ratings, rules = out / "ratings.parquet", out / "rules.toml"
    shutil.copyfile(examples.ratings_path(), ratings)
    shutil.copyfile(examples.rules_path(), rules)
    with working("calibrating and comparing"):
        calibration = calibrate(ratings, examples.rules())
        linear = weights.Linear()(calibration)
        comparison = compare(ratings, examples.rules())
        calibration.save(out / "calibration.json")
        linear.save(out / "weights.json")
        score_file(ratings, Reward(linear), out / "rewards.parquet")
    if as_json:
        return print_json({"comparison": comparison.to_dict(), "weights": linear.to_dict()})
    console().print(calibration_table(calibration, diagnose(calibration), linear))
    print_comparison(comparison)
    names = ("ratings.parquet", "rules.toml", "calibration.json", "weights.json", "rewards.parquet")
    click.echo("\nWritten:\n" + "\n".join(f"  {out / name}" for name in names))
