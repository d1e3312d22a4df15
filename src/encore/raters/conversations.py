"""From the cells of a row to a conversation and its response: texts, messages, transcripts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

Messages = tuple[tuple[str, str], ...]
Told = tuple[Messages, str]
"""The conversation up to a response, and the response."""

_SYSTEM = ("system", "developer")
_ROLES = {
    **{role: role for role in (*_SYSTEM, "user", "assistant", "tool", "function")},
    **dict.fromkeys(("human", "prompter"), "user"),
    **dict.fromkeys(("gpt", "chatgpt", "model", "bot", "ai", "function_call"), "assistant"),
    **dict.fromkeys(("ipython", "observation", "function_response"), "tool"),
}
# Messages, and texts, as Python and NumPy print them, which is what pandas.to_csv writes of lists.
_PRINTED = re.compile(r"\s*(?:array\()?[\[(]?\s*\{\s*'[^'\\]*'\s*:")
_PRINTED_KEY = re.compile(r"'(?:role|from)'\s*:")
_PRINTED_TEXTS = re.compile(r"\s*(?:array\()?\[\s*'")
_LISTED = re.compile(r'\s*\[?\s*\{\s*"[^"\\]*"\s*:')
_LISTED_KEY = re.compile(r'"(?:role|from)"\s*:')


class UnreadableError(Exception):
    """A cell that cannot be read; it costs the responses of its row their ratings, and no other.

    Parameters
    ----------
    message : str
        What is wrong.
    column : str
        Where.
    """

    def __init__(self, message: str, column: str) -> None:
        self.message = message
        self.column = column
        super().__init__(message)


# --- messages -----------------------------------------------------------------------------------


def as_messages(value: Any, column: str) -> Messages:
    """A list of messages, or a single one, as (role, text).

    Raises
    ------
    UnreadableError
        If it is not one.

    Examples
    --------
    >>> as_messages([{"from": "human", "value": "Hi"}], "prompt")
    (('user', 'Hi'),)
    """
    if isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise UnreadableError(
            f"{value!r:.60} is not text; expected text, or a list of messages with role and "
            f"content.",
            column,
        )
    return tuple(_message(message, column) for message in value)


def _message(message: Any, column: str) -> tuple[str, str]:
    keys = message if isinstance(message, Mapping) else {}
    role, content = (
        keys.get(name) if keys.get(name) is not None else keys.get(other)
        for name, other in (("role", "from"), ("content", "value"))
    )
    if isinstance(content, Sequence) and not isinstance(content, str):
        parts = [part.get("text") if isinstance(part, Mapping) else None for part in content]
        texts = [part for part in parts if isinstance(part, str)]
        content = "".join(texts) if len(texts) == len(parts) else None
    known = _ROLES.get(role.strip().lower()) if isinstance(role, str) else None
    if known is None or not isinstance(content, str):
        wanted = "a role and text content"
        if isinstance(role, str) and known is None:
            wanted = "one of the roles system, user, assistant and tool"
        elif keys.get("tool_calls"):
            wanted = "text content beside the tool calls"
        raise UnreadableError(f"{message!r:.60} is not a message; expected {wanted}.", column)
    return known, content


def json_messages(text: str) -> list[Any] | None:
    """The messages, if *text* is wholly a JSON list of them.

    Examples
    --------
    >>> json_messages('[ {"role": "user", "content": "Hi"} ]')
    [{'role': 'user', 'content': 'Hi'}]
    >>> json_messages("[1, 2]")
    """
    if not is_listed(text):
        return None
    try:
        found = json.loads(text.strip())
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, list):
        return None
    keys = [set(m) if isinstance(m, dict) else set() for m in found]
    listed = all({"role", "content"} <= k or {"from", "value"} <= k for k in keys)
    return found if listed else None


def from_json(text: str, column: str) -> Any:
    """A text or a list that stands in a cell as JSON.

    Raises
    ------
    UnreadableError
        If it is not JSON, or something else.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, str | list | dict):
        if is_printed_list(text):
            raise not_a_list(text, column)
        raise UnreadableError(f"{text!r:.60} is not a list of messages written as JSON.", column)
    return value


def not_a_list(text: str, column: str) -> UnreadableError:
    """The error about a text where a list of messages belongs."""
    if is_printed_list(text):
        return UnreadableError(
            f"{text!r:.60} is a list as Python prints it, which pandas.to_csv does. Write JSON "
            f"Lines or Parquet, where it stays a list.",
            column,
        )
    return UnreadableError(
        f"{text!r:.60} is text; expected a list of messages, or, with json_messages, one written "
        f"as JSON.",
        column,
    )


def is_listed(text: str) -> bool:
    """Whether a text looks like messages written as JSON."""
    return _is_closed(text) and bool(_LISTED.match(text) and _LISTED_KEY.search(text))


def is_printed(text: str) -> bool:
    """Whether a text looks like messages as Python prints them.

    Examples
    --------
    >>> is_printed("[{'role': 'user', 'content': 'Hi'}]"), is_printed("['Hi']")
    (True, False)
    """
    return _is_closed(text) and bool(_PRINTED.match(text) and _PRINTED_KEY.search(text))


def is_printed_list(text: str) -> bool:
    """Whether a text looks like messages or a list of texts as Python prints them."""
    return is_printed(text) or (_is_closed(text) and bool(_PRINTED_TEXTS.match(text)))


def _is_closed(text: str) -> bool:
    return text.rstrip().endswith(("]", "}", ")"))


# --- a conversation in two columns --------------------------------------------------------------


def has_question(messages: Messages) -> bool:
    """Whether there is anything that a response could answer."""
    return any(role not in (*_SYSTEM, "assistant") and text.strip() for role, text in messages)


def same(first: Messages, second: Messages) -> bool:
    """Whether two conversations are one, but for white space around their messages."""
    bare = [[(role, text.strip()) for role, text in told] for told in (first, second)]
    return bare[0] == bare[1]


def split_last(messages: Messages, prompt: Messages, column: str) -> Told:
    """The last message as the response, the others joined to the prompt.

    Raises
    ------
    UnreadableError
        If the last message is not the assistant's, or where the prompt ends is doubtful.
    """
    if not messages or messages[-1][0] != "assistant":
        last = f"not the {messages[-1][0]}'s" if messages else "and there is none"
        raise UnreadableError(f"the last message must be the response, {last}.", column)
    before = messages[:-1]
    if before and before[-1][0] == "assistant":
        raise UnreadableError(
            "it ends in two messages of the assistant; expected one, the response.", column
        )
    return _joined(prompt, before, column), messages[-1][1]


def _joined(prompt: Messages, before: Messages, column: str) -> Messages:
    """The conversation that both are part of: *before* may repeat the prompt, or follow it.

    White space around messages, and a system message that only one of them has, make no
    difference.
    """
    if not before:
        return prompt
    system, told = _without_system(prompt)
    own_system, more = _without_system(before)
    if not any(text.strip() for _, text in told):
        told = ()
    if system and own_system and not same(system, own_system):
        raise UnreadableError("it and the prompt begin with different system messages.", column)
    system = system or own_system
    if told and same(told, more[len(more) - len(told) :]):
        return (*system, *more[: len(more) - len(told)], *told)
    for n_shared in range(min(len(told), len(more)), 0, -1):
        if same(told[-n_shared:], more[:n_shared]):
            return (*system, *told, *more[n_shared:])
    if told and more and (told[-1][0] == "assistant") == (more[0][0] == "assistant"):
        raise UnreadableError(
            f"its messages neither repeat the prompt nor follow it: {more[0][1]!r:.40} comes after "
            f"{told[-1][1]!r:.40}. Leave the prompt out of one of the columns.",
            column,
        )
    return (*system, *told, *more)


def _without_system(messages: Messages) -> tuple[Messages, Messages]:
    """The system's messages at the beginning, and the others."""
    first = next((i for i, m in enumerate(messages) if m[0] not in _SYSTEM), len(messages))
    return messages[:first], messages[first:]
