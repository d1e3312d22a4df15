"""Any checkpoint as the ordinary sequence classifier of its architecture, without its heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from encore.errors import CheckpointError
from encore.extras import require
from encore.heads.files.checkpoint import Checkpoint
from encore.heads.model.find_heads import CLASSIFIERS, GATED, headlike

# Heads for other tasks; anything else beside a backbone may be on the way to its classifier.
_FOREIGN = ("lm_head.", "cls.", "decoder.", f"{GATED}.", "gating.", "reward_transform_matrix")


def classifier_class(checkpoint: Checkpoint) -> Any:
    """The class of Transformers that classifies sequences with this architecture.

    Raises
    ------
    CheckpointError
        If Transformers has none.
    """
    transformers = require("transformers", extra="heads", feature="A multi-head reward model")
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES as CLASSES,
    )

    kind = str(checkpoint.config["model_type"])
    if kind not in CLASSES:
        raise CheckpointError(
            f"{checkpoint.name}: Transformers {transformers.__version__} has no sequence "
            f"classifier for model_type {kind!r}. Code that comes with a model is never run."
        )
    return getattr(transformers, CLASSES[kind])


def as_classifier(checkpoint: Checkpoint) -> Checkpoint:
    """The same backbone under the tensor names of its sequence classifier, without its heads.

    Raises
    ------
    CheckpointError
        If Transformers has no such class.
    """
    found = classifier_class(checkpoint)
    ours = {"architectures": [found.__name__], "auto_map": None}
    odd = {f"{module}.{part}" for module in headlike(checkpoint) for part in ("weight", "bias")}
    if _is_classifier(checkpoint, found.__name__):
        heads = {f"{module}.{part}" for module in CLASSIFIERS for part in ("weight", "bias")}
        kept = {
            name: tensor
            for name, tensor in checkpoint.tensors.items()
            if name not in heads | odd and not name.startswith("score.")
        }
        return replace(checkpoint, tensors=kept).with_config(**ours)
    prefix = f"{found.base_model_prefix}."
    is_bare = not any(name.startswith(prefix) for name in checkpoint.tensors)
    tensors = {
        prefix + name if is_bare else name: tensor
        for name, tensor in checkpoint.tensors.items()
        if name not in odd and not name.startswith(_FOREIGN)
    }
    return replace(checkpoint, tensors=tensors).with_config(**ours)


def _is_classifier(checkpoint: Checkpoint, name: str) -> bool:
    return name in (checkpoint.config.get("architectures") or ())


def is_plain_classifier(checkpoint: Checkpoint) -> bool:
    """Whether Transformers' own class computes the heads from the files as they are."""
    return _is_classifier(checkpoint, classifier_class(checkpoint).__name__)


def for_rules(checkpoint: Checkpoint, names: Sequence[str]) -> Checkpoint:
    """A classifier's configuration for these heads, as regression: values, not probabilities."""
    labels = {str(number): name for number, name in enumerate(names)}
    # Transformers takes the number of labels from id2label, and stores it nowhere else.
    return checkpoint.with_config(
        id2label=labels,
        label2id={name: int(number) for number, name in labels.items()},
        num_labels=None,
        problem_type="regression",
    )
