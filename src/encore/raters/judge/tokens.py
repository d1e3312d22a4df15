"""The tokens of a reply, and the probabilities of what could have stood there."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from encore.raters.judge.codes import Codes

_TOLERANCE = 1e-3  # rounding may make a token's probabilities sum to slightly more than one
# How tokenizers write a space, a line break and a tab within the names of their tokens.
_PIECE_MARKS = {
    mark.encode(): meant
    for mark, meant in (("\u2581", b" "), ("\u0120", b" "), ("\u010a", b"\n"), ("\u0109", b"\t"))
}
_END = "\n"
_BYTE_PIECE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
# What may stand around a code within its token.
_WRAPPING = " \t\n\r*\"'`}"


_UNKNOWN_SHAPE = "they are not in a shape that is known"


@dataclass(frozen=True)
class Token:
    """One token of a reply, with the probabilities of its alternatives, read when asked for.

    Parameters
    ----------
    spelled : bytes
        The text that it stands for, in UTF-8; some hold a part of a character.
    top : list or mapping
        Its alternatives with their log probabilities, as the endpoint gave them.
    """

    spelled: bytes
    top: Any

    @property
    def name(self) -> str:
        """As it stands among its alternatives."""
        return _name(self.spelled)

    @property
    def alternatives(self) -> Mapping[str, float]:
        """Probability of each likely token, this one included, merged by what is left of them.

        Without space and quotes, that is. Empty where they are missing or no probabilities.
        """
        return self._read[0]

    @property
    def fault(self) -> str:
        """Why it has no alternatives; empty where it has some."""
        return self._read[1]

    @cached_property
    def _read(self) -> tuple[Mapping[str, float], str]:
        shares: dict[str, float] = {}
        try:
            for spelled, logprob in _pairs(self.top):
                probability = _probability(logprob)
                if probability is None:
                    return {}, f"a log probability is {_kind(logprob)}"
                name = _name(spelled)
                shares[name] = shares.get(name, 0.0) + probability
        except (KeyError, TypeError, AttributeError):
            return {}, _UNKNOWN_SHAPE
        total = math.fsum(shares.values())
        if total > 1 + _TOLERANCE:
            return {}, f"the probabilities of one token sum to {total:.3g}"
        return shares, "" if shares else "the token of the answer has none"


def read_tokens(told: Any) -> tuple[list[Token] | None, str]:
    """Tokens from the log probabilities of a chat completion, and what is wrong with these.

    Tokens are None where there are none, or no alternatives to any.
    """
    if not told:
        return None, ""
    try:
        tokens = list(_entries(told))
    except (KeyError, TypeError, AttributeError):
        return None, _UNKNOWN_SHAPE
    # Some servers name the tokens without alternatives.
    return (tokens if any(token.top for token in tokens) else None), ""


def _entries(told: Any) -> Iterator[Token]:
    content = told.get("content")
    if content is None and isinstance(told.get("tokens"), list):
        # The lists of the older completions: one mapping of alternatives per token.
        tops = told.get("top_logprobs") or []
        for place, token in enumerate(told["tokens"]):
            yield Token(_spelled(token), tops[place] if place < len(tops) else None)
        return
    for entry in content or ():
        yield Token(_spelled(entry["token"], entry.get("bytes")), entry.get("top_logprobs"))


def _pairs(top: Any) -> Iterator[tuple[bytes, Any]]:
    if isinstance(top, Mapping):
        for token, logprob in top.items():
            yield _spelled(token), logprob
        return
    for one in top or ():
        yield _spelled(one["token"], one.get("bytes")), one["logprob"]


def _probability(logprob: Any) -> float | None:
    if isinstance(logprob, bool) or not isinstance(logprob, int | float) or logprob != logprob:
        return None
    # An integer may be larger than any float.
    return math.exp(max(min(logprob, 1), -10_000))


def _kind(logprob: Any) -> str:
    return {"NoneType": "null", "float": "not a number"}.get(kind := type(logprob).__name__, kind)


def _spelled(token: Any, raw: Any = None) -> bytes:
    """The text of a token: the bytes beside it, else its name, without a tokenizer's own marks."""
    if not isinstance(token, str):
        raise TypeError(f"a token is {type(token).__name__}")
    piece = _BYTE_PIECE.fullmatch(token) if token.startswith("<0x") else None
    if piece is not None:
        return bytes((int(piece[1], 16),))
    spelled = token.encode("utf-8", "surrogatepass")
    if isinstance(raw, list) and raw:
        with contextlib.suppress(TypeError, ValueError):  # not bytes: the name is left
            spelled = bytes(raw)
    if not spelled.isascii():
        for mark, meant in _PIECE_MARKS.items():
            spelled = spelled.replace(mark, meant)
    return spelled


def _name(spelled: bytes) -> str:
    return spelled.decode("utf-8", "replace").strip(_WRAPPING)


def find_token(tokens: Sequence[Token], tail: str) -> int | None:
    """The token that a reply's *tail* begins in.

    Some servers leave a beginning or an end of the tokens out of the text: the last place counts.
    """
    whole = b"".join(token.spelled for token in tokens)
    backwards = tail.encode("utf-8", "surrogatepass")[::-1]
    # Backwards, since Python's search from the end may take the product of both lengths.
    found = whole[::-1].find(backwards)
    if not backwards or found < 0:
        return None
    start, end = len(whole) - found - len(backwards), 0
    for place, token in enumerate(tokens):
        end += len(token.spelled)
        if start < end:
            return place
    return None


@dataclass(frozen=True)
class Distribution:
    """The probability of each code where a judge states one, as far as it is known.

    Parameters
    ----------
    mass : tuple of float
        Of each code, worst to best; what is left to 1 is on no code.
    unseen : float
        On beginnings of several codes, of which the rest was not seen.
    """

    mass: tuple[float, ...]
    unseen: float

    @property
    def total(self) -> float:
        """What is on codes, one way or another."""
        return math.fsum(self.mass) + self.unseen

    @classmethod
    def at(cls, tokens: Sequence[Token], stated: str, codes: Codes) -> Distribution | None:
        """Read it from the tokens that spell the *stated* code, the first of them first.

        None if they do not spell it, or have no probabilities.
        """
        seen: list[tuple[str, float]] = []
        drawn, share = "", 1.0
        for place, token in enumerate(tokens):
            name = token.name
            if not name or not token.alternatives or not stated.startswith(drawn + name):
                return None
            seen += _beside(drawn, name, token, share)
            drawn, share = drawn + name, share * token.alternatives.get(name, 0.0)
            if drawn == stated:
                following = next(iter(tokens[place + 1 : place + 2]), None)
                seen += _ended(stated, share, following, codes)
                return cls._tallied(seen, codes, by_digit=place > 0)
        return None

    @classmethod
    def _tallied(
        cls, seen: Sequence[tuple[str, float]], codes: Codes, *, by_digit: bool
    ) -> Distribution:
        """Add up what begins one code; what begins several is unseen.

        A judge that was seen to write a code *by_digit*, two tokens for 07, means 10 by 1.
        """
        mass, unseen = [0.0] * len(codes.names), 0.0
        whole = {name: place for place, name in enumerate(codes.names)}
        for beginning, share in seen:
            places = _begun(beginning, whole) if by_digit else set()
            places = places or _begun(beginning, codes.spellings)
            if len(places) == 1:
                mass[places.pop()] += share
            elif places:
                unseen += share
        return cls(tuple(mass), unseen)


def _begun(beginning: str, spellings: Mapping[str, int]) -> set[int]:
    """The codes that a beginning, or a whole with its end, may become."""
    if beginning.endswith(_END):
        place = spellings.get(beginning.removesuffix(_END))
        return set() if place is None else {place}
    return {place for name, place in spellings.items() if name.startswith(beginning)}


def _beside(drawn: str, name: str, token: Token, share: float) -> list[tuple[str, float]]:
    """What could have been drawn in place of one token, after what was drawn before it."""
    others = token.alternatives.items()
    return [(drawn + other, share * part) for other, part in others if other not in ("", name)]


def _ended(
    stated: str, share: float, following: Token | None, codes: Codes
) -> list[tuple[str, float]]:
    """What the stated code may have gone on to be, by the alternatives of what follows it."""
    goes_on = len(stated) < max(map(len, codes.spellings))
    if not goes_on or following is None or not following.alternatives:
        return [(stated, share)]
    longer = [
        (stated + name, share * part)
        for name, part in following.alternatives.items()
        if name and stated + name in codes.spellings
    ]
    ended = share - math.fsum(part for _, part in longer)
    return [*longer, (stated + _END, max(ended, 0.0))]
