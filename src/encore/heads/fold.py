"""Several linear heads and their weights as one head: the same reward for the price of one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encore.arrays import Record
from encore.errors import CheckpointError, DocumentError, InputError
from encore.files import StrPath, read_document
from encore.formatting import listed
from encore.heads.files.checkpoint import Checkpoint
from encore.heads.files.safetensors import is_finite
from encore.heads.model.backbone import head_place
from encore.heads.model.bundled import open_checkpoint
from encore.heads.model.classifier import as_classifier, for_rules
from encore.heads.model.conversation import Conversation
from encore.heads.model.head_model import HeadModel
from encore.heads.model.linear_heads import LinearHeads, check_names, read_heads
from encore.heads.model.write import write_checkpoint
from encore.rewards import Mean, Reward, as_reward, form_text
from encore.rules import LevelScale
from encore.weights import Weights

KIND = "encore.fold"
VERSION = 1
SIDECAR = "encore_fold.json"
_TIE = 1e-6  # rewards closer than this are ties; float32 sums differ by less


@dataclass(frozen=True, eq=False, repr=False)
class Folded(Record):
    r"""One head that gives the weighted reward: :math:`r = w h + b`.

    Parameters
    ----------
    weight : ndarray of float64, shape (hidden_size,)
        w, :math:`\sum_k s_k W_k / (best_k - worst_k)`.
    offset : float
        b, :math:`\sum_k s_k (b_k - worst_k) / (best_k - worst_k)`.
    module : str
        The layer that held the heads.
    """

    weight: NDArray[np.float64]
    offset: float
    module: str = "score"


def fold_heads(heads: LinearHeads, weights: Weights) -> Folded:
    """Fold heads under weights; nothing is read or written.

    Raises
    ------
    InputError
        If a rule has levels: a head gives values between them, which composing does not round. If
        a rule has a veto, which no linear head can hold.
    MismatchError
        If a rule has no head.
    """
    check_names(weights.rules, heads.names, "the model")
    if weights.rules.vetoes:
        raise InputError(
            f"the rules [{listed(list(weights.rules.vetoes))}] have a veto, which caps the reward: "
            f"no sum of heads does that. Fold weights without vetoes, or serve all heads and "
            f"compose what they give."
        )
    weight, offset = np.zeros(heads.weight.shape[1]), 0.0
    for rule, share in zip(weights.rules, weights.shares.tolist(), strict=True):
        scale = rule.scale
        if isinstance(scale, LevelScale):
            raise InputError(
                f"rule {rule.id!r} has the levels {scale}; a head gives any value, so its rule "
                f"needs a range (worst, best). Rate, calibrate and weigh with the model's own "
                f"rules, or serve all heads and compose what they give."
            )
        head = heads.names.index(rule.id)
        span = scale.best - scale.worst
        weight += share / span * heads.weight[head].astype(np.float64)
        offset += share * (float(heads.bias[head]) - scale.worst) / span
    return Folded(weight, offset, heads.module)


def fold(
    model: StrPath, weights: Weights | Reward | StrPath, *, out: StrPath, head: str | None = None
) -> Folded:
    """Write a model whose one head gives the weighted reward of a multi-head model.

    The backbone's files are linked or copied as they are. Where the architecture's head has a
    bias, the offset is that bias; elsewhere it is in ``config.json`` as OpenRLHF reads it
    (``mean`` = -offset, ``std`` = 1) and in the sidecar, and the head gives the reward without
    the offset: a constant, which cancels in any comparison of responses.

    Parameters
    ----------
    model : path-like
        The multi-head model: a folder, a model on the hub, or ``encore:mini``.
    weights : Weights, Reward or path-like
        Shares and scales, or a file of them; of a reward, the form must be the mean.
    out : path-like
        The folder to write; it must be empty or not exist.
    head : str, optional
        The linear layer that holds the heads, where several could be it.

    Returns
    -------
    Folded
        The head that was written.

    Raises
    ------
    CheckpointError
        If the model cannot be read, its heads are not linear, or its backbone holds numbers that
        are not finite.
    InputError
        If a rule has levels or a veto, the form is not the mean, or *out* is not free.
    MismatchError
        If a rule has no head.
    """
    weights = _of_mean(as_reward(weights))
    checkpoint = open_checkpoint(model)
    heads = read_heads(checkpoint, head)
    folded = fold_heads(heads, weights)
    backbone = for_rules(as_classifier(checkpoint), ("composed",))
    _check_finite(backbone)
    module, has_bias = head_place(checkpoint, heads.module)
    tensors = {f"{module}.weight": folded.weight[None].astype(np.float32)}
    if has_bias:
        tensors[f"{module}.bias"] = np.array([folded.offset], np.float32)
    else:
        backbone = backbone.with_config(mean=-folded.offset, std=1.0, value_head_prefix=module)
    write_checkpoint(
        out,
        backbone,
        tensors,
        {
            SIDECAR: _sidecar(checkpoint, weights, 0.0 if has_bias else folded.offset),
            "README.md": _card(checkpoint, weights, folded, has_bias=has_bias),
        },
    )
    return folded


def _of_mean(reward: Reward) -> Weights:
    """The weights of a reward that is their weighted mean."""
    if not isinstance(reward.form, Mean):
        raise InputError(
            f"a reward of the form {form_text(reward.form)} does not fold: one head is a sum of "
            f"heads, and only the weighted mean is a sum. Fold its weights as a mean, or serve all "
            f"heads and compose what they give."
        )
    return reward.weights


def _check_finite(backbone: Checkpoint) -> None:
    """Refuse a backbone that would give no reward at all, in whatever serves it."""
    broken = next((name for name, t in backbone.tensors.items() if not is_finite(t)), None)
    if broken is not None:
        raise CheckpointError(
            f"{backbone.name}: tensor {broken!r} of its backbone holds numbers that are not "
            f"finite, so it has no rewards. Fetch or save the model again."
        )


def _sidecar(checkpoint: Checkpoint, weights: Weights, offset: float) -> str:
    made_of = {"model": checkpoint.name, "sha256": checkpoint.digest}
    body = {"offset": offset, "folded_from": made_of, "weights": weights.to_dict()}
    document = {"kind": KIND, "schema_version": VERSION, **body}
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _card(checkpoint: Checkpoint, weights: Weights, folded: Folded, *, has_bias: bool) -> str:
    rows = "\n".join(
        f"| {rule.id} | {share:.4f} | {rule.scale.worst:g} | {rule.scale.best:g} |"
        for rule, share in zip(weights.rules, weights.shares.tolist(), strict=True)
    )
    offset = (
        "The reward is the one logit."
        if has_bias
        else f"The reward is the one logit plus {folded.offset:.9g}; OpenRLHF adds it on its own "
        f"(config.json: mean, std)."
    )
    return (
        f"# One head folded from {len(weights.rules)}\n\n"
        f"Made by `encore fold` from {checkpoint.name}. {offset} It is the weighted mean of the "
        f"heads below, each brought to [0, 1] by its worst and best value; values beyond those "
        f"ends are not clipped.\n\n"
        f"| rule | share | worst | best |\n|---|---|---|---|\n{rows}\n"
    )


@dataclass(frozen=True)
class FoldCheck:
    """How the rewards of the same texts, scored both ways, compare.

    Parameters
    ----------
    n_responses : int
        How many responses were scored.
    largest_difference : float
        Between the folded reward and the weighted mean of the heads, relative to the largest
        reward.
    rank_agreement : float
        Share of pairs of responses that both put in the same order, leaving out pairs that either
        treats as equal (closer than 1e-6).
    clipped_share : float
        Share of the values beyond the ends of their scales, which composing clips and a linear
        head cannot.
    clipped_rank_agreement : float
        Rank agreement of the folded reward with the composed one, clipping included.
    """

    n_responses: int
    largest_difference: float
    rank_agreement: float
    clipped_share: float
    clipped_rank_agreement: float


def check_fold(
    source: HeadModel, weights: Weights, folded: HeadModel, conversations: Sequence[Conversation]
) -> FoldCheck:
    """Score conversations with the multi-head model and with the folded one, reloaded.

    Parameters
    ----------
    source : HeadModel
        The multi-head model.
    weights : Weights
        The weights it was folded under.
    folded : HeadModel
        The folded model.
    conversations : sequence of sequence of (role, content)
        Each ends in the response.
    """
    places = [source.names.index(name) for name in weights.rules.ids]
    values = source.score_heads(conversations)[:, places].astype(np.float64)
    scales = [rule.scale for rule in weights.rules]
    worst = np.array([scale.worst for scale in scales])
    span = np.array([scale.best for scale in scales]) - worst
    unfolded = ((values - worst) / span) @ weights.shares
    composed = weights.rules.unit(values) @ weights.shares
    rewards = folded_rewards(folded, conversations)
    return FoldCheck(
        len(conversations),
        float(np.abs(rewards - unfolded).max() / np.abs(unfolded).max()),
        rank_agreement(rewards, unfolded),
        float(weights.rules.outside(values).mean()),
        rank_agreement(rewards, composed),
    )


def folded_rewards(model: HeadModel, conversations: Sequence[Conversation]) -> NDArray[np.float64]:
    """The rewards of a folded model, its offset added, shape (n_responses,)."""
    path = model.checkpoint.folder / SIDECAR
    offset = read_document(path, KIND, VERSION).get("offset")
    if isinstance(offset, bool) or not isinstance(offset, int | float):
        raise DocumentError(f"{path}: its offset is {offset!r:.60}, not a number. Fold again.")
    return np.asarray(model.score_heads(conversations)[:, 0] + offset)


def rank_agreement(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Of the pairs that both resolve, the share they order alike; 1.0 if there are none."""
    alike = told = 0
    for row in range(len(one) - 1):
        a, b = one[row] - one[row + 1 :], other[row] - other[row + 1 :]
        apart = (np.abs(a) > _TIE) & (np.abs(b) > _TIE)
        told += int(apart.sum())
        alike += int((np.sign(a[apart]) == np.sign(b[apart])).sum())
    return alike / told if told else 1.0
