"""The gate of a mixture of experts: weights of the heads that depend on the prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encore.arrays import Record
from encore.errors import CheckpointError
from encore.heads.files.checkpoint import Checkpoint
from encore.heads.files.safetensors import Array, Tensor, numbers_of
from encore.heads.model.conversation import Conversation
from encore.heads.model.head_model import HeadModel

_EPSILON = 1e-5  # BatchNorm1d's


@dataclass(frozen=True, eq=False, repr=False)
class GateLayer(Record):
    """One linear layer, and the normalisation after its ReLU where there is one.

    Parameters
    ----------
    weight : ndarray of float32, shape (n_out, n_in)
        The linear layer's weight.
    bias : ndarray of float32, shape (n_out,)
        The linear layer's bias.
    gain, offset : ndarray of float32, shape (n_out,)
        What the normalisation multiplies by and adds.
    """

    weight: Array
    bias: Array
    gain: Array
    offset: Array


@dataclass(frozen=True, eq=False, repr=False)
class Gate(Record):
    r"""Weights of heads by prompt: :math:`g(p) = s \cdot \mathrm{softmax}(\mathrm{MLP}(p) / T)`.

    The gated reward of a response with values v is :math:`\sum_k g_k (v M)_k`.

    Parameters
    ----------
    layers : tuple of GateLayer
        The multilayer perceptron, with ReLU between its layers.
    temperature : float
        T.
    scale : float
        s.
    transform : ndarray of float32, shape (n_rules, n_rules)
        M: removes the effect of response length from the other heads; the identity if unused.
    """

    layers: tuple[GateLayer, ...]
    temperature: float
    scale: float
    transform: Array

    def weights(self, prompt_states: Array) -> NDArray[np.float32]:
        """The weights of the heads for each prompt, shape (n_prompts, n_rules)."""
        x = prompt_states
        for layer in self.layers[:-1]:
            x = np.maximum(x @ layer.weight.T + layer.bias, 0) * layer.gain + layer.offset
        last = self.layers[-1]
        x = (x @ last.weight.T + last.bias) / self.temperature
        x = np.exp(x - x.max(axis=1, keepdims=True))
        return np.asarray(self.scale * x / x.sum(axis=1, keepdims=True))

    def rewards(self, prompt_states: Array, values: Array) -> NDArray[np.float32]:
        """The gated reward of each response, shape (n_responses,)."""
        return np.asarray((self.weights(prompt_states) * (values @ self.transform)).sum(axis=1))


def read_gate(checkpoint: Checkpoint) -> Gate:
    """The gate of ArmoRM, of QRM, or of a model with the same tensor names.

    Raises
    ------
    CheckpointError
        If there is none.
    """
    return gate_of(
        checkpoint.tensors, checkpoint.config.get("gating_temperature", 10), checkpoint.name
    )


def gate_of(tensors: Mapping[str, Tensor], temperature: float, source: str) -> Gate:
    """A gate from tensors with ArmoRM's names; *source* is what errors call them.

    Raises
    ------
    CheckpointError
        If there is none.
    """
    if "gating.logit_scale" not in tensors:
        raise CheckpointError(f"{source}: it has no gate (no gating.logit_scale).")
    gating = {name: t for name, t in tensors.items() if name.startswith("gating.")}
    layers = _layers(gating, source)
    transform = tensors.get("reward_transform_matrix")
    return Gate(
        layers,
        float(temperature),
        float(numbers_of(tensors["gating.logit_scale"]).reshape(-1)[0]),
        np.eye(len(layers[-1].weight), dtype=np.float32)
        if transform is None
        else numbers_of(transform),
    )


def gated_rewards(model: HeadModel, conversations: Sequence[Conversation]) -> NDArray[np.float32]:
    """What the model's own gate makes of its heads: the baseline to compare weights with.

    The state of a prompt is that of the conversation up to the response.

    Parameters
    ----------
    model : HeadModel
        ArmoRM, QRM, or a model with the same tensor names.
    conversations : sequence of sequence of (role, content)
        Each ends in the response.

    Returns
    -------
    ndarray of float32, shape (n_responses,)
        The model's own score.

    Raises
    ------
    CheckpointError
        If the model has no gate.
    """
    gate = read_gate(model.checkpoint)
    prompts = [model.backbone.reader(conversation[:-1]) for conversation in conversations]
    values = model.score_heads(conversations)
    return gate.rewards(model.backbone.states(prompts), values)


def _layers(tensors: Mapping[str, Tensor], model: str) -> tuple[GateLayer, ...]:
    numbers = sorted({int(name.split(".")[2]) for name in tensors if ".layers." in name})
    layers: list[GateLayer] = []
    for number in numbers:
        part = {
            name.rpartition(".")[2]: numbers_of(tensor)
            for name, tensor in tensors.items()
            if name.startswith(f"gating.layers.{number}.") and "num_batches" not in name
        }
        if part["weight"].ndim == 2:
            n_out = len(part["weight"])
            zeros, ones = np.zeros(n_out, np.float32), np.ones(n_out, np.float32)
            layers.append(GateLayer(part["weight"], part.get("bias", zeros), ones, zeros))
        elif layers and "running_var" in part:
            gain = part["weight"] / np.sqrt(part["running_var"] + np.float32(_EPSILON))
            offset = part["bias"] - part["running_mean"] * gain
            layers[-1] = GateLayer(layers[-1].weight, layers[-1].bias, gain, offset)
        else:
            raise CheckpointError(f"{model}: gating.layers.{number} is not a known kind of layer.")
    if not layers:
        raise CheckpointError(f"{model}: its gate has no layers.")
    return tuple(layers)
