"""The size of the model that a configuration describes, held against its files."""

from __future__ import annotations

import math
import re
from typing import Any

from encore.errors import CheckpointError
from encore.heads.files.checkpoint import Checkpoint
from encore.heads.files.safetensors import Stored
from encore.heads.model.surgery import N_LAYERS

# Numbers of modules; each module takes time to make, even an empty one.
_COUNTS = re.compile(r"(?:^|_)(?:layers?|blocks|experts)$")
_MODULES = 512  # layers may share their tensors, and experts one tensor
_ROOM = 1_000_000  # parameters that files may lack: fresh heads, and what is said by name later


def empty_model(checkpoint: Checkpoint, found: Any, config: Any) -> Any:
    """The model that a configuration describes, as shapes alone, if the files can hold it.

    Parameters
    ----------
    checkpoint : Checkpoint
        The files.
    found : type
        The class of Transformers that it is loaded by.
    config : transformers.PretrainedConfig
        Its configuration.

    Raises
    ------
    CheckpointError
        If it describes more layers, or more than twice the parameters.
    """
    import torch

    most = max(_MODULES, len(checkpoint.tensors))
    for part in (checkpoint.config, checkpoint.config.get("text_config") or {}):
        for name, number in part.items():
            least = int(name in N_LAYERS)
            if _COUNTS.search(name) and isinstance(number, int) and not least <= number <= most:
                raise CheckpointError(
                    f"{checkpoint.name}: config.json says {name} = {number:,}, but the files hold "
                    f"{len(checkpoint.tensors):,} tensors. They belong to different models."
                )
    with torch.device("meta"):  # shapes alone
        empty = found(config)
    described = sum(part.numel() for part in empty.parameters())
    held = sum(map(_n_parameters, checkpoint.tensors.values()))
    if described > 2 * held + _ROOM:
        raise CheckpointError(
            f"{checkpoint.name}: config.json describes a model of {described:,} parameters, but "
            f"the files hold {held:,}. They belong to different models."
        )
    return empty


def _n_parameters(tensor: Any) -> int:
    """How many it holds at most: of packed ones, four in a byte."""
    if isinstance(tensor, Stored) and not tensor.is_float:
        return 4 * (tensor.end - tensor.begin)
    return math.prod(tensor.shape)
