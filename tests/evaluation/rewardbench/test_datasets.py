from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from encore import examples
from encore.errors import InputError, MissingExtraError, RatingsError
from encore.evaluation import BENCHMARKS, SAFETY_COUNTS, Benchmark, write_texts
from encore.files import file_digest
from encore.raters import Recorded, Texts, rate
from encore.ratings import Ids, as_pairs

PAIRS, BEST = BENCHMARKS["rewardbench-safety"], BENCHMARKS["rewardbench2-safety"]
Rows = list[dict[str, Any]]


def pair(number: int, subset: str = "donotanswer", **changed: Any) -> dict[str, Any]:
    """A row as the hub has them: RewardBench."""
    return {
        "prompt": f"How is tea {number} made?",
        "chosen": "With hot water.",
        "chosen_model": "kettle",
        "rejected": "Ask, «later».\nOr not.",
        "rejected_model": "pot",
        "subset": subset,
        "id": number,
        **changed,
    }


def quartet(number: int, subset: str = "Safety", **changed: Any) -> dict[str, Any]:
    """A row as the hub has them: RewardBench 2."""
    return {
        "id": str(number),
        "prompt": f"How is tea {number} made?",
        "chosen": ["With hot water."],
        "rejected": ["Ask, «later».", "No.", "Perhaps."],
        "num_correct": 1,
        "num_incorrect": 3,
        "total_completions": 4,
        "models": ["kettle", "pot", "pot", "cup"],
        "subset": subset,
        "additional_metadata": {"category": None},
        **changed,
    }


def write(path: Path, rows: Rows) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        cells = [
            {k: v if isinstance(v, str | int) else json.dumps(v) for k, v in row.items()}
            for row in rows
        ]
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(cells)
    return path


def written(benchmark: Benchmark, rows: Rows, folder: Path, suffix: str = ".jsonl") -> Rows:
    write_texts(benchmark, write(folder / f"in{suffix}", rows), folder / "out.parquet")
    found: Rows = pq.read_table(folder / "out.parquet").to_pylist()
    return found


def hub_rows(benchmark: Benchmark) -> Iterator[dict[str, Any]]:
    """As many rows of each subset as the benchmark has, numbered anew in each, and others."""
    make = pair if benchmark is PAIRS else quartet
    for subset, n_rows in [*benchmark.counts.items(), ("other", 3)]:
        for number in range(n_rows):
            yield make(number, subset)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Callable[[Rows], list[tuple[str, Any, Any]]]:
    def serve(rows: Rows) -> list[tuple[str, Any, Any]]:
        asked: list[tuple[str, Any, Any]] = []

        def load_dataset(name: str, *, split: str, revision: str) -> Rows:
            asked.append((name, split, revision))
            return rows

        module = ModuleType("datasets")
        module.__dict__["load_dataset"] = load_dataset
        monkeypatch.setitem(sys.modules, "datasets", module)
        return asked

    return serve


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".csv"])
def test_pairs_of_the_subsets_are_kept_in_the_pairs_layout(suffix: str, tmp_path: Path) -> None:
    rows = [pair(7), pair(7, "xstest-should-refuse", prompt="How is tea 7 made?"), pair(1, "math")]
    found = written(PAIRS, rows, tmp_path, suffix)
    first, second = found  # the third is of another section
    assert list(first) == [
        *("id", "prompt_id", "subset", "prompt", "chosen", "rejected"),
        *("chosen_model", "rejected_model"),
    ]
    # The dataset's numbers are unique within a subset only.
    assert [row["id"] for row in found] == ["donotanswer/7", "xstest-should-refuse/7"]
    assert first["prompt_id"] == second["prompt_id"]
    same = ("prompt", "chosen", "rejected", "chosen_model", "rejected_model", "subset")
    assert {name: first[name] for name in same} == {name: rows[0][name] for name in same}


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".csv"])
def test_a_row_of_several_rejected_is_a_pair_each_under_one_prompt(
    suffix: str, tmp_path: Path
) -> None:
    found = written(BEST, [quartet(3), quartet(4, "Factuality")], tmp_path, suffix)
    assert [row["id"] for row in found] == ["3/0", "3/1", "3/2"]
    assert {row["prompt_id"] for row in found} == {"3"}
    assert {row["chosen"] for row in found} == {"With hot water."}
    assert [row["rejected"] for row in found] == ["Ask, «later».", "No.", "Perhaps."]
    assert "chosen_model" not in found[0]


def test_prompt_ids_are_those_that_rating_the_source_would_give(tmp_path: Path) -> None:
    rows = [pair(1), pair(2)]
    found = written(PAIRS, rows, tmp_path)
    direct = [row.ids["prompt_id"] for row in Texts(tmp_path / "in.jsonl")]
    assert [row["prompt_id"] for row in found] == direct
    assert direct[0] != direct[1]


@pytest.mark.parametrize("own", ["p9", 0])
def test_prompt_ids_and_text_ids_of_a_file_stay(own: Any, tmp_path: Path) -> None:
    (found,) = written(PAIRS, [pair(1, prompt_id=own, id="xs-001")], tmp_path)
    assert (found["prompt_id"], found["id"]) == (str(own), "xs-001")


@pytest.mark.parametrize(
    ("benchmark", "row", "n_pairs", "n_distinct"),
    [(PAIRS, pair(1), 1, 2), (BEST, quartet(1), 3, 4)],
)
def test_what_is_written_can_be_rated_and_counted(
    benchmark: Benchmark, row: dict[str, Any], n_pairs: int, n_distinct: int, tmp_path: Path
) -> None:
    counts = write_texts(benchmark, write(tmp_path / "in.jsonl", [row]), tmp_path / "out.parquet")
    assert counts == {row["subset"]: 1}
    # The chosen response of a best of n is one response, whatever it is compared with.
    items = list(Texts(tmp_path / "out.parquet").items())
    assert len({item.text_key for item in items}) == n_distinct
    rated = rate(tmp_path / "out.parquet", examples.rules(), Recorded(examples.ratings_path()))
    pairs = as_pairs(rated.table, examples.rules())
    assert pairs.n_pairs == n_pairs
    assert benchmark.counts_in(pairs.subsets, pairs.prompts) == counts


def test_the_source_is_never_written_over(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", [pair(1)])
    before = source.read_bytes()
    (tmp_path / "link.jsonl").symlink_to(source)
    for out in (source, tmp_path / "link.jsonl"):
        with pytest.raises(InputError, match="is an input"):
            write_texts(PAIRS, source, out)
    with pytest.raises(InputError, match=r"expected one of \.parquet, \.csv, \.jsonl"):
        write_texts(PAIRS, source, tmp_path / "out.txt")
    assert source.read_bytes() == before


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_texts_are_the_same_in_every_format(ending: str, tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", [{**pair(1), "prompt": "=1+1"}])
    for form in ("parquet", ending):
        write_texts(PAIRS, source, tmp_path / f"out.{form}")
    rows = [list(Texts(tmp_path / f"out.{form}")) for form in ("parquet", ending)]
    (chosen, _) = Texts(tmp_path / "out.parquet").items()
    assert rows[0] == rows[1] and chosen.messages == (("user", "=1+1"),)


def test_the_file_says_what_it_was_made_from_and_is_the_same_every_time(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", [pair(1)])
    for name in ("a.parquet", "b.parquet"):
        write_texts(PAIRS, source, tmp_path / name)
    assert file_digest(tmp_path / "a.parquet") == file_digest(tmp_path / "b.parquet")
    metadata = pq.read_schema(tmp_path / "a.parquet").metadata
    assert (metadata[b"encore.kind"], metadata[b"encore.schema_version"]) == (b"encore.texts", b"1")
    assert json.loads(metadata[b"encore.provenance"]) == {
        "benchmark": "rewardbench-safety",
        "data": "in.jsonl",
        "data_sha256": file_digest(source),
    }


@pytest.mark.parametrize("benchmark", BENCHMARKS.values(), ids=BENCHMARKS)
def test_the_hub_is_asked_for_the_pinned_commit_and_split(
    benchmark: Benchmark, hub: Callable[[Rows], list[tuple[str, Any, Any]]], tmp_path: Path
) -> None:
    asked = hub(list(hub_rows(benchmark)))
    counts = write_texts(benchmark, None, tmp_path / "out.parquet")
    assert asked == [(benchmark.hub, benchmark.split, benchmark.revision)]
    assert counts == benchmark.counts and benchmark.deviation(counts) == ""
    table = pq.read_table(tmp_path / "out.parquet")
    # 740 pairs; 450 prompts with three rejected responses each.
    assert table.num_rows == (740 if benchmark is PAIRS else 1350)
    assert len(set(table["id"].to_pylist())) == table.num_rows
    stated = json.loads(table.schema.metadata[b"encore.provenance"])
    assert stated["revision"] == benchmark.revision


def test_the_pins_are_the_published_ones() -> None:
    assert (PAIRS.hub, PAIRS.split) == ("allenai/reward-bench", "filtered")
    assert PAIRS.revision == "168d848cdbbea9764fae4a544dc9ca1e6cca4931"
    assert (BEST.hub, BEST.split) == ("allenai/reward-bench-2", "test")
    assert BEST.revision == "7ff08853b0d5686e79b13fda8677024f566a104a"
    assert (PAIRS.n_rows, BEST.n_rows, BEST.n_responses) == (740, 450, 4)
    assert PAIRS.counts is SAFETY_COUNTS


def test_the_hub_s_own_rows_must_be_whole(
    hub: Callable[[Rows], list[tuple[str, Any, Any]]], tmp_path: Path
) -> None:
    hub([row for row in hub_rows(PAIRS) if (row["subset"], row["id"]) != ("donotanswer", 0)])
    with pytest.raises(InputError, match=r"739 of 740 pairs, but .* has all of them at rev"):
        write_texts(PAIRS, None, tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_a_copy_of_the_hub_s_file_must_be_whole_too(tmp_path: Path) -> None:
    source = write(tmp_path / "in.parquet", [pair(1)])
    own = replace(PAIRS, sha256=file_digest(source))
    with pytest.raises(InputError, match="1 of 5 subsets; 1 of 740 pairs, but"):
        write_texts(own, source, tmp_path / "out.parquet")


def test_without_the_extra_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[hub\]'"):
        write_texts(PAIRS, None, tmp_path / "out.parquet")


@pytest.mark.parametrize(
    ("benchmark", "counts", "sentence"),
    [
        (PAIRS, SAFETY_COUNTS, ""),
        # 72 + 67 + 89 = 228 pairs in three subsets; another section's do not count.
        (
            PAIRS,
            {"xstest-should-refuse": 72, "xstest-should-respond": 67, "donotanswer": 89, "hh": 230},
            "3 of 5 subsets; 228 of 740 pairs",
        ),
        (PAIRS, {**SAFETY_COUNTS, "donotanswer": 135}, "739 of 740 pairs"),
        # As many as there should be, in the wrong subsets.
        (
            PAIRS,
            {**SAFETY_COUNTS, "xstest-should-refuse": 250, "xstest-should-respond": 154},
            "740 of 740 pairs; 250 instead of 154 in xstest-should-refuse",
        ),
        (
            PAIRS,
            {"donotanswer": 900},
            "1 of 5 subsets; 900 instead of 740 pairs; 900 instead of 136 in donotanswer",
        ),
        (PAIRS, {}, "0 of 5 subsets; 0 of 740 pairs"),
        (BEST, {"Safety": 450}, ""),
        (BEST, {"Safety": 50}, "50 of 450 prompts"),
    ],
)
def test_what_is_present_is_said(
    benchmark: Benchmark, counts: dict[str, int], sentence: str
) -> None:
    assert benchmark.deviation(counts) == sentence


def test_rows_are_pairs_or_the_prompts_of_a_best_of_n() -> None:
    subsets, prompts = Ids.of(["donotanswer"] * 3 + ["hh"]), Ids.of(["a", "a", "b", "c"])
    assert PAIRS.counts_in(subsets, prompts) == {"donotanswer": 3}
    subsets = Ids.of(["Safety"] * 3 + ["Math"])
    assert BEST.counts_in(subsets, prompts) == {"Safety": 2}
    # Pairs that were taken out leave their names behind.
    assert BEST.counts_in(subsets.take(slice(3, 4)), prompts.take(slice(3, 4))) == {}


def without(row: dict[str, Any], column: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != column}


@pytest.mark.parametrize("column", ["id", "subset", "prompt", "chosen", "rejected"])
@pytest.mark.parametrize(("benchmark", "row"), [(PAIRS, pair(1)), (BEST, quartet(1))])
def test_a_missing_column_is_named(
    benchmark: Benchmark, row: dict[str, Any], column: str, tmp_path: Path
) -> None:
    with pytest.raises(RatingsError, match=f"row 1, column '{column}': there is no such column"):
        written(benchmark, [without(row, column)], tmp_path, ".parquet")


@pytest.mark.parametrize(
    ("benchmark", "rows", "message"),
    [
        (PAIRS, [pair(1, "math-prm")], r"no row is of the subsets refusals-d.*; found math-prm\."),
        (BEST, [quartet(1, "Ties", chosen=["a", "b"])], r"subsets Safety of .*; found Ties\."),
        (PAIRS, [pair(1), pair(2), pair(1)], "row 3, column 'id': the id '1' is also in row 1"),
        (BEST, [quartet(1), quartet(1)], "row 2, column 'id': the id '1' is also in row 1"),
        (PAIRS, [pair(1, id=None)], "row 1, column 'id': it is empty"),
        (PAIRS, [pair(1), pair(2, chosen=None)], "row 2, column 'chosen': None is not text"),
        (PAIRS, [pair(1, prompt="\ud800")], "half of a character"),
        (BEST, [quartet(1, chosen=["a", "b"])], "column 'chosen': 2 texts; expected 1"),
        (BEST, [quartet(1, rejected=["a"])], "column 'rejected': 1 texts; expected 3"),
        (BEST, [quartet(1, chosen="a")], "column 'chosen': 'a' is not a list of texts; in CSV"),
        (BEST, [quartet(1, chosen=[None])], "column 'chosen': None is not text"),
    ],
)
def test_what_is_not_as_in_the_benchmark_is_refused(
    benchmark: Benchmark, rows: Rows, message: str, tmp_path: Path
) -> None:
    with pytest.raises(RatingsError, match=message):
        written(benchmark, rows, tmp_path)
    assert not (tmp_path / "out.parquet").exists()


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("\n")
    with pytest.raises(RatingsError, match="found no rows"):
        write_texts(PAIRS, tmp_path / "in.jsonl", tmp_path / "out.parquet")


def test_a_source_that_is_no_file_is_not_looked_for_on_the_hub(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such file\. Give one with the columns of allenai"):
        write_texts(PAIRS, tmp_path / "absent.parquet", tmp_path / "out.parquet")
    (tmp_path / "in.txt").write_text("x")
    with pytest.raises(InputError, match="not a file of texts"):
        write_texts(PAIRS, tmp_path / "in.txt", tmp_path / "out.parquet")
