"""Training heads on ratings and on preferences."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encore.arrays import Record
from encore.errors import InputError
from encore.files import StrPath, digest
from encore.heads.files.checkpoint import Checkpoint
from encore.heads.gate import Gate
from encore.heads.model.backbone import Backbone, head_place
from encore.heads.model.conversation import Conversation
from encore.heads.model.linear_heads import HeadPlace, ranged, read_heads, tidy_range
from encore.heads.training.finetune import Tuned, Tuning, tune_preference, tune_regression
from encore.heads.training.preference import (
    GateTraining,
    fit_gate,
    fit_preference_head,
    held_out_gates,
)
from encore.heads.training.quality import RuleQuality, qualities
from encore.heads.training.ridge import check_targets, fit_ridge
from encore.heads.training.save import TrainedHeads
from encore.heads.training.states import States, compute_states, split_of
from encore.rules import Rulebook

TunedHeads = tuple[TrainedHeads, Checkpoint, HeadPlace]
N_SPLITS = 5
PREFERRED = "preferred"
_BEYOND = 0.005  # share of values left outside a range at each end


@dataclass(frozen=True, eq=False, repr=False)
class TrainingData(Record):
    """Responses with the ratings that heads learn.

    Parameters
    ----------
    conversations : iterable of sequence of (role, content)
        Each ends in the response; iterated more than once.
    targets : ndarray of float64, shape (n_responses, n_rules)
        Ratings on the rules' scales; NaN where there is none.
    prompts : sequence of str
        The prompt of each response: what validation keeps together.
    rules : Rulebook
        The rules.
    provenance : mapping
        What the ratings are and where they come from, as plain data.
    texts : mapping, optional
        What the texts alone are; the provenance unless given.
    notes : tuple of str
        What was noticed in the texts.
    """

    conversations: Iterable[Conversation]
    targets: NDArray[np.float64]
    prompts: Sequence[str]
    rules: Rulebook
    provenance: Mapping[str, Any]
    texts: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()


def train_ridge(
    data: TrainingData,
    backbone: Backbone,
    states_path: StrPath,
    *,
    on_progress: Callable[[int], None] = lambda n_done: None,
) -> TrainedHeads:
    """Fit a linear head per rule on a frozen backbone; penalties by cross-validation over prompts.

    Parameters
    ----------
    data : TrainingData
        Responses and ratings.
    backbone : Backbone
        What computes the states.
    states_path : path-like
        The file for the states; what an earlier run left there is resumed.
    on_progress : callable
        Called with the number of responses whose states are computed.

    Raises
    ------
    InputError
        If a rule has too few targets, or they are all the same.
    """
    states = states_of(data, backbone, states_path, on_progress)
    if states.shape[0] != len(data.targets):
        raise InputError(f"{len(data.targets)} rows of ratings for {states.shape[0]} texts.")
    splits = split_of(data.prompts, N_SPLITS)
    fit = fit_ridge(states.blocks(), data.targets, splits, names=data.rules.ids)
    left_out = fit.left_out(states.blocks(), splits)
    return TrainedHeads(
        fit.weight,
        fit.bias,
        _ranges(data.rules, left_out),
        qualities(data.rules, data.targets, left_out, fit.alphas),
        "ridge",
        data.provenance,
        f"Cross-validation over {N_SPLITS} splits",
        states.n_cut,
    )


def states_of(
    data: TrainingData,
    backbone: Backbone,
    path: StrPath,
    on_progress: Callable[[int], None] = lambda n_done: None,
) -> States:
    """The states of the responses, in a file."""
    made_of = [backbone.checkpoint.digest, backbone.dtype, backbone.reader.max_tokens]
    key = digest([*made_of, dict(data.texts or data.provenance)])
    return compute_states(backbone, data.conversations, path, key=key, on_progress=on_progress)


def train_finetune(data: TrainingData, checkpoint: Checkpoint, how: Tuning) -> TunedHeads | None:
    """Fit heads and backbone by regression on ratings; a fifth of the prompts is held out.

    Parameters
    ----------
    data : TrainingData
        Responses and ratings.
    checkpoint : Checkpoint
        The backbone to start from.
    how : Tuning
        How to train.

    Returns
    -------
    (TrainedHeads, Checkpoint, HeadPlace) or None
        The heads and their trained backbone; None in every process but the first.

    Raises
    ------
    InputError
        If a rule has too few targets, or they are all the same.
    """
    left_out = split_of(data.prompts, N_SPLITS) == 0
    check_targets(data.targets, left_out, data.rules.ids)
    check_targets(data.targets[~left_out], np.arange((~left_out).sum()), data.rules.ids)
    # Rules with wide scales must not drown the others, and heads without a bias need no offset.
    span = np.array([rule.scale.best - rule.scale.worst for rule in data.rules])
    mean = np.nanmean(np.where(left_out[:, None], np.nan, data.targets), axis=0)
    targets = (data.targets - mean) / span
    tuned = tune_regression(checkpoint, list(data.conversations), targets, left_out, how)
    if tuned is None:
        return None
    backbone, place, weight, bias = _opened(tuned, checkpoint)
    values = tuned.values * span + mean
    trained = TrainedHeads(
        weight * span[:, None],
        bias * span + mean,
        _ranges(data.rules, values),
        qualities(data.rules, data.targets, values),
        "finetune --tune lora" if how.lora else "finetune",
        data.provenance,
        "One fifth of the prompts was held out of training",
        tuned.n_cut,
    )
    return trained, backbone, place


def _opened(
    tuned: Tuned, checkpoint: Checkpoint
) -> tuple[Checkpoint, HeadPlace, NDArray[np.float64], NDArray[np.float64]]:
    """The trained backbone under the name, and with the tokenizer, of the original."""
    for path in checkpoint.tokenizer_files:
        shutil.copyfile(path, tuned.folder / path.name)
    opened = replace(Checkpoint.open(tuned.folder), name=checkpoint.name)
    heads = read_heads(opened)
    return (
        opened,
        head_place(opened, heads.module),
        heads.weight.astype(np.float64),
        heads.bias.astype(np.float64),
    )


def train_bradley_terry(
    data: TrainingData,
    backbone: Backbone,
    states_path: StrPath,
    *,
    on_progress: Callable[[int], None] = lambda n_done: None,
) -> TrainedHeads:
    """Fit one head to preferences on a frozen backbone.

    Parameters
    ----------
    data : TrainingData
        Two responses per pair, the chosen one first; targets and rules are not used.
    backbone : Backbone
        What computes the states.
    states_path : path-like
        The file for the states.
    on_progress : callable
        Called with the number of responses whose states are computed.

    Raises
    ------
    InputError
        If all pairs are of one prompt.
    """
    states = states_of(data, backbone, states_path, on_progress)
    fit = fit_preference_head(states, split_of(data.prompts[0::2], N_SPLITS))
    values = np.concatenate([block @ fit.weight for _, block in states.blocks()])
    n_pairs = len(data.prompts) // 2
    quality = RuleQuality(PREFERRED, n_pairs, fit.penalty, float("nan"), fit.accuracy)
    return TrainedHeads(
        fit.weight[None],
        np.zeros(1),
        ranged([PREFERRED], values[:, None]),
        (quality,),
        "bradley-terry",
        data.provenance,
        f"Cross-validation over {N_SPLITS} splits",
        states.n_cut,
        fit.held_out,
    )


def train_preference(data: TrainingData, checkpoint: Checkpoint, how: Tuning) -> TunedHeads | None:
    """Fit one head and the backbone to preferences, with TRL; a fifth of the prompts is held out.

    Returns
    -------
    (TrainedHeads, Checkpoint, HeadPlace) or None
        As for :func:`train_finetune`.
    """
    talks = list(data.conversations)
    left_out = np.repeat(split_of(data.prompts[0::2], N_SPLITS) == 0, 2)
    kept = [talk for talk, out in zip(talks, left_out, strict=True) if not out]
    tuned = tune_preference(checkpoint, kept, how)
    if tuned is None:
        return None
    backbone, place, weight, bias = _opened(tuned, checkpoint)
    model = Backbone(backbone, max_tokens=how.max_tokens)
    values = model.states([model.reader(talk) for talk in talks]) @ weight.T + bias
    margins = (values[0::2] - values[1::2])[left_out[0::2], 0]
    won = float((margins > 0).mean()) if len(margins) else float("nan")
    quality = RuleQuality(PREFERRED, len(margins), None, float("nan"), won)
    trained = TrainedHeads(
        weight,
        bias,
        ranged([PREFERRED], values),
        (quality,),
        f"bradley-terry --tune {'lora' if how.lora else 'full'}",
        data.provenance,
        "One fifth of the prompts was held out of training",
        tuned.n_cut,
    )
    return trained, backbone, place


@dataclass(frozen=True, eq=False, repr=False)
class TrainedGate(Record):
    """A mixture-of-experts gate, and how well it does on held-out prompts.

    Parameters
    ----------
    gate : Gate
        From all pairs.
    accuracy, uniform_accuracy : float
        Share of pairs ranked right by gates trained on the other splits, and by the mean of the
        rules; a tie is wrong.
    n_pairs : int
        The number of pairs.
    held_out : ndarray of float64, shape (n_pairs, 2)
        Rewards of the chosen and the rejected response by the gate trained on the other splits.
    notes : tuple of str
        What was noticed in the texts.
    """

    gate: Gate
    accuracy: float
    uniform_accuracy: float
    n_pairs: int
    held_out: NDArray[np.float64]
    notes: tuple[str, ...] = ()


def train_gate(
    data: TrainingData, backbone: Backbone, how: GateTraining | None = None
) -> TrainedGate:
    """Fit the mixture-of-experts baseline: weights of the rules by prompt, from preferences.

    Parameters
    ----------
    data : TrainingData
        Rated pairs: two responses each, the chosen one first.
    backbone : Backbone
        What computes the states of the prompts.
    how : GateTraining, optional
        How to train.
    """
    if len(data.targets) % 2:
        raise InputError(f"{len(data.targets)} responses are not pairs; a gate learns from pairs.")
    splits = split_of(data.prompts[0::2], N_SPLITS)
    if len(np.unique(splits)) < 2:
        raise InputError("all pairs are of one prompt or in one split; give pairs of more prompts.")
    unit = data.rules.unit(data.targets).reshape(-1, 2, len(data.rules))
    # A rule that rates only one side says nothing about the pair.
    one_sided = np.isnan(unit).any(axis=1, keepdims=True)
    sides = np.where(one_sided, 0.0, unit).astype(np.float32)
    margins = sides[:, 0] - sides[:, 1]
    talks = list(data.conversations)[0::2]
    if not all(len(talk) > 1 for talk in talks):
        raise InputError("some pairs have no prompt, which a gate needs.")
    prompts = backbone.states([backbone.reader(talk[:-1]) for talk in talks])
    held_out = held_out_gates(prompts, sides, splits, how)
    accuracy = float((held_out[:, 0] > held_out[:, 1]).mean())
    uniform = float((margins.mean(axis=1) > 0).mean())
    gate = fit_gate(prompts, margins, how)
    return TrainedGate(gate, accuracy, uniform, len(margins), held_out)


def _ranges(rules: Rulebook, values: NDArray[np.float64]) -> Rulebook:
    """The same rules on ranges: the targets' ends, widened to cover the heads' values.

    A head gives values between levels, and beyond the best and the worst target too. Clipping them
    there would tie most responses under a rule that is rarely broken.
    """
    found = []
    for rule, column in zip(rules, values.T, strict=True):
        low, high = np.nanquantile(column, [_BEYOND, 1 - _BEYOND]).tolist()
        rises = rule.scale.best > rule.scale.worst
        worst, best = (low, high) if rises else (high, low)
        outer = min if rises else max
        inner = max if rises else min
        scale = tidy_range(outer(rule.scale.worst, worst), inner(rule.scale.best, best))
        found.append(replace(rule, scale=scale))
    return Rulebook(tuple(found))
