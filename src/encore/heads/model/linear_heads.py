"""A checkpoint's heads as one linear map from a state to a value per rule."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from encore.arrays import Record
from encore.errors import CheckpointError, InputError, MismatchError
from encore.heads.files.checkpoint import Checkpoint
from encore.heads.files.safetensors import Array, numbers_of
from encore.heads.model.find_heads import GATED, head_module
from encore.rules import RangeScale, Rule, Rulebook
from encore.rules.rule import RESERVED_IDS

# The attributes of ArmoRM and QRM, in the order of their heads.
ATTRIBUTES = (
    *("helpsteer-helpfulness", "helpsteer-correctness", "helpsteer-coherence"),
    *("helpsteer-complexity", "helpsteer-verbosity", "ultrafeedback-overall_score"),
    *("ultrafeedback-instruction_following", "ultrafeedback-truthfulness"),
    *("ultrafeedback-honesty", "ultrafeedback-helpfulness", "beavertails-is_safe"),
    *("prometheus-score", "argilla-overall_quality", "argilla-judge_lm", "code-complexity"),
    *("code-style", "code-explanation", "code-instruction-following", "code-readability"),
)


# What Transformers calls labels that nobody named; two of them where nobody said how many.
_DEFAULT = re.compile(r"LABEL_\d+")


@dataclass(frozen=True, eq=False, repr=False)
class LinearHeads(Record):
    r"""Heads that are linear in the state of a response: :math:`v = W h + b`.

    Parameters
    ----------
    module : str
        The name of the layer in the checkpoint.
    weight : ndarray of float32, shape (n_rules, hidden_size)
        W.
    bias : ndarray of float32, shape (n_rules,)
        b; zeros where the layer has none.
    names : tuple of str
        What each head is called.
    """

    module: str
    weight: Array
    bias: Array
    names: tuple[str, ...]


class HeadPlace(NamedTuple):
    """Where a class has its heads, and whether they have a bias."""

    module: str
    has_bias: bool


def read_heads(checkpoint: Checkpoint, head: str | None = None) -> LinearHeads:
    """Read the heads of a checkpoint; its backbone is not read.

    Parameters
    ----------
    checkpoint : Checkpoint
        The model.
    head : str, optional
        The name of their layer, where several could be it.

    Raises
    ------
    CheckpointError
        If it has none, they are not one linear layer, or they do not fit its configuration.
    """
    module = head_module(checkpoint, head)
    weight = numbers_of(checkpoint.tensors[f"{module}.weight"])
    bias_name = f"{module}.bias"
    stored = checkpoint.tensors.get(bias_name)
    bias = None if stored is None else numbers_of(stored)
    if not np.isfinite(weight).all() or (bias is not None and not np.isfinite(bias).all()):
        raise CheckpointError(f"{checkpoint.name}: {module} holds numbers that are not finite.")
    if weight.ndim != 2 or weight.shape[1] != checkpoint.hidden_size:
        raise CheckpointError(
            f"{checkpoint.name}: {module}.weight has the shape {list(weight.shape)}; expected "
            f"(heads, {checkpoint.hidden_size}), the hidden_size of config.json."
        )
    if module == GATED:
        weight = _mean_of_quantiles(checkpoint, weight)
    names = head_names(checkpoint, module, len(weight))
    if bias is None:
        bias = np.zeros(len(weight), np.float32)
    if bias.shape != (len(weight),):
        raise CheckpointError(f"{checkpoint.name}: {bias_name} does not fit {module}.weight.")
    return LinearHeads(module, weight, bias, names)


def _mean_of_quantiles(checkpoint: Checkpoint, weight: Array) -> Array:
    """QRM has a row per attribute and quantile, attributes first; a mean of rows is linear."""
    n_quantiles = int(checkpoint.config.get("num_quantiles", 1))
    n_rules = int(checkpoint.config.get("num_objectives", len(weight) // max(n_quantiles, 1)))
    if n_rules * n_quantiles != len(weight):
        raise CheckpointError(
            f"{checkpoint.name}: {GATED}.weight has {len(weight)} rows; config.json states "
            f"{n_rules} objectives with {n_quantiles} quantiles each."
        )
    return np.asarray(weight.reshape(n_rules, n_quantiles, -1).mean(axis=1, dtype=np.float32))


def head_names(checkpoint: Checkpoint, module: str, n_rules: int) -> tuple[str, ...]:
    """What the heads are called: by the rules beside them, ``id2label``, or the folder's name.

    Raises
    ------
    CheckpointError
        If there is not one name a head.
    """
    stated = _labels(checkpoint)
    if checkpoint.rules is not None:
        names: Sequence[str] = checkpoint.rules.ids
    elif module == GATED and n_rules == len(ATTRIBUTES):
        names = ATTRIBUTES
    elif stated and not all(map(_DEFAULT.fullmatch, stated.values())):
        names = [stated[number] for number in sorted(stated)]
    elif n_rules == 1:
        names = (Path(checkpoint.name.partition("@")[0]).name,)
    else:
        names = [f"LABEL_{number}" for number in range(n_rules)]
    if len(names) != n_rules or len(set(names)) != n_rules:
        raise CheckpointError(
            f"{checkpoint.name}: {n_rules} heads but {len(set(names))} distinct names "
            f"({', '.join(names[:6])}). Name each head once in config.json's id2label, and in "
            f"rules.toml if there is one."
        )
    # Such a name would read as another column of a ratings table.
    return tuple(f"{name}_head" if name in RESERVED_IDS else name for name in names)


def _labels(checkpoint: Checkpoint) -> dict[int, str]:
    stated = checkpoint.config.get("id2label") or {}
    try:
        return {int(number): str(label) for number, label in stated.items()}
    except (AttributeError, ValueError) as error:
        raise CheckpointError(
            f"{checkpoint.name}: id2label in config.json does not map numbers to names ({error})."
        ) from error


def own_rules(checkpoint: Checkpoint, heads: LinearHeads) -> Rulebook | None:
    """The rules that a model states for its heads; None if it states no range for them."""
    if checkpoint.rules is not None:
        return checkpoint.rules
    if heads.names == ATTRIBUTES:  # they were trained on targets scaled to [0, 1]
        return Rulebook.from_ids(ATTRIBUTES, RangeScale(0.0, 1.0))
    return None


def ranged(names: Sequence[str], values: NDArray[Any], share: float = 0.005) -> Rulebook:
    """Rules for heads without a stated range: from quantile *share* to 1 - *share* of values.

    Higher is taken to be better. For a head that counts a cost, swap worst and best.

    Parameters
    ----------
    names : sequence of str
        What the heads are called.
    values : ndarray, shape (n_responses, n_rules)
        What they gave.
    share : float, default 0.005
        Share of the values left out at each end.

    Raises
    ------
    InputError
        If a head gave the same value every time.
    """
    ends = np.quantile(np.asarray(values, np.float64), [share, 1 - share], axis=0)
    rules = []
    for name, worst, best in zip(names, *ends.tolist(), strict=True):
        if not worst < best:
            raise InputError(f"head {name!r} gave {worst:g} every time; it has no range.")
        rules.append(Rule(name, name, tidy_range(worst, best)))
    return Rulebook(tuple(rules))


def tidy_range(worst: float, best: float) -> RangeScale:
    """A range with no more digits than its span is worth.

    Examples
    --------
    >>> tidy_range(-0.0123456, 1.2345678)
    RangeScale(worst=-0.012, best=1.235, bins=10)
    """
    digits = 3 - math.floor(math.log10(abs(best - worst)))
    return RangeScale(round(worst, digits), round(best, digits))


def check_names(wanted: Rulebook, names: Sequence[str], model: str) -> None:
    """Refuse rules that the model has no heads for.

    Raises
    ------
    MismatchError
        If a rule has no head.
    """
    missing = [name for name in wanted.ids if name not in names]
    if missing:
        raise MismatchError(
            f"{model} has no heads for the rules {missing[:8]}; its heads are {list(names)[:24]}. "
            f"Leave --rules out to rate under its own."
        )
