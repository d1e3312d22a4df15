"""The backbone of a reward model: conversations in, one state each out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from encore.errors import CheckpointError, InputError, UnknownNameError
from encore.extras import require
from encore.heads.files.checkpoint import Checkpoint
from encore.heads.files.safetensors import Array
from encore.heads.model.conversation import Tokens
from encore.heads.model.find_heads import CLASSIFIERS
from encore.heads.model.linear_heads import HeadPlace
from encore.heads.model.load import empty_classifier, load_classifier, read_tokenizer

if TYPE_CHECKING:
    import torch

# Tokens in one batch, padding included: enough to keep the device busy.
_BATCH_TOKENS = {"cpu": 2048, "cuda": 32768}
DTYPES = ("float32", "bfloat16")
_ROOM = ("can't allocate memory", "out of memory", "not enough memory")


class Backbone:
    """A model on a device that computes the states its heads read.

    Decoders give the state of the last token; encoders give what their class passes to its last
    linear layer. Inputs are padded on the right, whatever the tokenizer says, and the last token
    is the last one that is not padding, even where padding and end of text are the same token.

    Parameters
    ----------
    checkpoint : Checkpoint
        The model; its heads do not matter.
    device : str, optional
        As PyTorch names it; the GPU if there is one.
    dtype : str, optional
        ``float32`` or ``bfloat16``; bfloat16 on a GPU, float32 on a CPU.
    max_tokens : int, optional
        Longer conversations are cut in the middle.
    batch_tokens : int, optional
        Tokens in one batch, padding included; 2,048 on a CPU, 32,768 on a GPU.

    Raises
    ------
    CheckpointError
        If the model cannot be loaded.
    InputError
        If there is no such device or dtype, or *batch_tokens* is below 1.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: str | None = None,
        dtype: str | None = None,
        max_tokens: int | None = None,
        batch_tokens: int | None = None,
    ) -> None:
        torch = require("torch", extra="heads", feature="A multi-head reward model")
        self.checkpoint = checkpoint
        if dtype is not None and dtype not in DTYPES:
            raise UnknownNameError("dtype for heads", dtype, DTYPES)
        if batch_tokens is not None and batch_tokens < 1:
            raise InputError(f"batch_tokens must be 1 or more, or None; got {batch_tokens}.")
        try:
            self.device = torch.device(device_of(device))
        except RuntimeError as error:  # its text lists the kinds of devices there are
            raise InputError(f"device {device!r}: {error}") from error
        self.dtype = dtype or default_dtype(self.device.type)
        self.batch_tokens = batch_tokens or _BATCH_TOKENS.get(self.device.type, 2048)
        self.reader = read_tokenizer(checkpoint, max_tokens)
        self._model = load_classifier(checkpoint, getattr(torch, self.dtype)).to(self.device).eval()
        self._last = last_layer(self._model, checkpoint.name)
        self._try_out()

    @property
    def hidden_size(self) -> int:
        """The size of one state."""
        return int(self._last.layer.in_features)

    @property
    def head_place(self) -> HeadPlace:
        """Where the class of this architecture has its heads."""
        return HeadPlace(self._last.path, self._last.layer.bias is not None)

    def batches(self, texts: Sequence[Tokens]) -> Iterator[tuple[list[int], Array]]:
        """States of batches of *texts*, longest first, with the positions of each batch's texts.

        A batch that does not fit in memory is halved, and so are those after it.

        Raises
        ------
        InputError
            If a single text does not fit.
        """
        order = sorted(range(len(texts)), key=lambda place: -len(texts[place]))
        at = 0
        while at < len(order):
            longest = len(texts[order[at]])
            here = order[at : at + max(1, self.batch_tokens // max(1, longest))]
            states = self._try([texts[place] for place in here])
            if states is None:
                if len(here) == 1:
                    raise InputError(
                        f"{self.checkpoint.name}: one text of {longest} tokens does not fit in "
                        f"the memory of {self.device}. Cut texts shorter (--max-input-tokens)."
                    )
                self.batch_tokens = longest * (len(here) // 2)
                continue
            at += len(here)
            yield here, states

    def states(self, texts: Sequence[Tokens]) -> Array:
        """States, shape (n_texts, hidden_size), float32."""
        result = np.empty((len(texts), self.hidden_size), np.float32)
        for places, states in self.batches(texts):
            result[places] = states
        return result

    def _try_out(self) -> None:
        """Refuse a model that fails on a short text: its configuration contradicts itself."""
        text = Tokens(self.reader.tokenizer("a b").input_ids[:8] or (0,))
        try:
            states = self._forward([text])
        except Exception as error:  # a class raises whatever its arithmetic runs into
            raise CheckpointError(
                f"{self.checkpoint.name}: it cannot read a short text: "
                f"{' '.join(str(error).split())[:300] or type(error).__name__}"
            ) from error
        if not np.isfinite(states).all():
            raise CheckpointError(
                f"{self.checkpoint.name}: its states are not finite. Fetch the model again, or try "
                f"--dtype float32."
            )

    def _try(self, texts: Sequence[Tokens]) -> Array | None:
        """The states of one batch; None if there is not enough memory."""
        try:
            return self._forward(texts)
        except RuntimeError as error:  # running out of memory is one
            if not any(words in str(error).lower() for words in _ROOM):
                raise
        # Outside the handler: the error holds the frames, and they hold what has to be freed.
        if self.device.type == "cuda":
            import torch

            torch.cuda.empty_cache()
        return None

    def _forward(self, texts: Sequence[Tokens]) -> Array:
        import torch

        with torch.inference_mode():
            padded = self.reader.padded(texts)
            if padded["attention_mask"].all():  # nothing to mask: a faster attention
                del padded["attention_mask"]
            inputs = {n: torch.from_numpy(part).to(self.device) for n, part in padded.items()}
            if self._last.is_decoder:
                hidden = self._model.base_model(**inputs, use_cache=False)[0]
                ends = torch.tensor([len(text) - 1 for text in texts], device=self.device)
                states = hidden[torch.arange(len(texts), device=self.device), ends]
            else:
                states = self._last.input_of(self._model, inputs)
            return np.asarray(states.float().cpu().numpy())


def device_of(wanted: str | None) -> str:
    """The device by its name; the GPU if none is named and there is one."""
    torch = require("torch", extra="heads", feature="A multi-head reward model")
    return wanted or ("cuda" if torch.cuda.is_available() else "cpu")


def default_dtype(device: str) -> str:
    """bfloat16 where it is fast, float32 elsewhere."""
    return "bfloat16" if device.startswith("cuda") else "float32"


def head_place(checkpoint: Checkpoint, module: str) -> HeadPlace:
    """Where the architecture's own class keeps heads that are in *module* of a checkpoint.

    Raises
    ------
    CheckpointError
        If Transformers has no such class.
    """
    if module in CLASSIFIERS:
        return HeadPlace(module, f"{module}.bias" in checkpoint.tensors)
    last = last_layer(empty_classifier(checkpoint), checkpoint.name)
    return HeadPlace(last.path, last.layer.bias is not None)


class LastLayer:
    """The last linear layer of a classifier, and how to get at its input."""

    def __init__(self, layer: Any, path: str, *, is_decoder: bool) -> None:
        self.layer = layer
        self.path = path
        self.is_decoder = is_decoder

    def input_of(self, model: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Run the model; give the last layer's input."""
        seen: list[torch.Tensor] = []
        hook = self.layer.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
        try:
            model(**inputs)
        finally:
            hook.remove()
        return seen[0]


def last_layer(model: Any, name: str) -> LastLayer:
    """The last linear layer of a classifier.

    Raises
    ------
    CheckpointError
        If the classifier does not end in one.
    """
    from torch import nn

    for path in CLASSIFIERS:
        with contextlib.suppress(AttributeError):
            layer = model.get_submodule(path)
            if isinstance(layer, nn.Linear):
                return LastLayer(layer, path, is_decoder=path == "score")
    raise CheckpointError(
        f"{name}: {type(model).__name__} does not end in a linear layer that ENCORE knows. Rate "
        f"with the model's own code and bring the ratings."
    )
