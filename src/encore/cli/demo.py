"""``encore demo``: the whole road on the bundled ratings."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import cast

import click
import numpy as np

from encore import examples
from encore.calibration import diagnose
from encore.cli.compare import print_comparison
from encore.cli.options import json_option
from encore.cli.paths import WritesFolder
from encore.cli.screen import note, print_json, say, show, working
from encore.cli.tables import calibration_table
from encore.cli.verb import verb
from encore.errors import InputError, MissingExtraError
from encore.evaluation import Comparison, compare
from encore.evaluation.row import Row
from encore.files import atomic_write, file_digest, read_document, write_document
from encore.formatting import percent, points, points_interval
from encore.ratings import as_pairs
from encore.ratings.write import open_table
from encore.reporting import report
from encore.rewards import compose, score
from encore.weights import Weights

_APPLIED = "ratings-with-applies.parquet"
_FILES = (
    *("ratings.parquet", _APPLIED, "rules.toml", "calibration.json"),
    *("weights.json", "rewards.parquet", "report.html"),
)
# What the demo wrote, so that it never writes over anything else.
_MADE, _KIND = ".encore-demo.json", "encore.demo"


@verb()
@click.option(
    "--out",
    type=WritesFolder(_FILES),
    default="encore-demo",
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
    _check_ours(out)
    ratings, applied, rules, *files = (out / name for name in _FILES)
    page = files.pop()
    _copy(examples.ratings_path(), ratings)
    _copy(examples.rules_path(), rules)
    with open_table(applied) as write_table:
        write_table(examples.ratings_with_applies())
    with working("calibrating, comparing and drawing"):
        made = report(ratings, examples.rules())
        calibration, linear = made.content.calibration, made.content.weights
        comparison = cast("Comparison", made.content.comparison)  # its pairs do compare
        calibration.save(files[0])
        linear.save(files[1])
        score(ratings, linear, files[2])
        by_applies = _mean_by_applies(ratings, applied)
        try:
            words = ("encore", "report", ratings, "--rules", rules, "-o", page)
            made.save(page, command=shlex.join(map(str, words)))
            files.append(page)
        except MissingExtraError as error:
            note(f"Note: there is no report.html: {error}")
    written = [ratings, applied, rules, *files]
    digests = {path.name: file_digest(path) for path in written}
    write_document(out / _MADE, _KIND, 1, {"sha256": digests})
    if as_json:
        found = {"comparison": comparison.to_dict(), "weights": linear.to_dict()}
        return print_json({**found, "mean_by_applies": asdict(by_applies)})
    show(calibration_table(calibration, diagnose(calibration), linear))
    print_comparison(comparison)
    accuracy, difference = by_applies.accuracy["half"], by_applies.difference
    text = (
        f"Where each rule counts as far as it applies, as said from the prompt alone ({_APPLIED}), "
        f"the mean ranks {percent(accuracy.value)} % of the pairs right: "
        f"{points(difference.value)} points against the plain mean "
        f"({points_interval(difference)})."
    )
    show(text)
    say("", "Written:", *(f"  {path}" for path in written))


def _mean_by_applies(ratings: Path, applied: Path) -> Row:
    """The mean over the rules as far as they apply, beside the plain mean on the same pairs."""
    rules = examples.rules()
    weights = Weights(rules, np.ones(len(rules)))
    pairs = as_pairs(applied, rules)
    rewards = compose(pairs.ratings, weights)
    both = np.column_stack([rewards[pairs.chosen], rewards[pairs.rejected]])
    return compare(ratings, rules, rewards={"by applies": both})["by applies"]


def _check_ours(out: Path) -> None:
    """Refuse a folder in which a file of these names is not one that the demo wrote.

    Raises
    ------
    InputError
        If there is one.
    """
    made = out / _MADE
    known = read_document(made, _KIND, 1).get("sha256") if made.exists() else {}
    shipped = {
        "ratings.parquet": file_digest(examples.ratings_path()),
        "rules.toml": file_digest(examples.rules_path()),
    }
    for path in (out / name for name in _FILES):
        ours = (dict(known or {}).get(path.name), shipped.get(path.name))
        if path.exists() and file_digest(path) not in ours:
            raise InputError(
                f"{path}: the demo did not write it, or it was changed since; name another folder "
                f"with --out."
            )


def _copy(source: Path, path: Path) -> None:
    with atomic_write(path) as temporary:
        shutil.copyfile(source, temporary)
