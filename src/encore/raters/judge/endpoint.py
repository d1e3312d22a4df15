"""An OpenAI-compatible endpoint: requests that are retried, counted, and abandoned in time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from encore.errors import BudgetError, EndpointError, InputError, StoppedError
from encore.formatting import visible
from encore.raters.judge.address import Address
from encore.raters.judge.answers import Reply
from encore.raters.judge.connection import Connection
from encore.raters.judge.redact import Redactor, check_key
from encore.raters.judge.responses import REFUSING, Response, Verdict, understand
from encore.raters.protocol import Usage

# Consecutive failed calls, from any worker, after which the run is given up.
MAX_FAILURES = 5
_BACKOFF, _LONGEST_BACKOFF = 0.5, 30.0
_SIDE_SECONDS = 10.0  # for what the endpoint may tell of itself, or not
# Where the endpoint does not count tokens, four bytes of UTF-8 are one, as in English prose.
_BYTES_PER_TOKEN = 4


@dataclass(frozen=True)
class Limits:
    """How hard to push an endpoint, and how far to go.

    Parameters
    ----------
    concurrency : int
        Requests in flight at once.
    timeout : float
        Seconds that one request may take, from connecting to the last byte.
    attempts : int
        Requests for one answer before it is given up.
    patience : float
        The longest wait in seconds (Retry-After) that is accepted before the run stops instead.
    max_requests, max_tokens : int, optional
        Budget of one run: at most *max_requests* are sent, and none once prompt and completion
        tokens reach *max_tokens*; those in flight are still counted.
    """

    concurrency: int = 32
    timeout: float = 120.0
    attempts: int = 6
    patience: float = 120.0
    max_requests: int | None = None
    max_tokens: int | None = None

    def __post_init__(self) -> None:
        if self.concurrency < 1 or self.attempts < 1 or not 0 < self.timeout < math.inf:
            raise InputError(
                f"an endpoint needs at least one request in flight, one attempt and some time; "
                f"got {self}."
            )


@dataclass
class Spending:
    """What the requests of a run have cost so far, at any endpoint that takes from its budget."""

    usage: Usage = field(default_factory=Usage)


class Unanswered(Exception):
    """One request without an answer.

    Parameters
    ----------
    said : str
        What the endpoint says, without the key.
    words : str
        All its words, as they came: for what they name, not for people.
    usage : Usage
        What it cost all the same.
    """

    def __init__(self, said: str, words: str, usage: Usage) -> None:
        super().__init__(said)
        self.words = words
        self.usage = usage


class Rejected(Unanswered):
    """One request that the endpoint will never accept."""


class Filtered(Rejected):
    """One conversation that a content policy of the endpoint stopped."""


class GivenUp(Unanswered):
    """One request that failed in all attempts."""


class Endpoint:
    """The HTTP side of a judge; lives inside one event loop.

    Parameters
    ----------
    base_url : str
        The address, up to and including ``/v1``.
    limits : Limits
        Concurrency, timeout, attempts and budget.
    api_key : str, optional
        Sent as a bearer token to this address alone; never part of a message or a file.
    note : callable, optional
        Called, once for each matter, with what a user should know.
    spending : Spending, optional
        What counts against the budget already, and where this endpoint's requests count too.

    Raises
    ------
    InputError
        If the address is not one, or contains a password; or if no request can carry the key.
    """

    def __init__(
        self,
        base_url: str,
        limits: Limits,
        *,
        api_key: str | None = None,
        note: Callable[[str], None] = lambda message: None,
        spending: Spending | None = None,
    ) -> None:
        self.limits = limits
        self._spending = spending or Spending()
        self._address = Address.of(base_url)
        key = check_key(api_key)
        self._connection = Connection(self._address, key, limits.timeout, limits.concurrency)
        self.redacted = Redactor(key)
        self._note = note
        self._failures = 0
        self._reached = False  # whether it ever looked at a request
        self._answered = False
        self._counts = True
        self._stopped: StoppedError | None = None
        self._halted = asyncio.Event()
        self._resume_at = 0.0

    async def __aenter__(self) -> Endpoint:
        await self._connection.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connection.__aexit__()

    @property
    def spent(self) -> Usage:
        """What the run has cost."""
        return self._spending.usage

    @property
    def base_url(self) -> str:
        """The address."""
        return str(self._address)

    @property
    def stopped(self) -> StoppedError | None:
        """Why no more requests are sent."""
        return self._stopped

    def stop(self, error: StoppedError) -> None:
        """Send nothing more, and wake whoever is waiting; the first reason counts."""
        self._stopped = self._stopped or error
        self._halted.set()

    async def complete(self, body: Mapping[str, Any]) -> tuple[Reply, Usage]:
        """The reply to one chat completion, and what it cost.

        Raises
        ------
        Rejected
            If the endpoint will not take this request; Filtered, if for what its text says.
        GivenUp
            If every attempt failed.
        StoppedError
            If the run has to stop: it is refused, everything fails, or the budget is spent.
        """
        data = json.dumps(body).encode()
        used, said, words = Usage(), "", ""
        for attempt in range(1, self.limits.attempts + 1):
            await self._wait(self._resume_at - time.monotonic())
            response, cost = await self._try(data, body)
            used += cost
            self._reached |= response.verdict in (Verdict.ANSWERED, Verdict.FILTERED)
            if response.reply is not None:
                self._failures, self._answered = 0, True
                return response.reply, used
            said, words = self.redacted(response.said), response.words
            if response.verdict is Verdict.FILTERED:
                raise Filtered(said, words, used)
            if response.verdict is Verdict.REJECTED:
                raise Rejected(said, words, used)
            if response.verdict is Verdict.REFUSED:
                if response.status != 403 or not self._answered:
                    self._halt(EndpointError(f"{self.base_url}: {_refusal(response)} ({said})."))
                break  # perhaps a firewall that dislikes this one text
            if attempt < self.limits.attempts:
                if attempt == 1 and not self._reached:
                    self._note(f"{self.base_url}: {said}; trying again.")
                await self._wait(_jittered(attempt))
        self._fail(said, most=MAX_FAILURES if self._reached else 1)
        raise GivenUp(said, words, used)

    def reject(self, said: str) -> None:
        """Count a request that was rejected for good; before any answer, five in a row end the run.

        Raises
        ------
        StoppedError
            If that was the fifth.
        """
        self._fail(said, most=math.inf if self._answered else MAX_FAILURES)

    async def ask(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The JSON at another path of the same server, or None if it has none; not retried."""
        method = "GET" if body is None else "POST"
        data = None if body is None else json.dumps(body).encode()
        for address in self._address.routes(path):
            try:
                async with asyncio.timeout(_SIDE_SECONDS if body is None else None):
                    status, _, raw = await self._connection.exchange(method, address, data)
                if status == 200:
                    return json.loads(raw)
            except self._connection.troubles:
                continue
        return None

    def _halt(self, error: StoppedError) -> NoReturn:
        self.stop(error)
        raise self._stopped or error

    async def _wait(self, seconds: float) -> None:
        """Wait, but not beyond the end of the run."""
        if seconds > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._halted.wait(), seconds)

    def _reserve(self) -> None:
        """Count a request against the budget before it is sent."""
        limits, spent = self.limits, self.spent
        if limits.max_requests is not None and spent.n_requests >= limits.max_requests:
            self._halt(BudgetError(f"the budget of {limits.max_requests} requests is spent."))
        tokens = spent.prompt_tokens + spent.completion_tokens
        if limits.max_tokens is not None and tokens >= limits.max_tokens:
            self._halt(BudgetError(f"the budget of {limits.max_tokens} tokens is spent."))
        if self._stopped is not None:
            raise self._stopped
        self._spending.usage += Usage(n_requests=1)

    async def _try(self, data: bytes, body: Mapping[str, Any]) -> tuple[Response, Usage]:
        """One request, and what it cost; one more at ``/v1`` if that may have been forgotten."""
        self._reserve()
        response, n_requests = await self._send(self._address, data), 1
        longer = None if self._reached else self._address.versioned()
        if longer is not None and response.may_be_no_route:
            self._reserve()
            other, n_requests = await self._send(longer, data), 2
            if other.status and not other.may_be_no_route:
                self._note(f"Note: {self.base_url} has no chat completions; asking {longer}.")
                self._address, response = longer, other
        cost = response.usage or Usage()
        if response.reply is not None and response.usage is None:
            cost = _estimated(body, response.reply)
            if self._counts:
                self._counts = False
                self._note(
                    f"Note: {self.base_url} does not report what it uses; tokens, and any budget "
                    f"or cost of them, are estimated at {_BYTES_PER_TOKEN} bytes each."
                )
        self._spending.usage += cost
        return response, cost + Usage(n_requests)

    async def _send(self, address: Address, data: bytes) -> Response:
        """What one request comes to."""
        try:
            route = address.route("/chat/completions")
            status, seconds, raw = await self._connection.exchange("POST", route, data)
        except TimeoutError:
            said = f"no answer within {self.limits.timeout:g} s"
            return Response(Verdict.LATER, 0, said)
        except self._connection.troubles as error:
            said = f"{type(error).__name__}: {error}".rstrip(": .")
            return Response(Verdict.LATER, 0, visible(said))
        response = understand(status, raw)
        if response.verdict is Verdict.LATER:
            self._hold(seconds)
        return response

    def _hold(self, seconds: float | None) -> None:
        """Hold back all requests for as long as the endpoint asks."""
        if seconds is None:
            return
        if seconds > self.limits.patience:
            self.stop(
                EndpointError(
                    f"{self.base_url} asks to wait {seconds:.0f} s (Retry-After), longer than the "
                    f"{self.limits.patience:g} s of patience. Run again after that."
                )
            )
        else:
            # Workers that waited together must not come back together.
            pause = seconds + random.uniform(0, min(1.0, seconds / 10))
            self._resume_at = max(self._resume_at, time.monotonic() + pause)

    def _fail(self, said: str, *, most: float) -> None:
        """Count a failed call; break the circuit when all fail."""
        self._failures += 1
        if self._failures >= most:
            calls = "a call" if most == 1 else f"{self._failures} calls in a row"
            self._halt(EndpointError(f"{self.base_url}: {calls} failed. The last: {said}."))


def _refusal(response: Response) -> str:
    return REFUSING.get(response.status, "it redirects, which is not followed: give that address")


def _jittered(attempt: int) -> float:
    """Seconds before an attempt: full jitter under a doubling bound."""
    return random.uniform(0.1, 1.0) * min(_BACKOFF * 2.0**attempt, _LONGEST_BACKOFF)


def _estimated(body: Mapping[str, Any], reply: Reply) -> Usage:
    """Tokens of a call where the endpoint does not count them."""
    asked = sum(len(str(m["content"]).encode("utf-8", "replace")) for m in body["messages"])
    told = len(reply.text.encode("utf-8", "replace"))
    return Usage(0, -(-asked // _BYTES_PER_TOKEN), 0, -(-told // _BYTES_PER_TOKEN))
