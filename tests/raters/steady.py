"""An endpoint that answers every prompt, always the same, and remembers when it was asked what."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass
class Asked:
    """One request: the user's message, the whole of it, and when it came and was answered."""

    prompt: str
    body: dict[str, Any]
    head: str
    came: float
    answered: float | None = None


@dataclass
class SteadyEndpoint:
    """Speaks HTTP on the loopback address in a thread, while in its ``with`` block.

    Ratings of five levels are drawn from the digest of the prompt, so that another run, or another
    order, gives the same; or it says in words what *say* makes of the prompt.
    """

    seconds: float = 0.02
    say: Callable[[str], str] | None = None
    heads: list[str] = field(default_factory=list)  # of every request, whatever it asks for
    asked: list[Asked] = field(default_factory=list)
    most_in_flight: int = 0
    _in_flight: int = 0

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def _serve(self, ready: threading.Event) -> None:
        self._loop.run_until_complete(self._until_stopped(ready))
        self._loop.close()

    async def _until_stopped(self, ready: threading.Event) -> None:
        self._stopped = asyncio.Event()
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._stopped.wait()
        server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                self.heads.append(head)
                length = re.search(r"(?i)content-length: *(\d+)", head)
                body = await reader.readexactly(int(length[1]) if length else 0)
                if head.startswith("POST /v1/chat/completions"):
                    await self._chat(head, json.loads(body), writer)
                else:
                    await self.other(head, body, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client left, or was killed
        finally:
            writer.close()

    async def _chat(self, head: str, body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        asked = Asked(body["messages"][0]["content"], body, head, time.monotonic())
        self.asked.append(asked)
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            await self.respond(asked, writer)
        finally:
            self._in_flight -= 1
            asked.answered = time.monotonic()

    async def respond(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        """Answer a chat completion."""
        await asyncio.sleep(self.seconds)
        writer.write(whole(self._reply(asked.prompt)))

    async def other(self, head: str, body: bytes, writer: asyncio.StreamWriter) -> None:
        """Answer at any other path."""
        writer.write(whole({}, 404))

    def _reply(self, prompt: str) -> dict[str, Any]:
        return rating(prompt) if self.say is None else chat(self.say(prompt))


def whole(body: Any, status: int = 200, headers: str = "") -> bytes:
    """A whole HTTP response with a JSON body."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status} X\r\n{headers}Content-Length: {len(data)}\r\n\r\n"
    return head.encode("latin-1") + data


def chat(content: str, finish: str = "stop", **choice: Any) -> dict[str, Any]:
    """A chat completion of some words, which took 100 tokens in and 1 out."""
    message = {"role": "assistant", "content": content}
    usage = {"prompt_tokens": 100, "completion_tokens": 1, "total_tokens": 101}
    told = {"index": 0, "finish_reason": finish, "message": message, **choice}
    return {"choices": [told], "usage": usage}


def weighed(token: str, shares: dict[str, float], **choice: Any) -> dict[str, Any]:
    """A chat completion of one token, with the probabilities of what could have stood there."""
    tokens = [{"token": name, "logprob": math.log(share)} for name, share in shares.items()]
    told = {"token": token, "logprob": 0.0, "top_logprobs": tokens}
    return chat(token, logprobs={"content": [told]}, **choice)


def rating(prompt: str) -> dict[str, Any]:
    """Probabilities of five levels, drawn from the digest of a prompt."""
    drawn = hashlib.sha256(prompt.encode()).digest()[:5]
    shares = [(1 + byte) / (5 + sum(drawn)) for byte in drawn]
    levels = {str(level): share for level, share in enumerate(shares, start=1)}
    return weighed(max(levels, key=levels.__getitem__), levels)
