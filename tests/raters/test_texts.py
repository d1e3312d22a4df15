from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from encore.errors import InputError, MissingExtraError, RatingsError, UnknownNameError
from encore.raters import Item, Texts

USER, ASSISTANT = "user", "assistant"
CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": USER, "content": "Hi"},
    {"role": ASSISTANT, "content": "Hello."},
    {"role": USER, "content": "Bye"},
]
TOLD = (("system", "Be brief."), (USER, "Hi"), (ASSISTANT, "Hello."), (USER, "Bye"))


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        lines = [list(rows[0]), *(row.values() for row in rows)]
        quoted = [["" if c is None else '"' + c.replace('"', '""') + '"' for c in r] for r in lines]
        path.write_text("\n".join(",".join(row) for row in quoted) + "\n")
    return path


def items(path: Path) -> list[Item]:
    return list(Texts(path).items())


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_every_kind_of_file_gives_the_same_items(suffix: str, tmp_path: Path) -> None:
    rows = [
        {"prompt_id": "p", "response_id": "a", "prompt": "Hi,\n«you»", "response": "Yes", "x": "1"},
        {"prompt_id": "p", "response_id": "b", "prompt": "Hi,\n«you»", "response": "", "x": "2"},
    ]
    told = ((USER, "Hi,\n«you»"),)
    path = write(tmp_path / f"texts{suffix}", rows)
    assert items(path) == [Item(told, "Yes", "p", "a"), Item(told, "", "p", "b")]
    assert [row.ids for row in Texts(path)] == [
        {"prompt_id": "p", "response_id": "a"},
        {"prompt_id": "p", "response_id": "b"},
    ]


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_a_pair_is_two_items_chosen_first(suffix: str, tmp_path: Path) -> None:
    row = {"id": "7", "subset": "xs", "prompt": "Hi", "chosen": "Good", "rejected": "Bad"}
    (found,) = Texts(write(tmp_path / f"pairs{suffix}", [row]))
    told = ((USER, "Hi"),)
    prompt_id = found.ids["prompt_id"]
    assert found.items == (
        Item(told, "Good", prompt_id, "7/chosen"),
        Item(told, "Bad", prompt_id, "7/rejected"),
    )
    assert found.ids == {"id": "7", "prompt_id": prompt_id, "subset": "xs"}


def test_ids_that_are_not_there_come_from_the_prompt_and_the_row(tmp_path: Path) -> None:
    rows = [{"prompt": p, "response": "x"} for p in ("Hi", "Bye", "Hi")]
    first, second, third = items(write(tmp_path / "texts.jsonl", rows))
    assert first.prompt_id == third.prompt_id != second.prompt_id
    assert [first.response_id, second.response_id, third.response_id] == ["1", "2", "3"]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_a_prompt_may_be_a_list_of_messages(suffix: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"t{suffix}", [{"prompt": CHAT, "response": "Ciao"}])
    assert items(path)[0].messages == TOLD


def test_a_list_of_messages_may_be_written_as_json(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", [{"prompt": json.dumps(CHAT), "response": "Ciao"}])
    assert items(path)[0].messages == TOLD


@pytest.mark.parametrize("text", ["[{]", '[{"a": 1}]', "[1]", '[{"role": "user"}]'])
def test_text_that_only_looks_like_messages_is_text(text: str, tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", [{"prompt": text, "response": text}])
    assert items(path) == [Item(((USER, text),), text, items(path)[0].prompt_id, "1")]


def test_whole_conversations_as_responses_are_split_before_the_last_message(tmp_path: Path) -> None:
    good, bad = ([*CHAT, {"role": ASSISTANT, "content": c}] for c in ("Ciao", "Shoo"))
    # With the prompt beside them, and without.
    for extra in ({}, {"prompt": CHAT}):
        row = {"chosen": good, "rejected": bad, **extra}
        chosen, rejected = items(write(tmp_path / "t.jsonl", [row]))
        assert (chosen.messages, chosen.response) == (TOLD, "Ciao")
        assert (rejected.messages, rejected.response) == (TOLD, "Shoo")


def test_messages_after_the_prompt_belong_to_the_conversation(tmp_path: Path) -> None:
    more = [{"role": ASSISTANT, "content": "A"}, {"role": USER, "content": "B"}]
    last = {"role": ASSISTANT, "content": "C"}
    path = write(tmp_path / "t.jsonl", [{"prompt": "Hi", "response": [*more, last]}])
    (item,) = items(path)
    assert item.messages == ((USER, "Hi"), (ASSISTANT, "A"), (USER, "B"))
    assert item.response == "C"


def test_content_in_parts_is_joined(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]
    prompt = [{"role": USER, "content": parts}]
    path = write(tmp_path / "t.jsonl", [{"prompt": prompt, "response": "x"}])
    assert items(path)[0].messages == ((USER, "Hello"),)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": None, "response": "x"}, "row 1, column 'prompt': None is not text"),
        ({"prompt": "Hi", "response": 3}, "row 1, column 'response': 3 is not text"),
        ({"prompt": "Hi", "response": None}, "row 1, column 'response': None is not text"),
        ({"prompt": ["Hi"], "response": "x"}, "column 'prompt': 'Hi' is not a message"),
        (
            {"prompt": [{"role": USER, "content": [{"type": "image"}]}], "response": "x"},
            "is not a message; expected a role and text content",
        ),
        ({"prompt": "Hi", "response": CHAT}, "the last message must be the response"),
        ({"prompt": "Hi", "response": []}, "the last message must be the response"),
        ({"prompt": "Hi", "chosen": "x"}, "expected the columns 'prompt' and 'response', or"),
    ],
)
def test_what_is_no_text_is_named_by_row_and_column(
    row: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(RatingsError, match=message):
        items(write(tmp_path / "t.jsonl", [row]))


def test_a_pair_that_ends_different_conversations_is_refused(tmp_path: Path) -> None:
    good = [*CHAT, {"role": ASSISTANT, "content": "a"}]
    row = {"chosen": good, "rejected": good[1:]}
    with pytest.raises(RatingsError, match="chosen and rejected end different conversations"):
        items(write(tmp_path / "t.jsonl", [row]))


@pytest.mark.parametrize(
    ("name", "contents", "message"),
    [
        ("t.jsonl", b'{"prompt": "a", "response": "b"}\n{"prompt', "row 2: not a JSON object"),
        ("t.jsonl", b"[1]\n", "row 1: not a JSON object: it is not an object"),
        ("t.jsonl", b'{"prompt": "a", "prompt": "b"}', "keys stand twice"),
        ("t.jsonl", b"\xff\xfe{}", "not a JSON object: 'utf-8' codec can't decode"),
        ("t.jsonl", b"\n\n", "no rows; expected at least one"),
        ("t.csv", b"prompt,response\na,b,c\n", "row 1: too few or too many cells"),
        ("t.csv", b"prompt,response\na\n", "row 1: too few or too many cells"),
        ("t.csv", b"prompt,response\n", "no rows"),
        ("t.csv", b'prompt,response\na,"b', "cannot be read"),
        ("t.parquet", b"PAR1", "cannot be read"),
    ],
)
def test_a_broken_file_is_named(name: str, contents: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(contents)
    with pytest.raises(RatingsError, match=message):
        items(path)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.xlsx").write_text("x")
    with pytest.raises(
        InputError, match=r"Expected one ending in \.jsonl, \.ndjson, \.csv, \.parq"
    ):
        items(tmp_path / "t.xlsx")


def test_a_limit_takes_the_first_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", [{"prompt": p, "response": "x"} for p in "abc"])
    assert [row.items[0].response_id for row in Texts(path, limit=2)] == ["1", "2"]


def test_a_cell_longer_than_the_csv_module_expects_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", [{"prompt": "Hi", "response": "x" * 200_000}])
    assert len(items(path)[0].response) == 200_000


def test_the_same_words_as_text_and_as_messages_are_the_same_conversation(tmp_path: Path) -> None:
    rows = [{"prompt": p, "response": "x"} for p in ("Hi", [{"role": USER, "content": "Hi"}])]
    first, second = items(write(tmp_path / "t.jsonl", rows))
    assert first.text_key == second.text_key


def test_provenance_names_the_file_and_its_digest(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(b"abc")
    # SHA-256 of "abc", from FIPS 180-2.
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert Texts(path, limit=3).provenance() == {
        **{"data": "t.jsonl", "data_sha256": digest, "limit": 3}
    }


def test_a_name_that_is_neither_file_nor_dataset_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="no file, folder or dataset"):
        list(Texts("paris.jsonl"))


def test_a_dataset_is_read_by_its_name(tmp_path: Path, peer: Callable[[str], ModuleType]) -> None:
    peer("datasets")
    for split, responses in [("train", "ab"), ("test", "cd")]:
        rows = [{"prompt": CHAT, "response": r} for r in responses]
        write(tmp_path / f"{split}.parquet", rows)
    found = Texts(tmp_path, split="test").items()
    assert [(item.messages, item.response) for item in found] == [(TOLD, "c"), (TOLD, "d")]
    with pytest.raises(InputError, match=r"has the splits .*; give one"):
        list(Texts(tmp_path))
    with pytest.raises(InputError, match="cannot be loaded"):
        list(Texts(tmp_path, split="valid"))


def test_a_revision_is_asked_of_the_hub_and_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str | None, str | None]] = []

    def load_dataset(name: str, *, split: str | None, revision: str | None) -> list[dict[str, str]]:
        asked.append((name, split, revision))
        return [{"prompt": "Hi", "response": "Yes", "other": "kept as it is"}]

    hub = ModuleType("datasets")
    hub.__dict__["load_dataset"] = load_dataset
    monkeypatch.setitem(sys.modules, "datasets", hub)
    texts = Texts("owner/name", split="test", revision="abc")
    assert [row["other"] for row in texts.rows()] == ["kept as it is"]
    assert [item.response for item in texts.items()] == ["Yes"]
    assert asked == [("owner/name", "test", "abc")] * 2
    assert texts.provenance() == {"data": "owner/name", "split": "test", "revision": "abc"}


def test_without_datasets_a_name_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[hub\]'"):
        list(Texts("allenai/reward-bench"))


def test_long_responses_are_read_and_the_limit_of_other_readers_stays(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    (tmp_path / "t.csv").write_text(f"prompt,response\nHi,{'x' * 300_000}\nHi,short\n")
    rows = Texts(tmp_path / "t.csv").items()
    assert len(next(rows).response) == 300_000
    assert csv.field_size_limit() == before  # while the file is open too
