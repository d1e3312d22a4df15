"""What strangers' files look like: every reader, whole files of its kind, and how they break.

A new reader joins every test by a line in :data:`READERS`.
"""

from __future__ import annotations

import functools
import gzip
import importlib.util
import json
import re
import resource
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
from hypothesis import strategies as st

import encore
from encore import Calibration, Reward, Rulebook, Weights, calibrate
from encore.evaluation.rewardbench.datasets import BENCHMARKS, write_texts
from encore.files import read_json
from encore.heads.files.checkpoint import Checkpoint
from encore.heads.files.safetensors import read_header, write_tensors
from encore.raters import Answer, Identity, Reason, Recorded, Store, Texts, Usage, rate
from encore.ratings import as_pairs
from encore.ratings.importing.tools import opener_of, tool_of
from encore.rewards.files import read_rewards
from encore.rules import LevelScale, RangeScale, Rule
from encore.weights.weights import load_hand_weights
from tests.ratings.importing.tools import outputs
from tests.ratings.importing.workbooks import write_workbook

RULES = Rulebook(
    (
        Rule("harm", "Does no harm.", LevelScale((1, 2, 3, 4, 5))),
        Rule("tone", "Is kind.", RangeScale(0.0, 1.0, bins=4)),
    )
)
Rows = list[dict[str, Any]]
ROWS: Rows = [
    {"prompt_id": "p", "response_id": "x", "harm": 5, "tone": 0.5, "subset": "a"},
    {"prompt_id": "p", "response_id": "y", "harm": 1, "tone": 0.25, "subset": "a"},
    {"prompt_id": "é", "response_id": "x", "harm": None, "tone": 1.0, "subset": "b"},
]
LABELLED: Rows = [
    {**row, "score": number / 2, "prompt": "Hi", "response": f"Hello {number}"}
    for number, row in enumerate(ROWS)
]
PAIRS: Rows = [
    {"id": "a", "prompt_id": "p", "subset": "chat", "chosen.harm": 5, "chosen.tone": 0.5}
    | {"rejected.harm": 1, "rejected.tone": 0.25},
    {"id": "b", "prompt_id": "q", "subset": "chat", "chosen.harm": 2, "chosen.tone": 1.0}
    | {"rejected.harm": 2, "rejected.tone": 0.0},
]
TEXTS: Rows = [
    {"id": "1", "subset": "donotanswer", "prompt": "Hi", "chosen": "Hello é", "rejected": "No"},
    {"id": "2", "subset": "donotanswer", "prompt": "Hi?", "chosen": "Yes", "rejected": "Shoo"},
]
REWARDS: Rows = [
    {"id": "a", "prompt_id": "p", "chosen.reward": 0.5, "rejected.reward": 0.25},
    {"id": "b", "prompt_id": "q", "chosen.reward": None, "rejected.reward": 1.0},
]


@dataclass(frozen=True)
class Reader:
    """One way in: the file's name, whole files of it, and what reads them."""

    name: str
    read: Callable[[Path], object]
    seeds: Callable[[Path], Iterator[Path]]

    @property
    def kind(self) -> str:
        """What the file is made of."""
        return self.name.rpartition(".")[2]


def _tables(rows: Rows) -> Callable[[Path], Iterator[Path]]:
    """The rows as a table of the ending that is asked for; Parquet by us and by others."""

    def seeds(path: Path) -> Iterator[Path]:
        table = pa.Table.from_pylist(rows)
        if path.suffix == ".parquet":
            pq.write_table(table, path)
            yield path
            nested = pa.array([{"a": [1]}] * len(rows))
            odd = table.append_column("more", nested).replace_schema_metadata({b"\xff": b"\xfe"})
            pq.write_table(odd, path, compression="gzip", data_page_version="2.0")
            yield path
        from encore.ratings.write import open_table

        with open_table(path, metadata={"encore.schema_version": "1"}) as write:
            write(table)
        yield path

    return seeds


def _calibration(path: Path) -> Iterator[Path]:
    calibrate(pa.Table.from_pylist(ROWS), RULES).save(path)
    yield path


def _weights(path: Path) -> Iterator[Path]:
    Weights.by_hand(RULES, {"harm": 3, "tone": 1}).save(path)
    yield path


def _reward(path: Path) -> Iterator[Path]:
    Reward(Weights.by_hand(RULES, {"harm": 3, "tone": 1})).save(path)
    yield path


def _hand(path: Path) -> Iterator[Path]:
    path.write_text('{"harm": 3, "tone": 1.5}')
    yield path


def _rules(path: Path) -> Iterator[Path]:
    RULES.save(path)
    yield path
    path.write_text('[[rule]]\nid = "a"\ntext = "A."\nscale.levels = [1, 2]\nwhy = """b"""\n')
    yield path


def _store(path: Path) -> Iterator[Path]:
    path.unlink(missing_ok=True)
    with Store(path) as store:
        who = Identity({"kind": "test", "model": "m"})
        rater, (harm, tone) = store.rater_id(who), store.rule_ids(RULES, who)
        for number in range(40):
            key = number.to_bytes(16, "big")
            given = Answer(4.5, 0.5, None, (0.5, 0.5), 1.0, "4" * number, Usage(1, 2, 3, 4))
            store.put(key, rater, harm, 0, given)
            store.put(key, rater, tone, 0, Answer(reason=Reason.REFUSED, reply="No."))
    yield path


def _tensors(path: Path) -> Iterator[Path]:
    import numpy as np

    write_tensors(path, {"a": np.ones((2, 3), np.float32), "b.c": np.zeros(4, np.float32)})
    yield path


def _config(path: Path) -> Iterator[Path]:
    path.write_text('{"model_type": "llama", "hidden_size": 3, "x": [0.0, Infinity, 1e30]}')
    next(_tensors(path.with_name("model.safetensors")))
    yield path


def _index(path: Path) -> Iterator[Path]:
    path.with_name("config.json").write_text('{"model_type": "llama", "hidden_size": 3}')
    next(_tensors(path.with_name("part.safetensors")))
    path.write_text('{"metadata": {}, "weight_map": {"a": "part.safetensors"}}')
    yield path


def _read_store(path: Path) -> object:
    with Store(path) as store:
        keys = [number.to_bytes(16, "big") for number in range(40)]
        return store.info(), list(store.rows()), list(store.answers(keys, 1))


def _read_tensors(path: Path) -> object:
    return [tensor.read() for tensor in read_header(path).values() if tensor.is_float]


def _write_texts(path: Path) -> object:
    return write_texts(BENCHMARKS["rewardbench-safety"], path, path.with_name("out.parquet"))


def _score(path: Path) -> object:
    weights = Weights.by_hand(RULES, {"harm": 3, "tone": 1})
    return encore.score(path, weights, path.with_name("out.parquet"))


def _make_pairs(path: Path) -> object:
    out = path.with_name("out.parquet")
    return encore.pairs(path, RULES, "score", gap=0, out=out, include_text=True)


def _rate(path: Path) -> object:
    texts = path.with_name("texts.jsonl")
    texts.write_text("\n".join(map(json.dumps, TEXTS)))
    return rate(texts, RULES, Recorded(path)).table


def _output(name: str) -> Callable[[Path], Iterator[Path]]:
    """The first row of a tool's output, or little more than that, as JSON; an archive whole."""

    def seeds(path: Path) -> Iterator[Path]:
        source = outputs.FOLDER / name
        if path.suffix != ".json":
            path.write_bytes(source.read_bytes())
        elif isinstance(found := outputs.document(source), list):
            path.write_text(json.dumps(found[:1]))
        else:
            if "eval" in found:
                found = {key: found[key] for key in ("eval", "plan")} | {
                    "samples": found["samples"][:1]
                }
            path.write_text(json.dumps(found))
        yield path

    return seeds


def _read_output(path: Path) -> object:
    opener = opener_of(path)
    if opener is not None and opener.open is not None:
        found = opener.open(path)
    else:
        found = read_json(path, "a tool's output", finite=False)
    tool = tool_of(found)
    if tool is None:
        raise encore.InputError("no tool's output")
    return list(tool.rows(found, str(path)))


OUTPUTS = {
    "inspect_ai.eval": "inspect_ai/log.eval",
    "inspect_ai.json": "inspect_ai/log.json",
    "autorubric.json": "autorubric/ensemble.jsonl",
    "deepeval.json": "deepeval/run.json",
    "deepeval_cache.json": "deepeval/cache.json",
    "promptfoo.json": "promptfoo/results.jsonl",
    "lm_eval.json": "lm_eval/samples_sums.jsonl",
    "verifiers.json": "verifiers/traces.jsonl",
    "verifiers_results.json": "verifiers/results.jsonl",
    "rewardbench.json": "rewardbench/scores.json",
    "rewardbench_2.json": "rewardbench/scores_2.json",
}


def _import(path: Path) -> object:
    return encore.import_ratings(path, path.with_name("out.parquet"), scale="0-5", as_is=["all"])


TABLES: dict[str, tuple[Rows, Callable[[Path], object]]] = {
    "judged": (ROWS, _import),
    "ratings": (ROWS, lambda path: calibrate(path, RULES)),
    "scored": (ROWS, _score),
    "pairs": (PAIRS, lambda path: as_pairs(path, RULES)),
    "labelled": (LABELLED, _make_pairs),
    "recorded": (PAIRS, _rate),
    "texts": (TEXTS, lambda path: list(Texts(path))),
    "benchmark": (TEXTS, _write_texts),
    "rewards": (REWARDS, read_rewards),
}


def _document(path: Path) -> Iterator[Path]:
    path.write_text(json.dumps({"results": ROWS}))
    yield path
    path.write_text(json.dumps([{"messages": [{"role": "user", "content": "Hi"}], **ROWS[0]}]))
    yield path


def _feather(path: Path) -> Iterator[Path]:
    for compression in ("lz4", "uncompressed"):
        pa.feather.write_feather(pa.Table.from_pylist(ROWS), str(path), compression=compression)
        yield path


def _packed(path: Path) -> Iterator[Path]:
    path.write_bytes(gzip.compress(_lines(ROWS)))
    yield path


def _workbook(path: Path) -> Iterator[Path]:
    rows = [list(ROWS[0]), *(list(row.values()) for row in ROWS)]
    yield write_workbook(path, {"a": rows, "b": []})


IMPORTED = {
    "judged.json": _document,
    "judged.feather": _feather,
    "judged.jsonl.gz": _packed,
}
if importlib.util.find_spec("python_calamine"):
    IMPORTED["judged.xlsx"] = _workbook

READERS = (
    Reader("calibration.json", Calibration.load, _calibration),
    Reader("weights.json", Weights.load, _weights),
    Reader("reward.json", Reward.load, _reward),
    Reader("hand.json", lambda path: load_hand_weights(path, RULES), _hand),
    Reader("rules.toml", Rulebook.load, _rules),
    Reader("store.sqlite", _read_store, _store),
    Reader("model.safetensors", _read_tensors, _tensors),
    Reader("config.json", lambda path: Checkpoint.open(path.parent), _config),
    Reader("model.safetensors.index.json", lambda path: Checkpoint.open(path.parent), _index),
    *(
        Reader(f"{name}.{ending}", read, _tables(rows))
        for name, (rows, read) in TABLES.items()
        for ending in ("parquet", "csv", "jsonl")
    ),
    *(Reader(name, _import, seeds) for name, seeds in IMPORTED.items()),
    *(Reader(name, _read_output, _output(file)) for name, file in OUTPUTS.items()),
)


@functools.cache
def made(reader: Reader) -> tuple[tuple[bytes, ...], dict[str, bytes]]:
    """Whole files, each of which its reader takes; and what belongs beside them."""
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for path in reader.seeds(Path(folder) / reader.name):
            found.append(path.read_bytes())
        beside = {entry.name: entry.read_bytes() for entry in Path(folder).iterdir()}
    del beside[reader.name]
    for data in found:
        assert try_reading(reader, data, beside), reader.name
    return tuple(found), beside


# What stands where something sensible should.
TOKENS = (
    *(b"null", b"true", b"NaN", b"-Infinity", b"nan", b"-inf", b"1e999", b"-0.0", b"1e-400"),
    *(b"9" * 400, b"9" * 5000, b"-1", b"9223372036854775808", b"0x" + b"f" * 500, b"0.5", b"1e308"),
    *(
        b'""',
        b'"\\ud800"',
        b'"a\\u0000b"',
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\x00",
        b"\r",
        b'"',
        b"'",
    ),
    *(b"[]", b"{}", b"[" * 5000, b"[" * 120 + b"]" * 120, b'{"a":' * 5000, b"a." * 2000),
    *(b"1979-05-27T07:32:00Z", "\u2028é²".encode(), b",", b"\n", b"=", b"#", b" " * 70_000),
)
_WORD = re.compile(rb'"(?:[^"\\\n]|\\.)*"|-?\d[\w.+-]*|\b\w+\b')


def broken(reader: Reader) -> st.SearchStrategy[bytes]:
    """Files of a reader's kind that were flipped, cut, filled, spliced, or made of anything."""
    files = made(reader)[0]
    whole = st.integers(0, len(files) - 1).map(lambda number: files[number])  # a repr of no length
    changed = st.builds(_changed, whole, st.lists(_changes(whole), min_size=1, max_size=4))
    row = st.dictionaries(st.sampled_from(_COLUMNS) | st.text(max_size=3), HARD | ODD, max_size=9)
    of_its_kind = {
        "json": [st.builds(_replaced, whole, PLACES, HARD | ODD), JSON_TEXTS],
        "parquet": [odd_parquet(), st.builds(unsealed, changed)],
        "sqlite": [st.builds(_updated, whole, st.lists(SQL, min_size=1, max_size=3))],
        "jsonl": [st.lists(row, max_size=4).map(_lines)],
    }
    options = [changed, st.binary(max_size=200), *of_its_kind.get(reader.kind, [])]
    return st.one_of(options).map(Contents)


class Contents(bytes):
    """Bytes that a failing test shows the beginning of."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes: {bytes(self[:2000])!r}>"


def _changes(whole: st.SearchStrategy[bytes]) -> st.SearchStrategy[Callable[[bytes], bytes]]:
    tokens = st.sampled_from(TOKENS) | st.binary(max_size=12)
    return st.one_of(
        st.builds(lambda p, b: lambda d: flipped(d, p, b), PLACES, st.integers(0, 7)),
        st.builds(lambda p, t: lambda d: _word(d, p, t), PLACES, tokens),
        st.builds(lambda p, t: lambda d: _between(d, p, p, t), PLACES, tokens),
        st.builds(lambda p, q, t: lambda d: _between(d, p, q, t), PLACES, PLACES, tokens),
        st.builds(lambda p: lambda d: d[: _at(d, p)], PLACES),
        st.builds(lambda p, q, r: lambda d: _again(d, p, q, r), PLACES, PLACES, PLACES),
        st.builds(lambda p, o: lambda d: d[: _at(d, p)] + o[_at(o, p) :], PLACES, whole),
    )


PLACES = st.floats(0, 1, exclude_max=True)


def _changed(data: bytes, steps: list[Callable[[bytes], bytes]]) -> bytes:
    for step in steps:
        data = step(data)
    return data


def _at(data: bytes, place: float) -> int:
    return int(place * (len(data) + 1))


def flipped(data: bytes, place: float, bit: int) -> bytes:
    """One bit the other way round."""
    changed = bytearray(data or b"\0")
    changed[int(place * len(changed))] ^= 1 << bit
    return bytes(changed)


def _word(data: bytes, place: float, token: bytes) -> bytes:
    words = list(_WORD.finditer(data))
    if not words:
        return token
    found = words[int(place * len(words))]
    return data[: found.start()] + token + data[found.end() :]


def _between(data: bytes, one: float, other: float, new: bytes) -> bytes:
    low, high = sorted((_at(data, one), _at(data, other)))
    return data[:low] + new + data[high:]


def _again(data: bytes, one: float, other: float, to: float) -> bytes:
    low, high = sorted((_at(data, one), _at(data, other)))
    return _between(data, to, to, data[low : min(high, low + 4096)])


_COLUMNS = sorted({name for rows, _ in TABLES.values() for row in rows for name in row})
_COLUMNS += ["prompt", "response", "repeat", "harm.spread"]
ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(2**63), 2**64, 0, 1, 5])
    | st.floats()
    | st.text(st.characters(), max_size=8)
    | st.sampled_from(["\ud800", "a\0b", "é", "harm", "1", ""]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=8,
)
HARD: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(10**400, -(10**400), 2**63, 2**64, -1, 0, 1, 5, 0.5, -0.5, 1e308, True, False, None),
        *(float("nan"), float("inf"), "", "a\0b", "\ud800", "é", "1", "harm", [], {}, [1], [[]]),
        json.loads("[" * 150 + "]" * 150),
    ]
)
JSON_TEXTS = ODD.map(lambda value: json.dumps(value).encode())


def _lines(rows: list[Any]) -> bytes:
    return "\n".join(map(json.dumps, rows)).encode()


def _spots(document: Any) -> list[tuple[Any, Any]]:
    """Every place of a document, as what holds it and the key or number there."""
    spots: list[tuple[Any, Any]] = []
    left: list[Any] = [document]
    while left:
        part = left.pop()
        for key in list(part) if isinstance(part, dict) else range(len(part)):
            spots.append((part, key))
            if isinstance(part[key], dict | list):
                left.append(part[key])
    return spots


def spots_of(data: bytes) -> int:
    """How many places a document has."""
    return len(_spots(json.loads(data)))


def replaced(data: bytes, spot: int, value: Any) -> bytes:
    """A document with one of its values replaced."""
    document = json.loads(data)
    part, key = _spots(document)[spot]
    part[key] = value
    return json.dumps(document).encode()


def _replaced(data: bytes, place: float, value: Any) -> bytes:
    return replaced(data, int(place * spots_of(data)), value)


SCALES = (
    *("{ levels = [1, inf] }", "{ levels = [nan, 1] }", "{ levels = [1, 1e999] }", "{}", "5"),
    *("{ worst = 0, best = 1, bins = inf }", "{ worst = 0, best = 1, bins = nan }", "[]"),
    *("{ worst = 0, best = 1, bins = 1e300 }", "{ worst = 0, best = 1, bins = true }", "''"),
    *("{ worst = 0, best = 1, bins = '4' }", "{ worst = 0, best = 1, bins = 1979-05-27 }"),
    f"{{ worst = 0, best = 1, bins = {'9' * 400} }}",
    f"{{ worst = {'9' * 400}, best = 1 }}",
    f"{{ levels = [1, {'9' * 5000}] }}",
    f"{{ levels = [1, 0x{'f' * 5000}] }}",
    f"{{ levels = {'[' * 2000}{']' * 2000} }}",
    f"{{ levels = {'[' * 150}{']' * 150} }}",
    *("{ levels = '12345' }", "{ levels = ['1', '2'] }", "{ levels = [false, true] }"),
    *("{ levels = {1 = 1, 2 = 2} }", "{ levels = [1979-05-27, 1980-05-27] }", "{ levels = [[1]] }"),
    *("{ levels = 5 }", "{ worst = [], best = 1 }", "{ worst = 00:00:00, best = 1 }"),
)
"""What stands in rules where a scale should, and is none."""


def unsealed(data: bytes) -> bytes:
    """A Parquet file of ours with nothing that says what its bytes should be."""
    return data.replace(b"encore.digest", b"encore.dig3st")


SQL = st.sampled_from(
    [
        *(
            f"UPDATE {table} SET {column} = {value}"
            for table, columns in {
                "answers": "conversation rater rule sample value spread reason probabilities reply "
                "n_requests prompt_tokens n_cut made",
                "raters": "identity digest rater",
                "rules": "text scale digest rulebook",
            }.items()
            for column in columns.split()
            for value in (
                *("'x'", "x'ff'", "CAST(x'ff' AS TEXT)", "1e999", "9223372036854775807", "-1.5"),
                *(
                    "'[1'",
                    "'[null]'",
                    "'null'",
                    "'\ud7ff'",
                    "zeroblob(100)",
                    "'refused'",
                    "'[[1]]'",
                ),
            )
        ),
        *("DROP TABLE answers", "DROP TABLE raters", "DELETE FROM raters", "DELETE FROM rules"),
        *("ALTER TABLE answers DROP COLUMN n_cut", "ALTER TABLE raters RENAME TO others"),
        "DROP TABLE rules; CREATE VIEW rules AS SELECT 1 AS rule, x'00' AS digest, 't' AS text, "
        "'s' AS scale, NULL AS rulebook, NULL AS id",
        *("PRAGMA user_version = -1", "PRAGMA application_id = 1", "PRAGMA user_version = 99"),
        "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = 'CREATE TABLE answers (x)'",
        "PRAGMA writable_schema = ON; UPDATE sqlite_master SET rootpage = rootpage + 1",
        "PRAGMA journal_mode = DELETE",
    ]
)


def _updated(data: bytes, statements: list[str]) -> bytes:
    """A store after someone else's statements."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s"
        path.write_bytes(data)
        database = sqlite3.connect(path, isolation_level=None)
        for statement in statements:
            try:
                database.executescript(statement)
            except sqlite3.Error:
                pass
        database.close()
        return path.read_bytes()


_KINDS = (
    *(pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.bool_(), pa.string(), pa.binary()),
    *(pa.large_string(), pa.string_view(), pa.binary(3), pa.decimal128(38, 10), pa.date32()),
    *(pa.timestamp("ns", "UTC"), pa.time64("us"), pa.duration("s"), pa.list_(pa.int8()), pa.null()),
    *(pa.struct([("role", pa.string()), ("x", pa.binary())]), pa.map_(pa.string(), pa.int8())),
    *(pa.dictionary(pa.int8(), pa.string()), pa.list_(pa.struct([("role", pa.string())]), 1)),
    pa.list_(pa.timestamp("s")),
)
_CELLS = {"b": b"\xff\xfe\xfd", "n": 10**28, "s": "a", "é": "é"}


@st.composite
def odd_parquet(draw: st.DrawFn) -> bytes:
    """A whole Parquet file of other types than anybody expects, with texts that are no text."""
    names = draw(st.lists(st.sampled_from(_COLUMNS), min_size=1, max_size=9))
    n_rows = draw(st.integers(0, 3))
    columns = []
    for _ in names:
        kind = draw(st.sampled_from(_KINDS))
        zeros = pa.nulls(n_rows, kind)
        if n_rows and (pa.types.is_binary(kind) or pa.types.is_large_string(kind)):
            zeros = pa.array([draw(st.sampled_from([b"\xff\xfe", b"a", b""]))] * n_rows)
        elif n_rows and pa.types.is_string(kind):
            raw = pa.array([draw(st.sampled_from([b"\xff\xfe", b"a", b""]))] * n_rows)
            zeros = pa.Array.from_buffers(kind, n_rows, raw.buffers())
        elif n_rows and draw(st.booleans()) and not pa.types.is_null(kind):
            try:
                one = pa.scalar(draw(st.sampled_from([1, 0, "a", 0.5, b"abc"])), kind)
                zeros = pa.array([one.as_py()] * n_rows, kind)
            except (pa.ArrowException, TypeError, ValueError, OverflowError):
                pass
        columns.append(zeros)
    said = draw(
        st.dictionaries(
            st.sampled_from([b"encore.kind", b"encore.schema_version", b"encore.provenance"])
            | st.binary(max_size=3),
            st.sampled_from(
                [b"encore.ratings", b"encore.texts", b"\xb2", "²".encode(), b"9" * 5000]
            )
            | st.sampled_from(
                [b"1", b"-1", b"01", b"[1]", b"null", b"\xff", b'{"rater": {"kind": 1}}']
            ),
            max_size=3,
        )
    )
    table = pa.Table.from_arrays(columns, names).replace_schema_metadata(said)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, store_schema=draw(st.booleans()))
    return bytes(sink.getvalue())


class Bounds:
    """Fails where one example takes too long or too much memory."""

    SECONDS, MEGABYTES = 20.0, 1500.0

    def __enter__(self) -> None:
        self.began = time.monotonic()
        self.peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def __exit__(self, *_: object) -> None:
        took = time.monotonic() - self.began
        more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - self.peak) / 1024
        assert took < self.SECONDS, f"{took:.0f} s for one file"
        assert more < self.MEGABYTES, f"{more:.0f} MB for one file"


def try_reading(reader: Reader, data: bytes, beside: Mapping[str, bytes] | None = None) -> bool:
    """Whether *data* is read; if not, the error is one of ours, and nothing else is left behind."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / reader.name
        files = {**(made(reader)[1] if beside is None else beside), reader.name: data}
        for name, contents in files.items():
            path.with_name(name).write_bytes(contents)
        try:
            with Bounds():
                reader.read(path)
        except encore.EncoreError as error:
            assert str(error).strip()
            left = {entry.name for entry in Path(folder).iterdir()} - {*files, "texts.jsonl"}
            left -= {f"{reader.name}-wal", f"{reader.name}-shm"}  # SQLite's own
            assert not left, left
            return False
        return True
