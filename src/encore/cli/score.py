"""``encore score``."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import click

from encore.cli.options import (
    counted,
    existing,
    json_option,
    note,
    output,
    print_json,
    refuse_overwrite,
    working,
)
from encore.rewards import MAX_MISSING, Reward, score_file


@click.command()
@click.argument("ratings", type=existing())
@click.option("--weights", type=existing(), required=True, help="A weights.json or reward.json.")
@click.option(
    "--max-missing",
    type=click.FloatRange(0, 1, max_open=True),
    help="Largest share of the weight that may be unrated; beyond it the reward is unknown.  "
    f"[default: {MAX_MISSING}, or the reward.json's]",
)
@output("The Parquet file to write.")
@json_option()
def score(
    ratings: Path, weights: Path, max_missing: float | None, out: Path, as_json: bool
) -> None:
    """Write the reward of every response in RATINGS.

    \b
    Example:
      encore score ratings.parquet --weights weights.json -o rewards.parquet
    """
    refuse_overwrite(out, ratings, weights)
    with working("scoring"):
        reward = Reward.load(weights)
        if max_missing is not None:
            reward = replace(reward, max_missing=max_missing)
        scored = score_file(ratings, reward, out)
    if scored.n_unknown:
        unknown = counted(scored.n_unknown, "reward")
        note(f"Note: {unknown} unknown (null in the file): too much is unrated.")
    if as_json:
        return print_json({"out": str(out), **asdict(scored)})
    rewards, rows = counted(scored.n_rewards, "reward"), counted(scored.n_rows, "row")
    click.echo(f"{out}: {rewards} in {rows}")
