"""The way to an endpoint and back: one request, within bounds of time and size."""

from __future__ import annotations

import email.utils
import math
import time
import zlib
from typing import TYPE_CHECKING

from encore.extras import require
from encore.raters.judge.address import Address

if TYPE_CHECKING:
    import aiohttp

LONGEST_REPLY = 16 << 20  # bytes, unpacked; a chat completion is a few kilobytes


class Connection:
    """Sends requests to one server; lives inside one event loop.

    Parameters
    ----------
    address : Address
        Where.
    key : str, optional
        Sent as a bearer token, and to Azure in its own header too.
    timeout : float
        Seconds that one request may take.
    n_connections : int
        How many may be open.
    """

    def __init__(
        self, address: Address, key: str | None, timeout: float, n_connections: int
    ) -> None:
        self._address = address
        self._key = key
        self._timeout = timeout
        self._n_connections = n_connections
        self._session: aiohttp.ClientSession | None = None
        self._proxy: str | None = None
        # What an exchange may raise; more once aiohttp is known to be there.
        self.troubles: tuple[type[Exception], ...] = (OSError, ValueError, RecursionError)

    async def __aenter__(self) -> Connection:
        aiohttp = require("aiohttp", extra="judge", feature="The LLM judge")
        self.troubles += (aiohttp.ClientError,)
        self._proxy = self._address.proxy()
        # A packed reply may unpack to any size, and replies are small: none is asked for.
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
            headers |= {"api-key": self._key} if self._address.is_azure else {}
        self._session = aiohttp.ClientSession(
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=self._timeout),
            connector=aiohttp.TCPConnector(limit=self._n_connections),
            auto_decompress=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def exchange(
        self, method: str, url: str, data: bytes | None
    ) -> tuple[int, float | None, bytes]:
        """Status, seconds to wait, and body of one request."""
        if self._session is None:
            raise RuntimeError("the endpoint is used outside its `async with` block")
        # A redirect would carry the key to another address.
        async with self._session.request(
            method, url, data=data, allow_redirects=False, proxy=self._proxy
        ) as response:
            raw = await _whole(response)
            return response.status, _seconds(response.headers.get("Retry-After")), raw


def _seconds(retry_after: str | None) -> float | None:
    """Seconds that a Retry-After header asks for, a number or a date; None if it says nothing."""
    if retry_after is None:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            date = email.utils.parsedate_to_datetime(retry_after)
            seconds = date.timestamp() - time.time()
        except (ValueError, TypeError, OverflowError, OSError):
            return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    """The body, unpacked.

    Raises
    ------
    ValueError
        If it is too long, however small it is packed, or cannot be unpacked.
    """
    packed = response.headers.get("Content-Encoding", "identity").strip().lower()
    if packed not in ("", "identity", "gzip", "x-gzip", "deflate"):
        raise ValueError(f"the reply is packed as {packed[:40]!r}, which was not asked for")
    unpacker = None if packed in ("", "identity") else zlib.decompressobj(wbits=47)
    body = bytearray()
    async for block in response.content.iter_any():
        if unpacker is not None:
            room = LONGEST_REPLY + 1 - len(body)
            try:
                block = unpacker.decompress(block, room)
            except zlib.error as error:
                raise ValueError(f"the reply cannot be unpacked: {error}") from error
        body += block
        if len(body) > LONGEST_REPLY:
            raise ValueError(f"the reply is longer than {LONGEST_REPLY} bytes")
    if unpacker is not None and not unpacker.eof:
        raise ValueError("the reply is packed, and cut short")
    return bytes(body)
