"""What all tests share."""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import hypothesis
import pytest

# Two cores that others share: a slow example is not a failure.
# In CI the examples are the same every time, so that what fails there can be repeated.
hypothesis.settings.register_profile(
    "encore", deadline=None, derandomize=bool(os.environ.get("CI"))
)
hypothesis.settings.load_profile("encore")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest come first, so that no worker is left alone with one at the end.

    Each file stays on one worker: what it makes once is made once.
    """
    items.sort(key=lambda item: item.get_closest_marker("early") is None)


@pytest.fixture(scope="session")
def peer() -> Callable[[str], ModuleType]:
    """Import a library that serves as a second road.

    It may be absent only in the bare install (``ENCORE_BARE=1``); elsewhere that is a failure.
    """

    def load(name: str) -> ModuleType:
        if os.environ.get("ENCORE_BARE"):
            module: ModuleType = pytest.importorskip(name, reason=f"bare install without {name}")
            return module
        return importlib.import_module(name)

    return load


CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]


# Not for the session: its event loop would be in the way of tests that run their own.
@pytest.fixture(scope="module")
def browser(peer: Callable[[str], ModuleType]) -> Iterator[Any]:
    """A browser; it may be absent only where nobody claims to have checked everything."""
    api = peer("playwright.sync_api")
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium found; install Debian's package chromium")
        pytest.skip("no Chromium found; install it (apt-get install chromium) to run these")
    with api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield running
        running.close()
