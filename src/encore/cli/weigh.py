"""``encore weigh``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from encore.calibration import Calibration
from encore.calibration.entropy import ESTIMATORS
from encore.cli.labels import label_options, note_pairing, taken
from encore.cli.options import json_option, output
from encore.cli.paths import Reads, ReadsNamed
from encore.cli.screen import note, print_json, say, show
from encore.cli.tables import weights_table
from encore.cli.verb import format_option, verb
from encore.evaluation import weigh as weigh_rules
from encore.ratings import as_pairs
from encore.weights import LEARNED, SCHEMES

_SCHEME_HELP = f"{', '.join([*SCHEMES, *LEARNED])}, or a JSON file of weights by hand."


@verb()
@click.argument("calibration", type=Reads())
@click.option("--scheme", type=ReadsNamed(), default="linear", show_default=True, help=_SCHEME_HELP)
@click.option("--strength", type=float, help="For linear: 0 is uniform, 1 is 1 - H.  [default: 1]")
@click.option("--temperature", type=float, help="For softmax, in nats.  [default: 2]")
@click.option("--estimator", type=click.Choice(ESTIMATORS), help="For linear and softmax.")
@click.option("--rule", help="For single: the rule's id.")
@click.option("--seed", type=click.IntRange(0), help="For random, and to draw pairs by label.")
@click.option("--ridge", type=float, help="For bradley_terry: the penalty.  [default: 1]")
@click.option(
    "--pairs",
    type=Reads(streams=True),
    help="For bradley_terry and auto: labelled pairs to learn from, or responses with --label.",
)
@label_options()
@format_option
@output("The weights.json to write; without it they are only printed.", required=False)
@json_option()
def weigh(
    calibration: Path,
    scheme: str,
    pairs: Path | None,
    out: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Weigh the rules of CALIBRATION.

    \b
    Examples:
      encore weigh calibration.json
      encore weigh calibration.json -o weights.json
      encore weigh calibration.json --scheme softmax --temperature 1 -o weights.json
      encore weigh calibration.json --scheme bradley_terry --pairs pairs.parquet -o weights.json
      encore weigh calibration.json --scheme auto --pairs pairs.parquet -o weights.json
      encore weigh calibration.json --scheme auto --pairs ratings.parquet --label human_score
    """
    by_label = taken(options)
    given = {name: value for name, value in options.items() if value is not None}
    labelled: Any = pairs
    if pairs is not None and by_label["label"] is not None:
        rules = Calibration.load(calibration).rules
        labelled = as_pairs(pairs, rules, **by_label, rng=given.pop("seed", 0))
        note_pairing(labelled.pairing)
        by_label = {}
    weights = weigh_rules(calibration, scheme, pairs=labelled, **by_label, **given)
    if out is not None:
        weights.save(out)
    for message in weights.notes:
        note(f"Note: {message}.")
    if as_json:
        return print_json(weights.to_dict())
    show(weights_table(weights))
    if out is not None:
        say(out)
