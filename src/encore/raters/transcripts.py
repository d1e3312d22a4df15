"""Transcripts, as in HH-RLHF: a text whose turns begin with Human: or Assistant:."""

from __future__ import annotations

import re
from collections.abc import Sequence

from encore.raters.conversations import Messages, Told, UnreadableError, same

# A turn begins at the start of the text or after an empty line.
_TURN = re.compile(r"(?:\A\s*|\r?\n\r?\n)(Human|Assistant):")
_ROLES = {"Human": "user", "Assistant": "assistant"}


def turns_of(text: str) -> tuple[Messages, tuple[int, ...]]:
    r"""The turns of a transcript, and where the words of each begin; none if it is not one.

    Examples
    --------
    >>> turns_of("\n\nHuman: Hi\n\nAssistant: Hello.")
    ((('user', 'Hi'), ('assistant', 'Hello.')), (9, 24))
    """
    marks = list(_TURN.finditer(text))
    if not marks or text[: marks[0].start()].strip():
        return (), ()
    starts = tuple(mark.end() + text.startswith(" ", mark.end()) for mark in marks)
    ends = (*(mark.start() for mark in marks[1:]), len(text))
    words = [text[start:end] for start, end in zip(starts, ends, strict=True)]
    roles = [_ROLES[mark[1]] for mark in marks]
    return tuple(zip(roles, words, strict=True)), starts


def is_transcript(text: str) -> bool:
    """Whether a text is a transcript that holds a question and an answer."""
    turns, _ = turns_of(text)
    return len(turns) > 1 and turns[0][0] == "user" and any(r == "assistant" for r, _ in turns)


def has_more_turns(response: str) -> bool:
    """Whether a response out of a transcript goes on with other turns."""
    return len(turns_of(f"Assistant:{response}")[0]) > 1


def prompt_turns(text: str) -> Messages:
    """A prompt as turns, if it is a transcript; the assistant's, about to begin, is none."""
    turns, _ = turns_of(text)
    return (turns[:-1] if is_open(text) else turns) or (("user", text),)


def is_open(text: str) -> bool:
    r"""Whether a text is a transcript that waits for the assistant's words.

    Examples
    --------
    >>> is_open("\n\nHuman: Hi\n\nAssistant:"), is_open("\n\nHuman: Hi")
    (True, False)
    """
    turns, _ = turns_of(text)
    return len(turns) > 1 and turns[-1][0] == "assistant" and not turns[-1][1].strip()


def after_prompt(text: str, prompt: Messages) -> str | None:
    """What follows the prompt in a transcript that begins with it, to the end; else None."""
    turns, starts = turns_of(text)
    n_turns = len(prompt)
    follows = len(turns) > n_turns and turns[n_turns][0] == "assistant"
    return text[starts[n_turns] :] if follows and same(turns[:n_turns], prompt) else None


def split_transcripts(texts: Sequence[str], columns: Sequence[str]) -> list[Told | UnreadableError]:
    r"""Transcripts as prompt and response; of two, the turns that they share are the prompt.

    The response of a pair is all that follows these turns; of one transcript, its last turn.

    Examples
    --------
    >>> split_transcripts(["\n\nHuman: Hi\n\nAssistant: Hello."], ["response"])
    [((('user', 'Hi'),), 'Hello.')]
    """
    split: list[Told | UnreadableError] = []
    for text, column in zip(texts, columns, strict=True):
        turns, starts = turns_of(text)
        if not turns or turns[-1][0] != "assistant":
            last = "ends in the human's turn" if turns else "is not a transcript"
            wanted = "'\\n\\nHuman: … \\n\\nAssistant: …', the response last"
            split.append(UnreadableError(f"{text!r:.60} {last}; expected {wanted}.", column))
        else:
            split.append((turns[:-1], text[starts[-1] :]))
    if len(texts) == 2 and not any(isinstance(side, UnreadableError) for side in split):
        return _split_pair(texts, columns)
    return split


def _split_pair(texts: Sequence[str], columns: Sequence[str]) -> list[Told | UnreadableError]:
    read = [turns_of(text) for text in texts]
    (first, _), (second, _) = read
    most = min(len(first), len(second)) - 1
    differ = (n for n in range(most) if not same(first[n : n + 1], second[n : n + 1]))
    n_turns = next(differ, most)
    if {first[n_turns][0], second[n_turns][0]} != {"assistant"}:
        why = "chosen and rejected part at a turn of the human's: they answer different questions."
        return [UnreadableError(why, column) for column in columns]
    return [
        (first[:n_turns], text[starts[n_turns] :])
        for text, (_, starts) in zip(texts, read, strict=True)
    ]
