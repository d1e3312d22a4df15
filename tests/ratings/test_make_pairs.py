"""The verb ``pairs``, and the file that it writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from encore import PreferencePairs, Rulebook, pairs
from encore.errors import InputError, MismatchError, RatingsError
from encore.ratings import as_pairs, as_ratings
from encore.rules import LevelScale

Save = Callable[[str, Mapping[str, Sequence[Any]]], Path]
RATED: dict[str, Sequence[Any]] = {
    "prompt_id": ["p", "p", "p", "q", "q"],
    "response_id": ["a", "b", "c", "a", "b"],
    "prompt": ["P?", "P?", "P?", "Q?", "Q?"],
    "response": ["A.", "B.", "C.", "D.", "E."],
    "harm": [5, 1, None, 4, 2],
    "privacy": [3.5, 3, 2, 1, 1],
    "privacy.spread": [0.7, None, None, None, None],
    "harm.applies": [1, 0.25, None, 0.5, 0],
    "score": [4, 1, 3, 0, 2],
}
ENDINGS = ("parquet", "csv", "jsonl")


def rows(found: PreferencePairs) -> list[tuple[int, int]]:
    return list(zip(found.chosen.tolist(), found.rejected.tolist(), strict=True))


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("source", ENDINGS)
def test_what_is_written_reads_as_the_same_pairs(
    rules: Rulebook, save: Save, tmp_path: Path, source: str, ending: str
) -> None:
    # Labels 4 1 3 | 0 2 have a deviation of sqrt(10 / 4) = 1.58: 4-1, 3-1 and 2-0 are further.
    out = tmp_path / f"pairs.{ending}"
    found = pairs(save(f"rated.{source}", RATED), rules, "score", out=out)
    assert rows(found) == [(0, 1), (2, 1), (4, 3)]
    read = as_pairs(out, rules)
    assert read.ids == found.ids == ("a > b", "c > b", "b > a")
    np.testing.assert_array_equal(read.margins, found.margins)
    for side in ("chosen", "rejected"):
        ours, theirs = getattr(found, side), getattr(read, side)
        for name in ("values", "spread", "applies"):
            block, again = getattr(found.ratings, name), getattr(read.ratings, name)
            np.testing.assert_array_equal(block[ours], again[theirs])
    prompts = [read.prompts.names[code] for code in read.prompts.codes]
    assert prompts == ["p", "p", "q"]


def test_the_file_has_these_columns_and_says_what_it_was_made_of(
    rules: Rulebook, save: Save, tmp_path: Path
) -> None:
    source, out = save("rated.parquet", RATED), tmp_path / "pairs.parquet"
    pairs(source, rules, "score", gap=2, out=out, include_text=True, rng=3)
    table = pq.read_table(out)
    assert table.column_names == [
        *("id", "prompt_id", "chosen_id", "rejected_id", "chosen_label", "rejected_label"),
        *("prompt", "chosen", "rejected", "chosen.harm", "chosen.harm.applies", "rejected.harm"),
        *("rejected.harm.applies", "chosen.privacy", "chosen.privacy.spread"),
        *("chosen.privacy.applies", "rejected.privacy", "rejected.privacy.spread"),
        "rejected.privacy.applies",
    ]
    (first, *_) = table.to_pylist()
    assert (first["chosen_label"], first["rejected_label"]) == (4, 1)
    assert (first["prompt"], first["chosen"], first["rejected"]) == ("P?", "A.", "B.")
    said = json.loads(table.schema.metadata[b"encore.provenance"])
    assert said["source"] == "rated.parquet" and len(said["sha256"]) == 64
    assert (said["pairs"]["column"], said["pairs"]["gap"], said["pairs"]["seed"]) == ("score", 2, 3)
    with pytest.raises(MismatchError):
        as_pairs(out, Rulebook.from_ids(["harm", "privacy"], LevelScale((0, 5))))


def test_the_same_ratings_give_the_same_bytes(rules: Rulebook, save: Save, tmp_path: Path) -> None:
    source = save("rated.csv", RATED)
    for name in ("one", "two"):
        pairs(source, rules, "score", out=tmp_path / f"{name}.parquet")
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()


def test_level_probabilities_are_on_both_sides(rules: Rulebook, tmp_path: Path) -> None:
    frame = {**RATED, "harm.p": [[0, 0, 0, 0.5, 0.5], None, [1, 0, 0, 0, 0], None, None]}
    del frame["harm.applies"], frame["prompt"]
    frame["harm"] = [None, 1, None, 4, 2]
    found = pairs(frame, rules, "score", gap=1, out=tmp_path / "pairs.parquet")
    read = as_pairs(tmp_path / "pairs.parquet", rules)
    ours, theirs = found.ratings.probabilities, read.ratings.probabilities
    assert ours is not None and theirs is not None
    np.testing.assert_array_equal(ours[found.chosen], theirs[read.chosen])
    np.testing.assert_array_equal(ours[found.rejected], theirs[read.rejected])
    assert read.ratings.values[read.chosen[0], 0] == 4.5  # 0.5 * 4 + 0.5 * 5


def test_a_rule_called_label_does_not_collide(tmp_path: Path) -> None:
    frame = {"prompt_id": ["p", "p"], "label": [1, 5], "chosen_label": [2, 4], "score": [0, 1]}
    rules = Rulebook.from_ids(["label", "chosen_label"], LevelScale((1, 2, 3, 4, 5)))
    out = tmp_path / "pairs.csv"
    found = pairs(frame, rules, "score", out=out)
    np.testing.assert_array_equal(as_pairs(out, rules).margins, found.margins)
    assert found.margins.tolist() == [[1.0, 0.5]]


@pytest.mark.parametrize("ending", ENDINGS)
def test_groups_are_the_prompts_of_pairs_across_prompts(
    rules: Rulebook, save: Save, tmp_path: Path, ending: str
) -> None:
    out = tmp_path / f"pairs.{ending}"
    found = pairs(save("rated.csv", RATED), rules, "score", across_prompts=True, gap=1, out=out)
    read = as_pairs(out, rules)
    assert read.ids == found.ids and "p/a > q/b" in read.ids
    assert {read.prompts.names[code] for code in read.prompts.codes} == {"group 1"}


def test_ids_that_no_file_names_are_numbers_of_rows(rules: Rulebook) -> None:
    frame = {name: RATED[name] for name in ("prompt_id", "harm", "privacy", "privacy.spread")}
    found = pairs(frame, rules, RATED["score"])
    assert found.ids == ("1 > 2", "3 > 2", "5 > 4")


def test_nothing_is_written_over_the_ratings_or_without_a_pair(
    rules: Rulebook, save: Save, tmp_path: Path
) -> None:
    source = save("rated.csv", RATED)
    before = source.read_bytes()
    with pytest.raises(InputError, match=r"rated\.csv"):
        pairs(source, rules, "score", out=source)
    with pytest.raises(RatingsError, match="differ by 9"):
        pairs(source, rules, "score", gap=9, out=tmp_path / "pairs.csv")
    assert source.read_bytes() == before and not (tmp_path / "pairs.csv").exists()


@pytest.mark.parametrize("ending", ENDINGS)
def test_texts_that_are_absent_or_of_two_prompts_are_refused(
    rules: Rulebook, save: Save, tmp_path: Path, ending: str
) -> None:
    out = tmp_path / "pairs.csv"
    bare = {name: column for name, column in RATED.items() if name != "response"}
    how: dict[str, Any] = {"out": out, "include_text": True}
    with pytest.raises(RatingsError, match=r"no column \['response'\] of texts"):
        pairs(save(f"bare.{ending}", bare), rules, "score", **how)
    with pytest.raises(InputError, match="two prompts"):
        pairs(save("rated.csv", RATED), rules, "score", across_prompts=True, **how)
    with pytest.raises(RatingsError, match="no texts"):
        table = as_ratings(dict(RATED), rules)
        pairs(table, rules, RATED["score"], **how)
    assert not out.exists()


def test_who_rated_is_carried_on(rules: Rulebook, save: Save, tmp_path: Path) -> None:
    source, out = save("rated.parquet", RATED), tmp_path / "pairs.parquet"
    table = pq.read_table(source)
    stated = json.dumps({"rater": {"kind": "judge", "model": "m"}, "other": 1})
    pq.write_table(table.replace_schema_metadata({"encore.provenance": stated}), source)
    pairs(source, rules, "score", out=out)
    said = json.loads(pq.read_schema(out).metadata[b"encore.provenance"])
    assert said["rater"] == {"kind": "judge", "model": "m"} and "other" not in said
