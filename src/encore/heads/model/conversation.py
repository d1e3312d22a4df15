"""A conversation as the tokens that a reward model reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encore.errors import CheckpointError
from encore.heads.model.chat_template import ChatTemplate
from encore.heads.model.control_tokens import ControlTokens

# (role, content), the response last.
Conversation = Sequence[tuple[str, str]]
# How conversations become tokens: a part of what ratings depend on, which rises when that changes.
READING = 2
_LONGEST = 4096  # tokens, where neither the user nor the model states a limit


@dataclass(frozen=True)
class Tokens:
    """One conversation for the model.

    Parameters
    ----------
    ids : tuple of int
        Its tokens.
    kinds : tuple of int, optional
        Which of two texts each token belongs to, where the model asks for it.
    n_cut : int
        Tokens left out of the middle of an overlong text.
    refused : str, optional
        Why there are no tokens: what the chat template said.
    """

    ids: tuple[int, ...]
    kinds: tuple[int, ...] | None = None
    n_cut: int = 0
    refused: str | None = None

    def __len__(self) -> int:
        return len(self.ids)


class Reader:
    """Turns conversations into tokens.

    Where the tokenizer has a chat template, it is applied once, without a generation prompt, and
    the result begins with one BOS if the tokenizer puts one there. An encoder without a template
    (a BERT) reads a pair of texts: what came before, and the response. Control tokens in a text
    are broken up, so that it cannot close its turn.

    Parameters
    ----------
    tokenizer : transformers.PreTrainedTokenizerBase
        The model's.
    max_tokens : int, optional
        Longer conversations are cut in the middle.
    max_positions : int, optional
        The most tokens the model can take.
    name : str
        The model, for errors.

    Raises
    ------
    CheckpointError
        If the tokenizer has neither a chat template nor the special tokens of an encoder, or the
        template cannot be used.
    """

    def __init__(
        self,
        tokenizer: Any,
        *,
        max_tokens: int | None = None,
        max_positions: int | None = None,
        name: str = "the tokenizer",
    ) -> None:
        self.tokenizer = tokenizer
        self.name = name
        self.is_chat = bool(tokenizer.chat_template)
        if not self.is_chat and (tokenizer.cls_token is None or tokenizer.sep_token is None):
            raise CheckpointError(
                f"{name}: its tokenizer has no chat template, which says how a conversation is "
                f"written. Put the one that it was trained with next to it, as "
                f"chat_template.jinja."
            )
        stated = [n for n in (max_positions, _stated_length(tokenizer)) if n]
        limit = min(stated, default=_LONGEST)
        self.max_tokens = min(max_tokens or _LONGEST, limit)
        if self.is_chat:
            self._template = template = ChatTemplate(tokenizer, name)
            self._control = ControlTokens(
                tokenizer, name, literals=template.literals, marks=template.marks
            )
            bare = tokenizer("").input_ids[:1]
            self._bos = bare if bare == [tokenizer.bos_token_id] else []
        else:
            self._control = ControlTokens(tokenizer, name)

    def __call__(self, conversation: Conversation) -> Tokens:
        """Read one conversation.

        Raises
        ------
        InputError
            If the chat template refuses it or leaves a part of it out, or a text in it would
            become a control token.
        """
        escape = self._control.escape
        broken = [(escape(role), escape(text)) for role, text in conversation]
        if self.is_chat:
            return self._chat(broken)
        before = "\n\n".join(text for _, text in broken[:-1])
        return self._pair(before, broken[-1][1])

    def padded(self, texts: Sequence[Tokens]) -> dict[str, NDArray[np.int64]]:
        """Texts as the arrays that a model takes, shape (n_texts, longest), padded on the right."""
        shape = (len(texts), max(len(text) for text in texts))
        ids = np.full(shape, self.tokenizer.pad_token_id or 0, np.int64)
        mask, kinds = np.zeros_like(ids), np.zeros_like(ids)
        for row, text in enumerate(texts):
            ids[row, : len(text)] = text.ids
            mask[row, : len(text)] = 1
            if text.kinds is not None:
                kinds[row, : len(text)] = text.kinds
        inputs = {"input_ids": ids, "attention_mask": mask}
        return inputs if texts[0].kinds is None else {**inputs, "token_type_ids": kinds}

    def _chat(self, conversation: Conversation) -> Tokens:
        text = self._template(conversation)
        ids = self.tokenizer(text, add_special_tokens=False).input_ids
        self._control.check(ids, self._control.count(text))
        if self._bos and ids[:1] != self._bos:
            ids = self._bos + ids
        kept = _without_middle(np.arange(len(ids)), len(ids) - self.max_tokens)
        return Tokens(tuple(ids[place] for place in kept), None, len(ids) - len(kept))

    def _pair(self, before: str, response: str) -> Tokens:
        texts = (before, response) if before else (response,)
        encoded = self.tokenizer(*texts, verbose=False)
        ids, kinds = encoded.input_ids, encoded.get("token_type_ids")
        self._control.check(ids, self.tokenizer.num_special_tokens_to_add(pair=bool(before)))
        if (excess := len(ids) - self.max_tokens) > 0:
            kept = _shortened(encoded.sequence_ids(0), excess)
            ids = [ids[place] for place in kept]
            kinds = [kinds[place] for place in kept] if kinds else None
        return Tokens(tuple(ids), tuple(kinds) if kinds else None, max(0, excess))


def _shortened(texts: Sequence[int | None], excess: int) -> list[int]:
    """The positions kept when the middle of the longer text is cut, then of both equally."""
    places = [np.array([i for i, t in enumerate(texts) if t == number]) for number in (0, 1)]
    special = [place for place, text in enumerate(texts) if text is None]
    short = min(len(part) for part in places)
    # What the longer text loses alone; both lose half of the rest.
    alone = min(excess, max(len(part) for part in places) - short)
    rest = excess - alone
    losses = [alone * (len(part) > short) for part in places]
    losses[0] += rest // 2
    losses[1] += rest - rest // 2
    kept = [_without_middle(part, loss) for part, loss in zip(places, losses, strict=True)]
    return sorted([*special, *kept[0].tolist(), *kept[1].tolist()])


def _without_middle(places: Any, excess: int) -> Any:
    """What is left once *excess* of them are cut from the middle."""
    if excess <= 0:
        return places
    head = (len(places) - excess + 1) // 2
    return np.concatenate([places[:head], places[head + excess :]])


def _stated_length(tokenizer: Any) -> int | None:
    """The longest input as the tokenizer states it; a huge number means that it does not."""
    length = tokenizer.model_max_length
    return int(length) if length is not None and length < 10_000_000 else None
