"""The parameters that an endpoint supports: OpenAI-compatible servers agree on most of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from encore.raters.judge.answers import Reply
from encore.raters.judge.endpoint import Endpoint, Filtered, Rejected, Unanswered
from encore.raters.protocol import Usage

# Alternatives per token to ask for: most servers give at most 20, some 5.
MOST_ALTERNATIVES, FEWER_ALTERNATIVES = 20, 5
# What a rejection may call a field that can be left out.
_OPTIONAL = {
    "response_format": ("response_format", "response format", "json_schema", "structured output"),
    "stream_options": ("stream_options",),
    "seed": ("seed",),
    "temperature": ("temperature",),
}
_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens", "max_new_tokens")
_STREAMS = re.compile(
    r"(?:only|must|enable|require|set)\b.{0,40}\bstream|"
    r"\bstream\b.{0,40}(?:true|must|required)|non-?stream|stream ?[=:] ?false"
)
_AT_LEAST = re.compile(
    r"minimum|\bmin\b|at least|>|≥|greater than|more than|below|too (?:small|low|short)|"
    r"between|range"
)
_AT_MOST = re.compile(
    r"max|most|less|fewer|more than|exceed|greater|<|≤|between|range|up to|limit|large"
)
_UNSUPPORTED = re.compile(
    r"(?:not|n't) (?:be )?(?:support|allow|enabled|available|permit|accept)|"
    r"unsupported|unrecogni[sz]ed|unknown|unexpected"
)
# Of "gpt-3.5-turbo", "2024-10-21" and "v1", nothing is a number on its own.
_NUMBER = re.compile(r"(?<![\w.-])\d{1,9}(?![\w-]|\.\d)")
# So many characters in a row that stand in the prompt too are repeated from it.
_REPEATED = 20
# An answer in words instead of a token's probabilities.
_WORD_TOKENS = 8
# The longest shortest answer that is asked for in place of one token.
_MOST_MIN_TOKENS = 1024


@dataclass
class Capabilities:
    """What the endpoint was found to support; it only ever shrinks."""

    n_alternatives: int = MOST_ALTERNATIVES
    max_tokens: str = "max_tokens"
    min_tokens: int = 1
    streams: bool = False
    left_out: frozenset[str] = frozenset()
    understood: frozenset[str] = frozenset()

    def accepted(self, body: Mapping[str, Any]) -> None:
        """Remember what the endpoint accepted."""
        self.understood = self.understood.union(body)

    def adapt(self, trouble: str, body: Mapping[str, Any]) -> str | None:
        """Leave out what a rejection names, and say what; None if it names nothing we sent.

        A rejection may repeat the text that is judged: what the endpoint accepted before is not
        what it rejects, nor is anything that it repeats. Empty if another call, in flight at the
        same time, already led to a change.
        """
        if self.apply(body) != body:
            return ""
        said = _own_words(trouble.lower(), body)

        def named(*names: str) -> bool:
            return any(name in said for name in names)

        return (
            self._adapt_stream(said, named)
            or self._adapt_length(said, body, named)
            or self._adapt_alternatives(said, named)
            or self._leave_out(body, named)
        )

    def _adapt_stream(self, said: str, named: Callable[..., bool]) -> str | None:
        if self.streams or self.understood or not named("stream") or not _STREAMS.search(said):
            return None
        self.streams = True
        return "stream"

    def _adapt_length(
        self, said: str, body: Mapping[str, Any], named: Callable[..., bool]
    ) -> str | None:
        """The name of the limit, or the shortest answer."""
        if self.max_tokens in self.understood or not named(*_LIMITS):
            return None
        asked = body[self.max_tokens]
        longer = [n for n in _numbers(said) if asked < n <= _MOST_MIN_TOKENS]
        too_short = _AT_LEAST.search(said) and "context" not in said
        if longer and self.min_tokens == 1 and too_short:
            self.min_tokens = min(longer)
            return f"max_tokens {self.min_tokens}"
        other = "max_completion_tokens"
        if self.max_tokens != other and (named(other) or _UNSUPPORTED.search(said)):
            self.max_tokens = other
            return "max_completion_tokens for max_tokens"
        return None

    def _adapt_alternatives(self, said: str, named: Callable[..., bool]) -> str | None:
        if not self.n_alternatives or "logprobs" in self.understood:
            return None
        if not named("logprob", "log_prob", "log prob", "top_n_tokens"):
            return None
        fewer = [n for n in _numbers(said) if 0 < n < self.n_alternatives]
        if fewer and _AT_MOST.search(said):
            # One alternative is no distribution: its spread would always be 0.
            self.n_alternatives = max(fewer) if max(fewer) > 1 else 0
        elif _UNSUPPORTED.search(said) or not named("top_logprobs"):
            self.n_alternatives = 0
        else:
            more = self.n_alternatives > FEWER_ALTERNATIVES
            self.n_alternatives = FEWER_ALTERNATIVES if more else 0
        return f"top_logprobs {self.n_alternatives}" if self.n_alternatives else "no logprobs"

    def _leave_out(self, body: Mapping[str, Any], named: Callable[..., bool]) -> str | None:
        for name, aliases in _OPTIONAL.items():
            if name in body and name not in self.understood and named(*aliases):
                self.left_out |= {name}
                return f"no {name}"
        return None

    async def complete(
        self,
        endpoint: Endpoint,
        body: Mapping[str, Any],
        on_change: Callable[[str], None] = lambda change: None,
    ) -> tuple[Reply, Usage, dict[str, Any]]:
        """Ask with what the endpoint supports: its reply, the cost, and the body it accepted.

        *on_change* is called with what is left out after a rejection.

        Raises
        ------
        Rejected
            If the endpoint does not accept it, and names nothing that can be left out.
        Filtered, GivenUp, StoppedError
            As :meth:`Endpoint.complete`.
        """
        spent = Usage()
        while True:
            asked = self.apply(body)
            try:
                reply, usage = await endpoint.complete(asked)
            except Unanswered as error:
                error.usage = spent = spent + error.usage
                if not isinstance(error, Rejected) or isinstance(error, Filtered):
                    raise
                change = self.adapt(error.words, asked)
                if change is None:
                    endpoint.reject(str(error))
                    raise
                on_change(change)
                continue
            self.accepted(asked)
            return reply, spent + usage, asked

    def apply(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """A body without what the endpoint does not support."""
        body = dict(body)
        if self.streams:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        body = {name: value for name, value in body.items() if name not in self.left_out}
        if "logprobs" in body and self.n_alternatives:
            body["top_logprobs"] = self.n_alternatives
        else:
            body.pop("logprobs", None)
            body.pop("top_logprobs", None)
        limit = body.pop("max_tokens", None) or body.pop("max_completion_tokens")
        words = limit == 1 and not self.n_alternatives
        body[self.max_tokens] = max(_WORD_TOKENS if words else limit, self.min_tokens)
        return body


def _own_words(said: str, body: Mapping[str, Any]) -> str:
    """What a rejection says without what it repeats of the prompt, word for word."""
    contents = (str(message["content"]) for message in body.get("messages", ()))
    told = " ".join(" ".join(contents).lower().split())
    repeated = [False] * len(said)
    for at in range(len(said) - _REPEATED + 1):
        if said[at : at + _REPEATED] in told:
            repeated[at : at + _REPEATED] = [True] * _REPEATED
    return "".join(" " if gone else c for gone, c in zip(repeated, said, strict=True))


def _numbers(said: str) -> list[int]:
    return [int(number) for number in _NUMBER.findall(said)]
