"""Quantised checkpoints: what is only said to be quantised, and what is stored so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from encore.errors import CheckpointError
from encore.heads.files.checkpoint import Checkpoint
from encore.heads.files.safetensors import Stored

# Beside the packed weights of bitsandbytes, GPTQ and AWQ, compressed-tensors, FP8, Quanto, HQQ.
_BESIDE = (
    *(".absmax", ".quant_map", ".SCB", ".qweight", ".qzeros", ".weight_packed", ".weight_scale"),
    *(".weight_scale_inv", ".weight_zero_point", ".weight._data", ".weight._scale", ".W_q"),
)
# Those that Transformers can turn back into plain numbers.
_UNDONE = ("bitsandbytes", "fp8", "fbgemm_fp8", "mxfp4", "finegrained_fp8")


def quantised_by(checkpoint: Checkpoint) -> str | None:
    """What ``config.json`` says the model is quantised by; None if it says nothing."""
    stated: Any = checkpoint.config.get("quantization_config")
    if not stated:
        return None
    return str(stated.get("quant_method", "?") if isinstance(stated, dict) else "?")


def is_stored_quantised(checkpoint: Checkpoint) -> bool:
    """Whether any weight of it is stored in fewer bits, whatever ``config.json`` says."""
    return next(_packed(checkpoint), None) is not None


def as_stored(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint without a quantisation that its plain weights do not have.

    Merging an adapter into a base that was trained in four bits leaves such a statement; loaded by
    it, the weights would be rounded to four bits, or need a library that they have no need of.
    """
    if quantised_by(checkpoint) is None or is_stored_quantised(checkpoint):
        return checkpoint
    return checkpoint.with_config(quantization_config=None)


def quantised_error(checkpoint: Checkpoint, why: str) -> CheckpointError:
    """That a quantised model cannot be loaded here, and what to do."""
    by = quantised_by(checkpoint) or "a library that config.json does not name"
    packed = next(_packed(checkpoint), "")
    undo = "Give the model that it was quantised from"
    if by in _UNDONE:
        undo += (
            ", or where its library is installed load it with Transformers and save it with "
            "model.dequantize().save_pretrained(folder, save_original_format=False)"
        )
    return CheckpointError(
        f"{checkpoint.name}: its weights are quantised by {by} ({packed}) and cannot be loaded "
        f"here ({' '.join(why.split())[:200]}). {undo}, in bfloat16 or float32."
    )


def _packed(checkpoint: Checkpoint) -> Iterator[str]:
    """Names of tensors that hold quantised weights, or scales of them."""
    for name, tensor in checkpoint.tensors.items():
        is_packed = isinstance(tensor, Stored) and not tensor.is_float
        if name.endswith(_BESIDE) or (is_packed and name.endswith(".weight")):
            yield name
