"""The words of a reply: thoughts and wrapping off, and the one number that it states, if any.

Replies come from outside and may be long: every pattern takes time in proportion to the text.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from encore.parsing import refuse_twin_keys

# What ends a thought, in the formats of all makers.
_THOUGHT_ENDS = re.compile(
    r"(?:</|\[/|◁/)(?:seed:)?(?:think(?:ing)?|thought|reasoning|reflection|analysis)[>\]▷]"
    r"|<\|(?:end_thinking|end_of_thought|inner_suffix)\|>",
    re.IGNORECASE,
)
# A reply of gpt-oss begins with one of its channels; some servers leave its special tokens out.
_CHANNELS = re.compile(r"\s*+(?:<\|start\|>assistant)?<\|channel\|>|analysis")
_FINAL = re.compile(
    r"<\|channel\|>final(?:[^<]{0,20}<\|constrain\|>[^<]{0,20})?<\|message\|>|assistantfinal"
)
_BEFORE_ANSWER = re.compile(r"\s*+<\|(?:start_response|begin_of_solution)\|>", re.IGNORECASE)
_END_TOKENS = (
    *("<|return|>", "<|end|>", "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|eot|>", "</s>"),
    *("<|endoftext|>", "<|end_of_text|>", "<|END_RESPONSE|>", "<|END_OF_TURN_TOKEN|>", "<eos>"),
    *("<end_of_turn>", "<|end_of_solution|>"),
)
_MARKS = re.compile(r"[\s*\"'`.]*+")
_BARE = re.compile(
    r"[\s*\"'`]*+(?:rating\s*+[:=][\s*\"'`]*+)?(-?[0-9]++(?:\.[0-9]++)?)", re.IGNORECASE
)
_NUMBER = re.compile(r"-?[0-9]++(?:\.[0-9]++)?")
_SPACE = re.compile(r"[ \t\n\r]*+")
_DIGIT = re.compile(r"\d")  # of any script
_DECLINES = re.compile(
    r"[\s*\"'`]*+(?:rating\s*+[:=]\s*+)?"
    r"(?:(?:i['’]m|i am|we['’]re|we are)\s(?:\w{1,10}\s)?(?:sorry|unable|not able)\b"
    r"|sorry\b|(?:my\s)?apologies\b|(?:i|we) (?:\w{1,10}\s)?apologi[sz]e\b|as an ai\b"
    r"|(?:unfortunately,?\s)?(?:i|we) "
    r"(?:(?:can['’]t|can ?not)\b(?! (?:find|see|detect|identify|determine|fault))"
    r"|won['’]t|will not|must decline|decline)\b)",
    re.IGNORECASE,
)


class Stated(NamedTuple):
    """A number that a reply states as its answer, as it is spelled, and where in the text."""

    name: str
    at: int


class Words(NamedTuple):
    """The answer within a reply: its text, where that begins, and whether its end is missing."""

    said: str
    start: int
    cut: bool

    @classmethod
    def of(cls, text: str, *, cut: bool) -> Words:
        """Take off thoughts, the tokens that end a turn, and a code fence around everything."""
        start = _after_thoughts(text)
        end = _before_ends(text)
        cut = cut and end == len(text)
        said, start = _stripped(text[start:end], start)
        fenced = said.rstrip()
        if len(fenced) >= 6 and fenced.startswith("```") and fenced.endswith("```"):
            inner = fenced[3:-3].removeprefix("json")
            said, start = _stripped(inner, start + len(fenced) - 3 - len(inner))
            cut = False
        return cls(said, start, cut)

    @property
    def declines(self) -> bool:
        """Whether it begins as refusals do, in English."""
        return _DECLINES.match(self.said) is not None

    def stated(self, key: str, *, bare: bool = True) -> Stated | None:
        """The number that is the whole answer: alone, or under *key* of a JSON object."""
        if self.said.startswith("{"):
            return self._member(key)
        return self._alone() if bare else None

    def _alone(self) -> Stated | None:
        found = _BARE.match(self.said)
        if found is None:
            return None
        line, newline, rest = self.said[found.end() :].partition("\n")
        if not _MARKS.fullmatch(line) or (self.cut and not newline):
            return None
        # Words may follow on another line; a number among them makes it neither of both.
        if _DIGIT.search(rest) is not None:
            return None
        return Stated(_plain(found[1]), self.start + found.start(1))

    def _member(self, key: str) -> Stated | None:
        found = _members(self.said.rstrip()).get(key)
        if found is None or isinstance(found[0], bool):
            return None
        value, start, end = found
        if isinstance(value, int | float):
            return Stated(_plain(self.said[start:end]), self.start + start)
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            return Stated(_plain(value), self.start + start + 1)
        return None


def _after_thoughts(text: str) -> int:
    """Where the answer begins."""
    start = 0
    for end in (_THOUGHT_ENDS, _FINAL) if _CHANNELS.match(text) else (_THOUGHT_ENDS,):
        for found in end.finditer(text):
            start = max(start, found.end())
    before = _BEFORE_ANSWER.match(text, start)
    return before.end() if before else start


def _before_ends(text: str) -> int:
    """Where the special tokens that end a turn begin, or the space at its end."""
    end = len(text.rstrip())
    if not text.endswith(_END_TOKENS, 0, end):
        return len(text)
    while text.endswith(_END_TOKENS, 0, end):
        end -= next(len(token) for token in _END_TOKENS if text.endswith(token, 0, end))
    return end


def _stripped(text: str, start: int) -> tuple[str, int]:
    """A text without the space before it, and where it then starts."""
    bare = text.lstrip()
    return bare, start + len(text) - len(bare)


def _members(said: str) -> dict[str, tuple[Any, int, int]]:
    """The members of a JSON object that is all of a text: value, start and end; none if broken."""
    decoder = json.JSONDecoder(object_pairs_hook=refuse_twin_keys)
    members: dict[str, tuple[Any, int, int]] = {}
    try:
        if decoder.raw_decode(said)[1] != len(said):
            return {}
        at = 1
        while said[at := _skip(said, at)] != "}":
            key, at = decoder.raw_decode(said, at)
            value_at = _skip(said, _skip(said, at) + 1)
            value, at = decoder.raw_decode(said, value_at)
            members[key] = (value, value_at, at)
            at = _skip(said, at)
            at += said[at] == ","
    except (ValueError, RecursionError):
        return {}
    return members


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()


def _plain(name: str) -> str:
    """``4.0`` as ``4``; anything else as it is."""
    return name.removesuffix(".0")
