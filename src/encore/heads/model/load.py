"""Loading a checkpoint as a Transformers model and tokenizer, without running its own code."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from encore.errors import CheckpointError
from encore.extras import require
from encore.heads.files.checkpoint import Checkpoint
from encore.heads.files.safetensors import Stored, numbers_of
from encore.heads.model.classifier import as_classifier, classifier_class, for_rules
from encore.heads.model.conversation import Reader
from encore.heads.model.find_heads import CLASSIFIERS
from encore.heads.model.quantised import as_stored, is_stored_quantised, quantised_error
from encore.heads.model.sizes import empty_model
from encore.heads.model.surgery import list_of

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
        If the backbone cannot be loaded, parts of it are missing, or it has parts that the
        classifier would not use.
    """
    whole = as_stored(for_rules(as_classifier(checkpoint), names))
    packed = is_stored_quantised(whole)
    from_folder = not whole.is_virtual and not checkpoint.has_adapter_config
    if packed and not from_folder:
        raise quantised_error(checkpoint, "some of its layers are not those of its files")
    found = classifier_class(checkpoint)
    try:
        with quiet():
            config = _described(whole)
            empty_model(whole, found, config)  # refuses what would take all memory
            model, told = found.from_pretrained(
                checkpoint.folder if from_folder else None,
                config=config,
                state_dict=None if from_folder else _numbers(whole),
                dtype=dtype,
                local_files_only=True,
                use_safetensors=True,
                ignore_mismatched_sizes=True,  # a different number of heads; the rest is checked
                output_loading_info=True,
            )
    except CheckpointError:
        raise
    except Exception as error:  # a class raises whatever its configuration makes it raise
        if packed:
            raise quantised_error(checkpoint, str(error)) from error
        raise CheckpointError(
            f"{checkpoint.name}: it cannot be loaded: {str(error) or type(error).__name__}"
        ) from error
    if packed and not getattr(model, "is_quantized", False):
        raise quantised_error(checkpoint, "Transformers would take them for plain numbers")
    _check_loaded(checkpoint, told)
    _check_unused(whole, model, told["unexpected_keys"])
    return model


def empty_classifier(checkpoint: Checkpoint) -> Any:
    """The classifier of this architecture without numbers: shapes and names alone.

    Raises
    ------
    CheckpointError
        If its configuration describes none.
    """
    whole = as_stored(for_rules(as_classifier(checkpoint), ("unused",)))
    try:
        with quiet():
            return empty_model(whole, classifier_class(checkpoint), _described(whole))
    except CheckpointError:
        raise
    except Exception as error:  # a class raises whatever its configuration makes it raise
        raise CheckpointError(
            f"{checkpoint.name}: config.json describes no model: {str(error) or error!r}"
        ) from error


def _described(checkpoint: Checkpoint) -> Any:
    """Its configuration as Transformers has it."""
    import transformers

    described = dict(checkpoint.config)
    return transformers.AutoConfig.for_model(described.pop("model_type"), **described)


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


def _check_unused(checkpoint: Checkpoint, model: Any, unexpected: Iterable[str]) -> None:
    """Refuse a backbone of which a layer, or a part of one, would not be computed."""
    lists = {list_of(name) for name, _ in model.named_parameters()} - {None}
    unused = []
    for name in sorted(unexpected):
        tensor = checkpoint.tensors.get(name)
        is_parameter = tensor is not None and len(tensor.shape) <= 2  # old files hold buffers too
        if list_of(name) in lists and is_parameter and name.endswith((".weight", ".bias")):
            unused.append(name)
    if unused:
        raise CheckpointError(
            f"{checkpoint.name}: tensors {unused[:4]}{' …' * (len(unused) > 4)} have no place in "
            f"the {checkpoint.config['model_type']} that config.json describes, so it would give "
            f"other values than the model that was trained. Correct config.json, or merge what "
            f"was saved beside its layers."
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
