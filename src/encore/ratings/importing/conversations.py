"""Prompts and responses from columns that hold conversations: lists of messages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from encore.errors import RatingsError
from encore.parsing import json_value
from encore.ratings.importing.choices import Choices, Shape
from encore.ratings.importing.coded import Coded, Codes, Found
from encore.ratings.importing.names import plain_name, role_of

Turns = tuple[tuple[str, str], ...]
"""The messages of a conversation: whose each is, and its text."""
_NAMES = ("messages", "conversation", "conversations")
_SYSTEM = ("system", "developer")
_SPEAKERS = {
    **dict.fromkeys(("human", "prompter"), "user"),
    **dict.fromkeys(("gpt", "chatgpt", "model", "bot", "ai", "function_call"), "assistant"),
    **dict.fromkeys(("ipython", "observation", "function_response"), "tool"),
}


def with_texts(found: Found, choices: Choices, shape: Shape) -> tuple[Found, list[str]]:
    """What was found with the prompts and responses of its conversations, and notes that say so.

    A prompt's id is a digest of the messages before the response: the id that raters give the
    prompt of the same messages.

    Raises
    ------
    RatingsError
        If some conversations end in a response and others do not, or one ends in another response
        than the one that stands beside it.
    """
    if found.tool is not None or shape == "pairs":
        return found, []
    have = _roles(found, choices)
    own = next((n for n in found.columns if plain_name(n.rpartition(".")[2]) in _NAMES), None)
    talks = {name for name in (*have.values(), own) if name is not None and _talks(found, name)}
    asked = have.get("prompt") if have.get("prompt") in talks else None
    told = have.get("response") if have.get("response") in talks else None
    if told is None and own in talks and own != asked:
        told = own
    if asked is None and told is None:
        return found, []
    answer = have.get("response") if have.get("response") != told else None
    parts = _Parts(found, asked or (have.get("prompt") if told != own else None), told, answer)
    columns, made = dict(found.columns), []
    longer = told != own and any(len(kind[0]) > 1 for kind in parts.kinds)
    if asked is not None or longer or not {"prompt", "prompt_id"} & have.keys():
        columns[have.get("prompt", "prompt")] = parts.column(
            [_prompt_text(*kind) for kind in parts.kinds]
        )
        made.append("prompt")
        if "prompt_id" not in have:
            columns["prompt_id"] = parts.column([_digest(*kind) for kind in parts.kinds])
    if told is not None and answer is None and parts.answered:
        name = told if told == have.get("response") else "response"
        columns[name] = parts.column([kind[1] for kind in parts.kinds])
        made.append("response")
    names = " and ".join(repr(name) for name in (asked, told) if name is not None)
    notes = [f"{' and '.join(made)} from the messages in {names}."] if made else []
    return replace(found, columns=columns), notes


def _roles(found: Found, choices: Choices) -> dict[str, str]:
    """The columns of prompts and responses; one that is said may be made here."""
    have: dict[str, str] = {}
    for role in ("prompt_id", "prompt", "response"):
        taken = {*have.values(), *choices.rule_columns, *choices.label}
        name = choices.roles.get(role) or role_of(found.columns, role, taken)
        if name in found.columns:
            have[role] = name
    return have


def _talks(found: Found, name: str) -> bool:
    """Whether a column holds conversations."""
    return any(_turns(value) is not None for value in found.columns[name].objects())


def _turns(value: Any) -> Turns | None:
    """A list of messages, which may be written as JSON."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json_value(value, finite=False)
        except ValueError:
            return None
    if not isinstance(value, list) or not value:
        return None
    turns = []
    for message in value:
        if not isinstance(message, dict) or not {"content", "value", "tool_calls"} & set(message):
            return None
        role = _either(message, "role", "from")
        if not isinstance(role, str):
            return None
        speaker = role.strip().lower()
        turns.append((_SPEAKERS.get(speaker, speaker), _content(message)))
    return tuple(turns)


def _content(message: dict[str, Any]) -> str:
    """A message's text; what is no text, such as calls of tools, as JSON."""
    content = _either(message, "content", "value")
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, dict) else None for part in content]
        texts = [part for part in parts if isinstance(part, str)]
        if len(texts) == len(parts):
            return "".join(texts)
    rest = {k: v for k, v in message.items() if k not in ("role", "from") and v is not None}
    return json.dumps(rest, sort_keys=True, default=str)


def _either(message: dict[str, Any], key: str, other: str) -> Any:
    return message[key] if message.get(key) is not None else message.get(other)


class _Parts:
    """The messages before each response, and the response; worked out once per kind of row."""

    def __init__(
        self, found: Found, asked: str | None, told: str | None, answer: str | None
    ) -> None:
        self.found, self.asked, self.told, self.answer = found, asked, told, answer
        self.answered = False
        columns = [None if n is None else found.columns[n] for n in (asked, told, answer)]
        codes = [np.full(found.n_rows, -1) if c is None else c.codes for c in columns]
        whole = np.stack(codes, axis=1)
        kinds, first, at = np.unique(whole, axis=0, return_index=True, return_inverse=True)
        values = [[] if c is None else c.objects() for c in columns]
        self.at: Codes = at.reshape(-1).astype(np.int32)
        self.kinds: list[tuple[Turns, str | None]] = [((), None)] * len(first)
        last: int | None = None
        for place in np.argsort(first).tolist():
            row = int(first[place])
            cells = [values[i][code] if code >= 0 else None for i, code in enumerate(kinds[place])]
            self.kinds[place] = self._split(cells, row)
            if told is not None and cells[1] is not None:
                ends = self.kinds[place][1] is not None
                if last is not None and ends != self.answered:
                    raise self._error(
                        f"this conversation {'ends' if ends else 'does not end'} in a message of "
                        f"the assistant, other than that of row {int(found.rows[last])}; expected "
                        f"the response at the end of all, or of none.",
                        row,
                    )
                last, self.answered = row, ends

    def _split(self, cells: Sequence[Any], row: int) -> tuple[Turns, str | None]:
        asked, told = (
            _turns(cell) or (() if cell is None else ((who, str(cell)),))
            for who, cell in zip(("user", "assistant"), cells, strict=False)
        )
        answer = None if cells[2] is None else str(cells[2])
        if told and told[-1][0] == "assistant":
            if answer is not None and answer.strip() != told[-1][1].strip():
                raise self._error(
                    f"the last message is the assistant's, and not the response in "
                    f"{self.answer!r}. Say --prompt {self.told} if all messages are the prompt, "
                    f"or --response {self.told} if the last is the response.",
                    row,
                )
            told, answer = told[:-1], told[-1][1]
        if told[: len(asked)] != asked:
            told = (*asked, *told)
        return told, answer

    def _error(self, message: str, row: int) -> RatingsError:
        return self.found.error(message, row, self.told)

    def column(self, values: Sequence[str | None]) -> Coded:
        """A value per kind of row as a column."""
        empty = np.array([value is None for value in values], dtype=bool)
        return Coded(
            np.where(empty[self.at], np.int32(-1), self.at), [value or "" for value in values]
        )


def _prompt_text(turns: Turns, response: str | None) -> str | None:
    """The text of the only message, a user's; several messages as JSON."""
    if not turns:
        return None if response is None else ""
    if len(turns) == 1 and turns[0][0] == "user":
        return turns[0][1]
    messages = [{"role": role, "content": text} for role, text in turns]
    return json.dumps(messages, ensure_ascii=False)


def _digest(turns: Turns, response: str | None) -> str | None:
    """A prompt's id; a response to nothing is a prompt of its own."""
    asked = any(role not in (*_SYSTEM, "assistant") and text.strip() for role, text in turns)
    if not asked and response is None and not turns:
        return None
    value = turns if asked else ["response", turns, response]
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
