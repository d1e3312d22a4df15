"""A dedicated padding token, for classes that find the last token by skipping padding."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from encore.errors import CheckpointError
from encore.heads.files.checkpoint import Checkpoint, read_object
from encore.heads.model.conversation import Reader
from encore.heads.model.load import read_tokenizer

_FILES = ("tokenizer_config.json", "special_tokens_map.json")


def padded_reader(checkpoint: Checkpoint, max_tokens: int | None = None) -> Reader:
    """A checkpoint's reader, whose tokenizer has a padding token that ends no text.

    Transformers' classes refuse batches without a padding token, and where it is also the end of
    text they read the state of the token before. Many chat models have none: one of their reserved
    tokens is used, or the end of text where texts do not end in it.

    Raises
    ------
    CheckpointError
        If no token can be padding.
    """
    reader = read_tokenizer(checkpoint, max_tokens)
    tokenizer = reader.tokenizer
    if tokenizer.pad_token is None or tokenizer.pad_token == tokenizer.eos_token:
        tokenizer.pad_token = _spare_token(tokenizer) or tokenizer.eos_token
    last = reader([("user", "a"), ("assistant", "b")]).ids[-1]
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id == last:
        raise CheckpointError(
            f"{checkpoint.name}: its tokenizer has no padding token but the one that ends "
            f"every text. Add one (tokenizer.add_special_tokens({{'pad_token': …}})) and save it."
        )
    return reader


def with_padding(checkpoint: Checkpoint) -> tuple[Checkpoint, dict[str, str]]:
    """The checkpoint and the tokenizer files that say what padding is.

    Returns
    -------
    checkpoint : Checkpoint
        With ``pad_token_id`` in its configuration.
    texts : mapping of str to str
        The tokenizer files that change.

    Raises
    ------
    CheckpointError
        If no token can be padding.
    """
    tokenizer = padded_reader(checkpoint).tokenizer
    texts = {}
    for name in _FILES:
        path = checkpoint.folder / name
        if path.is_file():
            told: Mapping[str, Any] = read_object(path)
            if told.get("pad_token") != tokenizer.pad_token:
                changed = {**told, "pad_token": tokenizer.pad_token}
                texts[name] = json.dumps(changed, indent=2, ensure_ascii=False)
    return checkpoint.with_config(pad_token_id=tokenizer.pad_token_id), texts


def _spare_token(tokenizer: Any) -> str | None:
    """A special token for padding, a reserved one, or the one for unknown text."""
    taken = {tokenizer.eos_token, tokenizer.bos_token}
    added = [str(token) for token in tokenizer.added_tokens_decoder.values()]
    free = [token for token in added if token not in taken]
    for word in ("pad", "reserved", "unk"):
        found = next((token for token in free if word in token.lower()), None)
        if found is not None:
            return found
    return None
