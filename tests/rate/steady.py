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
from typing import Any


@dataclass
class Asked:
    """One request: the user's message, and when it came and was answered."""

    prompt: str
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
    asked: list[Asked] = field(default_factory=list)

    def __enter__(self) -> SteadyEndpoint:
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
                length = re.search(r"(?i)content-length: *(\d+)", head)
                body = await reader.readexactly(int(length[1]) if length else 0)
                if not head.startswith("POST /v1/chat/completions"):
                    writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                    continue
                prompt = json.loads(body)["messages"][0]["content"]
                asked = Asked(prompt, time.monotonic())
                self.asked.append(asked)
                await asyncio.sleep(self.seconds)
                asked.answered = time.monotonic()
                reply = json.dumps(self._reply(prompt)).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(reply) + reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client left, or was killed
        finally:
            writer.close()

    def _reply(self, prompt: str) -> dict[str, Any]:
        usage = {"prompt_tokens": 100, "completion_tokens": 1, "total_tokens": 101}
        said = _rating(prompt) if self.say is None else _words(self.say(prompt))
        return {"choices": [{"index": 0, "finish_reason": "stop", **said}], "usage": usage}


def _words(content: str) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": content}}


def _rating(prompt: str) -> dict[str, Any]:
    drawn = hashlib.sha256(prompt.encode()).digest()[:5]
    shares = [(1 + byte) / (5 + sum(drawn)) for byte in drawn]
    tokens = [{"token": str(n), "logprob": math.log(p)} for n, p in enumerate(shares, 1)]
    most = tokens[shares.index(max(shares))]
    told = {**most, "top_logprobs": tokens}
    return {**_words(str(most["token"])), "logprobs": {"content": [told]}}
