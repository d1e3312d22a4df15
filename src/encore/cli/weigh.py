"""``encore weigh``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from encore.calibration import Calibration
from encore.calibration.entropy import ESTIMATORS
from encore.cli.options import json_option, output
from encore.cli.paths import Reads, ReadsNamed
from encore.cli.screen import note, print_json, say, show
from encore.cli.tables import weights_table
from encore.cli.verb import format_option, verb
from encore.errors import InputError
from encore.evaluation import choose
from encore.ratings import as_pairs
from encore.weights import LEARNED, SCHEMES, Weights, load_hand_weights, make_scheme

_SCHEME_HELP = f"{', '.join([*SCHEMES, *LEARNED])}, or a JSON file of weights by hand."


@verb()
@click.argument("calibration", type=Reads())
@click.option("--scheme", type=ReadsNamed(), default="linear", show_default=True, help=_SCHEME_HELP)
@click.option("--strength", type=float, help="Of linear: 0 is uniform, 1 the source.  [default: 1]")
@click.option("--temperature", type=float, help="Of softmax, in nats.  [default: 2]")
@click.option("--estimator", type=click.Choice(ESTIMATORS), help="Of linear and softmax.")
@click.option("--rule", help="Of single: the rule's id.")
@click.option("--seed", type=click.IntRange(0), help="Of random.")
@click.option("--ridge", type=float, help="Of bradley_terry: the penalty.  [default: 1]")
@click.option(
    "--pairs",
    type=Reads(streams=True),
    help="Of bradley_terry and auto: labelled pairs to learn from.",
)
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
    """
    given = {name: value for name, value in options.items() if value is not None}
    weights = _weights(Calibration.load(calibration), scheme, pairs, given)
    if out is not None:
        weights.save(out)
    for message in weights.notes:
        note(f"Note: {message}.")
    if as_json:
        return print_json(weights.to_dict())
    show(weights_table(weights))
    if out is not None:
        say(out)


def _weights(
    calibration: Calibration, scheme: str, pairs: Path | None, options: dict[str, Any]
) -> Weights:
    """Weights by a label-free scheme, by a learned one, or by hand."""
    if pairs is not None and scheme == "auto":
        make_scheme(scheme, options)  # refuses options that it does not have
        return choose(pairs, calibration)
    if pairs is not None and scheme not in LEARNED:
        names = ", ".join([*LEARNED, "auto"])
        raise InputError(f"--pairs goes with {names}; {scheme!r} looks at no labels.")
    if scheme not in {**SCHEMES, **LEARNED} and (Path(scheme).is_file() or ".json" in scheme):
        if options:
            raise InputError(f"weights by hand take no options; got {sorted(options)}.")
        return load_hand_weights(scheme, calibration.rules)
    made: Any = make_scheme(scheme, options)
    if scheme in SCHEMES:
        weights: Weights = made(calibration)
    elif pairs is None:
        raise InputError(f"scheme {scheme!r} learns from labelled pairs: give --pairs PAIRS.")
    else:
        weights = made(as_pairs(pairs, calibration.rules))
    return weights
