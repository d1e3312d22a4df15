"""A tokenizer's chat template: tried out when it is loaded, and checked on every conversation."""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from encore.errors import CheckpointError, InputError
from encore.extras import require
from encore.heads.model import sandbox

_SECONDS = 60  # for trying out; processor time is limited to far less where that can be
# Whether the assistant's messages, and the others', are given as a list of parts.
_FORMS = ((False, False), (True, True), (False, True), (True, False))
# What a template may trim, cut, escape or read as its own: blanks, case, length, marks.
_ASKED = 'Question 7qzX: is "1 < 2" & <b>so</b>?\n\n  Indented;\ttabbed. {{ messages }} Ende \u00dc'
_ANSWERED = (
    "Answer kV3w: It Is, 'quoted' & <i>marked</i>.\n\n\n* One  two\n\t{% if x %} \u00e9\u4e2d "
    + "more of the same, " * 200
    + "End pM8r!"
)
_LATER = (("user", "Later rT5y?"), ("assistant", "Later still wB2n."))
_FIRST = ("system", "System hL4d.")
_PLAIN = (("user", _ASKED), ("assistant", _ANSWERED))
# Only these tell how a system's message and a second turn are marked; they may be refused.
_MORE = ((_FIRST, *_PLAIN, *_LATER), (*_PLAIN, *_LATER), (_FIRST, *_PLAIN))
_MARK = re.compile(r"<[^<>\s]+>|\[[^\[\]\s]+\]")


class _Tried(NamedTuple):
    """What trying out a template showed: the form it takes, and what it writes between texts."""

    in_parts: tuple[bool, bool]
    literals: tuple[str, ...]
    marks: tuple[str, ...]


class ChatTemplate:
    """Renders conversations, and refuses those of which a message would not be seen.

    Parameters
    ----------
    tokenizer : transformers.PreTrainedTokenizerBase
        Whose template it is.
    name : str
        The model, for errors.

    Attributes
    ----------
    literals : tuple of str
        The texts that it may write, whatever the conversation.
    marks : tuple of str
        The bracketed marks that it writes around messages.

    Raises
    ------
    CheckpointError
        If the template breaks a rule of its language, does not end, or does not print what a user
        and the assistant said.
    """

    def __init__(self, tokenizer: Any, name: str) -> None:
        require("jinja2", extra="heads", feature="A chat template")
        self.name = name
        self._variables = dict(tokenizer.special_tokens_map)
        try:
            source = str(tokenizer.get_chat_template())
        except ValueError as error:  # it has several, and none is the default
            raise CheckpointError(f"{name}: its chat template cannot be used: {error}") from error
        tried = _try_out(source, json.dumps(self._variables, default=str))
        if isinstance(tried, str):
            raise CheckpointError(
                f"{name}: its chat template cannot be used: {tried}. Put the one that the model "
                f"was trained with next to it, as chat_template.jinja."
            )
        self._in_parts, self.literals, self.marks = tried
        self._template = sandbox.compiled(source)

    def __call__(self, conversation: Sequence[tuple[str, str]]) -> str:
        """A conversation as text.

        Raises
        ------
        InputError
            If the template refuses it, or does not print one of its messages as it is.
        """
        roles = [role for role, _ in conversation]
        try:
            text = sandbox.rendered(self._template, conversation, self._in_parts, self._variables)
        except Exception as error:  # a template is a program and may raise anything
            raise InputError(
                f"{self.name}: its chat template refuses a conversation with the roles {roles} "
                f"({error})."
            ) from error
        lost = next((role for role, said in conversation if said.strip() not in text), None)
        if lost is not None:
            raise InputError(
                f"{self.name}: its chat template does not print the whole {lost} message of a "
                f"conversation with the roles {roles}, so the model would not see it."
                + " Leave it out, or write it into the user's message."
                * (lost == "system")
            )
        return text


@functools.lru_cache(maxsize=32)
def _try_out(source: str, variables: str) -> _Tried | str:
    """Render the probes in a process of their own; what they show, or what is wrong."""
    probes = [(talk, form) for form in _FORMS for talk in (_PLAIN, *_MORE)]
    asked = {"template": source, "variables": json.loads(variables), "probes": probes}
    try:
        done = subprocess.run(
            [sys.executable, "-P", sandbox.__file__],
            input=json.dumps(asked),
            capture_output=True,
            timeout=_SECONDS,
            text=True,
        )
        told = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return f"it did not end within {_SECONDS} seconds"
    except ValueError:
        return _end_of(done)
    if "error" in told:
        return str(told["error"])
    return _shown(told["outcomes"], tuple(told["literals"]))


def _end_of(done: subprocess.CompletedProcess[str]) -> str:
    """What ended the process."""
    if done.returncode < 0:  # by a signal, as the limits do
        return "it did not end, or took all memory that it was given"
    last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    return f"it could not be tried out ({last})"


def _shown(outcomes: Sequence[dict[str, str]], literals: tuple[str, ...]) -> _Tried | str:
    size = 1 + len(_MORE)
    for number, form in enumerate(_FORMS):
        first, *more = outcomes[number * size : (number + 1) * size]
        text = first.get("text", "")
        places = [text.find(said.strip()) for _, said in _PLAIN]
        if len(text) <= sandbox.MAX_CHARACTERS and 0 <= places[0] < places[1]:
            texts = [text, *(outcome.get("text", "") for outcome in more)]
            return _Tried(form, literals, _marks(texts))
    first = outcomes[0]
    if "error" in first:
        return f"it refuses a question and an answer ({first['error']})"
    text = first["text"]
    if len(text) > sandbox.MAX_CHARACTERS:
        return f"it prints more than {sandbox.MAX_CHARACTERS:,} characters for a short text"
    lost = [role for role, said in _PLAIN if said.strip() not in text]
    what = f"the whole {' and '.join(lost)} message" if lost else "question and answer in order"
    return f"of a question and an answer it does not print {what}; it prints {text[:200]!r}"


def _marks(texts: Sequence[str]) -> tuple[str, ...]:
    """The bracketed marks in what a template writes around the probes."""
    said = [text.strip() for _, text in (_FIRST, *_PLAIN, *_LATER)]
    around = re.compile("|".join(map(re.escape, said)))
    found = (_MARK.findall(part) for text in texts for part in around.split(text))
    return tuple(dict.fromkeys(mark for marks in found for mark in marks))
