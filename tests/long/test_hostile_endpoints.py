"""Endpoints that say anything, for some minutes; a sample of it is in every run of the suite."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encore.raters.judge import endpoint
from tests.raters.judge.test_hostile import (
    ENDS,
    FIRST_LINES,
    HEADERS,
    REPLIES,
    SAMPLE,
    check_bytes,
    check_replies,
)

pytestmark = pytest.mark.long

MANY = settings(SAMPLE, max_examples=3000)


@pytest.fixture(autouse=True)
def quick(peer: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> None:
    peer("aiohttp")
    monkeypatch.setattr(endpoint, "_BACKOFF", 0.001)


@MANY
@given(REPLIES, st.booleans())
def test_replies(tmp_path: Path, replies: list[tuple[int, Any]], good_first: bool) -> None:
    check_replies(tmp_path, replies, good_first=good_first)


@MANY
@given(FIRST_LINES, st.lists(HEADERS, max_size=3), ENDS, st.booleans())
def test_bytes(
    tmp_path: Path, first: bytes, headers: list[bytes], end: bytes, good_first: bool
) -> None:
    check_bytes(tmp_path, b"\r\n".join([first, *headers, b"", end]), good_first=good_first)
