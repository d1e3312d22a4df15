"""The layouts that texts come in: which columns hold them, and what these columns say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from encore.errors import RatingsError
from encore.raters.conversations import is_listed, is_printed_list, not_a_list
from encore.raters.transcripts import after_prompt, is_open, is_transcript, prompt_turns
from encore.ratings.origin import SIDES

Cells = Mapping[str, Any]

_RESPONSE = (("response",), ("completion",))
_CHATS = (("messages",), ("conversations",), ("conversation",))
# By layout, the columns of responses that it may have, the first of them that are there.
_COLUMNS: dict[str, tuple[tuple[str, ...], ...]] = {
    "pairs": (SIDES,),
    "responses": _RESPONSE,
    "messages": _CHATS,
    "transcripts": (SIDES, *_RESPONSE),
    "unprompted": (SIDES, *_RESPONSE),
}
LAYOUTS = tuple(_COLUMNS)
"""The names of the layouts; see :class:`encore.raters.Texts`."""
TEXT_COLUMNS = frozenset(
    {"prompt", *(name for sets in _COLUMNS.values() for names in sets for name in names)}
)


@dataclass(frozen=True)
class Layout:
    """How the rows of some texts are read.

    Parameters
    ----------
    name : str
        One of ``LAYOUTS``.
    columns : tuple of str
        The columns of responses: one, or those of a pair.
    prompt : str, optional
        The column of prompts, if there is one.
    said : tuple of str
        What the user did not say and may want to know.
    """

    name: str
    columns: tuple[str, ...]
    prompt: str | None
    said: tuple[str, ...] = ()


def layout_of(
    head: Sequence[Cells], asked: str | None, source: str, *, json_messages: bool = False
) -> Layout:
    """The layout of texts, by their first rows.

    Parameters
    ----------
    head : sequence of mapping
        The first rows.
    asked : str, optional
        The layout that the user names.
    source : str
        Where they are from, for errors.
    json_messages : bool
        Whether texts are JSON; what these say is seen row by row.

    Raises
    ------
    RatingsError
        If columns are missing, there is no prompt, or pairs are lists as Python prints them.
    """
    names = dict.fromkeys(name for row in head for name in row)
    found = [
        (layout, columns)
        for layout in ([asked] if asked else ("pairs", "responses", "messages"))
        for columns in _COLUMNS[layout]
        if names.keys() >= set(columns)
    ]
    if not found:
        raise RatingsError(_expected(asked) + f"; found {sorted(names)[:20]}.", source=source)
    layout, columns = found[0]
    prompt = _prompt_column(names, columns, layout)
    said = _left_alone(found, prompt) if asked is None else []
    if layout in ("pairs", "responses") and not json_messages:
        told = _as_transcripts(head, columns, prompt) if asked is None else None
        if told is not None:
            layout = "transcripts"
            said.append(f"These are transcripts (layout transcripts): {told}.")
        else:
            _check(head, columns, prompt, source)
    return Layout(layout, columns, prompt, tuple(said))


def _expected(asked: str | None) -> str:
    if asked is None:
        return (
            "expected the columns 'prompt' and 'response', or 'prompt', 'chosen' and 'rejected', "
            "or 'messages'"
        )
    sets = [" and ".join(map(repr, columns)) for columns in _COLUMNS[asked]]
    return f"the layout {asked!r} needs the column {', or '.join(sets)}"


def _prompt_column(names: Mapping[str, Any], columns: Sequence[str], layout: str) -> str | None:
    if layout == "messages":
        return None
    if "prompt" in names:
        return "prompt"
    # LLaMA-Factory's pairs.
    return "conversations" if columns == SIDES and "conversations" in names else None


def _left_alone(found: Sequence[tuple[str, tuple[str, ...]]], prompt: str | None) -> list[str]:
    read = found[0][1]
    names = dict.fromkeys(name for _, columns in found[1:] for name in columns)
    others = [name for name in names if name not in (*read, prompt)]
    verb = "is" if len(read) == 1 else "are"
    return [f"{' and '.join(read)} {verb} read, not {' or '.join(others)}."] if others else []


def _texts(head: Sequence[Cells], columns: Sequence[str]) -> list[Any]:
    return [row[name] for row in head for name in columns if row.get(name) is not None]


def _as_transcripts(
    head: Sequence[Cells], columns: Sequence[str], prompt: str | None
) -> str | None:
    """What to say of texts that are transcripts: most where there is no prompt, all where there is.

    What follows the prompt is the response then, to its end, so a response cannot hide a part of
    itself by looking like one.
    """
    read, texts = " and ".join(columns), _texts(head, columns)
    prompts = [row.get(prompt) for row in head] if prompt is not None else []
    if all(asked is None or (isinstance(asked, str) and not asked.strip()) for asked in prompts):
        like = [isinstance(text, str) and is_transcript(text) for text in texts]
        if sum(like) <= len(like) / 2:
            return None
        if columns == SIDES:
            return f"the turns that {read} begin with together are the prompt"
        return f"the last turn of {read} is the response"
    if all(isinstance(text, str) and is_open(text) for text in prompts):
        return f"the column {prompt} holds turns of Human and Assistant"
    if texts and all(
        isinstance(text, str) and isinstance(asked, str) and _begins(text, asked)
        for row, asked in zip(head, prompts, strict=True)
        for text in _texts([row], columns)
    ):
        return f"{read} begin with their prompt, and what follows it is the response"
    return None


def _begins(text: str, prompt: str) -> bool:
    return is_transcript(text) and after_prompt(text, prompt_turns(prompt)) is not None


def _check(head: Sequence[Cells], columns: Sequence[str], prompt: str | None, source: str) -> None:
    """Refuse what is not what it seems, before anything is asked about it."""
    texts = _texts(head, columns)
    is_text = bool(texts) and all(isinstance(text, str) for text in texts)
    # A response may well be such text, but not all sides of a file that pandas can have written.
    suspect = prompt is None or (columns == SIDES and source.lower().endswith(".csv"))
    if is_text and suspect and all(map(is_printed_list, texts)):
        error = not_a_list(texts[0], columns[0])
        raise RatingsError(error.message, source=source, column=error.column)
    grouped = all(row.get("prompt_id") not in (None, "") for row in head)
    listed = any(isinstance(text, list | Mapping) for text in texts)
    if prompt is not None or grouped or listed:
        return
    if is_text and all(map(is_listed, texts)):
        raise RatingsError(
            f"{texts[0]!r:.60} looks like a list of messages written as JSON. Say that it is one "
            f"(json_messages), or write JSON Lines or Parquet, where it stays a list.",
            source=source,
            column=columns[0],
        )
    raise RatingsError(
        "there is no column 'prompt', so nothing says what was asked. Add it, or say what the "
        "texts are: layout 'transcripts' for whole conversations (Human: … Assistant: …), layout "
        "'unprompted' or a column 'prompt_id' if there is no prompt.",
        source=source,
    )
