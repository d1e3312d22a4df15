"""Reading an answer: a level and how sure the judge is, or why there is none. No guessing."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from encore.files import refuse_twin_keys
from encore.raters.judge.codes import Codes
from encore.raters.protocol import Answer, Reason

# Below this share of the probability on codes, the judge was about to say something else, and
# which code would have come next is a guess.
MIN_MASS = 0.5
# How much of a reply is kept, for people to read.
MAX_REPLY = 500

_THOUGHT = re.compile(r".*</think(?:ing)?>", re.DOTALL)
_FENCED = re.compile(r"\A```(?:json)?\s*(.*?)\s*```\Z", re.DOTALL)
_BARE = re.compile(r"\A[\s*\"'`]*(?:rating\s*[:=]\s*)?([A-Z]|-?\d+(?:\.\d+)?)[\s*\"'`.]*\Z", re.I)
_TOLERANCE = 1e-3  # rounding may make a token's probabilities sum to slightly more than one


@dataclass(frozen=True)
class Token:
    """One token of a reply, with the probabilities of its alternatives.

    Parameters
    ----------
    text : str
        The token.
    alternatives : mapping of str to float
        Probability of each likely token, this one included, outer spaces removed, merged.
    """

    text: str
    alternatives: Mapping[str, float]


@dataclass(frozen=True)
class Reply:
    """What an endpoint sent back for one call.

    Parameters
    ----------
    text : str
        The words of the reply.
    tokens : sequence of Token, optional
        Its tokens; None where the endpoint gave no probabilities.
    finish : str
        Why it ended, according to the endpoint.
    refusal : bool
        Whether the endpoint marks it as a refusal.
    """

    text: str
    tokens: Sequence[Token] | None
    finish: str
    refusal: bool = False


def read_reply(body: Any) -> Reply:
    """A reply from the JSON body of a chat completion.

    Raises
    ------
    ValueError
        If it is not one, or its log probabilities are not probabilities.
    """
    try:
        choice = body["choices"][0]
        message = choice["message"]
        text = message.get("content") or ""
        if not isinstance(text, str):
            raise TypeError("content is not text")
        refusal = bool(message.get("refusal"))
        content = (choice.get("logprobs") or {}).get("content")
        tokens = [_token(entry) for entry in content] if content else None
        if tokens and not any(token.alternatives for token in tokens):
            tokens = None  # some servers name the tokens without alternatives
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(f"not a chat completion: {error!r}") from error
    return Reply(text, tokens, str(choice.get("finish_reason")), refusal)


def _token(entry: Mapping[str, Any]) -> Token:
    probabilities: dict[str, float] = {}
    for alternative in entry.get("top_logprobs") or ():
        logprob = alternative["logprob"]
        if isinstance(logprob, bool) or not isinstance(logprob, int | float) or logprob != logprob:
            raise TypeError(f"log probability {logprob!r}")
        name = str(alternative["token"]).strip()
        probabilities[name] = probabilities.get(name, 0.0) + math.exp(min(logprob, 1.0))
    if sum(probabilities.values()) > 1 + _TOLERANCE:
        raise TypeError(f"probabilities sum to {sum(probabilities.values()):.3g}")
    return Token(str(entry["token"]), probabilities)


def answer_of(reply: Reply, codes: Codes) -> Answer:
    """The answer to a question about one rule, without its cost.

    The rating is the expected level under the probabilities of the codes, renormalised, at the
    token that holds the code; the spread is that distribution's entropy. Without probabilities
    the rating is the level that the text states, alone or as ``{"rating": …}``, and the spread is
    unknown.
    """
    said, start = _said(reply.text)
    found = _stated(said, "rating")
    value, at = (None, 0) if found is None else found
    return _answer(reply, codes, None if value is None else (value, start + at))


def answers_of(reply: Reply, codes: Sequence[Codes]) -> list[Answer]:
    """The answers to a question about several rules, numbered from 1 in a JSON object."""
    said, start = _said(reply.text)
    answers = []
    for number, names in enumerate(codes, start=1):
        found = _stated(said, str(number)) if said.startswith("{") else None
        place = None if found is None else (found[0], start + found[1])
        answers.append(_answer(reply, names, place))
    return answers


def _answer(reply: Reply, codes: Codes, stated: tuple[str, int] | None) -> Answer:
    shown = reply.text[:MAX_REPLY]
    if reply.refusal or reply.finish == "content_filter":
        return Answer(reason=Reason.REFUSED, reply=shown)
    token = _token_of(reply, stated)
    if token is not None:
        answer = _expected(token, codes, shown)
        if answer is not None:
            return answer
    elif stated is not None and stated[0] in codes.names:
        position = codes.names.index(stated[0])
        sure = tuple(float(place == position) for place in range(len(codes.names)))
        return Answer(value=codes.values[position], probabilities=sure, reply=shown)
    return Answer(reason=_why_unrated(reply, codes, stated), reply=shown)


def _why_unrated(reply: Reply, codes: Codes, stated: tuple[str, int] | None) -> Reason:
    if stated is not None and stated[0] not in codes.names and not stated[0].isalpha():
        return Reason.OUT_OF_SCALE
    # Where only one token was asked for, stopping after it is no accident.
    cut = stated is None and reply.finish == "length" and len(reply.tokens or reply.text) > 1
    return Reason.TRUNCATED if cut else Reason.MALFORMED


def _expected(token: Token, codes: Codes, shown: str) -> Answer | None:
    """The expected level at a token, if that token holds a code."""
    mass = [token.alternatives.get(name, 0.0) for name in codes.names]
    total = math.fsum(mass)
    if total < MIN_MASS:
        return None
    shares = tuple(part / total for part in mass)
    value, spread = mean_and_entropy(shares, codes.values)
    return Answer(value=value, spread=spread, probabilities=shares, reply=shown)


def mean_and_entropy(shares: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """Expected level of a distribution over the levels, and its entropy (nats).

    Examples
    --------
    >>> value, spread = mean_and_entropy((0.5, 0.5), (1, 5))
    >>> value, round(spread, 4)  # ln 2
    (3.0, 0.6931)
    """
    value = math.fsum(share * level for share, level in zip(shares, values, strict=True))
    value = min(max(value, min(values)), max(values))
    entropy = -math.fsum(share * math.log(share) for share in shares if share > 0)
    return value, max(entropy, 0.0)


def _token_of(reply: Reply, stated: tuple[str, int] | None) -> Token | None:
    """The token that holds the answer: the only one of a reply, else the one that states it."""
    if not reply.tokens:
        return None
    if len(reply.tokens) == 1:
        # Its alternatives hold the codes even where the sampled token is not one.
        return reply.tokens[0]
    if stated is None:
        return None
    # Some servers drop a prefix or a suffix of the tokens from the text: search from the end.
    whole = "".join(token.text for token in reply.tokens)
    tail = reply.text[stated[1] :].rstrip()
    at = whole.rfind(tail)
    end = 0
    for token in reply.tokens:
        end += len(token.text)
        if 0 <= at < end:
            return token if _plain(token.text.strip()) == stated[0] else None
    return None


def _said(text: str) -> tuple[str, int]:
    """The reply without preceding thoughts or a surrounding code fence, and where it starts."""
    thought = _THOUGHT.match(text)
    start = thought.end() if thought else 0
    start += len(text[start:]) - len(text[start:].lstrip())
    said = text[start:].rstrip()
    fenced = _FENCED.match(said)
    return (fenced[1], start + fenced.start(1)) if fenced else (said, start)


def _stated(said: str, key: str) -> tuple[str, int] | None:
    """The one value that a reply states, and where in it: alone, or under *key* of an object."""
    if not said.startswith("{"):
        bare = _BARE.match(said)
        return None if bare is None else (_plain(bare[1]), bare.start(1))
    try:
        document = json.loads(said, object_pairs_hook=refuse_twin_keys)
    except (ValueError, RecursionError):
        return None
    value = document.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    name = _plain(json.dumps(value).strip('"'))
    place = re.search(rf'"{re.escape(key)}"\s*:\s*"?', said)
    return None if place is None else (name, place.end())


def _plain(name: str) -> str:
    """``4.0`` as ``4``, ``b`` as ``B``; anything else as it is."""
    return name.removesuffix(".0").upper() if len(name) < 10 else name
