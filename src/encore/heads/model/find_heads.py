"""Which linear layer of a checkpoint holds its heads, whatever it is called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from encore.errors import CheckpointError
from encore.heads.files.checkpoint import Checkpoint
from encore.heads.model.surgery import layer_of

# Where Transformers' classes keep their last linear layer.
CLASSIFIERS = ("score", "classifier.out_proj", "classification_head.out_proj", "classifier")
GATED = "regression_layer"  # ArmoRM's and QRM's
STANDARD = (GATED, *CLASSIFIERS)
_NUMBERED = re.compile(r"\.\d+(?:\.|$)")
# What people call heads; another name counts where nothing is called so.
_HEADLIKE = re.compile(
    r"(?:^|[._])(?:v|rm|scor\w*|value|reward|regress\w*|classif\w*|critic|cost|heads?)(?=[._]|$)"
)
# Layers as wide as the states that are no heads, and heads of other tasks.
_OTHER = re.compile(
    r"embed|wte|wpe|norm|pooler|lm_head|gating|router|relative_attention|original_module"
    r"|qa_outputs|(?:^|\.)(?:cls|decoder|shared)\."
)


def head_module(checkpoint: Checkpoint, head: str | None = None) -> str:
    """The name of the linear layer that holds the heads.

    Parameters
    ----------
    checkpoint : Checkpoint
        The model.
    head : str, optional
        Its name, where a checkpoint has several that could be it.

    Raises
    ------
    CheckpointError
        If there is none, several could be it, or it is one of several layers in a row.
    """
    named = [module for module in STANDARD if f"{module}.weight" in checkpoint.tensors]
    others = odd_heads(checkpoint)
    found = [*named, *headlike(checkpoint)] or others
    if head is not None:
        known = [*named, *others]
        module = head.removesuffix(".weight")
        if module not in known:
            raise CheckpointError(
                f"{checkpoint.name}: it has no linear layer {head!r} on its states; those it has: "
                f"{_with_shapes(checkpoint, known) or 'none'}."
            )
        return module
    if len(found) > 1:
        raise CheckpointError(
            f"{checkpoint.name}: several linear layers could be its heads: "
            f"{_with_shapes(checkpoint, found)}. Say which (--head {found[0]})."
        )
    chained = [name for name in _chained(checkpoint) if not name.startswith(CLASSIFIERS)]
    if named or (found and not chained):
        return found[0]
    raise _no_heads(checkpoint)


def odd_heads(checkpoint: Checkpoint) -> list[str]:
    """Linear layers on the states that Transformers' classes do not have."""
    size = checkpoint.hidden_size
    layers = {
        name.removesuffix(".weight")
        for name, tensor in checkpoint.tensors.items()
        if _stands_alone(name)
        and len(tensor.shape) == 2
        and tensor.shape[0] < size == tensor.shape[1]
    }
    return [
        layer
        for layer in sorted(layers - {*STANDARD})
        if not _is_in_a_row(checkpoint, layer, layers)
    ]


def headlike(checkpoint: Checkpoint) -> list[str]:
    """Those of them that are called like heads."""
    return [module for module in odd_heads(checkpoint) if _HEADLIKE.search(module)]


def _stands_alone(name: str) -> bool:
    """Whether a tensor is the weight of a layer that is none of the backbone's, by its name."""
    numbered = _NUMBERED.search(name) or layer_of(name) >= 0
    return name.endswith(".weight") and not numbered and not _OTHER.search(name)


def _is_in_a_row(checkpoint: Checkpoint, layer: str, layers: Iterable[str]) -> bool:
    """Whether other layers stand beside it in its module: they may come before it."""
    module = layer.rpartition(".")[0]
    beside = [name for name in checkpoint.tensors if module and name.startswith(f"{module}.")]
    if any(layer_of(name) >= 0 for name in beside):
        return False  # its module is the backbone
    alike = {f"{other}.{part}" for other in layers for part in ("weight", "bias")}
    return any(name not in alike and ".original_module." not in name for name in beside)


def _chained(checkpoint: Checkpoint) -> Iterator[str]:
    """Names of tensors that are called like heads and are no single linear layer."""
    single = {f"{layer}.{part}" for layer in odd_heads(checkpoint) for part in ("weight", "bias")}
    for name in sorted(checkpoint.tensors):
        is_other = layer_of(name) >= 0 or _OTHER.search(name)
        if _HEADLIKE.search(name) and not is_other and name not in single:
            yield name


def _with_shapes(checkpoint: Checkpoint, modules: Iterable[str]) -> str:
    tensors = checkpoint.tensors
    return ", ".join(f"{module} {list(tensors[f'{module}.weight'].shape)}" for module in modules)


def _no_heads(checkpoint: Checkpoint) -> CheckpointError:
    chained = list(_chained(checkpoint))
    if chained:
        return CheckpointError(
            f"{checkpoint.name}: its heads are more than one linear layer "
            f"({', '.join(chained[:4])}), so they are not linear in its states. Rate with the "
            f"model's own code and bring the ratings."
        )
    pickled = next(checkpoint.folder.glob("*head*.bin"), None)
    if pickled is not None:
        return CheckpointError(
            f"{checkpoint.name}: its heads are in {pickled.name}, which is pickled and can run "
            f"code. Save them as {pickled.stem}.safetensors beside it."
        )
    return CheckpointError(
        f"{checkpoint.name}: it has no heads (no {', '.join(CLASSIFIERS)} or {GATED}, nor another "
        f"linear layer on its states): a language model or an encoder. Train heads for it with "
        f"`encore train`."
    )
