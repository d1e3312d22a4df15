"""The parameters that an endpoint supports: OpenAI-compatible servers agree on most of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from encore.raters.judge.endpoint import Endpoint, Rejected
from encore.raters.protocol import Usage

# Alternatives per token to ask for: most servers give at most 20, some 5.
MOST_ALTERNATIVES, FEWER_ALTERNATIVES = 20, 5
_OPTIONAL = ("response_format", "seed", "temperature")
# An answer in words instead of a token's probabilities.
_WORD_TOKENS = 8


@dataclass
class Capabilities:
    """What the endpoint was found to support; it only ever shrinks."""

    n_alternatives: int = MOST_ALTERNATIVES
    max_tokens: str = "max_tokens"
    left_out: frozenset[str] = frozenset()
    understood: frozenset[str] = frozenset()

    def accepted(self, body: Mapping[str, Any]) -> None:
        """Remember what the endpoint accepted."""
        self.understood = self.understood.union(body)

    def adapt(self, trouble: str, body: Mapping[str, Any]) -> str | None:
        """Leave out what a rejection names, and say what; None if it names nothing we sent.

        A rejection may repeat the text that is judged: what the endpoint accepted before is not
        what it rejects, nor is anything that the text itself contains. Empty if another call, in
        flight at the same time, already led to a change.
        """
        if self.apply(body) != body:
            return ""
        told = str(body.get("messages"))
        names = ("max_completion_tokens", "top_logprobs", "logprobs", *_OPTIONAL)
        named = {n for n in names if n in trouble and n not in self.understood and n not in told}
        first = self.max_tokens == "max_tokens" and "max_tokens" not in self.understood
        if "max_completion_tokens" in named and first:
            self.max_tokens = "max_completion_tokens"
            return "max_completion_tokens for max_tokens"
        if "top_logprobs" in named and self.n_alternatives == MOST_ALTERNATIVES:
            self.n_alternatives = FEWER_ALTERNATIVES
            return f"top_logprobs {self.n_alternatives}"
        if "logprobs" in named and self.n_alternatives:
            self.n_alternatives = 0
            return "no logprobs"
        for name in _OPTIONAL:
            if name in named and name in body:
                self.left_out |= {name}
                return f"no {name}"
        return None

    async def complete(
        self,
        endpoint: Endpoint,
        body: Mapping[str, Any],
        on_change: Callable[[str], None] = lambda change: None,
    ) -> tuple[Any, Usage, dict[str, Any]]:
        """Ask with what the endpoint supports: its reply, the cost, and the body it accepted.

        *on_change* is called with what is left out after a rejection.

        Raises
        ------
        Rejected
            If the endpoint does not accept it, and names nothing that can be left out.
        GivenUp, StoppedError
            As :meth:`Endpoint.complete`.
        """
        while True:
            asked = self.apply(body)
            try:
                reply, usage = await endpoint.complete(asked)
            except Rejected as error:
                change = self.adapt(str(error), asked)
                if change is None:
                    raise
                on_change(change)
                continue
            self.accepted(asked)
            return reply, usage, asked

    def apply(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """A body without what the endpoint does not support."""
        body = {name: value for name, value in body.items() if name not in self.left_out}
        if "logprobs" in body and self.n_alternatives:
            body["top_logprobs"] = self.n_alternatives
        else:
            body.pop("logprobs", None)
            body.pop("top_logprobs", None)
        limit = body.pop("max_tokens", None) or body.pop("max_completion_tokens")
        words = limit == 1 and not self.n_alternatives
        body[self.max_tokens] = _WORD_TOKENS if words else limit
        return body
