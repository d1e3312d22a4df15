"""Gzipped files: what unpacks to far more than ratings would is refused."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path

import pytest

import encore
from encore.ratings.importing import import_ratings
from tests.hostile import Bounds


def test_a_gigabyte_of_zeros_is_refused_before_it_takes_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packing = zlib.compressobj(9, wbits=31)
    path = tmp_path / "zeros.jsonl.gz"
    with path.open("wb") as file:
        for _ in range(256):
            file.write(packing.compress(bytes(1 << 22)))
        file.write(packing.flush())
    monkeypatch.setattr(Bounds, "MEGABYTES", 200.0)
    with Bounds(), pytest.raises(encore.RatingsError, match=r"unpacks to more than 500 times"):
        import_ratings(path)


def test_ratings_that_are_much_alike_are_read(tmp_path: Path) -> None:
    # 200,000 rows that differ in the response and rating alone: some 20 MB, packed to a fortieth.
    alike = json.dumps({"prompt": "p" * 80, "tone": 0})[1:-2]
    rows = (f'{{"response": "{n}", {alike}{n % 5 + 1}}}' for n in range(200_000))
    path = tmp_path / "alike.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(rows).encode()))
    assert import_ratings(path).table.num_rows == 200_000


@pytest.mark.parametrize("size", [1 << 63, 2**64, 10**400])
def test_a_whole_number_of_any_size_is_kept(size: int, tmp_path: Path) -> None:
    rows = [{"response": "a", "tone": 1, "seed": size}, {"response": "b", "tone": 0, "seed": 1}]
    path = tmp_path / "judge.json"
    path.write_text(json.dumps(rows))
    assert import_ratings(path).table["seed"].to_pylist() == [str(size), "1"]
