"""Baselines learned from preferences on frozen states: a Bradley–Terry head, and a gate."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from encore.arrays import Record
from encore.errors import InputError
from encore.extras import require
from encore.files import StrPath
from encore.heads.files.safetensors import Array, Tensor, write_tensors
from encore.heads.gate import Gate, GateLayer
from encore.heads.training.states import States

if TYPE_CHECKING:
    import torch

PENALTIES = (1e-2, 1e-1, 1.0, 10.0, 100.0, 1000.0)
_STEPS = 500


@dataclass(frozen=True, eq=False, repr=False)
class PreferenceHead(Record):
    """A head fitted to preferences.

    Parameters
    ----------
    weight : ndarray of float64, shape (hidden_size,)
        The head.
    penalty : float
        On its squared norm, chosen on held-out splits.
    accuracy : float
        Share of pairs that heads trained on the other splits rank right; a tie is wrong.
    held_out : ndarray of float64, shape (n_pairs, 2)
        Rewards of the chosen and the rejected response by the head trained on the other splits.
    """

    weight: NDArray[np.float64]
    penalty: float
    accuracy: float
    held_out: NDArray[np.float64]


def fit_preference_head(states: States, splits: NDArray[np.int64]) -> PreferenceHead:
    r"""Fit one head to pairs.

    .. math:: \min_w \sum -\log \sigma(w (h_c - h_r)) + \tfrac\lambda2 \lVert w\rVert^2

    Parameters
    ----------
    states : States
        Two rows per pair, the chosen response's first.
    splits : ndarray of int, shape (n_pairs,)
        Which split each pair belongs to.

    Raises
    ------
    InputError
        If all pairs are in one split.
    """
    require("torch", extra="heads", feature="Training heads")
    margins = _margins(states)
    if len(np.unique(splits)) < 2:
        raise InputError("all pairs are of one prompt or in one split; give pairs of more prompts.")
    right = []
    for penalty in PENALTIES:
        ranked = np.empty(len(margins), dtype=bool)
        for split in np.unique(splits):
            out = splits == split
            ranked[out] = margins[out] @ _logistic(margins[~out], penalty) > 0
        right.append(float(ranked.mean()))
    best = int(np.argmax(right))
    penalty = PENALTIES[best]
    heads = {
        split: _logistic(margins[splits != split], penalty) for split in np.unique(splits).tolist()
    }
    each = np.stack([heads[split] for split in splits.tolist()]).repeat(2, axis=0)
    rewards = [(block * each[here]).sum(axis=1) for here, block in states.blocks()]
    held_out = np.concatenate(rewards).reshape(-1, 2)
    return PreferenceHead(_logistic(margins, penalty), penalty, right[best], held_out)


def _margins(states: States) -> NDArray[np.float64]:
    """Chosen minus rejected, one row per pair."""
    parts: list[Array] = []
    left = np.empty((0, states.shape[1]), np.float32)
    for _, block in states.blocks():
        rows = np.concatenate([left, block])
        even = len(rows) // 2 * 2
        parts.append(rows[0:even:2] - rows[1:even:2])
        left = rows[even:]
    return np.concatenate(parts).astype(np.float64)


def _logistic(margins: NDArray[np.float64], penalty: float) -> NDArray[np.float64]:
    """The minimum, which is unique: the loss is strictly convex."""
    import torch

    rows = torch.from_numpy(margins)
    weight = torch.zeros(rows.shape[1], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [weight],
        max_iter=_STEPS,
        tolerance_grad=1e-9,
        tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        total = torch.nn.functional.softplus(-(rows @ weight)).sum()
        total = total + penalty / 2 * weight.square().sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    with torch.enable_grad():
        optimiser.step(loss)  # type: ignore[no-untyped-call]
    return np.asarray(weight.detach().numpy())


@dataclass(frozen=True)
class GateTraining:
    """How a gate is trained; the defaults are ArmoRM's, but smaller and shorter.

    Parameters
    ----------
    n_hidden, width : int
        The number of hidden layers, and units in each.
    temperature : float
        Temperature of the softmax over heads.
    learning_rate : float
        AdamW's.
    n_steps, batch_pairs : int
        The number of steps, and pairs in each.
    seed : int
        For initial weights and batches.
    """

    n_hidden: int = 3
    width: int = 256
    temperature: float = 10.0
    learning_rate: float = 1e-3
    n_steps: int = 300
    batch_pairs: int = 1024
    seed: int = 0


def fit_gate(prompt_states: Array, margins: Array, how: GateTraining | None = None) -> Gate:
    """Fit a mixture-of-experts gate to pairs with the Bradley–Terry loss.

    The softmax runs over the heads. (ArmoRM's public script runs it over the two sides of a pair,
    which have the same prompt, so every weight is one half.)

    Parameters
    ----------
    prompt_states : ndarray of float32, shape (n_pairs, hidden_size)
        The state of each pair's prompt.
    margins : ndarray of float32, shape (n_pairs, n_rules)
        Unit ratings of the chosen response minus the rejected one's; 0 where either is unrated.
    how : GateTraining, optional
        How to train.
    """
    torch = require("torch", extra="heads", feature="Training a gate")
    how = how or GateTraining()
    generator = torch.Generator().manual_seed(how.seed)
    states, wanted = torch.from_numpy(prompt_states), torch.from_numpy(margins)
    mean, deviation = states.mean(0), states.std(0) + 1e-6
    layers = _fresh_layers(states.shape[1], wanted.shape[1], how, generator)
    scale = torch.tensor([2.0], requires_grad=True)  # its logarithm: the margins are below 1
    learned = [part for layer in layers for part in layer]
    optimiser = torch.optim.AdamW([*learned, scale], lr=how.learning_rate)
    with torch.enable_grad():
        for _ in range(how.n_steps):
            n_drawn = min(len(states), how.batch_pairs)
            drawn = torch.randint(len(states), (n_drawn,), generator=generator)
            gate = _gate(layers, (states[drawn] - mean) / deviation, how.temperature)
            reward = scale.exp() * (gate * wanted[drawn]).sum(1)
            loss = torch.nn.functional.softplus(-reward).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return _as_gate(layers, (mean, deviation), float(scale.detach().exp()), how.temperature)


def held_out_gates(
    prompt_states: Array,
    sides: NDArray[np.float32],
    splits: NDArray[np.int64],
    how: GateTraining | None = None,
) -> NDArray[np.float64]:
    """Rewards of both responses of each pair by the gate trained on the other splits.

    *sides* holds the unit ratings of the chosen and of the rejected response, shape
    (n_pairs, 2, n_rules).
    """
    rewards = np.empty(sides.shape[:2])
    margins = sides[:, 0] - sides[:, 1]
    for split in np.unique(splits):
        out = splits == split
        gate = fit_gate(prompt_states[~out], margins[~out], how)
        for side in (0, 1):
            rewards[out, side] = gate.rewards(prompt_states[out], sides[out, side])
    return rewards


def _fresh_layers(
    n_in: int, n_out: int, how: GateTraining, generator: torch.Generator
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    import torch

    sizes = [n_in, *[how.width] * how.n_hidden, n_out]
    layers = []
    for before, after in itertools.pairwise(sizes):
        weight = torch.empty(after, before).uniform_(-1, 1, generator=generator) / before**0.5
        layers.append((weight.requires_grad_(), torch.zeros(after, requires_grad=True)))
    return layers


def _gate(
    layers: list[tuple[torch.Tensor, torch.Tensor]], x: torch.Tensor, temperature: float
) -> torch.Tensor:
    import torch

    for weight, bias in layers[:-1]:
        x = torch.relu(x @ weight.T + bias)
    weight, bias = layers[-1]
    return torch.softmax((x @ weight.T + bias) / temperature, dim=-1)


def _as_gate(
    layers: list[tuple[torch.Tensor, torch.Tensor]],
    centring: tuple[torch.Tensor, torch.Tensor],
    scale: float,
    temperature: float,
) -> Gate:
    """The gate in NumPy, with the centring of its inputs absorbed into its first layer."""
    plain = [(w.detach().numpy(), b.detach().numpy()) for w, b in layers]
    mean, deviation = (part.numpy() for part in centring)
    weight, bias = plain[0]
    plain[0] = (weight / deviation, bias - (weight / deviation) @ mean)
    made = tuple(
        GateLayer(w, b, np.ones(len(b), np.float32), np.zeros(len(b), np.float32)) for w, b in plain
    )
    n_rules = len(plain[-1][1])
    return Gate(made, temperature, scale, np.eye(n_rules, dtype=np.float32))


def save_gate(gate: Gate, path: StrPath) -> None:
    """Write a gate as safetensors, under the names that ArmoRM uses."""
    tensors: dict[str, Tensor] = {"gating.logit_scale": np.array([gate.scale], np.float32)}
    for number, layer in enumerate(gate.layers):
        tensors[f"gating.layers.{number}.weight"] = layer.weight
        tensors[f"gating.layers.{number}.bias"] = layer.bias
    write_tensors(path, tensors)
