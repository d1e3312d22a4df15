"""Reading an answer: a level and how sure the judge is, or why there is none. No guessing."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from encore.raters.judge.codes import Codes
from encore.raters.judge.tokens import (
    Distribution,
    Token,
    find_token,
    read_tokens,
)
from encore.raters.judge.words import Stated, Words
from encore.raters.protocol import Answer, Reason

# Below this share of the probability on codes, the judge was about to say something else, and
# which code would have come next is a guess.
MIN_MASS = 0.5
# Where a code takes two tokens, only those that begin like the drawn one are seen. Above this share
# on others the distribution is not known.
MAX_UNSEEN = 0.01
# How much of a reply is kept, for people to read.
MAX_REPLY = 500

# Why replies end, in the words of several makers.
_REFUSING = frozenset(
    {
        *("content_filter", "content_filtered", "safety", "image_safety", "recitation"),
        *("prohibited_content", "blocklist", "spii", "refusal", "guardrail_intervened"),
        *("sensitive", "moderation", "malicious", "error_toxic"),
    }
)
_CUTTING = frozenset(
    {"length", "max_tokens", "model_length", "max_length", "max_output_tokens", "max_new_tokens"}
)
# The server failed in the middle of it: the same call may succeed later.
_FAILING = frozenset({"error", "abort", "network_error", "insufficient_system_resource"})
_WORD = re.compile(r"[a-z_]+")
_TEXT_CHUNKS = (None, "text", "output_text")


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
    thought : str
        What the judge thought before, where the endpoint keeps that apart.
    trouble : str
        What is wrong with its probabilities; empty where nothing is.
    """

    text: str
    tokens: Sequence[Token] | None
    finish: str
    refusal: bool = False
    thought: str = ""
    trouble: str = ""

    @property
    def refused(self) -> bool:
        """Whether the judge declined or a filter stopped it, according to the endpoint."""
        return self.refusal or not _REFUSING.isdisjoint(self._finish)

    @property
    def cut(self) -> bool:
        """Whether it was cut off."""
        return not _CUTTING.isdisjoint(self._finish)

    @property
    def _finish(self) -> list[str]:
        return _WORD.findall(self.finish[:100].casefold())


def read_reply(body: Any) -> Reply:
    """A reply from the JSON body of a chat completion.

    Raises
    ------
    ValueError
        If it is not one.
    """
    try:
        choices = body["choices"]
        if not choices and _was_filtered(body):
            return Reply("", None, "content_filter", refusal=True)
        choice = choices[0]
        finish = choice.get("finish_reason")
        ended = Reply("", None, finish if isinstance(finish, str) else "")
        if not _FAILING.isdisjoint(ended.finish.casefold().split()):
            raise ValueError(f"the endpoint broke off its reply ({ended.finish[:40]})")
        message = choice.get("message")
        if message is None and ended.refused:
            return ended
        said, thought, declined = _content(message.get("content"))
        refusal = message.get("refusal") or declined
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(f"not a chat completion: {str(error)[:200]}") from error
    for name in ("reasoning_content", "reasoning"):
        apart = message.get(name)
        thought = thought or (apart if isinstance(apart, str) else "")
    if refusal and not said:
        said = refusal if isinstance(refusal, str) else ""
    tokens, trouble = read_tokens(choice.get("logprobs"))
    return Reply(said, tokens, ended.finish, bool(refusal), thought, trouble)


def _was_filtered(body: Mapping[str, Any]) -> bool:
    """Whether a body without choices says that the prompt was stopped by a filter."""
    for name in ("promptFeedback", "prompt_feedback", "prompt_filter_results"):
        if body.get(name):
            return True
    return False


def _content(content: Any) -> tuple[str, str, str]:
    """The text, the thoughts and the refusal among the chunks of a message's content."""
    if content is None or isinstance(content, str):
        return content or "", "", ""
    if not isinstance(content, list):
        raise TypeError(f"content is {type(content).__name__}, not text")
    said: list[str] = []
    thought: list[str] = []
    refusal: list[str] = []
    for chunk in content:
        if isinstance(chunk, str):
            said.append(chunk)
            continue
        kind, text = chunk.get("type"), chunk.get("text")
        if kind in _TEXT_CHUNKS and not isinstance(text, str):
            raise TypeError("a text chunk has no text")
        if kind in _TEXT_CHUNKS:
            (thought if chunk.get("thought") else said).append(text)
        elif kind == "refusal":
            refusal.append(str(chunk.get("refusal"))[:MAX_REPLY])
        elif isinstance(chunk.get("thinking"), str):
            thought.append(chunk["thinking"])
    return "".join(said), "".join(thought), "".join(refusal)


def answer_of(reply: Reply, codes: Codes) -> Answer:
    """The answer to a question about one rule, without its cost.

    The reply has to state one code and nothing else, alone or as ``{"rating": …}``, and to end
    after it. The rating is the expected level under the probabilities of the codes, renormalised,
    where the code is stated; the spread is that distribution's entropy. Without probabilities the
    rating is the level that is stated, and the spread is unknown. Where one code means that the
    rule does not apply, it applies as far as the others are probable, and the rating is what it is
    given that it applies.
    """
    words = Words.of(reply.text, cut=reply.cut)
    return _answer(reply, codes, words, words.stated("rating"))


def answers_of(reply: Reply, codes: Sequence[Codes]) -> list[Answer]:
    """The answers to a question about several rules, numbered from 1 in a JSON object."""
    words = Words.of(reply.text, cut=reply.cut)
    return [
        _answer(reply, names, words, words.stated(str(number), bare=False))
        for number, names in enumerate(codes, start=1)
    ]


def _answer(reply: Reply, codes: Codes, words: Words, stated: Stated | None) -> Answer:
    shown = _shown(reply)
    place = None if stated is None else codes.spellings.get(stated.name)
    if reply.refused or stated is None or place is None:
        return Answer(reason=_why_unrated(reply, words, stated), reply=shown)
    n_levels = len(codes.values)
    in_words = Answer(applies=0.0, reply=shown)
    if place < n_levels:
        sure = tuple(float(other == place) for other in range(n_levels))
        in_words = Answer(value=codes.values[place], probabilities=sure, reply=shown)
    if reply.tokens is None:
        return replace(in_words, trouble=reply.trouble)
    found = _distribution(reply.tokens, reply.text[stated.at :].rstrip(), stated.name, codes)
    if isinstance(found, str):
        return replace(in_words, trouble=found)
    if found.total < MIN_MASS:
        return Answer(reason=Reason.MALFORMED, reply=shown)
    if found.unseen > MAX_UNSEEN * found.total:
        return in_words
    on_levels = math.fsum(found.mass[:n_levels])
    if not on_levels:
        return Answer(applies=0.0, reply=shown)
    applies = min(on_levels / math.fsum(found.mass), 1.0)
    shares = tuple(part / on_levels for part in found.mass[:n_levels])
    value, spread = mean_and_entropy(shares, codes.values)
    return Answer(value, spread, probabilities=shares, applies=applies, reply=shown)


def _shown(reply: Reply) -> str:
    """What is kept for people: the words, or the thoughts where there are none."""
    kept = (reply.text or reply.thought)[:MAX_REPLY]
    return kept.encode("utf-8", "replace").decode()  # half a character cannot be stored


def _distribution(
    tokens: Sequence[Token], tail: str, stated: str, codes: Codes
) -> Distribution | str:
    """The distribution at the tokens that spell what a reply states, or why there is none."""
    at = find_token(tokens, tail)
    found = None if at is None else Distribution.at(tokens[at:], stated, codes)
    if at is None or (found is None and not tokens[at].fault):
        return "its tokens are not spelled like its words"
    return found or tokens[at].fault


def _why_unrated(reply: Reply, words: Words, stated: Stated | None) -> Reason:
    if reply.refused or (stated is None and words.declines):
        return Reason.REFUSED
    if stated is not None:
        return Reason.OUT_OF_SCALE
    # One token that begins no number is no accident, but all that was to be said.
    begun = len(reply.tokens or reply.text) != 1 or words.said.isdigit()
    return Reason.TRUNCATED if reply.cut and begun else Reason.MALFORMED


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
