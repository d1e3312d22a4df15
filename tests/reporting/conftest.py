"""What tests of pages share."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest

from encore.reporting import Report, report
from tests.reporting.made import pairs


@pytest.fixture
def extra(peer: Callable[[str], ModuleType]) -> None:
    """What the extra ``report`` installs."""
    for name in ("jinja2", "matplotlib"):
        peer(name)


@pytest.fixture(scope="session")
def made() -> Report:
    rated = pairs(120)
    return report(rated, rated.rules)
