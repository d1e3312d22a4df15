"""Broken files and impossible paths, by every reader: one error of ours, and nothing left behind.

The fuzzers of ``make long`` try what these tables do not think of; here is a sample of them.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

import encore
from encore import Calibration, Reward, Rulebook, Weights
from encore.evaluation.rewardbench.datasets import BENCHMARKS, write_texts
from encore.raters import Recorded, Store, Texts
from encore.ratings import as_pairs
from encore.rewards.files import read_rewards
from encore.weights.weights import load_hand_weights
from tests.hostile import (
    READERS,
    RULES,
    SCALES,
    Bounds,
    Contents,
    Reader,
    broken,
    made,
    replaced,
    spots_of,
    try_reading,
)

of_each_reader = pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)

# What no reader takes. A line here is a test of each of them.
NOTHING = {
    "nothing": b"",
    "spaces": b" \n \n",
    "a byte order mark": b"\xef\xbb\xbf",
    "zeros": b"\0" * 1000,
    "no UTF-8": b"\xff\xfe\xfd",
    "UTF-16": '{"kind": "encore.calibration"}'.encode("utf-16"),
    "null": b"null",
    "a number": b"3",
    "a list": b"[1, 2]",
    "half an object": b'{"kind": "enc',
    "lists without end": b"[" * 100_000,
    "objects without end": b'{"a":' * 100_000,
    "tables without end": b"a = " + b"{a = " * 5000,
    "a key without end": b"a." * 100_000,
    "lists in a cell": b"prompt_id,harm\n" + b"[" * 100_000,
    "400 digits": b'{"kind": ' + b"9" * 400 + b"}",
    "5,000 digits": b'{"kind": ' + b"9" * 5000 + b"}",
    "half a character": b'{"kind": "\\ud800"}',
    "a key twice": b'{"kind": 1, "kind": 2}',
    "the start of Parquet": b"PAR1",
    "no more than Parquet's ends": b"PAR1\0\0\0\0PAR1",
    "a footer longer than the file": b"PAR1" + b"\xff\xff\xff\x7f" + b"PAR1",
    "the start of a database": b"SQLite format 3\0" + b"\0" * 84,
    "a header of 2^62 bytes": (1 << 62).to_bytes(8, "little") + b"{}",
    "a quote without end": b'"' + b"a" * 1_000_000,
}


@pytest.mark.parametrize("contents", NOTHING.values(), ids=NOTHING.keys())
@of_each_reader
def test_what_is_no_such_file_is_refused(reader: Reader, contents: bytes) -> None:
    # An empty file is a store that SQLite has not written to yet.
    new = reader.name == "store.sqlite" and not contents
    assert try_reading(reader, contents) == new


# Half of a table of lines is a table, and half of the rules are rules.
WHOLE = [
    reader
    for reader in READERS
    if reader.kind in ("json", "parquet", "feather", "gz", "xlsx", "sqlite", "safetensors")
]


@pytest.mark.parametrize("reader", WHOLE, ids=lambda reader: reader.name)
def test_half_a_file_is_refused(reader: Reader) -> None:
    for whole in made(reader)[0]:
        assert not try_reading(reader, whole[: len(whole) // 2])


DOCUMENTS = [reader for reader in READERS if reader.kind == "json"]
ODD_VALUES: list[Any] = [
    *(None, True, -1, 0, 2**63, 10**400, 0.5, -0.5, "", "a", "\ud800", "1", [], {}, [[]], [None]),
    *(float("nan"), float("inf"), {"a": None}, ["a"] * 3, [-1] * 3, [2**62] * 3),
]


@pytest.mark.parametrize("reader", DOCUMENTS, ids=lambda reader: reader.name)
def test_any_value_in_any_place_of_a_document_is_read_or_refused(reader: Reader) -> None:
    for whole in made(reader)[0]:
        for spot, value in itertools.product(range(spots_of(whole)), ODD_VALUES):
            try_reading(reader, replaced(whole, spot, value))


@pytest.mark.parametrize("said", SCALES)
def test_a_scale_that_is_none_is_refused(said: str, tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(f'[[rule]]\nid = "a"\ntext = "A."\nscale = {said}\n')
    with Bounds(), pytest.raises(encore.DocumentError, match=r"rules\.toml: "):
        Rulebook.load(path)


def test_a_byte_order_mark_is_no_part_of_a_file() -> None:
    kinds = ("json", "toml", "csv", "jsonl")
    for reader in (reader for reader in READERS if reader.kind in kinds):
        assert all(try_reading(reader, b"\xef\xbb\xbf" + data) for data in made(reader)[0])


@of_each_reader
def test_a_sample_of_the_fuzzers(reader: Reader) -> None:
    @settings(max_examples=25, derandomize=True, suppress_health_check=[*HealthCheck])
    @given(data=broken(reader))
    def try_one(data: Contents) -> None:
        try_reading(reader, data)

    try_one()


# --- paths ------------------------------------------------------------------------------------

WEIGHTS = Weights.by_hand(RULES, {"harm": 3, "tone": 1})
ROWS = [[5, 0.5], [1, 0.25]]
Verb = Callable[[Any], object]
READ: dict[str, Verb] = {
    "Calibration.load": Calibration.load,
    "Weights.load": Weights.load,
    "Reward.load": Reward.load,
    "hand weights": lambda path: load_hand_weights(path, RULES),
    "Rulebook.load": Rulebook.load,
    "rules of calibrate": lambda path: encore.calibrate(ROWS, path),
    "calibrate": lambda path: encore.calibrate(path, RULES),
    "merge": encore.merge,
    "diagnose": encore.diagnose,
    "weigh": lambda path: encore.weigh(path, "linear"),
    "score": lambda path: encore.score(path, WEIGHTS),
    "reward of score": lambda path: encore.score(ROWS, path),
    "as_pairs": lambda path: as_pairs(path, RULES),
    "evaluate": lambda path: encore.evaluate(path, WEIGHTS),
    "rewards": read_rewards,
    "compare": lambda path: encore.compare(path, RULES),
    "texts": lambda path: list(Texts(path)),
    "benchmark": lambda path: write_texts(BENCHMARKS["rewardbench-safety"], path, "out.csv"),
    "rate": lambda path: encore.rate(path, RULES, Recorded("ratings.csv")),
    "recorded": lambda path: encore.rate("texts.csv", RULES, Recorded(path)),
    "store": lambda path: Store(path).info(),
    "train": lambda path: encore.train(path, RULES, backbone="b", out="out"),
    "backbone": lambda path: encore.train("texts.csv", RULES, backbone=path, out="out"),
    "fold": lambda path: encore.fold(path, WEIGHTS, out="out"),
    "report": lambda path: encore.report(path, RULES),
}
WRITTEN: dict[str, Verb] = {
    "calibration": lambda path: encore.calibrate(ROWS, RULES).save(path),
    "weights": WEIGHTS.save,
    "reward": Reward(WEIGHTS).save,
    "rules": RULES.save,
    "score": lambda path: encore.score("ratings.csv", WEIGHTS, path),
    "benchmark": lambda path: write_texts(BENCHMARKS["rewardbench-safety"], "texts.csv", path),
    "store": lambda path: encore.rate("texts.csv", RULES, Recorded("ratings.csv"), store=path),
}
LONG = "a" * 300


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the paths lead to."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "texts.csv").write_text("id,subset,prompt,chosen,rejected\n1,donotanswer,a,b,c\n")
    (tmp_path / "ratings.csv").write_text("response_id,harm,tone\nx,5,0.5\n")
    for ending in ("csv", "jsonl", "parquet", "json", "toml"):
        (tmp_path / f"folder.{ending}").mkdir()
        (tmp_path / f"loop.{ending}").symlink_to(f"loop.{ending}")
        os.mkfifo(tmp_path / f"pipe.{ending}")
        (tmp_path / f"zero.{ending}").symlink_to("/dev/zero")
    return tmp_path


IMPOSSIBLE = [
    "",
    "\0",
    "a\0.csv",
    "a\0.json",
    f"{LONG}.csv",
    f"{LONG}.json",
    LONG,
    "texts.csv/a.csv",
]
IMPOSSIBLE += [f"{kind}.{ending}" for kind in ("folder", "loop") for ending in ("csv", "json")]
IMPOSSIBLE += ["folder.parquet", "loop.jsonl", "\ud800.csv", "\ud800.json"]


@pytest.mark.parametrize("path", IMPOSSIBLE, ids=lambda path: ascii(path[:9] + path[-9:]))
@pytest.mark.parametrize("verb", READ.values(), ids=READ.keys())
def test_a_path_that_leads_to_no_file_is_an_error_of_ours(
    verb: Verb, path: str, place: Path
) -> None:
    before = sorted(place.iterdir())
    for given_path in (path, Path(path)):
        with Bounds(), pytest.raises((encore.EncoreError, FileNotFoundError)) as caught:
            verb(given_path)
        missing = isinstance(caught.value, FileNotFoundError)
        assert not missing or "\ud800" in path  # some bytes name a file, which is not there
    assert sorted(place.iterdir()) == before


# A document may come through a pipe; a table is read twice, and a store is a file.
TABLES = ("calibrate", "score", "as_pairs", "evaluate", "rewards", "compare", "recorded")


@pytest.mark.parametrize("path", ["pipe.csv", "zero.csv", "zero.jsonl", "pipe.parquet"])
@pytest.mark.parametrize("verb", TABLES)
def test_a_table_is_a_file_not_a_pipe_or_a_device(verb: str, path: str, place: Path) -> None:
    with Bounds(), pytest.raises(encore.EncoreError):
        READ[verb](path)


@pytest.mark.parametrize("path", ["zero.json", "zero.toml"])
@pytest.mark.parametrize("verb", ["Calibration.load", "Reward.load", "Rulebook.load"])
def test_a_document_has_an_end(verb: str, path: str, place: Path) -> None:
    with Bounds(), pytest.raises(encore.EncoreError):
        READ[verb](path)


@pytest.mark.parametrize(
    "path", [*IMPOSSIBLE[:9], "loop.csv", "loop.json"], ids=lambda path: ascii(path[:9] + path[-9:])
)
@pytest.mark.parametrize("verb", WRITTEN.values(), ids=WRITTEN.keys())
def test_nothing_is_written_to_a_path_that_is_none(verb: Verb, path: str, place: Path) -> None:
    before = sorted([*place.iterdir(), *place.parent.iterdir()])
    for given_path in (path, Path(path)):
        with Bounds(), pytest.raises(encore.EncoreError):
            verb(given_path)
    assert sorted([*place.iterdir(), *place.parent.iterdir()]) == before
