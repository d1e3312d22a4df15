"""``encore train``."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from encore.cli.labelled import labelled, pair_ids, preferences
from encore.cli.options import (
    console,
    counted,
    existing,
    json_option,
    note,
    on_device,
    print_json,
    refuse_no_folder,
    rules_option,
)
from encore.errors import InputError
from encore.heads import open_checkpoint
from encore.heads.files.checkpoint import Checkpoint
from encore.heads.model.backbone import Backbone
from encore.heads.model.classifier import as_classifier
from encore.heads.model.surgery import first_layers, mean_over_tokens
from encore.heads.model.write import check_free
from encore.heads.training.finetune import Tuning
from encore.heads.training.preference import save_gate
from encore.heads.training.save import TrainedHeads, save_trained
from encore.heads.training.train import (
    TrainedGate,
    TrainingData,
    train_bradley_terry,
    train_finetune,
    train_gate,
    train_preference,
    train_ridge,
)
from encore.rewards import save_rewards

_TUNED = {
    "ridge": ("heads",),
    "finetune": ("lora", "full"),
    "bradley-terry": ("heads", "lora", "full"),
    "gating": ("heads",),
}


@click.command()
@click.argument("ratings", type=existing())
@click.option("--backbone", "source", required=True, help="A model: a folder, of the hub, minilm.")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="The folder to write; for a gate, the file.",
)
@rules_option(required=False)
@click.option("--texts", help="The texts of RATINGS, if they are not in it, found by their ids.")
@click.option(
    "--method",
    type=click.Choice(["ridge", "finetune", "bradley-terry", "gating"]),
    default="ridge",
    show_default=True,
    help="How: see below.",
)
@click.option(
    "--tune",
    type=click.Choice(["heads", "lora", "full"]),
    help="What of the model is trained.  [default: full for finetune, heads for the others]",
)
@click.option("--layers", type=click.IntRange(1), help="Only the first layers of the backbone.")
@click.option(
    "--pooling",
    type=click.Choice(["auto", "own", "mean"]),
    default="auto",
    show_default=True,
    help="What heads read: what the architecture gives them, or the mean over tokens (BERT).",
)
@click.option(
    "--states", "states_path", type=click.Path(path_type=Path), help="Keep the states in this file."
)
@click.option(
    "--held-out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Of bradley-terry and gating: also write the pairs' rewards by heads or gates that did "
    "not see their prompt, for `encore compare --also`.",
)
@click.option("--epochs", "n_epochs", type=float, default=1.0, show_default=True)
@click.option("--learning-rate", type=float, default=2e-5, show_default=True)
@click.option("--batch-size", type=click.IntRange(1), default=8, show_default=True)
@click.option("--max-input-tokens", type=click.IntRange(16), help="Cut longer conversations.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@on_device
@json_option()
def train(
    ratings: Path,
    source: str,
    out: Path,
    rules_source: str | None,
    texts: str | None,
    method: str,
    tune: str | None,
    layers: int | None,
    pooling: str,
    states_path: Path | None,
    held_out: Path | None,
    as_json: bool,
    device: str | None,
    dtype: str | None,
    batch_tokens: int | None,
    max_input_tokens: int | None,
    **how: Any,
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
    check_free(out)
    tune = tune or ("full" if method == "finetune" else "heads")
    if tune not in _TUNED[method]:
        raise click.UsageError(f"--method {method} cannot go with --tune {tune}.")
    if tune != "heads" and (device or dtype or batch_tokens):
        raise click.UsageError(
            "--device, --dtype and --batch-tokens are for a frozen backbone; the trainers of "
            "--tune lora and full find the devices themselves."
        )
    if held_out is not None and (tune != "heads" or method not in ("bradley-terry", "gating")):
        raise click.UsageError("--held-out goes with --method bradley-terry or gating, on heads.")
    if held_out is not None:
        refuse_no_folder(held_out)
    checkpoint = _shaped(open_checkpoint(source), layers, pooling)
    data = (
        preferences(texts or str(ratings))
        if method == "bradley-terry"
        else labelled(ratings, texts, rules_source, paired=method == "gating")
    )
    if tune != "heads":
        with tempfile.TemporaryDirectory(prefix="encore-tune-") as work:
            lora = tune == "lora"
            tuning = Tuning(Path(work), lora=lora, max_tokens=max_input_tokens, **how)
            return _tuned(data, checkpoint, tuning, out, as_json=as_json)
    backbone = Backbone(
        checkpoint,
        device=device,
        dtype=dtype,
        max_tokens=max_input_tokens,
        batch_tokens=batch_tokens,
    )
    if method == "gating":
        trained_gate = train_gate(data, backbone)
        save_gate(trained_gate.gate, out)
        _save_held_out(trained_gate.held_out, texts or str(ratings), held_out)
        return _print_gate(trained_gate, out, as_json=as_json)
    fit = train_ridge if method == "ridge" else train_bradley_terry
    with _states_file(states_path) as path, _bar(len(data.prompts)) as update:
        trained = fit(data, backbone, path, on_progress=update)
    save_trained(trained, checkpoint, backbone.head_place, out)
    _save_held_out(trained.held_out, texts or str(ratings), held_out)
    _print_trained(trained, out, as_json=as_json)


def _save_held_out(rewards: NDArray[np.float64] | None, texts: str, out: Path | None) -> None:
    if out is not None and rewards is not None:
        save_rewards(pair_ids(texts), rewards, out)


def _shaped(checkpoint: Checkpoint, layers: int | None, pooling: str) -> Checkpoint:
    if layers is not None:
        checkpoint = first_layers(checkpoint, layers)
    is_bert = checkpoint.config["model_type"] == "bert"
    if pooling == "mean" or (pooling == "auto" and is_bert):
        checkpoint = mean_over_tokens(as_classifier(checkpoint))
    return checkpoint


def _tuned(
    data: TrainingData, checkpoint: Checkpoint, how: Tuning, out: Path, *, as_json: bool
) -> None:
    is_preference = not len(data.targets)
    done = (train_preference if is_preference else train_finetune)(data, checkpoint, how)
    if done is None:
        return  # the first process writes
    trained, backbone, place = done
    save_trained(trained, backbone, place, out)
    _print_trained(trained, out, as_json=as_json)


@contextlib.contextmanager
def _states_file(wanted: Path | None) -> Iterator[Path]:
    if wanted is not None:
        if wanted.suffix != ".npy":
            raise InputError(f"--states {wanted}: expected a file that ends in .npy.")
        yield wanted
        return
    with tempfile.TemporaryDirectory(prefix="encore-states-") as folder:
        yield Path(folder) / "states.npy"


@contextlib.contextmanager
def _bar(total: int) -> Iterator[Callable[[int], None]]:
    columns = (*(TextColumn("states"), BarColumn(), MofNCompleteColumn()), TimeRemainingColumn())
    with Bar(
        *columns, console=Console(stderr=True), disable=not Console(stderr=True).is_terminal
    ) as bar:
        task = bar.add_task("", total=total)
        yield lambda n_done: bar.update(task, completed=n_done)


def _print_trained(trained: TrainedHeads, out: Path, *, as_json: bool) -> None:
    if as_json:
        quality = [asdict(found) for found in trained.quality]
        told = {"method": trained.method, "validated": trained.validated, "n_cut": trained.n_cut}
        return print_json({"out": str(out), **told, "quality": quality})
    table = Table(title=f"{trained.validated}", box=None)
    for name in ("rule", "targets", "penalty", "R²", "AUC"):
        table.add_column(name, justify="left" if name == "rule" else "right")
    for found in trained.quality:
        penalty = "" if found.alpha is None else f"{found.alpha:.3g}"
        r2 = "" if np.isnan(found.r2) else f"{found.r2:.3f}"
        table.add_row(found.rule, str(found.n_targets), penalty, r2, f"{found.auc:.3f}")
    console().print(table)
    if trained.n_cut:
        note(f"Note: {counted(trained.n_cut, 'text')} cut in the middle.")
    click.echo(f"{out}: {counted(len(trained.rules), 'head')}, see its README.md")


def _print_gate(trained: TrainedGate, out: Path, *, as_json: bool) -> None:
    if as_json:
        told = {"accuracy": trained.accuracy, "uniform_accuracy": trained.uniform_accuracy}
        return print_json({"out": str(out), "n_pairs": trained.n_pairs, **told})
    click.echo(
        f"{out}: a gate; strict accuracy on {counted(trained.n_pairs, 'pair')} by gates that did "
        f"not see their prompts: {trained.accuracy:.1%}; by uniform weights: "
        f"{trained.uniform_accuracy:.1%}"
    )
