"""An endpoint that misbehaves on purpose, request by request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.raters.steady import Asked, SteadyEndpoint, rating, whole

Act = Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class UnrulyEndpoint(SteadyEndpoint):
    """Does with each request what the script says; after its end, what its last line says."""

    script: Sequence[Act] = ()

    async def respond(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        await self.script[min(len(self.asked), len(self.script)) - 1](asked, writer)


def says(body: Any, status: int = 200, headers: str = "") -> Act:
    """A whole reply."""

    async def act(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(whole(body, status, headers))

    return act


def status(code: int, message: str = "", headers: str = "") -> Act:
    """An error as OpenAI words it."""
    return says({"error": {"message": message or f"status {code}", "type": "x"}}, code, headers)


async def rates(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """The reply of a good endpoint."""
    writer.write(whole(rating(asked.prompt)))


async def hangs(asked: Asked, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def closes(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """The connection ends before any byte."""
    writer.close()


async def half(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """The connection ends in the middle of the body."""
    reply = whole(rating(asked.prompt))
    writer.write(reply[: len(reply) - 40])
    writer.close()


async def drips(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """A byte now and then: never silent for long, and never done."""
    for byte in whole(rating(asked.prompt)):
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.02)


async def floods(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """A body without end."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    for _ in range(1000):
        writer.write(b"x" * (1 << 20))
        await writer.drain()
