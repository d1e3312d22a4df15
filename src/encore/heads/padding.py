"""A padding token of its own, for classes that find the last token by leaving padding out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from encore.heads.checkpoint import Checkpoint
from encore.heads.load import read_tokenizer

_FILES = ("tokenizer_config.json", "special_tokens_map.json")


def with_padding(checkpoint: Checkpoint) -> tuple[Checkpoint, dict[str, str]]:
    """The checkpoint, and files of its tokenizer, with one padding token that ends no text.

    Transformers' classes refuse batches without a padding token, and where it is also the end of a
    text they read the state of the token before. Many chat models have none: one of the tokens that
    they hold in reserve is taken.

    Returns
    -------
    checkpoint : Checkpoint
        With ``pad_token_id`` in its configuration.
    texts : mapping of str to str
        The files of the tokenizer that change.
    """
    tokenizer = read_tokenizer(checkpoint).tokenizer
    number = tokenizer.pad_token_id
    if number is not None and number != tokenizer.eos_token_id:
        return checkpoint.with_config(pad_token_id=number), {}
    token = _spare_token(tokenizer)
    if token is None:
        return checkpoint.with_config(pad_token_id=number), {}
    texts = {}
    for name in _FILES:
        path = checkpoint.folder / name
        if path.is_file():
            told: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            texts[name] = json.dumps({**told, "pad_token": token}, indent=2, ensure_ascii=False)
    pad = tokenizer.convert_tokens_to_ids(token)
    return checkpoint.with_config(pad_token_id=pad), texts


def _spare_token(tokenizer: Any) -> str | None:
    """A special token that stands for padding, for nothing yet, or for what is unknown."""
    taken = {tokenizer.eos_token, tokenizer.bos_token}
    added = [str(token) for token in tokenizer.added_tokens_decoder.values()]
    free = [token for token in added if token not in taken]
    for word in ("pad", "reserved", "unk"):
        found = next((token for token in free if word in token.lower()), None)
        if found is not None:
            return found
    return None
