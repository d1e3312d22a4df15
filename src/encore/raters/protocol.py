"""What gives ratings: one Protocol for judges, heads and recorded ratings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

from encore.rules import Rule, Rulebook


class Reason(StrEnum):
    """Why a response is unrated under a rule."""

    MALFORMED = "malformed"  # the answer is not a level, or the reply breaks the format
    REFUSED = "refused"  # the judge declined, or a filter stopped it
    TRUNCATED = "truncated"  # the answer was cut off before it gave a level
    OUT_OF_SCALE = "out of scale"  # a number that is not one of the rule's levels
    REJECTED = "rejected"  # the endpoint cannot take this request (HTTP 400, 413, 422)
    FAILED = "failed"  # no answer after all attempts; the next run asks again
    NOT_RECORDED = "not recorded"  # the recorded ratings have none
    UNREADABLE = "unreadable"  # its row of the data cannot be read; nobody was asked


@dataclass(frozen=True)
class Item:
    """One response to rate, with what came before it.

    Parameters
    ----------
    messages : tuple of (role, content)
        The conversation up to the response.
    response : str
        What is rated.
    prompt_id, response_id : str
        Its ids in the ratings table.

    Examples
    --------
    >>> one = Item((("user", "Hi"),), "Hello!", "p1", "a")
    >>> one.text_key == Item((("user", "Hi"),), "Hello!", "p2", "b").text_key
    True
    """

    messages: tuple[tuple[str, str], ...]
    response: str
    prompt_id: str
    response_id: str

    @property
    def conversation(self) -> tuple[tuple[str, str], ...]:
        """All messages, the response at the end."""
        return (*self.messages, ("assistant", self.response))

    @cached_property
    def text_key(self) -> bytes:
        """Digest of conversation and response, so one response to two prompts has two digests."""
        return short_digest([self.messages, self.response])

    @cached_property
    def id_key(self) -> bytes:
        """Digest of the ids."""
        return short_digest([self.prompt_id, self.response_id])


@dataclass(frozen=True)
class Usage:
    """What one answer cost.

    Parameters
    ----------
    n_requests : int
        Requests sent, including failed attempts.
    prompt_tokens, cached_tokens, completion_tokens : int
        As the endpoint reports them, or estimated where it does not; cached tokens are among the
        prompt's.
    """

    n_requests: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.n_requests + other.n_requests,
            self.prompt_tokens + other.prompt_tokens,
            self.cached_tokens + other.cached_tokens,
            self.completion_tokens + other.completion_tokens,
        )

    def cost(self, price: tuple[float, float]) -> float:
        """The cost at a price per million prompt and completion tokens, with nothing cached.

        Examples
        --------
        >>> Usage(2, prompt_tokens=1000, completion_tokens=2).cost((1.0, 500.0))
        0.002
        """
        return (self.prompt_tokens * price[0] + self.completion_tokens * price[1]) / 1e6


@dataclass(frozen=True)
class Answer:
    """What a rater says about one response under one rule: a rating, or why there is none.

    Without either, the rule does not apply to the response.

    Parameters
    ----------
    value : float, optional
        The rating; None where unrated, or where the rule does not apply.
    spread : float, optional
        Entropy (nats) of the rater's own distribution; None where it gave none.
    reason : Reason, optional
        Why it is unrated; None where it is rated, or does not apply.
    probabilities : tuple of float, optional
        That distribution over the levels, worst to best, sum 1, given that the rule applies; all
        on one level where a reply states a level and nothing more is known.
    applies : float, default 1
        How far the rule applies to the response, from 0, where there is no rating, to 1.
    reply : str
        The words of the reply, shortened.
    usage : Usage
        What it cost. A call for several rules counts for the first of them.
    n_cut : int
        Tokens left out of the middle of an overlong text.
    trouble : str
        Why the probabilities that came with it could not be read; not stored.
    """

    value: float | None = None
    spread: float | None = None
    reason: Reason | None = None
    probabilities: tuple[float, ...] | None = None
    applies: float = 1.0
    reply: str = ""
    usage: Usage = field(default_factory=Usage)
    n_cut: int = 0
    trouble: str = ""


class Ledger(Protocol):
    """Where a rater puts its answers, one by one, as soon as it has them."""

    @property
    def rules(self) -> Rulebook:
        """All rules of the run."""
        ...

    def wants(self, item: Item) -> list[tuple[Rule, int]]:
        """The rules, each with a sample number, that *item* is yet to be rated under."""
        ...

    def keep(self, item: Item, rule: Rule, answer: Answer, sample: int = 0) -> None:
        """Store an answer before anything else happens with it."""
        ...

    def note(self, message: str) -> None:
        """Tell the user something that changes what the ratings mean; said once."""
        ...


@dataclass(frozen=True)
class Identity:
    """What ratings depend on: a different identity gives different ratings.

    Parameters
    ----------
    rater : mapping
        Plain data that states who rates and how.
    n_samples : int, default 1
        Answers wanted per rule. Not part of who rates: more samples add to existing ones.
    sees_all_rules : bool, default False
        Whether a rating under one rule may depend on the other rules of the rulebook.
    goes_by_ids : bool, default False
        Whether an item is identified by its ids, as in recorded ratings, instead of its text.
    rules_go_by_ids : bool, default False
        Whether a rule is identified by its id, as a column or a head is, instead of its text.
    """

    rater: Mapping[str, Any]
    n_samples: int = 1
    sees_all_rules: bool = False
    goes_by_ids: bool = False
    rules_go_by_ids: bool = False

    def key(self, item: Item) -> bytes:
        """What two items share if one rating serves both."""
        return item.id_key if self.goes_by_ids else item.text_key


class Rater(Protocol):
    """Whatever gives ratings: one call, and what it depends on."""

    @property
    def identity(self) -> Identity:
        """Who rates, and how."""
        ...

    def __call__(self, items: Iterable[Item], ledger: Ledger) -> None:
        """Rate what the ledger wants of each item.

        Raises
        ------
        StoppedError
            If it stops early; all answers so far have been kept.
        """
        ...


@dataclass(frozen=True)
class TwoPasses:
    """A rater that is asked about each prompt first, and only then about its responses.

    Parameters
    ----------
    first : Rater
        Answers yes (1) or no (0) to questions about a prompt that no response follows.
    second : Rater
        Rates the responses.
    at_least : float
        How far a rule must apply to a prompt for its responses to be rated under it.
    note : str
        Why there are two, where that was not asked for.
    """

    first: Rater
    second: Rater
    at_least: float
    note: str = ""


@runtime_checkable
class AsksPrompts(Protocol):
    """A rater that can be asked from the prompt alone which rules apply."""

    def passes(self, rules: Rulebook) -> TwoPasses | None:
        """The rater in two passes; None if all responses are to be rated under all rules."""
        ...


def is_unicode(text: str) -> bool:
    """Whether UTF-8 can hold a text: a lone surrogate is half a character, which nothing can."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def short_digest(value: object) -> bytes:
    """16 bytes of BLAKE2b over *value* as JSON.

    Texts with lone surrogates, which UTF-8 cannot encode, have one too.
    """
    text = json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
