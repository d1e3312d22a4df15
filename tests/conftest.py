"""What all tests share."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from types import ModuleType

import hypothesis
import pytest

# Two cores that others share: a slow example is not a failure.
# In CI the examples are the same every time, so that what fails there can be repeated.
hypothesis.settings.register_profile(
    "encore", deadline=None, derandomize=bool(os.environ.get("CI"))
)
hypothesis.settings.load_profile("encore")


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
