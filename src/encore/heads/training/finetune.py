"""Training the backbone too: regression on ratings through Transformers, preferences through TRL.

For several GPUs or machines, launch the command with ``accelerate launch`` or ``torchrun``; the
trainers do the rest.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from encore.arrays import Record
from encore.errors import InputError
from encore.extras import require
from encore.heads.files.checkpoint import Checkpoint
from encore.heads.model.backbone import default_dtype, device_of, last_layer
from encore.heads.model.conversation import Conversation, Reader, Tokens
from encore.heads.model.load import load_classifier, quiet
from encore.heads.model.padding import padded_reader

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Tuning:
    """How a backbone is trained; the defaults are the paper's.

    Parameters
    ----------
    work : pathlib.Path
        The caller's folder for the trained backbone.
    lora : bool
        Train low-rank updates, merged into the backbone at the end, instead of all weights.
    n_epochs : float
        Passes through the data.
    learning_rate : float
        AdamW's, falling linearly to 0. LoRA needs about ten times as much.
    batch_size : int
        Responses, or pairs, per step on each device.
    max_tokens : int, optional
        Longer conversations are cut in the middle.
    seed : int
        For new heads and the order of the data.

    Raises
    ------
    InputError
        If the number of epochs, the learning rate or the batch size is not above 0.
    """

    work: Path
    lora: bool = False
    n_epochs: float = 1.0
    learning_rate: float = 2e-5
    batch_size: int = 8
    max_tokens: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("n_epochs", "learning_rate", "batch_size"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} must be above 0; got {getattr(self, name)}.")


@dataclass(frozen=True, eq=False, repr=False)
class Tuned(Record):
    """A trained backbone on disk with its heads.

    Parameters
    ----------
    folder : pathlib.Path
        Where Transformers saved it.
    values : ndarray of float64, shape (n_responses, n_heads)
        Its values for the held-out responses; NaN for those it was trained on.
    n_cut : int
        Responses whose middle was left out.
    """

    folder: Path
    values: NDArray[np.float64]
    n_cut: int


def tune_regression(
    checkpoint: Checkpoint,
    conversations: Sequence[Conversation],
    targets: NDArray[np.float64],
    left_out: NDArray[np.bool_],
    how: Tuning,
) -> Tuned | None:
    """Train heads and backbone on the targets: mean squared error over those that exist.

    Parameters
    ----------
    checkpoint : Checkpoint
        The backbone.
    conversations : sequence of sequence of (role, content)
        Each ends in the response.
    targets : ndarray, shape (n_responses, n_heads)
        NaN where there is none.
    left_out : ndarray of bool, shape (n_responses,)
        Which responses are held out for validation.
    how : Tuning
        How to train.

    Returns
    -------
    Tuned or None
        None in every process but the first.
    """
    transformers = require("transformers", extra="finetune", feature="Training a backbone")
    require("accelerate", extra="finetune", feature="Training a backbone")
    reader = padded_reader(checkpoint, how.max_tokens)
    texts = [reader(conversation) for conversation in conversations]
    names = [f"head_{number}" for number in range(targets.shape[1])]
    model = _trainable(checkpoint, names, how, reader)
    rows = [_row(text, target) for text, target in zip(texts, targets, strict=True)]
    kept, validated = np.flatnonzero(~left_out), np.flatnonzero(left_out)

    class Regression(transformers.Trainer):  # type: ignore[misc, name-defined]
        def compute_loss(
            self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, **_: Any
        ) -> Any:
            wanted = inputs.pop("labels")
            outputs = model(**inputs)
            loss = masked_squared_error(outputs.logits, wanted)
            return (loss, outputs) if return_outputs else loss

    with _calm():
        trainer = Regression(
            model=model,
            args=transformers.TrainingArguments(**_arguments(how)),
            train_dataset=[rows[place] for place in kept],
            data_collator=lambda batch: _padded(batch, reader),
        )
        trainer.remove_callback(transformers.PrinterCallback)  # it prints to where results go
        trainer.train()
        values = np.full(targets.shape, np.nan)
        if len(validated):
            values[validated] = trainer.predict([rows[place] for place in validated]).predictions
        _save(trainer, how.work)
    if not trainer.is_world_process_zero():
        return None
    return Tuned(how.work, values, sum(text.n_cut > 0 for text in texts))


def tune_preference(
    checkpoint: Checkpoint, conversations: Sequence[Conversation], how: Tuning
) -> Tuned | None:
    """Train one head and the backbone on pairs, with TRL's RewardTrainer.

    Parameters
    ----------
    checkpoint : Checkpoint
        The backbone.
    conversations : sequence of sequence of (role, content)
        Two per pair, the chosen one first.
    how : Tuning
        How to train.
    """
    transformers = require("transformers", extra="finetune", feature="Training a backbone")
    trl = require("trl", extra="finetune", feature="Training a backbone on preferences")
    datasets = require("datasets", extra="finetune", feature="Training a backbone on preferences")
    reader = padded_reader(checkpoint, how.max_tokens)
    if not reader.is_chat:
        raise InputError(
            f"{checkpoint.name}: TRL's trainer does not support pairs of texts, which an encoder "
            f"reads. Use --tune heads."
        )
    texts = [reader(conversation) for conversation in conversations]
    model = _trainable(checkpoint, ("preferred",), how, reader)
    pairs = {"chosen_ids": texts[0::2], "rejected_ids": texts[1::2]}
    columns = {name: [list(text.ids) for text in side] for name, side in pairs.items()}
    arguments = {**_arguments(how), "max_length": None}
    with _calm():
        trainer = trl.RewardTrainer(
            model=model,
            args=trl.RewardConfig(**arguments),
            train_dataset=datasets.Dataset.from_dict(columns),
            processing_class=reader.tokenizer,
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
        _save(trainer, how.work)
    if not trainer.is_world_process_zero():
        return None
    n_cut = sum(text.n_cut > 0 for text in texts)
    return Tuned(how.work, np.full((len(texts), 1), np.nan), n_cut)


def masked_squared_error(values: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Mean of (value - wanted)² over the wanted values; 0 if there are none."""
    import torch

    known = ~torch.isnan(wanted)
    errors = torch.where(known, values.float() - torch.nan_to_num(wanted), 0.0)
    return errors.square().sum() / known.sum().clamp(min=1)


def _trainable(checkpoint: Checkpoint, names: Sequence[str], how: Tuning, reader: Reader) -> Any:
    import torch
    import transformers

    transformers.set_seed(how.seed)
    # In bfloat16 most updates of full weights would round to nothing; low-rank ones are float32.
    dtype = default_dtype(device_of(None)) if how.lora else "float32"
    model = load_classifier(checkpoint, getattr(torch, dtype), names)
    model.config.pad_token_id = reader.tokenizer.pad_token_id
    if how.lora:
        peft = require("peft", extra="finetune", feature="LoRA")
        module = last_layer(model, checkpoint.name).path.partition(".")[0]
        described = peft.LoraConfig(
            task_type="SEQ_CLS",
            r=16,
            lora_alpha=32,
            target_modules="all-linear",
            modules_to_save=[module],
        )
        with _calm():
            model = peft.get_peft_model(model, described)
    return model


@contextlib.contextmanager
def _calm() -> Iterator[None]:
    """Hide the warnings that are meant for the libraries and that users cannot act on."""
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def _arguments(how: Tuning) -> dict[str, Any]:
    import torch

    return {
        "output_dir": str(how.work / "trainer"),
        "num_train_epochs": how.n_epochs,
        "learning_rate": how.learning_rate,
        "per_device_train_batch_size": how.batch_size,
        "per_device_eval_batch_size": how.batch_size,
        "seed": how.seed,
        "bf16": torch.cuda.is_available(),
        "dataloader_pin_memory": torch.cuda.is_available(),
        "save_strategy": "no",
        "report_to": "none",
        "logging_steps": 10,
        "disable_tqdm": True,
        "remove_unused_columns": False,
    }


def _row(text: Tokens, target: NDArray[np.float64]) -> dict[str, Any]:
    return {"text": text, "labels": target.astype(np.float32)}


def _padded(batch: Sequence[Mapping[str, Any]], reader: Reader) -> dict[str, torch.Tensor]:
    import torch

    inputs = reader.padded([row["text"] for row in batch])
    labels = np.stack([row["labels"] for row in batch])
    return {name: torch.from_numpy(part) for name, part in {**inputs, "labels": labels}.items()}


def _save(trainer: Any, folder: Path) -> None:
    """Save the model as Transformers does, low-rank updates merged into it."""
    if hasattr(trainer.model, "merge_and_unload"):
        merged = trainer.model.merge_and_unload()
        if trainer.is_world_process_zero():
            merged.save_pretrained(folder)
    else:
        trainer.save_model(str(folder))
