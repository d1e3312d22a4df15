"""Where an endpoint is: its address, what may follow it, and the way there."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlsplit

from encore.errors import InputError

# Queries that hold no secret, such as Azure's api-version.
_NAME = re.compile(r"(?:\w+[-_])?(?:version|deployment|model|region|location|project)", re.I)
_VALUE = re.compile(r"[\w.,:-]{1,40}")
_VERSIONED = re.compile(r"/v\d\w*(?:/|\Z)")
_AZURE = (".azure.com", ".azure.us", ".azure.cn", ".azure-api.net")


def check_url(base_url: str) -> str:
    """The address without a slash or a route at its end.

    Raises
    ------
    InputError
        If it is not an http address, or contains a user name, a password or what may be one.
    """
    base_url = base_url.strip()
    if not _is_address(base_url):
        raise InputError(
            f"{base_url!r} is not an address; expected one such as http://host:8000/v1."
        )
    parts = urlsplit(base_url)
    if parts.username or parts.password or parts.fragment or not _is_public(parts.query):
        raise InputError(
            "the base URL contains a password or a query that may be one, which would end up in "
            "files; of queries, api-version and the like are allowed. Put the key in an "
            "environment variable."
        )
    base = base_url.partition("?")[0].rstrip("/").removesuffix("/chat/completions").rstrip("/")
    return f"{base}?{parts.query}" if parts.query else base


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return usable and url.isprintable() and " " not in url


def _is_public(query: str) -> bool:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        return False
    return all(_NAME.fullmatch(name) and _VALUE.fullmatch(value) for name, value in pairs)


@dataclass(frozen=True)
class Address:
    """An endpoint's address, with the query that belongs at the end of each of its routes.

    Parameters
    ----------
    base : str
        Up to and including ``/v1``.
    query : str
        Such as ``api-version=2024-10-21``.
    """

    base: str
    query: str = ""

    @classmethod
    def of(cls, base_url: str) -> Address:
        """An address as a user gives it.

        Raises
        ------
        InputError
            As :func:`check_url`.
        """
        base, _, query = check_url(base_url).partition("?")
        return cls(base, query)

    def __str__(self) -> str:
        return self._with_query(self.base)

    def route(self, path: str) -> str:
        """The address of a route."""
        return self._with_query(self.base + path)

    def routes(self, path: str) -> list[str]:
        """Where a route may be that some servers have beside ``/v1``, and others below it."""
        root = self.base.removesuffix("/v1")
        bases = dict.fromkeys((root, self.base, f"{root}/v1"))
        return [self._with_query(base + path) for base in bases]

    def versioned(self) -> Address | None:
        """The same with ``/v1``, where that may have been forgotten."""
        if self.query or _VERSIONED.search(urlsplit(self.base).path):
            return None
        return replace(self, base=f"{self.base}/v1")

    @property
    def is_azure(self) -> bool:
        """Whether it takes its key in Azure's own header."""
        host = urlsplit(self.base).hostname or ""
        return "api-version" in self.query.lower() or host.endswith(_AZURE)

    def proxy(self) -> str | None:
        """The proxy that the environment names for it; none for this machine.

        Raises
        ------
        InputError
            If what it names is not an address; the message does not repeat it.
        """
        from urllib.request import getproxies, proxy_bypass

        parts = urlsplit(self.base)
        if _is_loopback(parts.hostname or "") or proxy_bypass(parts.netloc):
            return None
        proxies = getproxies()
        proxy = proxies.get(parts.scheme) or proxies.get("all")
        if proxy is None:
            return None
        proxy = proxy if "://" in proxy else f"http://{proxy}"
        if not _is_address(proxy):
            raise InputError(
                f"the proxy that the environment names ({parts.scheme}_proxy or all_proxy) is not "
                f"an http address; expected one such as http://proxy:3128."
            )
        return proxy

    def _with_query(self, address: str) -> str:
        return f"{address}?{self.query}" if self.query else address


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
