"""Multi-head reward models as they are used: conversations in, a value per rule out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from encore.errors import MismatchError
from encore.files import StrPath
from encore.heads.backbone import Backbone
from encore.heads.bundled import open_checkpoint
from encore.heads.conversation import Conversation, Tokens
from encore.heads.linear import LinearHeads, own_rules, read_heads
from encore.heads.tensors import Array
from encore.rules import Rulebook


class MultiHead(Protocol):
    """Whatever gives a value per rule to a conversation."""

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
        """All that its values depend on, as plain data."""
        ...

    def batches(
        self, conversations: Sequence[Conversation]
    ) -> Iterator[tuple[list[int], Array, list[Tokens]]]:
        """Values batch by batch: the places in *conversations*, (n, n_rules), and what was read."""
        ...


class HeadModel:
    """A model with one or more linear heads on one backbone.

    Parameters
    ----------
    source : path-like
        A folder, a model of the Hugging Face hub (``owner/name``), or ``encore:mini``.
    device, dtype, max_tokens, batch_tokens
        As for :class:`~encore.heads.Backbone`, which is loaded when it is first needed.

    Raises
    ------
    CheckpointError
        If there is no such model, it is not whole, or its heads are not one linear layer.
    """

    def __init__(self, source: StrPath, **options: Any) -> None:
        self.checkpoint = open_checkpoint(source)
        self.heads: LinearHeads = read_heads(self.checkpoint)
        self._options = options

    @property
    def names(self) -> tuple[str, ...]:
        """What the heads are called."""
        return self.heads.names

    @cached_property
    def rules(self) -> Rulebook | None:
        """The rules that the model states for its heads; None if it states no range for them."""
        return own_rules(self.checkpoint, self.heads)

    @cached_property
    def backbone(self) -> Backbone:
        """The model on its device."""
        return Backbone(self.checkpoint, **self._options)

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """The model by the digest of its files, and what else its values depend on."""
        told = {name: self._options.get(name) for name in ("dtype", "max_tokens")}
        given = {name: value for name, value in told.items() if value is not None}
        return {"model": self.checkpoint.name, "sha256": self.checkpoint.digest, **given}

    def score_heads(self, conversations: Sequence[Conversation]) -> NDArray[np.float32]:
        """The value of every head for every conversation.

        Parameters
        ----------
        conversations : sequence of sequence of (role, content)
            Each ends in the response.

        Returns
        -------
        ndarray of float32, shape (n_responses, n_rules)
            On the heads' own scales: for a classifier of Transformers, its logits.

        Examples
        --------
        >>> model = HeadModel("encore:mini")
        >>> values = model.score_heads([[("user", "Hello!"), ("assistant", "Hello to you.")]])
        >>> values.shape, model.names[:2]
        ((1, 10), ('harmless', 'declines_unsafe'))
        """
        result = np.empty((len(conversations), len(self.names)), np.float32)
        for places, values, _ in self.batches(conversations):
            result[places] = values
        return result

    def batches(
        self, conversations: Sequence[Conversation]
    ) -> Iterator[tuple[list[int], Array, list[Tokens]]]:
        """Values batch by batch, longest first, with the places of the conversations."""
        texts = [self.backbone.reader(conversation) for conversation in conversations]
        for places, states in self.backbone.batches(texts):
            values = states @ self.heads.weight.T + self.heads.bias
            yield places, values, [texts[place] for place in places]


class SideBySide:
    """Several models as one, their heads in a row: a reward model and a cost model, say.

    Parameters
    ----------
    models : sequence of HeadModel
        At least one. Heads of one name in two models are told apart by their model's.
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
            raise MismatchError("a model stands twice; give each once.")

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
            here = [conversations[place] for place in places]
            parts = [values, *(model.score_heads(here) for model in others)]
            yield places, np.concatenate(parts, axis=1), texts
