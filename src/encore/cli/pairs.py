"""``encore pairs``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from encore.cli.labels import label_options
from encore.cli.options import json_option, output, rules_option, seed_option
from encore.cli.paths import Reads
from encore.cli.screen import print_json, say, working
from encore.cli.verb import format_option, stream_format, verb
from encore.ratings.make_pairs import pairs as make_pairs
from encore.rules import Rulebook


@verb()
@click.argument("ratings", type=Reads(streams=True))
@rules_option()
@label_options(required=True)
@click.option("--include-text", is_flag=True, help="Keep the columns prompt and response.")
@format_option
@output("The table of pairs to write.", table=True)
@seed_option("For the draws.")
@json_option()
def pairs(
    ratings: Path,
    rules_source: str,
    out: Path,
    seed: int,
    as_json: bool,
    **how: Any,
) -> None:
    """Make preference pairs of rated responses, each with a label of its own.

    Two responses to one prompt whose labels differ by the gap are a pair. Verbs that take pairs
    take --label directly, too.

    \b
    Example:
      encore pairs ratings.parquet --rules rules.toml --label human_score -o pairs.parquet
      encore pairs ratings.csv --rules rules.toml --label rank --lower-is-better -o pairs.csv
    """
    rules = Rulebook.load(rules_source)
    with working("making pairs"):
        found = make_pairs(ratings, rules, **how, rng=seed, out=out, format=stream_format(out))
    assert found.pairing is not None  # it was made of labels
    if as_json:
        return print_json({"out": str(out), **asdict(found.pairing)})
    say(f"{out}: {found.pairing.sentence}")
