"""The hash of a prompt, against the words of its definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encore.calibration.prompts import prompt_hashes
from encore.ratings.ids import Ids

SURROGATES = st.text(st.characters(exclude_categories=()))
NAMES = st.one_of(SURROGATES, st.integers(), st.tuples(st.just("bool"), st.booleans()))


def mix(x: int) -> int:
    x = ((x ^ x >> 30) * 0xBF58476D1CE4E5B9) % 2**64
    x = ((x ^ x >> 27) * 0x94D049BB133111EB) % 2**64
    return x ^ x >> 31


def hash_of(name: Any) -> int:
    """One name at a time, in whole numbers without end."""
    text = name if isinstance(name, str) else repr(name)
    data = text.encode("utf-8", "surrogatepass")
    total = len(data) + (0 if isinstance(name, str) else 2**63)
    for at in range(0, len(data), 8):
        word = int.from_bytes(data[at : at + 8].ljust(8, b"\0"), "little")
        total += mix((word + (at // 8 + 1) * 0x9E3779B97F4A7C15) % 2**64)
    return mix(total % 2**64)


@given(names=st.lists(NAMES, max_size=20))
def test_a_hash_is_that_of_its_definition(names: list[Any]) -> None:
    assert prompt_hashes(names).tolist() == [hash_of(name) for name in names]


def test_hashes_are_the_same_in_any_company(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{k}" * (k % 50) for k in range(300)]
    whole = prompt_hashes(names).tolist()
    assert whole == [prompt_hashes([name])[0] for name in names]
    for most in (1, 7, 64):
        monkeypatch.setattr("encore.calibration.prompts._BLOCK_BYTES", most)
        assert prompt_hashes(names).tolist() == whole


def test_a_number_a_text_and_a_truth_value_have_three_hashes() -> None:
    names = Ids.of([1, "1", True, "True", "('bool', True)"]).names
    assert len(set(prompt_hashes(names).tolist())) == 5


def test_ids_that_are_alike_have_hashes_that_are_not() -> None:
    names = [
        f"{kind}{k}"
        for kind in ("", "prompt-", "a much longer prefix of all ids, ")
        for k in range(30_000)
    ]
    names += ["\0" * k for k in range(40)]
    hashes = prompt_hashes(names)
    assert len(np.unique(hashes)) == len(names)
    # 90,040 in 256 parts, by the first byte and by the last: chi-squared has the mean 255 and the
    # standard deviation sqrt(2 * 255) = 22.6.
    for byte in (hashes >> np.uint64(56), hashes & np.uint64(255)):
        expected = len(names) / 256
        chi2 = (
            (np.bincount(byte.astype(np.int64), minlength=256) - expected) ** 2
        ).sum() / expected
        assert 255 - 5 * 22.6 < chi2 < 255 + 5 * 22.6
