"""Loading a checkpoint as a Transformers model and tokenizer, without running its own code."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from encore.errors import CheckpointError
from encore.extras import require
from encore.heads.files.checkpoint import Checkpoint
from encore.heads.files.safetensors import Stored, numbers_of
from encore.heads.model.classifier import as_classifier, classifier_class, for_rules
from encore.heads.model.conversation import Reader
from encore.heads.model.linear_heads import CLASSIFIERS

if TYPE_CHECKING:
    import torch

_POSITIONS = ("max_position_embeddings", "n_positions", "n_ctx")
# These count positions from the padding token's number on.
_FROM_PADDING = ("roberta", "xlm-roberta", "camembert", "longformer", "xlm-roberta-xl")


def read_tokenizer(checkpoint: Checkpoint, max_tokens: int | None = None) -> Reader:
    """The tokenizer of a checkpoint, as a reader of conversations.

    Raises
    ------
    CheckpointError
        If there is none, or it does not say how a conversation is written.
    """
    transformers = require("transformers", extra="heads", feature="A multi-head reward model")
    _ = checkpoint.tokenizer_files
    try:
        with quiet():
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                checkpoint.folder, local_files_only=True, trust_remote_code=False
            )
    except Exception as error:  # a broken file raises whatever its parser raises
        raise CheckpointError(
            f"{checkpoint.name}: its tokenizer or its configuration cannot be read: {error}"
        ) from error
    positions = _positions(checkpoint.config.get("text_config") or checkpoint.config)
    return Reader(tokenizer, max_tokens=max_tokens, max_positions=positions, name=checkpoint.name)


def _positions(config: Mapping[str, Any]) -> int | None:
    """How many tokens the model has positions for."""
    stated = next((config[name] for name in _POSITIONS if config.get(name)), None)
    if stated is not None and config["model_type"] in _FROM_PADDING:
        return int(stated) - int(config.get("pad_token_id") or 0) - 1
    return stated


def load_classifier(
    checkpoint: Checkpoint, dtype: torch.dtype, names: Sequence[str] = ("unused",)
) -> Any:
    """The classifier of this architecture with fresh heads on the checkpoint's backbone.

    Raises
    ------
    CheckpointError
        If the backbone cannot be loaded, or parts of it are missing.
    """
    import transformers

    whole = for_rules(as_classifier(checkpoint), names)
    found = classifier_class(checkpoint)
    described = dict(whole.config)
    config = transformers.AutoConfig.for_model(described.pop("model_type"), **described)
    try:
        with quiet():
            if whole.is_virtual:
                place, numbers = None, _numbers(whole)
            else:
                place, numbers = checkpoint.folder, None
            model, told = found.from_pretrained(
                place,
                config=config,
                state_dict=numbers,
                dtype=dtype,
                local_files_only=True,
                use_safetensors=True,
                ignore_mismatched_sizes=True,  # a different number of heads; the rest is checked
                output_loading_info=True,
            )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise CheckpointError(f"{checkpoint.name}: it cannot be loaded: {error}") from error
    _check_loaded(checkpoint, told)
    return model


def _numbers(checkpoint: Checkpoint) -> dict[str, torch.Tensor]:
    import torch

    read = {
        name: numbers_of(tensor)
        for name, tensor in checkpoint.tensors.items()
        if not isinstance(tensor, Stored) or tensor.is_float
    }
    return {name: torch.from_numpy(numbers) for name, numbers in read.items()}


def _check_loaded(checkpoint: Checkpoint, told: dict[str, Any]) -> None:
    """Refuse a backbone with parts that are not in the files: they would be random."""
    heads = tuple(f"{module}.{part}" for module in CLASSIFIERS for part in ("weight", "bias"))
    missing = [n for n in sorted(told["missing_keys"]) if not n.startswith(heads)]
    # Transformers 4 gives names, Transformers 5 names with both shapes.
    named = [(f if isinstance(f, str) else f[0], f) for f in told["mismatched_keys"]]
    wrong = [str(found) for name, found in named if not name.startswith(heads)]
    if missing:
        raise CheckpointError(
            f"{checkpoint.name}: no tensors {missing[:4]}{' …' * (len(missing) > 4)}, which "
            f"the classifier of {checkpoint.config['model_type']} needs; they would be random. "
            f"Give a checkpoint that was saved as a classifier, or for a BERT use --pooling mean."
        )
    if wrong:
        raise CheckpointError(
            f"{checkpoint.name}: tensors do not fit config.json (name, shape, expected): "
            f"{'; '.join(wrong[:3])}."
        )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep Transformers from reporting what is checked here, and from drawing progress bars."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
