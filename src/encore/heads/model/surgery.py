"""Backbones reshaped: fewer layers, and the mean over tokens where a class reads one token."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from encore.errors import InputError
from encore.heads.files.checkpoint import Checkpoint
from encore.heads.files.safetensors import Array, numbers_of

_LAYER = re.compile(r"(?:^|\.)(?:layers?|h|block)\.(\d+)\.")
N_LAYERS = ("num_hidden_layers", "n_layer", "n_layers")
# The mean is added to the state of the first token and must drown it out; float16, which servers
# use, ends at 65,504.
_LOUD = 1e3
# The pooler's tanh bends its input; for values this small, hardly at all.
_SOFT = 0.1


def first_layers(checkpoint: Checkpoint, n_layers: int) -> Checkpoint:
    """The backbone cut off after its first layers.

    What heads need is often clearest in the middle of a network, and cheaper to compute there.

    Raises
    ------
    InputError
        If the backbone does not have that many layers, or the number is below 1.
    """
    key = next((name for name in N_LAYERS if name in checkpoint.config), N_LAYERS[0])
    there = checkpoint.config.get(key)
    if not isinstance(there, int) or not 1 <= n_layers <= there:
        raise InputError(
            f"{checkpoint.name}: it has {there} layers; expected a number from 1 to {there}, "
            f"got {n_layers}."
        )
    kept = {name: t for name, t in checkpoint.tensors.items() if layer_of(name) < n_layers}
    kinds = checkpoint.config.get("layer_types")
    changes = {key: n_layers, "layer_types": kinds[:n_layers] if kinds else None}
    return replace(checkpoint, tensors=kept).with_config(**changes)


def layer_of(name: str) -> int:
    """The number of the layer that a tensor belongs to; -1 if it belongs to none."""
    found = _LAYER.search(name)
    return int(found[1]) if found else -1


def list_of(name: str) -> str | None:
    """The list of layers that a tensor belongs to, as ``"model.layers."``; None if to none."""
    found = _LAYER.search(name)
    return name[: found.start(1)] if found else None


def mean_over_tokens(checkpoint: Checkpoint) -> Checkpoint:
    r"""A BERT whose pooled state is the mean over tokens instead of the first token's.

    ``BertForSequenceClassification`` reads the first token only. An extra layer puts the mean
    there: its queries and keys are zero, so that attention is uniform over the tokens that are not
    padding; its values are the identity; its feed-forward part is zero. What the class then passes
    to its classifier is

    .. math:: \tanh(0.1 \cdot \mathrm{LayerNorm}(\tfrac1n \textstyle\sum_t h_t))

    up to one part in 1,000, for any software that runs the class. A BERT that has this layer is
    returned as it is.

    Parameters
    ----------
    checkpoint : Checkpoint
        A BERT with the tensor names of ``BertForSequenceClassification``.

    Raises
    ------
    InputError
        If it has another architecture.
    """
    if checkpoint.config["model_type"] != "bert":
        raise InputError(
            f"{checkpoint.name}: the mean over tokens needs a BERT; this is a "
            f"{checkpoint.config['model_type']}. Use --pooling own."
        )
    n_layers = int(checkpoint.config["num_hidden_layers"])
    if _ends_in_the_mean(checkpoint, n_layers - 1):
        return checkpoint
    size, wide = checkpoint.hidden_size, int(checkpoint.config["intermediate_size"])
    layer = {
        f"bert.encoder.layer.{n_layers}.{name}": tensor
        for name, tensor in _uniform_layer(size, wide).items()
    }
    pooler = {
        "bert.pooler.dense.weight": np.eye(size, dtype=np.float32) * np.float32(_SOFT),
        "bert.pooler.dense.bias": np.zeros(size, np.float32),
    }
    tensors = {**checkpoint.tensors, **layer, **pooler}
    return replace(checkpoint, tensors=tensors).with_config(num_hidden_layers=n_layers + 1)


def _ends_in_the_mean(checkpoint: Checkpoint, last: int) -> bool:
    """Whether the last layer already is one: no trained layer has queries of zero."""
    query = checkpoint.tensors.get(f"bert.encoder.layer.{last}.attention.self.query.weight")
    return query is not None and not numbers_of(query).any()


def _uniform_layer(size: int, wide: int) -> Mapping[str, Array]:
    """A BERT layer that puts the mean of its inputs, normalised, at every token."""
    eye, zeros, ones = np.eye(size), np.zeros, np.ones
    parts = {
        "attention.self.query.weight": zeros((size, size)),
        "attention.self.query.bias": zeros(size),
        "attention.self.key.weight": zeros((size, size)),
        "attention.self.key.bias": zeros(size),
        "attention.self.value.weight": eye,
        "attention.self.value.bias": zeros(size),
        "attention.output.dense.weight": eye * _LOUD,
        "attention.output.dense.bias": zeros(size),
        "attention.output.LayerNorm.weight": ones(size),
        "attention.output.LayerNorm.bias": zeros(size),
        "intermediate.dense.weight": zeros((wide, size)),
        "intermediate.dense.bias": zeros(wide),
        "output.dense.weight": zeros((size, wide)),
        "output.dense.bias": zeros(size),
        "output.LayerNorm.weight": ones(size),
        "output.LayerNorm.bias": zeros(size),
    }
    return {name: part.astype(np.float32) for name, part in parts.items()}
