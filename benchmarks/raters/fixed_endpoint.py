"""An endpoint that gives every request the same answer after a fixed time, as a network would.

Run as ``python benchmarks/raters/fixed_endpoint.py SECONDS``; prints its port. It parses only the
length of the body, so that on two cores the endpoint is not what is measured.
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
from typing import cast

_TOP = [{"token": str(level), "logprob": math.log(0.2)} for level in range(1, 6)]
_CHOICE = {
    "message": {"role": "assistant", "content": "4"},
    "finish_reason": "stop",
    "logprobs": {"content": [{"token": "4", "logprob": math.log(0.2), "top_logprobs": _TOP}]},
}
_USAGE = {"prompt_tokens": 300, "completion_tokens": 1, "total_tokens": 301}
_BODY = json.dumps({"choices": [_CHOICE], "usage": _USAGE}).encode()
_REPLY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(
    _BODY
)
_MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


class _Connection(asyncio.Protocol):
    """Answers a fixed time after the last byte of a request."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._held += data
        end = self._held.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._held[:end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n")[0]) if at >= 0 else 0
        if len(self._held) < end + 4 + length:
            return
        self._held = b""
        if b"/chat/completions" not in head.split(b"\r\n")[0]:
            self._transport.write(_MISSING)
            return
        loop = asyncio.get_running_loop()
        loop.call_later(self._seconds, self._transport.write, _REPLY + _BODY)


async def main(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(seconds), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
