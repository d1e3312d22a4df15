"""Make the bundled ratings from the project's shared data folder: numbers only, no text.

Run as ``python tools/make_examples.py ../shared/data``. The result is deterministic.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from encore.examples import applies_path, ratings_path, rules
from encore.ratings.files import write_ratings
from encore.ratings.write import open_table

PASSES = {1: 0, 2: 1}  # the file counts passes from 1, a ratings table counts repeats from 0


def main(data: Path) -> None:
    rows = pq.read_table(data / "llm_ratings.parquet").to_pylist()
    prompts = {
        row["id"]: row["prompt_id"]
        for name in ("safety_pairs", "hh_harmless_pairs")
        for row in pq.read_table(data / f"{name}.parquet", columns=["id", "prompt_id"]).to_pylist()
    }
    sides = {(row["pair_id"], PASSES[row["rating_pass"]], row["response"]): row for row in rows}
    keys = sorted(
        {(row["subset"], prompts[row["pair_id"]], *key[:2]) for key, row in sides.items()}
    )
    # Some of the original prompt ids contain the prompt's text, which must not be shipped.
    numbers = {prompt: f"p{n:03d}" for n, prompt in enumerate(dict.fromkeys(k[1] for k in keys))}
    table = []
    for subset, prompt, pair, repeat in keys:
        row = {"id": pair, "prompt_id": numbers[prompt], "subset": subset, "repeat": repeat}
        for side in ("chosen", "rejected"):
            ratings = sides[pair, repeat, side]
            row |= {f"{side}.{rule_id}": ratings[rule_id] for rule_id in rules().ids}
        table.append(row)
    names = list(table[0])
    types = [pa.string() if n in ("id", "prompt_id", "subset") else pa.int8() for n in names]
    schema = pa.schema(list(zip(names, types, strict=True)))
    provenance = {
        "rater": "a strong LLM judge, one response at a time, blind to preference",
        "made_from": "llm_ratings.parquet",
        "licence": "CC0-1.0",
    }
    write_ratings(ratings_path(), pa.Table.from_pylist(table, schema), rules(), provenance)
    write_applies(data, sorted({pair for _, _, pair, _ in keys}))


def write_applies(data: Path, pairs: list[str]) -> None:
    """What readers of the prompts alone said, a row per pair."""
    rows = {r["pair_id"]: r for r in pq.read_table(data / "llm_applies.parquet").to_pylist()}
    names = (*rules().ids, "unsafe")
    columns = {name: pa.array([rows[pair][name] for pair in pairs], pa.float32()) for name in names}
    with open_table(applies_path()) as write:
        write(pa.table({"id": pairs, **columns}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
