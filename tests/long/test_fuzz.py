"""Every reader against broken files, for some minutes; run by ``make long``.

``ENCORE_FUZZ_SECONDS`` says for how long in all, ``ENCORE_FUZZ_SEED`` where to begin: the seeds
that were tried are printed, and each gives the same files again.
"""

from __future__ import annotations

import os
import time

import pytest
from hypothesis import HealthCheck, given, seed, settings

from tests.hostile import READERS, Reader, broken, try_reading

pytestmark = pytest.mark.long

SECONDS = float(os.environ.get("ENCORE_FUZZ_SECONDS", "300"))
FIRST_SEED = int(os.environ.get("ENCORE_FUZZ_SEED", "0"))
AT_ONCE = 200


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_only_errors_of_ours_leave_a_reader(
    reader: Reader, capsys: pytest.CaptureFixture[str]
) -> None:
    end = time.monotonic() + SECONDS / len(READERS)
    tried = {"read": 0, "refused": 0}
    number = FIRST_SEED

    def try_one(data: bytes) -> None:
        tried["read" if try_reading(reader, data) else "refused"] += 1

    while time.monotonic() < end:
        examples = settings(
            max_examples=AT_ONCE, database=None, deadline=None, suppress_health_check=[*HealthCheck]
        )
        seed(number)(examples(given(data=broken(reader))(try_one)))()
        number += 1
    with capsys.disabled():
        print(f"\n{reader.name}: {tried}, seeds {FIRST_SEED} to {number - 1}", flush=True)
    assert sum(tried.values())
