"""``encore score``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from encore.cli.options import composing_options, counted, json_option, output
from encore.cli.paths import Reads
from encore.cli.screen import note, print_json, say, working
from encore.cli.verb import format_option, stream_format, verb
from encore.rewards import MAX_MISSING
from encore.rewards import score as score_ratings


@verb()
@click.argument("ratings", type=Reads(streams=True))
@click.option("--weights", type=Reads(), required=True, help="A weights.json or reward.json.")
@click.option(
    "--max-missing",
    type=click.FloatRange(0, 1, max_open=True),
    help="Largest share of the weight that may be unrated; beyond it the reward is unknown.  "
    f"[default: {MAX_MISSING}, or the reward.json's]",
)
@click.option(
    "--keep", metavar="COLUMN,…", help="Columns of RATINGS to keep, such as prompt,response."
)
@click.option(
    "--contributions",
    is_flag=True,
    help="Add what each rule contributes (<rule>.contribution), vetoed_by and unknown_because.",
)
@composing_options
@output("The .parquet, .csv or .jsonl file to write.", table=True)
@format_option
@json_option()
def score(
    ratings: Path, weights: Path, keep: str | None, out: Path, as_json: bool, **how: Any
) -> None:
    """Write the reward of every response in RATINGS.

    \b
    Example:
      encore score ratings.parquet --weights weights.json -o rewards.parquet
      encore score ratings.parquet --weights weights.json --keep prompt,response -o rewards.csv
      encore score ratings.parquet --weights weights.json --form geometric --contributions \\
        -o rewards.parquet
    """
    kept = [name for name in (keep or "").split(",") if name]
    with working("scoring"):
        scored = score_ratings(ratings, weights, out, keep=kept, format=stream_format(out), **how)
    for reason, number in scored.unknown_because.items():
        unknown = counted(number, "reward")
        note(f"Note: {unknown} unknown (null in the file), because {reason}.")
    for rule_id, number in scored.vetoed_by.items():
        note(f"Note: {counted(number, 'reward')} vetoed by {rule_id}.")
    if as_json:
        return print_json({"out": str(out), **asdict(scored)})
    rewards, rows = counted(scored.n_rewards, "reward"), counted(scored.n_rows, "row")
    say(f"{out}: {rewards} in {rows}")
