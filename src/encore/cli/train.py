"""``encore train``."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np

from encore.cli.options import counted, json_option, on_device, rules_option
from encore.cli.paths import Reads, ReadsNamed, Updates, Writes, WritesFolder
from encore.cli.screen import new_table, note, print_json, progress, say, show
from encore.cli.texts import noted, texts_options
from encore.cli.verb import format_option, verb
from encore.heads.training.save import TrainedHeads
from encore.heads.training.train import TrainedGate
from encore.raters import train as train_heads
from encore.raters.train import METHODS, POOLINGS


@verb()
@click.argument("ratings", type=Reads(streams=True))
@click.option(
    "--backbone",
    type=ReadsNamed(folders=True),
    required=True,
    help="A model: a folder, a name on the hub, or minilm.",
)
@click.option(
    "-o",
    "--out",
    type=WritesFolder(),
    required=True,
    help="The folder to write; for a gate, a file.",
)
@rules_option(required=False)
@click.option(
    "--texts",
    type=ReadsNamed(folders=True, streams=True),
    help="The texts of RATINGS, if they are not in it, found by their ids.",
)
@texts_options
@format_option
@click.option(
    "--method",
    type=click.Choice(list(METHODS)),
    default="ridge",
    show_default=True,
    help="How to train; see below.",
)
@click.option(
    "--tune",
    type=click.Choice(["heads", "lora", "full"]),
    help="Which part of the model to train.  [default: full for finetune, heads for the others]",
)
@click.option("--layers", type=click.IntRange(1), help="Only the first layers of the backbone.")
@click.option(
    "--pooling",
    type=click.Choice(POOLINGS),
    default="auto",
    show_default=True,
    help="What heads read: what the architecture gives them, or the mean over tokens (BERT).",
)
@click.option("--states", type=Updates(".json"), help="Keep the states in this file.")
@click.option(
    "--held-out",
    type=Writes(table=True),
    help="Of bradley-terry and gating: also write the pairs' rewards by heads or gates that did "
    "not see their prompt, for `encore compare --rewards`.",
)
@click.option("--n-epochs", type=float, default=1.0, show_default=True)
@click.option("--learning-rate", type=float, default=2e-5, show_default=True)
@click.option("--batch-size", type=click.IntRange(1), default=8, show_default=True)
@click.option("--max-input-tokens", type=click.IntRange(16), help="Cut longer conversations.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@on_device
@json_option()
def train(
    ratings: Path, rules_source: str | None, out: Path, as_json: bool, **options: Any
) -> None:
    """Train a head per rule on RATINGS, or one head on preferences.

    \b
    ridge          a linear head per rule on the frozen backbone; minutes on a CPU
    finetune       heads and backbone, by regression on the ratings (extra finetune)
    bradley-terry  one head on pairs, chosen against rejected; the baseline
    gating         weights of the rules by prompt, on rated pairs; the other baseline

    The result is an ordinary sequence classifier with rules.toml and a model card. Several GPUs:
    torchrun --nproc-per-node 8 --no-python encore train … --method finetune.

    \b
    Example:
      encore train ratings.parquet --rules rules.toml --texts pairs.jsonl --backbone minilm -o heads
    """
    with _bar() as update:
        trained = train_heads(ratings, rules_source, out=out, on_progress=update, **options)
    for message in () if trained is None else trained.notes:
        noted(message)
    if isinstance(trained, TrainedGate):
        _print_gate(trained, out, as_json=as_json)
    elif trained is not None:  # of several processes the first prints
        _print_trained(trained, out, as_json=as_json)


@contextlib.contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    with progress("states") as (update, _):
        yield lambda n_done, n_total: update(n_done, total=n_total)


def _print_trained(trained: TrainedHeads, out: Path, *, as_json: bool) -> None:
    if as_json:
        quality = [asdict(found) for found in trained.quality]
        told = {"method": trained.method, "validated": trained.validated, "n_cut": trained.n_cut}
        return print_json({"out": str(out), **told, "quality": quality})
    table = new_table(trained.validated, "rule", "targets", "penalty", "R²", "AUC")
    for found in trained.quality:
        penalty = "" if found.alpha is None else f"{found.alpha:.3g}"
        r2 = "" if np.isnan(found.r2) else f"{found.r2:.3f}"
        table.add_row(found.rule, str(found.n_targets), penalty, r2, f"{found.auc:.3f}")
    show(table)
    if trained.n_cut:
        note(f"Note: {counted(trained.n_cut, 'text')} cut in the middle.")
    say(f"{out}: {counted(len(trained.rules), 'head')}, see its README.md")


def _print_gate(trained: TrainedGate, out: Path, *, as_json: bool) -> None:
    if as_json:
        told = {"accuracy": trained.accuracy, "uniform_accuracy": trained.uniform_accuracy}
        return print_json({"out": str(out), "n_pairs": trained.n_pairs, **told})
    say(
        f"{out}: a gate; strict accuracy on {counted(trained.n_pairs, 'pair')} by gates that did "
        f"not see their prompts: {trained.accuracy:.1%}; by uniform weights: "
        f"{trained.uniform_accuracy:.1%}"
    )
