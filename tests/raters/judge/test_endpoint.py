"""One request at a time against endpoints that misbehave."""

from __future__ import annotations

import asyncio
import email.utils
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest

from encore import BudgetError, EndpointError, InputError, StoppedError
from encore.raters import Limits, Usage
from encore.raters.judge import endpoint as module
from encore.raters.judge.address import check_url
from encore.raters.judge.answers import read_reply
from encore.raters.judge.endpoint import Endpoint, GivenUp, Rejected
from tests.raters.steady import Asked, SteadyEndpoint, chat, rating, whole
from tests.raters.unruly import (
    Act,
    UnrulyEndpoint,
    closes,
    drips,
    floods,
    half,
    hangs,
    rates,
    says,
    status,
)

KEY = "sk-very-secret"
BODY = {"model": "m", "messages": [{"role": "user", "content": "Rate this."}]}


@pytest.fixture(autouse=True)
def quick(peer: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of some milliseconds."""
    peer("aiohttp")
    monkeypatch.setattr(module, "_BACKOFF", 0.002)


def complete(server: SteadyEndpoint, n_calls: int = 1, **limits: Any) -> list[Any]:
    """What so many calls at once come to: each a reply with its usage, or an exception."""

    async def calls() -> list[Any]:
        async with Endpoint(server.url, Limits(**limits), api_key=KEY) as endpoint:
            made = [endpoint.complete(BODY) for _ in range(n_calls)]
            return list(await asyncio.gather(*made, return_exceptions=True))

    return asyncio.run(calls())


def scripted(*script: Act, **limits: Any) -> tuple[Any, int]:
    """What one call comes to, and how many requests it took."""
    with UnrulyEndpoint(script=script) as server:
        (result,) = complete(server, **limits)
        return result, len(server.asked)


# --- what is tried again --------------------------------------------------------------------


@pytest.mark.parametrize("code", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_what_may_pass_is_tried_again(code: int) -> None:
    (reply, usage), n_requests = scripted(status(code), status(code), rates)
    assert n_requests == 3
    assert reply == read_reply(rating("Rate this."))
    # Three requests, one of them answered: 100 tokens in, 1 out.
    assert usage == Usage(3, 100, 0, 1)


@pytest.mark.parametrize(
    "trouble",
    [closes, half, says(b"{"), says(b"\xff\xfe"), says(b"[" * 100_000), says(b"<html>busy</html>")],
)
def test_a_broken_reply_is_tried_again(trouble: Act) -> None:
    (reply, _), n_requests = scripted(trouble, rates)
    assert (n_requests, reply) == (2, read_reply(rating("Rate this.")))


@pytest.mark.parametrize("trouble", [hangs, drips])
def test_a_reply_that_takes_too_long_is_tried_again(trouble: Act) -> None:
    began = time.monotonic()
    (reply, _), n_requests = scripted(trouble, rates, timeout=0.3)
    assert (n_requests, reply) == (2, read_reply(rating("Rate this.")))
    assert time.monotonic() - began < 5


def test_a_reply_without_end_is_not_read_to_its_end() -> None:
    result, _ = scripted(floods, attempts=1)
    assert isinstance(result, StoppedError)
    assert "the reply is longer than 16777216 bytes" in str(result)


def test_attempts_are_limited() -> None:
    # After a success, one call that fails is given up, and the run goes on.
    with UnrulyEndpoint(script=[rates, status(500, "out of memory")]) as server:

        async def calls() -> None:
            async with Endpoint(server.url, Limits(attempts=4)) as endpoint:
                await endpoint.complete(BODY)
                with pytest.raises(GivenUp, match="HTTP 500: out of memory"):
                    await endpoint.complete(BODY)

        asyncio.run(calls())
        assert len(server.asked) == 1 + 4


def test_pauses_grow_and_are_not_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BACKOFF", 0.5)
    # The n-th pause is between 0.1 and 1 times min(0.5 * 2^n, 30) seconds.
    for attempt, most in ((1, 1.0), (2, 2.0), (5, 16.0), (6, 30.0), (20, 30.0)):
        drawn = [module._jittered(attempt) for _ in range(200)]
        assert all(0.1 * most <= pause <= most for pause in drawn)
        assert max(drawn) > 2 * min(drawn)


# --- what is not ----------------------------------------------------------------------------


@pytest.mark.parametrize("code", [400, 413, 422])
def test_a_request_that_is_refused_is_not_sent_again(code: int) -> None:
    with UnrulyEndpoint(script=[rates, status(code, "context length exceeded")]) as server:

        async def calls() -> None:
            async with Endpoint(server.url, Limits()) as endpoint:
                await endpoint.complete(BODY)
                with pytest.raises(Rejected, match=f"HTTP {code}: context length exceeded"):
                    await endpoint.complete(BODY)
                assert endpoint.stopped is None

        asyncio.run(calls())
        assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (401, "the key is missing or wrong"),
        (402, "the account has no credit"),
        (403, "the key may not use this model"),
        (404, "there is no such model or route"),
        (405, "this is not a chat completions route"),
    ],
)
def test_a_refusal_of_all_ends_the_run_at_once(code: int, said: str) -> None:
    result, n_requests = scripted(status(code, "no"))
    assert isinstance(result, EndpointError) and n_requests == 1
    assert f": {said} (HTTP {code}: no)." in str(result)


def test_nobody_at_the_address_ends_the_run_and_says_where() -> None:
    with SteadyEndpoint() as server:
        pass
    (result,) = complete(server, attempts=2)
    assert isinstance(result, EndpointError)
    assert str(result).startswith(f"{server.url}: a call failed. The last: Client")


def test_calls_in_a_row_that_come_to_nothing_end_the_run() -> None:
    script = [rates, *[status(500)] * 100]
    with UnrulyEndpoint(script=script) as server:

        async def calls() -> list[str]:
            ends = []
            async with Endpoint(server.url, Limits(attempts=2)) as endpoint:
                await endpoint.complete(BODY)
                for _ in range(8):
                    try:
                        await endpoint.complete(BODY)
                    except (GivenUp, StoppedError) as error:
                        ends.append(f"{type(error).__name__}: {error}")
            return ends

        ends = asyncio.run(calls())
        # Four calls are given up, the fifth ends the run, and nothing is sent after it.
        assert [end.split(":")[0] for end in ends] == ["GivenUp"] * 4 + ["EndpointError"] * 4
        assert "5 calls in a row failed. The last: HTTP 500" in ends[4]
        assert len(server.asked) == 1 + 5 * 2


def test_a_success_in_between_keeps_the_run_alive() -> None:
    fails = [status(500)] * 4
    with UnrulyEndpoint(script=[rates, *fails, rates, *fails, rates]) as server:

        async def calls() -> int:
            n_given_up = 0
            async with Endpoint(server.url, Limits(attempts=1)) as endpoint:
                for _ in range(11):
                    try:
                        await endpoint.complete(BODY)
                    except GivenUp:
                        n_given_up += 1
            return n_given_up

        assert asyncio.run(calls()) == 8


# --- Retry-After ----------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_holds_all_calls_back(form: str) -> None:
    # A date has whole seconds, so one of 1 to 2 seconds from now.
    value = "0.4" if form == "seconds" else email.utils.formatdate(time.time() + 2, usegmt=True)
    least = 0.4 if form == "seconds" else 0.9
    with UnrulyEndpoint(script=[status(429, "", f"Retry-After: {value}\r\n"), rates]) as server:

        async def calls() -> None:
            async with Endpoint(server.url, Limits()) as endpoint:
                held = asyncio.create_task(endpoint.complete(BODY))
                while not server.asked or server.asked[0].answered is None:
                    await asyncio.sleep(0.005)
                await asyncio.sleep(0.05)
                await asyncio.gather(held, endpoint.complete(BODY))

        asyncio.run(calls())
        refused, *later = server.asked
        assert len(later) == 2
        assert all(asked.came - refused.came >= least for asked in later)


def test_a_wait_beyond_patience_ends_the_run_and_says_how_long() -> None:
    result, n_requests = scripted(status(429, "", "Retry-After: 3600\r\n"))
    assert isinstance(result, EndpointError) and n_requests == 1
    assert "asks to wait 3600 s (Retry-After), longer than the 120 s of patience" in str(result)


@pytest.mark.parametrize("value", ["", "soon", "-5", "nan", "Thu, 99 Foo 2026"])
def test_a_retry_after_that_says_nothing_is_no_wait(value: str) -> None:
    (_, usage), n_requests = scripted(status(503, "", f"Retry-After: {value}\r\n"), rates)
    assert n_requests == usage.n_requests == 2


def test_a_storm_of_429_ends_with_every_call_answered() -> None:
    storm = [status(429)] * 150
    with UnrulyEndpoint(script=[rates, *storm, rates]) as server:

        async def calls() -> list[Any]:
            async with Endpoint(server.url, Limits(concurrency=16, attempts=50)) as endpoint:
                await endpoint.complete(BODY)
                return list(await asyncio.gather(*(endpoint.complete(BODY) for _ in range(40))))

        replies = asyncio.run(calls())
        assert len(replies) == 40
        assert len(server.asked) == 1 + 150 + 40 == 1 + sum(u.n_requests for _, u in replies)


# --- limits ---------------------------------------------------------------------------------


@pytest.mark.parametrize("concurrency", [1, 3])
def test_no_more_requests_are_in_flight_than_allowed(concurrency: int) -> None:
    with SteadyEndpoint(0.02) as server:
        replies = complete(server, 12, concurrency=concurrency)
        assert len(server.asked) == 12 and not any(isinstance(r, Exception) for r in replies)
        assert server.most_in_flight == concurrency


def test_a_budget_of_requests_counts_attempts_and_is_never_overdrawn() -> None:
    with UnrulyEndpoint(script=[rates, status(500), rates]) as server:
        results = complete(server, 9, concurrency=2, max_requests=6)
        assert len(server.asked) == 6
    ended = [result for result in results if isinstance(result, BudgetError)]
    # Six requests, one of them in vain.
    assert len(results) - len(ended) == 5
    assert str(ended[0]) == "the budget of 6 requests is spent."


def test_a_budget_of_tokens_stops_once_it_is_spent() -> None:
    with SteadyEndpoint(0.0) as server:

        async def calls() -> None:
            async with Endpoint(server.url, Limits(max_tokens=250)) as endpoint:
                # 101 tokens a call: 0, 101 and 202 are below 250, 303 is not.
                for _ in range(3):
                    await endpoint.complete(BODY)
                with pytest.raises(BudgetError, match="the budget of 250 tokens is spent"):
                    await endpoint.complete(BODY)
                assert endpoint.spent == Usage(3, 300, 0, 3)

        asyncio.run(calls())
        assert len(server.asked) == 3


@pytest.mark.parametrize(
    "usage",
    [None, [], "many", {"prompt_tokens": -1}, {"prompt_tokens": 10**30, "completion_tokens": 1}],
)
def test_what_is_not_reported_is_estimated_for_the_budget_and_said_once(usage: Any) -> None:
    notes: list[str] = []
    with UnrulyEndpoint(script=[says({**chat("4"), "usage": usage})]) as server:

        async def calls() -> None:
            async with Endpoint(server.url, Limits(max_tokens=9), note=notes.append) as endpoint:
                # "Rate this." has 10 bytes and "4" one: 3 tokens and 1. After 12, 9 are spent.
                for _ in range(3):
                    _, counted = await endpoint.complete(BODY)
                    assert counted == Usage(1, 3, 0, 1)
                with pytest.raises(BudgetError, match="the budget of 9 tokens is spent"):
                    await endpoint.complete(BODY)

        asyncio.run(calls())
    (note,) = notes
    assert "does not report what it uses; tokens, and any budget or cost of them, are est" in note


def test_cached_tokens_are_told_as_the_endpoint_tells_them() -> None:
    told = {
        "prompt_tokens": 90,
        "completion_tokens": 2,
        "prompt_tokens_details": {"cached_tokens": 64},
    }
    (_, counted), _ = scripted(says({**chat("4"), "usage": told}))
    assert counted == Usage(1, 90, 64, 2)


@pytest.mark.parametrize(
    "wrong", [{"concurrency": 0}, {"attempts": 0}, {"timeout": 0.0}, {"timeout": math.nan}]
)
def test_limits_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="an endpoint needs at least one request in flight"):
        Limits(**wrong)


# --- the key --------------------------------------------------------------------------------


def test_the_key_is_sent_as_a_bearer_token() -> None:
    with SteadyEndpoint(0.0) as server:
        complete(server)
        assert f"Authorization: Bearer {KEY}\r\n" in server.asked[0].head


@pytest.mark.parametrize("code", [400, 401, 500])
def test_an_endpoint_that_repeats_the_key_does_not_get_it_into_a_message(code: int) -> None:
    result, _ = scripted(status(code, f"Incorrect API key provided: {KEY}."), attempts=1)
    assert isinstance(result, Exception) and KEY not in str(result)
    assert "Incorrect API key provided: …" in str(result) and KEY not in repr(result)


@dataclass
class MovedEndpoint(SteadyEndpoint):
    """Sends every request elsewhere: with 307 the same request, with 302 a GET."""

    code: int = 307
    target: str = ""

    async def respond(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(whole({}, self.code, f"Location: {self.target}\r\n"))

    async def other(self, head: str, body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(whole({}, self.code, f"Location: {self.target}\r\n"))


@pytest.mark.parametrize("code", [302, 307])
def test_a_redirect_is_not_followed_with_the_key_or_the_text(code: int) -> None:
    with (
        SteadyEndpoint(0.0) as elsewhere,
        MovedEndpoint(code=code, target=f"{elsewhere.url}/chat/completions") as server,
    ):

        async def calls() -> None:
            async with Endpoint(server.url, Limits(), api_key=KEY) as endpoint:
                with pytest.raises(
                    EndpointError, match=rf"redirects, which is not followed: .*\(HTTP {code}"
                ):
                    await endpoint.complete(BODY)
                assert await endpoint.ask("/props") is None
                assert await endpoint.ask("/tokenize", BODY) is None

        asyncio.run(calls())
        # One chat completion, and two other questions at either root: none is repeated elsewhere.
        assert len(server.heads) == 1 + 2 * 2
        assert elsewhere.heads == []


@pytest.mark.parametrize(
    "address",
    [
        "",
        "localhost:8000",
        "ftp://h/v1",
        "http://",
        "http://h:0/v1",
        "http://h:x/v1",
        "http://[::1/",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(
        InputError, match="is not an address; expected one such as http://host:8000/v1"
    ):
        check_url(address)


@pytest.mark.parametrize("address", ["http://me:pw@h/v1", "http://h/v1?key=pw", "http://h/v1#pw"])
def test_an_address_that_holds_a_secret_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(InputError, match="contains a password or a query") as error:
        check_url(address)
    assert "pw" not in str(error.value)


@pytest.mark.parametrize("tail", ["", "/", "/chat/completions", "/chat/completions/"])
def test_an_address_is_known_by_what_ends_in_v1(tail: str) -> None:
    assert check_url(f"http://h:8000/v1{tail}") == "http://h:8000/v1"
