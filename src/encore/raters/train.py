"""Training heads, or a baseline that learns from preferences, on files of texts and ratings."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from encore.errors import InputError, UnknownNameError
from encore.files import StrPath, refuse_overwrite
from encore.heads.files.checkpoint import Checkpoint
from encore.heads.model.backbone import Backbone
from encore.heads.model.bundled import open_checkpoint
from encore.heads.model.classifier import as_classifier
from encore.heads.model.surgery import first_layers, mean_over_tokens
from encore.heads.model.write import check_free
from encore.heads.training.finetune import Tuning
from encore.heads.training.preference import GateTraining, save_gate
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
from encore.raters.training_data import pair_ids, preference_data, rated_data
from encore.rewards import save_rewards
from encore.rules import Rules, as_rulebook

METHODS = {
    "ridge": ("heads",),
    "finetune": ("full", "lora"),
    "bradley-terry": ("heads", "full", "lora"),
    "gating": ("heads",),
}
"""Which parts of the model each method can train; the first is its default."""
POOLINGS = ("auto", "own", "mean")
_HEADS_ONLY = "it is for a frozen backbone (tune 'heads')"
_TUNED_ONLY = "it is for a backbone that is trained too (tune 'full' or 'lora')"
_ON_RATINGS = "'bradley-terry' learns from pairs of texts alone, which are its first argument"
_GOES_WITH = {
    **dict.fromkeys(("rules", "scale", "texts"), _ON_RATINGS),
    "states": "only 'ridge' and 'bradley-terry' on a frozen backbone keep states",
    "held_out": "it is for 'bradley-terry' and 'gating' on a frozen backbone",
    **dict.fromkeys(("device", "dtype", "batch_tokens"), _HEADS_ONLY),
    **dict.fromkeys(("n_epochs", "learning_rate", "batch_size"), _TUNED_ONLY),
}
_TUNED_DEFAULTS = {"n_epochs": 1.0, "learning_rate": 2e-5, "batch_size": 8}


def train(
    ratings: Any,
    rules: Rules | None = None,
    *,
    backbone: StrPath,
    out: StrPath,
    scale: Any = None,
    texts: StrPath | None = None,
    layout: str | None = None,
    json_messages: bool = False,
    method: str = "ridge",
    tune: str | None = None,
    layers: int | None = None,
    pooling: str = "auto",
    states: StrPath | None = None,
    held_out: StrPath | None = None,
    n_epochs: float = 1.0,
    learning_rate: float = 2e-5,
    batch_size: int = 8,
    max_input_tokens: int | None = None,
    seed: int = 0,
    device: str | None = None,
    dtype: str | None = None,
    batch_tokens: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> TrainedHeads | TrainedGate | None:
    r"""Train a head per rule on ratings, or one head or a gate on preferences, and write it.

    Parameters
    ----------
    ratings : path-like, Rated, frame or RatingsTable
        Ratings of responses or of pairs. For ``bradley-terry``, a file of pairs of texts.
    rules : Rulebook, path-like, str or list of str
        The rules of the ratings; see :func:`encore.rules.as_rulebook`.
    backbone : path-like
        A folder, a model on the Hugging Face hub (``owner/name``), or ``minilm``.
    out : path-like
        The folder to write, which must be empty or not exist; for a gate, the file.
    scale : LevelScale, RangeScale or list of levels, optional
        The scale of a list of ids.
    texts : path-like, optional
        The texts, if they are not in the file of ratings; rows are matched by their ids.
    layout, json_messages
        How the texts are laid out, as for :class:`~encore.raters.Texts`.
    method : {"ridge", "finetune", "bradley-terry", "gating"}
        A linear head per rule on the frozen backbone; heads and backbone by regression; one head
        from pairs; weights of the rules by prompt, from rated pairs.
    tune : {"heads", "full", "lora"}, optional
        Which part of the model is trained: by default ``full`` for finetune and ``heads`` for the
        others.
    layers : int, optional
        Keep only the first layers of the backbone.
    pooling : {"auto", "own", "mean"}
        What heads read: what the architecture gives them, or the mean over tokens, which is what
        ``auto`` takes for a BERT.
    states : path-like, optional
        Keep the states of the texts in this ``.npy`` file, for a run that was stopped or for
        other rules.
    held_out : path-like, optional
        For ``bradley-terry`` and ``gating``: also write the rewards of the pairs by heads or gates
        that did not see their prompt, for ``encore compare``.
    n_epochs, learning_rate, batch_size
        For a backbone that is trained too.
    max_input_tokens : int, optional
        Cut longer conversations in the middle.
    seed : int
        For initial weights and the order of the data.
    device, dtype, batch_tokens
        For a frozen backbone, as for :class:`~encore.heads.Backbone`.
    on_progress : callable, optional
        Called with how many responses have their states, and how many will.

    Returns
    -------
    TrainedHeads, TrainedGate or None
        What was trained, with its quality on held-out prompts; None in every process but the first.

    Raises
    ------
    InputError
        If an option does not go with the method, *out* is not free, or there is nothing to
        learn.
    RatingsError, MismatchError
        If texts and ratings do not match, or the ratings do not match the rules.
    CheckpointError
        If the backbone cannot be read.
    MissingExtraError
        If the extra ``heads`` is not installed, or ``finetune`` to train a backbone.
    """
    tune = _tune_of(method, tune)
    given = {
        **{"rules": rules, "scale": scale, "texts": texts},
        **{"states": states, "held_out": held_out},
        **{"device": device, "dtype": dtype, "batch_tokens": batch_tokens},
        **{"n_epochs": n_epochs, "learning_rate": learning_rate, "batch_size": batch_size},
    }
    _check_options(method, tune, given)
    _check_places(Path(out), states, held_out)
    for written in (states, held_out):
        if written is not None:
            refuse_overwrite(written, ratings, texts, rules, backbone)
    checkpoint = _shaped(open_checkpoint(backbone), layers, pooling)
    if method == "bradley-terry":
        data = preference_data(ratings, layout=layout, json_messages=json_messages)
    else:
        if rules is None:
            raise InputError("rules are missing; give those of the ratings.")
        rulebook = as_rulebook(rules, scale)
        data = rated_data(
            ratings,
            rulebook,
            texts,
            paired=method == "gating",
            layout=layout,
            json_messages=json_messages,
        )
    if tune != "heads":
        how: dict[str, Any] = {name: given[name] for name in _TUNED_DEFAULTS}
        how |= {"lora": tune == "lora", "max_tokens": max_input_tokens, "seed": seed}
        return _tuned(data, checkpoint, how, out)
    frozen = Backbone(
        checkpoint,
        device=device,
        dtype=dtype,
        max_tokens=max_input_tokens,
        batch_tokens=batch_tokens,
    )
    trained: TrainedHeads | TrainedGate
    if method == "gating":
        trained = train_gate(data, frozen, GateTraining(seed=seed))
        save_gate(trained.gate, out)
    else:
        trained = _on_states(method, data, frozen, states, on_progress)
        save_trained(trained, checkpoint, frozen.head_place, out)
    if held_out is not None and trained.held_out is not None:
        pairs = ratings if texts is None else texts
        ids = pair_ids(pairs, layout=layout, json_messages=json_messages)
        save_rewards(ids, trained.held_out, held_out)
    return replace(trained, notes=data.notes)


def _tune_of(method: str, tune: str | None) -> str:
    """Which part of the model is trained."""
    if method not in METHODS:
        raise UnknownNameError("method of training", method, METHODS)
    if tune is not None and tune not in METHODS[method]:
        raise InputError(
            f"method {method!r} cannot be used with tune {tune!r}; expected "
            f"{' or '.join(map(repr, METHODS[method]))}."
        )
    return tune or METHODS[method][0]


def _check_options(method: str, tune: str, given: Mapping[str, Any]) -> None:
    """Refuse what would have no effect."""
    frozen = tune == "heads"
    fits = {
        **dict.fromkeys(("rules", "scale", "texts"), method != "bradley-terry"),
        "states": frozen and method in ("ridge", "bradley-terry"),
        "held_out": frozen and method in ("bradley-terry", "gating"),
        **dict.fromkeys(("device", "dtype", "batch_tokens"), frozen),
        **dict.fromkeys(_TUNED_DEFAULTS, not frozen),
    }
    for name, value in given.items():
        if value != _TUNED_DEFAULTS.get(name) and not fits[name]:
            raise InputError(
                f"{name} does not go with method {method!r} and tune {tune!r}: {_GOES_WITH[name]}."
            )


def _check_places(out: Path, states: StrPath | None, held_out: StrPath | None) -> None:
    """Refuse paths that cannot be written before the work, not after it."""
    check_free(out)
    if states is not None and Path(states).suffix != ".npy":
        raise InputError(f"states {os.fspath(states)}: expected a file that ends in .npy.")
    for path in map(Path, (p for p in (states, held_out) if p is not None)):
        if not path.parent.is_dir():
            raise InputError(f"{path}: there is no folder {path.parent}; make it first.")


def _shaped(checkpoint: Checkpoint, layers: int | None, pooling: str) -> Checkpoint:
    if pooling not in POOLINGS:
        raise UnknownNameError("pooling", pooling, POOLINGS)
    if layers is not None:
        checkpoint = first_layers(checkpoint, layers)
    is_bert = checkpoint.config["model_type"] == "bert"
    if pooling == "mean" or (pooling == "auto" and is_bert):
        checkpoint = mean_over_tokens(as_classifier(checkpoint))
    return checkpoint


def _tuned(
    data: TrainingData, checkpoint: Checkpoint, options: Mapping[str, Any], out: StrPath
) -> TrainedHeads | None:
    is_preference = not len(data.targets)
    with tempfile.TemporaryDirectory(prefix="encore-tune-") as work:
        how = Tuning(Path(work), **options)
        done = (train_preference if is_preference else train_finetune)(data, checkpoint, how)
        if done is None:
            return None  # the first process writes
        trained, backbone, place = done
        save_trained(trained, backbone, place, out)
        return replace(trained, notes=data.notes)


def _on_states(
    method: str,
    data: TrainingData,
    backbone: Backbone,
    states: StrPath | None,
    on_progress: Callable[[int, int], None] | None,
) -> TrainedHeads:
    fit = train_ridge if method == "ridge" else train_bradley_terry
    n_total = len(data.prompts)

    def told(n_done: int) -> None:
        if on_progress is not None:
            on_progress(n_done, n_total)

    with _states_file(states) as path:
        return fit(data, backbone, path, on_progress=told)


@contextlib.contextmanager
def _states_file(wanted: StrPath | None) -> Iterator[Path]:
    if wanted is not None:
        yield Path(wanted)
        return
    with tempfile.TemporaryDirectory(prefix="encore-states-") as folder:
        yield Path(folder) / "states.npy"
