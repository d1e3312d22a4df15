"""Multi-head reward models as they are used: conversations in, a value per rule out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from encore.errors import CheckpointError, InputError, MismatchError
from encore.extras import require
from encore.files import StrPath
from encore.heads.files.safetensors import Array
from encore.heads.model.backbone import Backbone, default_dtype, device_of
from encore.heads.model.bundled import open_checkpoint
from encore.heads.model.conversation import READING, Conversation, Reader, Tokens
from encore.heads.model.find_heads import STANDARD
from encore.heads.model.linear_heads import LinearHeads, own_rules, read_heads
from encore.heads.model.quantised import is_stored_quantised, quantised_by
from encore.heads.model.sandbox import DATE
from encore.rules import Rulebook

if TYPE_CHECKING:
    import torch


class MultiHead(Protocol):
    """Whatever gives a conversation one value per rule."""

    @property
    def names(self) -> tuple[str, ...]:
        """What the heads are called, in the order of the values."""
        ...

    @property
    def rules(self) -> Rulebook | None:
        """The rules that it rates under, with their scales; None if it states no range."""
        ...

    @property
    def identity(self) -> Mapping[str, Any]:
        """Everything its values depend on, as plain data."""
        ...

    def score_heads(self, conversations: Sequence[Conversation]) -> Array:
        """The value of every head for every conversation, shape (n_responses, n_rules)."""
        ...

    def batches(
        self, conversations: Sequence[Conversation]
    ) -> Iterator[tuple[list[int], Array, list[Tokens]]]:
        """Values batch by batch: positions in *conversations*, (n, n_rules), and what was read."""
        ...


class HeadModel:
    """A model with one or more linear heads on one backbone.

    Parameters
    ----------
    source : path-like
        A folder, a model on the Hugging Face hub (``owner/name``), or ``encore:mini``.
    head : str, optional
        The linear layer that holds the heads, where several could be it.
    device, dtype, max_tokens, batch_tokens
        As for :class:`~encore.heads.Backbone`, which is loaded when it is first needed.

    Raises
    ------
    CheckpointError
        If there is no such model, it is incomplete, or its heads are not one linear layer.
    """

    def __init__(
        self,
        source: StrPath,
        *,
        head: str | None = None,
        device: str | None = None,
        dtype: str | None = None,
        max_tokens: int | None = None,
        batch_tokens: int | None = None,
    ) -> None:
        self.checkpoint = open_checkpoint(source)
        self.heads: LinearHeads = read_heads(self.checkpoint, head)
        self._named = head is not None or self.heads.module not in STANDARD
        self._device, self._dtype = device, dtype
        self._max_tokens, self._batch_tokens = max_tokens, batch_tokens

    @property
    def names(self) -> tuple[str, ...]:
        """What the heads are called."""
        return self.heads.names

    @cached_property
    def rules(self) -> Rulebook | None:
        """The rules that the model states for its heads; None if it states no range for them."""
        return own_rules(self.checkpoint, self.heads)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was decided in reading the model that its files leave open."""
        name, by = self.checkpoint.name, quantised_by(self.checkpoint)
        said = []
        if self._named:
            said.append(f"{name}: its heads are read from {self.heads.module}.")
        if by is not None and not is_stored_quantised(self.checkpoint):
            said.append(
                f"{name}: config.json says that it is quantised by {by}; its weights are plain "
                f"numbers, and read as such."
            )
        if self.checkpoint.asks_for_the_date:
            said.append(
                f"{name}: its chat template asks for today's date; it is always told "
                f"{DATE:%Y-%m-%d}, so that ratings are the same on any day."
            )
        return tuple(said)

    @cached_property
    def backbone(self) -> Backbone:
        """The model on its device."""
        return Backbone(
            self.checkpoint,
            device=self._device,
            dtype=self._dtype,
            max_tokens=self._max_tokens,
            batch_tokens=self._batch_tokens,
        )

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """The model by the digest of its files, and whatever else its values depend on."""
        dtype = self._dtype or default_dtype(device_of(self._device))
        told = {"sha256": self.checkpoint.digest, "dtype": dtype, "reading": READING}
        cut = self._max_tokens
        dated = {"date": f"{DATE:%Y-%m-%d}"} if self.checkpoint.asks_for_the_date else {}
        layer = {"head": self.heads.module} if self._named else {}
        # Not the path of the folder: a model is what is in it.
        name = self.checkpoint.name
        name = Path(name).name if Path(name).is_dir() else name
        return {"model": name, **told, **dated, **layer, **({"max_tokens": cut} if cut else {})}

    def score_heads(self, conversations: Sequence[Conversation]) -> NDArray[np.float32]:
        """The value of every head for every conversation.

        Parameters
        ----------
        conversations : sequence of sequence of (role, content)
            Each ends in the response.

        Returns
        -------
        ndarray of float32, shape (n_responses, n_rules)
            On the heads' own scales: for a Transformers classifier, its logits.

        Examples
        --------
        >>> model = HeadModel("encore:mini")
        >>> values = model.score_heads([[("user", "Hello!"), ("assistant", "Hello to you.")]])
        >>> values.shape, model.names[:2]
        ((1, 10), ('harmless', 'declines_unsafe'))
        """
        result = np.empty((len(conversations), len(self.names)), np.float32)
        for places, values, texts in self.batches(conversations):
            refused = next((text.refused for text in texts if text.refused), None)
            if refused is not None:
                raise InputError(refused)
            result[places] = values
        if not np.isfinite(result).all():
            raise CheckpointError(
                f"{self.checkpoint.name}: it gives values that are not finite. Fetch the model "
                f"again, or try --dtype float32."
            )
        return result

    def batches(
        self, conversations: Sequence[Conversation]
    ) -> Iterator[tuple[list[int], Array, list[Tokens]]]:
        """Values batch by batch, longest first, with the positions of the conversations.

        The values of a conversation that the chat template refuses are NaN, and its tokens say so.
        """
        reader = self.backbone.reader
        texts = [_read(reader, conversation) for conversation in conversations]
        refused = [place for place, text in enumerate(texts) if text.refused]
        if refused:
            unknown = np.full((len(refused), len(self.names)), np.nan, np.float32)
            yield refused, unknown, [texts[place] for place in refused]
        read = [place for place, text in enumerate(texts) if not text.refused]
        for places, states in self.backbone.batches([texts[place] for place in read]):
            values = self._values(states)
            here = [read[place] for place in places]
            yield here, values, [texts[place] for place in here]

    def _values(self, states: Array) -> Array:
        # NumPy's product has its own threads, which would compete with PyTorch's.
        torch = require("torch", extra="heads", feature="A multi-head reward model")
        return np.asarray(
            torch.nn.functional.linear(torch.from_numpy(states), *self._layer).numpy()
        )

    @cached_property
    def _layer(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The heads as PyTorch holds them: it takes no read-only array."""
        torch = require("torch", extra="heads", feature="A multi-head reward model")
        return torch.tensor(self.heads.weight), torch.tensor(self.heads.bias)


def _read(reader: Reader, conversation: Conversation) -> Tokens:
    try:
        return reader(conversation)
    except InputError as error:
        return Tokens((), refused=str(error))


class SideBySide:
    """Several models as one, their heads in a row: a reward model and a cost model, say.

    Parameters
    ----------
    models : sequence of HeadModel
        At least one. Heads with the same name in two models are prefixed with their model's name.
    """

    def __init__(self, models: Sequence[HeadModel]) -> None:
        self.models = tuple(models)
        names = [name for model in models for name in model.names]
        self._names = tuple(
            name if names.count(name) == 1 else f"{model.checkpoint.name}/{name}"
            for model in models
            for name in model.names
        )
        if len(set(self._names)) < len(names):
            raise MismatchError("the same model is given twice; give each once.")

    @property
    def names(self) -> tuple[str, ...]:
        """What the heads are called, model by model."""
        return self._names

    @cached_property
    def rules(self) -> Rulebook | None:
        """The rules of all models; None if one states no ranges."""
        parts = [model.rules for model in self.models]
        if any(part is None for part in parts):
            return None
        rules = [rule.to_dict() for part in parts if part is not None for rule in part]
        named = zip(rules, self._names, strict=True)
        return Rulebook.from_dicts([{**rule, "id": name} for rule, name in named])

    @property
    def notes(self) -> tuple[str, ...]:
        """What was decided in reading each of them."""
        return tuple(said for model in self.models for said in model.notes)

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """What each model's values depend on."""
        return {"models": [dict(model.identity) for model in self.models]}

    def score_heads(self, conversations: Sequence[Conversation]) -> NDArray[np.float32]:
        """The value of every head of every model, shape (n_responses, n_rules)."""
        parts = [model.score_heads(conversations) for model in self.models]
        return np.concatenate(parts, axis=1)

    def batches(
        self, conversations: Sequence[Conversation]
    ) -> Iterator[tuple[list[int], Array, list[Tokens]]]:
        """Values of all models, in the batches of the first."""
        first, *others = self.models
        for places, values, texts in first.batches(conversations):
            parts = [values]
            for model in others:
                part = np.empty((len(places), len(model.names)), np.float32)
                for rows, found, read in model.batches([conversations[p] for p in places]):
                    part[rows] = found
                    for row, text in zip(rows, read, strict=True):
                        texts[row] = _both(texts[row], text)
                parts.append(part)
            yield places, np.concatenate(parts, axis=1), texts


def _both(one: Tokens, other: Tokens) -> Tokens:
    """What two models read of one conversation, counted together."""
    cut = max(one.n_cut, other.n_cut)
    return Tokens(one.ids + other.ids, None, cut, one.refused or other.refused)


def open_models(
    names: str,
    *,
    head: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    max_tokens: int | None = None,
    batch_tokens: int | None = None,
) -> HeadModel | SideBySide:
    """A model, or several side by side with commas between their names; see :class:`HeadModel`.

    Raises
    ------
    CheckpointError
        If one of them cannot be read.
    InputError
        If a name is empty.
    """
    listed = names.split(",")
    if not all(listed):
        raise InputError(f"heads:{names}: expected the name of a model, or several with commas.")
    models = [
        HeadModel(
            name,
            head=head,
            device=device,
            dtype=dtype,
            max_tokens=max_tokens,
            batch_tokens=batch_tokens,
        )
        for name in listed
    ]
    return models[0] if len(models) == 1 else SideBySide(models)
