"""An OpenAI-compatible endpoint: requests that are retried, counted, and abandoned in time."""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from encore.errors import BudgetError, EndpointError, InputError, StoppedError
from encore.extras import require
from encore.raters.protocol import Usage

if TYPE_CHECKING:
    import aiohttp

RETRIED = frozenset({408, 409, 425, 429})  # and every 5xx: the same request may succeed later
# Statuses that refuse everything this run would ask.
REFUSING = {
    401: "the key is missing or wrong",
    402: "the account has no credit",
    403: "the key may not use this model",
    404: "there is no such model or route",
    405: "this is not a chat completions route",
}
# Consecutive failed calls, from any worker, after which the run is given up.
MAX_FAILURES = 5
_BACKOFF, _LONGEST_BACKOFF = 0.5, 30.0
_LONGEST_REPLY = 16 << 20  # bytes; a chat completion is a few kilobytes


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
        if self.concurrency < 1 or self.attempts < 1 or self.timeout <= 0:
            raise InputError(
                f"an endpoint needs at least one request in flight, one attempt and some time; "
                f"got {self}."
            )


class Rejected(Exception):
    """One request that the endpoint will never accept; the message is its own."""


class GivenUp(Exception):
    """One request without an answer after all attempts; the message is the last failure."""


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
        Called when the very first request has to be repeated.

    Raises
    ------
    InputError
        If the address is not one, or contains a password.
    """

    def __init__(
        self,
        base_url: str,
        limits: Limits,
        *,
        api_key: str | None = None,
        note: Callable[[str], None] = lambda message: None,
    ) -> None:
        self.base_url = check_url(base_url)
        self.limits = limits
        self.spent = Usage()
        self._key = api_key
        self._note = note
        self._session: aiohttp.ClientSession | None = None
        self._troubles: tuple[type[Exception], ...] = (OSError, ValueError, RecursionError)
        self._failures = 0
        self._succeeded = False
        self._stopped: StoppedError | None = None
        self._halted = asyncio.Event()
        self._resume_at = 0.0

    async def __aenter__(self) -> Endpoint:
        aiohttp = require("aiohttp", extra="judge", feature="The LLM judge")
        self._troubles += (aiohttp.ClientError,)
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        self._session = aiohttp.ClientSession(
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=self.limits.timeout),
            connector=aiohttp.TCPConnector(limit=self.limits.concurrency),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    @property
    def stopped(self) -> StoppedError | None:
        """Why no more requests are sent."""
        return self._stopped

    def stop(self, error: StoppedError) -> None:
        """Send nothing more, and wake whoever is waiting; the first reason counts."""
        self._stopped = self._stopped or error
        self._halted.set()

    async def complete(self, body: Mapping[str, Any]) -> tuple[Any, Usage]:
        """The JSON of one chat completion, and what it cost.

        Raises
        ------
        Rejected
            If the endpoint will not take this request.
        GivenUp
            If every attempt failed.
        StoppedError
            If the run has to stop: it is refused, everything fails, or the budget is spent.
        """
        data = json.dumps(body).encode()
        trouble = ""
        for attempt in range(1, self.limits.attempts + 1):
            await self._wait(self._resume_at - time.monotonic())
            self._reserve()
            status, answer = await self._send(data)
            if status == 200:
                self._failures, self._succeeded = 0, True
                usage = _usage(answer)
                self.spent += usage
                return answer, usage + Usage(n_requests=attempt)
            trouble = f"HTTP {status}: {answer}" if status else str(answer)
            if status in REFUSING:
                self._halt(EndpointError(f"{self.base_url}: {REFUSING[status]} ({trouble})."))
            if status and status not in RETRIED and status < 500:
                self._fail(trouble, breaks=not self._succeeded)
                raise Rejected(trouble)
            if attempt == 1 and not self._succeeded:
                self._note(f"{self.base_url}: {trouble}; trying again.")
            if attempt < self.limits.attempts:
                await self._wait(_jittered(attempt))
        self._fail(trouble, breaks=True)
        raise GivenUp(trouble)

    async def ask(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The JSON at another path of the same server, or None if it has none; not retried."""
        session = self._open()
        root = self.base_url.removesuffix("/v1")
        for address in dict.fromkeys((root + path, self.base_url + path)):
            try:
                data = None if body is None else json.dumps(body).encode()
                method = "GET" if body is None else "POST"
                async with session.request(
                    method, address, data=data, allow_redirects=False
                ) as response:
                    if response.status == 200:
                        return json.loads(await _whole(response))
            except self._troubles:
                continue
        return None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the endpoint is used outside its `async with` block")
        return self._session

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
        self.spent += Usage(n_requests=1)

    async def _send(self, data: bytes) -> tuple[int, Any]:
        """Status and JSON of one request; 0 and what happened if there is no complete answer."""
        address = f"{self.base_url}/chat/completions"
        try:
            # A redirect would carry the key to another address.
            async with self._open().post(address, data=data, allow_redirects=False) as response:
                raw = await _whole(response)
                if response.status == 200:
                    return 200, json.loads(raw)
                self._hold(response.headers.get("Retry-After"), response.status)
                return response.status, self._without_key(_said(raw))
        except TimeoutError:
            return 0, f"no answer within {self.limits.timeout:g} s"
        except self._troubles as error:
            return 0, self._without_key(f"{type(error).__name__}: {error}".rstrip(": ."))

    def _hold(self, retry_after: str | None, status: int) -> None:
        """Hold back all requests for as long as the endpoint asks."""
        seconds = _seconds(retry_after)
        if seconds is None or (status not in RETRIED and status < 500):
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

    def _fail(self, trouble: str, *, breaks: bool) -> None:
        """Count a failed call; break the circuit when all fail."""
        self._failures += 1
        most = MAX_FAILURES if self._succeeded or trouble.startswith("HTTP 4") else 1
        if breaks and self._failures >= most:
            calls = "a call" if most == 1 else f"{self._failures} calls in a row"
            self._halt(EndpointError(f"{self.base_url}: {calls} failed. The last: {trouble}."))

    def _without_key(self, text: str) -> str:
        """Some servers repeat the key that they refuse."""
        return text.replace(self._key, "…") if self._key else text


def check_url(base_url: str) -> str:
    """The address without a slash at its end.

    Raises
    ------
    InputError
        If it is not an http address, or contains a user name or a password.
    """
    try:
        parts = urlsplit(base_url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise InputError(
            f"{base_url!r} is not an address; expected one such as http://host:8000/v1."
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InputError(
            "the base URL contains a password or a query, which would end up in files. Put the key "
            "in an environment variable."
        )
    return base_url.rstrip("/").removesuffix("/chat/completions")


def _jittered(attempt: int) -> float:
    """Seconds before an attempt: full jitter under a doubling bound."""
    return random.uniform(0.1, 1.0) * min(_BACKOFF * 2.0**attempt, _LONGEST_BACKOFF)


def _seconds(retry_after: str | None) -> float | None:
    """Seconds that a Retry-After header asks for: a number, or a date."""
    if retry_after is None:
        return None
    try:
        return max(float(retry_after), 0.0)
    except ValueError:
        pass
    try:
        seconds: float = email.utils.parsedate_to_datetime(retry_after).timestamp()
    except ValueError:
        return None
    return max(seconds - time.time(), 0.0)


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    blocks, size = [], 0
    async for block in response.content.iter_any():
        blocks.append(block)
        size += len(block)
        if size > _LONGEST_REPLY:
            raise ValueError(f"the reply is longer than {_LONGEST_REPLY} bytes")
    return b"".join(blocks)


def _said(raw: bytes) -> str:
    """What an error reply says, shortened."""
    text = raw.decode("utf-8", "replace")
    try:
        body = json.loads(text)
        error = body.get("error", body) if isinstance(body, dict) else body
        text = str(error.get("message", error) if isinstance(error, dict) else error)
    except (ValueError, RecursionError):
        pass
    return " ".join(text.split())[:300].rstrip(".")


def _usage(body: Any) -> Usage:
    """Tokens as the endpoint reports them; 0 where it does not."""
    used = body.get("usage") if isinstance(body, dict) else None
    used = used if isinstance(used, dict) else {}
    details = used.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else 0
    numbers = (used.get("prompt_tokens"), cached, used.get("completion_tokens"))
    return Usage(0, *(n if isinstance(n, int) and n > 0 else 0 for n in numbers))
