"""The bytes of a reply: bounded, whatever the endpoint sends, and where they are sent."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest

from encore import EndpointError, InputError
from encore.raters import Limits
from encore.raters.judge import endpoint as module
from encore.raters.judge.answers import read_reply
from encore.raters.judge.connection import _seconds
from encore.raters.judge.endpoint import Endpoint
from tests.raters.steady import SteadyEndpoint, chat, rating, whole
from tests.raters.unruly import Act, UnrulyEndpoint, rates, says, status

BODY = {"model": "m", "messages": [{"role": "user", "content": "Rate this."}]}


@pytest.fixture(autouse=True)
def quick(peer: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> None:
    peer("aiohttp")
    monkeypatch.setattr(module, "_BACKOFF", 0.002)


def outcome(*script: Act, **limits: Any) -> Any:
    """The reply to one call, or the error."""

    async def call(url: str) -> Any:
        async with Endpoint(url, Limits(**limits)) as endpoint:
            return (await endpoint.complete(BODY))[0]

    with UnrulyEndpoint(script=script) as server:
        try:
            return asyncio.run(call(server.url))
        except EndpointError as error:
            return error


def packed(data: bytes, encoding: str) -> Act:
    return says(data, 200, f"Content-Encoding: {encoding}\r\n")


GOOD = b'{"choices": [{"message": {"content": "4"}, "finish_reason": "stop"}]}'


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP", "deflate", "identity", ""])
def test_a_packed_reply_is_unpacked_though_none_was_asked_for(encoding: str) -> None:
    is_gzip = encoding.lower().endswith("gzip")
    data = (
        gzip.compress(GOOD) if is_gzip else zlib.compress(GOOD) if encoding == "deflate" else GOOD
    )
    assert outcome(packed(data, encoding)) == read_reply(chat("4"))


def test_no_packing_is_asked_for() -> None:
    with SteadyEndpoint(0.0) as server:

        async def call() -> None:
            async with Endpoint(server.url, Limits()) as endpoint:
                await endpoint.complete(BODY)

        asyncio.run(call())
    assert "Accept-Encoding: identity\r\n" in server.asked[0].head


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (packed(GOOD, "gzip"), "the reply cannot be unpacked"),
        (packed(gzip.compress(GOOD)[:-9], "gzip"), "the reply is packed, and cut short"),
        (packed(GOOD, "br"), "the reply is packed as 'br', which was not asked for"),
        (packed(GOOD, "gzip, gzip"), "the reply is packed as 'gzip, gzip'"),
    ],
)
def test_what_cannot_be_unpacked_is_no_reply(act: Act, said: str) -> None:
    assert said in str(outcome(act, attempts=1))
    assert outcome(act, rates) == read_reply(rating("Rate this."))


@pytest.mark.parametrize("code", [200, 400, 500])
def test_a_small_packed_reply_does_not_fill_the_memory(code: int) -> None:
    packer, parts = zlib.compressobj(9, zlib.DEFLATED, 31), []
    for _ in range(160):  # 160 MiB in 0.16 MB
        parts.append(packer.compress(bytes(1 << 20)))
    bomb = b"".join([*parts, packer.flush()])
    assert len(bomb) < 1 << 20
    tracemalloc.start()
    result = outcome(says(bomb, code, "Content-Encoding: gzip\r\n"), attempts=1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "the reply is longer than 16777216 bytes" in str(result)
    # Twice the longest reply at most: the body as it grows, and the block that is added.
    assert peak < 3 * (16 << 20)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        *((text, None) for text in (None, "", "soon", "nan", "inf", "-inf", "1e400", "9" * 400)),
        *((text, None) for text in ("Thu, 99 Foo 2026", "Thu, 01 Jan 99999 00:00:00 GMT")),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Thu, 01 Jan 0001 00:00:00 -0000", 0.0),
        ("-5", 0.0),
        ("3e9", 3e9),
        (" 7 ", 7.0),
    ],
)
def test_a_wait_is_finite_or_none(value: str | None, seconds: float | None) -> None:
    assert _seconds(value) == seconds


class Forwarder(SteadyEndpoint):
    """A proxy that answers for every host, and never asks it."""

    async def other(self, head: str, body: bytes, writer: asyncio.StreamWriter) -> None:
        if head.startswith("POST http://judge.example/v1/chat/completions "):
            writer.write(whole(chat("4")))
        else:
            writer.write(whole({}, 404))


def test_a_proxy_of_the_environment_is_gone_through_and_this_machine_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def call(url: str) -> Any:
        async with Endpoint(url, Limits(attempts=1)) as endpoint:
            return (await endpoint.complete(BODY))[0]

    with Forwarder(0.0) as proxy, SteadyEndpoint(0.0) as server:
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, proxy.url.removesuffix("/v1"))
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        assert asyncio.run(call("http://judge.example/v1")) == read_reply(chat("4"))
        n_through = len(proxy.heads)
        asyncio.run(call(server.url))
        assert (len(proxy.heads), len(server.asked)) == (n_through, 1)


@pytest.mark.parametrize("proxy", ["socks5://h:1", "http://me:pw@[::1", "http://h:99999", "pw pw"])
def test_a_proxy_that_is_none_is_refused_and_not_repeated(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, proxy)

    async def call() -> None:
        async with Endpoint("http://judge.example/v1", Limits(attempts=1)) as endpoint:
            await endpoint.complete(BODY)

    with pytest.raises(InputError, match="the proxy that the environment names") as error:
        asyncio.run(call())
    assert "pw" not in str(error.value)


@dataclass
class Versioned(SteadyEndpoint):
    """Has its routes below /v1 only, as most servers do."""

    elsewhere: bytes = whole({}, 404)

    async def other(self, head: str, body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(self.elsewhere)


@pytest.mark.parametrize(
    "elsewhere",
    [
        whole({}, 404),
        whole(b"Method Not Allowed", 405),
        whole(b"<html>Welcome</html>"),
        # LM Studio.
        whole({"error": "Unexpected endpoint or method. (POST /chat/completions)"}),
    ],
)
def test_v1_may_be_forgotten_and_is_said_once(elsewhere: bytes) -> None:
    notes: list[str] = []
    with Versioned(0.0, elsewhere=elsewhere) as server:

        async def calls() -> str:
            base = server.url.removesuffix("/v1")
            async with Endpoint(base, Limits(), note=notes.append) as endpoint:
                for _ in range(3):
                    await endpoint.complete(BODY)
                return endpoint.base_url

        assert asyncio.run(calls()) == server.url
        assert len(server.heads) == 1 + 3
    (note,) = notes
    assert note == f"Note: {server.url[:-3]} has no chat completions; asking {server.url}."


def test_a_model_that_is_nowhere_is_told_as_the_address_given_tells_it() -> None:
    with SteadyEndpoint(0.0) as server:

        async def call() -> None:
            async with Endpoint(f"{server.url[:-3]}/other", Limits()) as endpoint:
                await endpoint.complete(BODY)

        with pytest.raises(EndpointError, match="/other: there is no such model or route"):
            asyncio.run(call())
        assert len(server.heads) == 2


class Azure(SteadyEndpoint):
    """Takes its key in a header of its own, and its version in a query."""

    async def other(self, head: str, body: bytes, writer: asyncio.StreamWriter) -> None:
        path = "POST /openai/deployments/d/chat/completions?api-version=2024-10-21 HTTP/1.1\r\n"
        if not head.startswith(path):
            writer.write(whole({"error": {"code": "404", "message": "Resource not found"}}, 404))
        elif "\r\napi-key: sk-very-secret\r\n" not in head:
            writer.write(whole({"error": {"code": "401", "message": "Access denied"}}, 401))
        else:
            writer.write(whole(chat("4")))


def test_azure_is_asked_with_its_query_and_its_header() -> None:
    with Azure(0.0) as server:
        url = f"{server.url[:-3]}/openai/deployments/d?api-version=2024-10-21"

        async def call() -> Any:
            async with Endpoint(url, Limits(), api_key="sk-very-secret") as endpoint:
                return (await endpoint.complete(BODY))[0]

        assert asyncio.run(call()) == read_reply(chat("4"))
        assert all("Bearer sk-very-secret" in head for head in server.heads)


def test_a_text_that_a_firewall_dislikes_ends_no_run_and_a_key_that_was_taken_away_does() -> None:
    blocked = says(b"<html>Blocked</html>", 403)
    with UnrulyEndpoint(script=[rates, blocked, rates, status(403, "revoked")]) as server:

        async def calls() -> list[str]:
            ends = []
            async with Endpoint(server.url, Limits()) as endpoint:
                for _ in range(8):
                    try:
                        await endpoint.complete(BODY)
                        ends.append("")
                    except Exception as error:
                        ends.append(type(error).__name__)
            return ends

        # After an answer, 403 is one call's failure; the fifth in a row ends the run.
        ends = asyncio.run(calls())
        assert ends == ["", "GivenUp", "", *["GivenUp"] * 4, "EndpointError"]
        assert len(server.asked) == 8
