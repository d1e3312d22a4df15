"""A chat completion from the parts of a stream, for endpoints that only stream."""

from __future__ import annotations

import json
import re
from typing import Any

# Not `str.splitlines`: JSON may hold other line separators as they are.
_LINES = re.compile(r"\r\n|\n|\r")


def is_stream(raw: bytes) -> bool:
    """Whether a body is a stream of server-sent events."""
    return raw.lstrip().startswith((b"data:", b"event:", b":"))


def joined(raw: bytes) -> dict[str, Any]:
    """The chat completion that a stream's chunks add up to, or the first chunk with an error.

    Raises
    ------
    ValueError
        If a chunk is broken, or the stream ended early.
    """
    lines = (line[5:].strip() for line in _LINES.split(raw.decode()) if line.startswith("data:"))
    chunks = [json.loads(line) for line in lines if line not in ("", "[DONE]")]
    try:
        failed = next((chunk for chunk in chunks if chunk.get("error")), None)
        return failed if failed is not None else _joined(chunks)
    except (AttributeError, TypeError, KeyError) as error:
        raise ValueError(f"not a stream of chat completion chunks: {error!r}") from error


def _joined(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    told: dict[str, list[Any]] = {}
    tokens: list[Any] = []
    finish = usage = None
    for chunk in chunks:
        usage = chunk.get("usage") or usage
        for choice in chunk.get("choices") or ():
            if choice.get("index"):
                continue  # another sample, which was not asked for
            delta = choice["delta"] if "delta" in choice else choice.get("message")
            for name, part in (delta or {}).items():
                if part is not None:
                    told.setdefault(name, []).append(part)
            tokens += (choice.get("logprobs") or {}).get("content") or ()
            finish = choice.get("finish_reason") or finish
    if finish is None:
        raise ValueError("the stream ended early")
    message = {name: _whole(parts) for name, parts in told.items()} | {"role": "assistant"}
    logprobs = {"content": tokens} if tokens else None
    choices = [{"message": message, "finish_reason": finish, "logprobs": logprobs}]
    return {"choices": choices, "usage": usage}


def _whole(parts: list[Any]) -> Any:
    """Texts one after the other, lists likewise; of anything else, the last."""
    if all(isinstance(part, str) for part in parts):
        return "".join(parts)
    if all(isinstance(part, list) for part in parts):
        return [element for part in parts for element in part]
    return parts[-1]
