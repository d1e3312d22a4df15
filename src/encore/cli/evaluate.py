"""``encore evaluate``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from encore.cli.labels import label_options, note_pairing
from encore.cli.options import composing_options, counted, json_option, note_uneven, seed_option
from encore.cli.paths import Reads
from encore.cli.screen import note, print_json, say, show, working
from encore.cli.tables import evaluation_table
from encore.cli.verb import format_option, verb
from encore.evaluation import FEW_PROMPTS
from encore.evaluation import evaluate as evaluate_reward
from encore.rewards import AppliesBy, Reward


@verb()
@click.argument("pairs", type=Reads(streams=True))
@click.option(
    "--weights",
    type=Reads(),
    help="A weights.json or reward.json.  [default: PAIRS hold rewards, as `encore score` writes]",
)
@label_options()
@composing_options
@format_option
@seed_option()
@json_option()
def evaluate(
    pairs: Path,
    weights: Path | None,
    form: str | None,
    applies_by: AppliesBy | None,
    seed: int,
    as_json: bool,
    **by_label: Any,
) -> None:
    """Say how often one reward ranks labelled PAIRS as people do.

    \b
    Example:
      encore evaluate pairs.parquet --weights weights.json
      encore evaluate pairs.parquet --weights weights.json --form geometric
      encore evaluate rewards.parquet
      encore evaluate ratings.parquet --weights weights.json --label human_score
    """
    with working("evaluating"):
        reward = None if weights is None else Reward.load(weights)
        evaluation = evaluate_reward(
            pairs, reward, form=form, applies_by=applies_by, **by_label, rng=seed
        )
    note_pairing(evaluation.pairing)
    if evaluation.n_unknown:
        note(f"Note: {counted(evaluation.n_unknown, 'pair')} left out because a reward is unknown.")
    note_uneven(evaluation.n_uneven)
    few = [n for n, found in evaluation.subsets.items() if found.n_prompts < FEW_PROMPTS]
    if few:
        names = ", ".join(few)
        note(f"Note: fewer than {FEW_PROMPTS} prompts, so these intervals are too narrow: {names}.")
    if as_json:
        return print_json(evaluation.to_dict())
    show(evaluation_table(evaluation))
    defined = not math.isnan(evaluation.separation)
    separation = f"{evaluation.separation:.2f} standard deviations" if defined else "-"
    say(f"separation {separation}")
