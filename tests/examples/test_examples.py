"""The bundled ratings are what their card says."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from encore import examples
from encore.rules import Rulebook


def test_the_ratings_are_numbers_and_neutral_ids() -> None:
    table = pq.read_table(examples.ratings_path())
    rules = examples.rules()
    expected = {"id", "prompt_id", "subset", "repeat"}
    expected |= {f"{side}.{name}" for side in ("chosen", "rejected") for name in rules.ids}
    assert set(table.column_names) == expected
    prompts = set(table["prompt_id"].to_pylist())
    assert all(prompt[0] == "p" and prompt[1:].isdigit() for prompt in prompts)
    assert max(len(name) for name in table["id"].to_pylist()) <= 16


def test_the_sizes_are_those_of_the_card() -> None:
    rows = pq.read_table(examples.ratings_path()).to_pylist()
    first = [row for row in rows if row["repeat"] == 0]
    assert (len(first), len(rows) - len(first)) == (458, 240)
    counts = {s: sum(r["subset"] == s for r in first) for s in {r["subset"] for r in first}}
    assert counts == {
        "donotanswer": 89, "hh-harmless": 230,
        "xstest-should-refuse": 72, "xstest-should-respond": 67,
    }  # fmt: skip
    card = (Path(examples.__file__).parent / "README.md").read_text(encoding="utf-8")
    assert all(str(number) in card for number in (458, 916, 480, *counts.values()))


def test_the_ratings_say_which_rules_they_were_made_with() -> None:
    metadata = pq.read_schema(examples.ratings_path()).metadata
    assert metadata[b"encore.rules_digest"].decode() == Rulebook.load("safety-12").digest
    assert b"CC0" in metadata[b"encore.provenance"]


def test_how_far_each_rule_applies_follows_from_what_is_said_of_the_prompt() -> None:
    table = examples.ratings_with_applies().to_pylist()
    said = {row["id"]: row for row in pq.read_table(examples.applies_path()).to_pylist()}
    assert len(said) == 458
    for row in table[::37]:
        a, q = said[row["id"]]["privacy"], said[row["id"]]["unsafe"]
        assert row["chosen.privacy.applies"] == row["rejected.privacy.applies"] == 1 - q * (1 - a)
        assert row["unsafe"] == q


def test_the_ratings_are_the_same_with_and_without_what_applies() -> None:
    plain = pq.read_table(examples.ratings_path())
    table = examples.ratings_with_applies()
    assert table.select(plain.column_names).equals(plain)
    assert table.schema.metadata == plain.schema.metadata


def test_pairs_of_one_prompt_were_read_apart_as_the_card_says() -> None:
    prompts: dict[str, set[tuple[float, ...]]] = {}
    table = examples.ratings_with_applies()
    names = [name for name in table.column_names if name.endswith(".applies")]
    for row in table.to_pylist():
        prompts.setdefault(row["prompt_id"], set()).add(tuple(row[name] for name in names))
    n_apart = sum(len(found) > 1 for found in prompts.values())
    card = (Path(examples.__file__).parent / "README.md").read_text(encoding="utf-8")
    assert f"{n_apart} of {len(prompts)} prompts" in card
