"""``encore score``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from encore.cli.options import existing, json_option, note, output, print_json, working
from encore.compose import MAX_MISSING, Reward, score_file
from encore.weights import Weights


@click.command()
@click.argument("ratings", type=existing())
@click.option("--weights", type=existing(), required=True, help="A weights.json.")
@click.option(
    "--max-missing",
    type=click.FloatRange(0, 1, max_open=True),
    default=MAX_MISSING,
    show_default=True,
    help="Largest share of the weight that may be unrated; beyond it the reward is unknown.",
)
@output("The Parquet file to write.")
@json_option()
def score(ratings: Path, weights: Path, max_missing: float, out: Path, as_json: bool) -> None:
    """Write the reward of every response in RATINGS.

    \b
    Example:
      encore score ratings.parquet --weights weights.json -o rewards.parquet
    """
    with working("scoring"):
        scored = score_file(ratings, Reward(Weights.load(weights), max_missing), out)
    if scored.n_unknown:
        note(f"Note: {scored.n_unknown} rewards are unknown (null): too much is unrated.")
    if as_json:
        return print_json({"out": str(out), **asdict(scored)})
    click.echo(f"{out}: {scored.n_rewards} rewards in {scored.n_rows} rows")
