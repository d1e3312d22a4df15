"""The layouts that people have, from a file to the items that are rated."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from encore.errors import RatingsError, UnknownNameError
from encore.raters import Texts

FORMATS = ["jsonl", "parquet"]  # those with lists
HI = (("user", "Hi"),)
PARTS = (("user", "Hi"), ("assistant", "Good"))
Told = list[tuple[tuple[tuple[str, str], ...], str]]


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def said(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def write(path: Path, *rows: dict[str, Any]) -> Path:
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(list(rows)), path)
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return path


def told(path: Path, **how: Any) -> tuple[Told, list[str]]:
    """What is rated, and what is said about it."""
    notes: list[str] = []
    items = list(Texts(path, **how).items(notes.append))
    return [(item.messages, item.response) for item in items], notes


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "row",
    [
        # TRL: prompt and completion, as text and as messages; whole conversations.
        {"prompt": "Hi", "completion": "Good"},
        {"prompt": [user("Hi")], "completion": [said("Good")]},
        {"messages": [user("Hi"), said("Good")]},
        {"prompt": "Hi", "messages": [user("Hi"), said("Good")]},
        # ShareGPT, and with the roles of chats.
        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Good"}]},
        {"conversations": [user("Hi"), said("Good")]},
        {"conversation": [user("Hi"), said("Good")]},
        {"response": [user("Hi"), said("Good")]},
        {"messages": [{"role": r, "content": [{"text": t}]} for r, t in PARTS]},
    ],
)
def test_one_response(row: dict[str, Any], form: str, tmp_path: Path) -> None:
    assert told(write(tmp_path / f"t.{form}", row)) == ([(HI, "Good")], [])


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Hi", "chosen": "Good", "rejected": "Bad"},
        # TRL's implicit prompt, its explicit one, and both at once (UltraFeedback).
        {"chosen": [user("Hi"), said("Good")], "rejected": [user("Hi"), said("Bad")]},
        {"prompt": [user("Hi")], "chosen": [said("Good")], "rejected": [said("Bad")]},
        {"prompt": "Hi", "chosen": [user("Hi"), said("Good")], "rejected": [said("Bad")]},
        {"prompt": "Hi", "chosen": [user("Hi "), said("Good")], "rejected": [said("Bad")]},
        # LLaMA-Factory's.
        {
            "conversations": [{"from": "human", "value": "Hi"}],
            "chosen": {"from": "gpt", "value": "Good"},
            "rejected": {"from": "gpt", "value": "Bad"},
        },
        # RewardBench 2's lists.
        {"prompt": "Hi", "chosen": ["Good"], "rejected": ["Bad"]},
    ],
)
def test_a_pair(row: dict[str, Any], form: str, tmp_path: Path) -> None:
    found, _ = told(write(tmp_path / f"t.{form}", row))
    assert found == [(HI, "Good"), (HI, "Bad")]


@pytest.mark.parametrize("form", FORMATS)
def test_each_chosen_response_makes_a_pair_with_each_rejected_one(
    form: str, tmp_path: Path
) -> None:
    best = {"id": "7", "prompt": "Hi", "chosen": ["a"], "rejected": ["b", "c", "d"]}
    ties = {"id": "8", "prompt": "Ho", "chosen": ["a", "e"], "rejected": ["b", "c"]}
    path = write(tmp_path / f"t.{form}", best, ties)
    notes: list[str] = []
    rows = list(Texts(path).read(notes.append))
    # As the pairs of RewardBench 2 that `encore benchmark` writes: <id>/0, <id>/1, …
    assert [row.ids["id"] for row in rows] == ["7/0", "7/1", "7/2", "8/0", "8/1", "8/2", "8/3"]
    responses = [item.response for item in Texts(path).items()]
    assert "".join(responses) == "abacad" + "abacebec"
    assert len({row.ids["prompt_id"] for row in rows}) == 2
    assert len(notes) == 1 and notes[0].startswith("2 of the data's rows hold lists")


@pytest.mark.parametrize("form", ["jsonl", "parquet", "csv"])
def test_transcripts_without_a_prompt_are_detected_and_said(form: str, tmp_path: Path) -> None:
    ask = "\n\nHuman: Hi"
    row = {"chosen": f"{ask}\n\nAssistant: Good", "rejected": f"{ask}\n\nAssistant: Bad"}
    path = write(tmp_path / f"t.{form}", row)
    found, notes = told(path)
    assert found == [(HI, "Good"), (HI, "Bad")]
    assert len(notes) == 1 and "layout transcripts" in notes[0]
    # Named, it goes without saying; and by another name it is refused.
    assert told(path, layout="transcripts") == (found, [])
    with pytest.raises(RatingsError, match="there is no column 'prompt'"):
        told(path, layout="pairs")


@pytest.mark.parametrize("empty", ["", None, " "])
def test_transcripts_beside_empty_prompts_are_detected_too(empty: Any, tmp_path: Path) -> None:
    rows = [
        {"prompt": empty, "response": f"\n\nHuman: {q}\n\nAssistant: {q}!"} for q in ("Hi", "Ho")
    ]
    found, notes = told(write(tmp_path / "t.jsonl", *rows))
    assert found == [(HI, "Hi!"), ((("user", "Ho"),), "Ho!")]
    assert len(notes) == 1 and "layout transcripts" in notes[0]


@pytest.mark.parametrize(
    ("prompt", "before"),
    [
        # The prompt of HH-RLHF's own kind, with the response alone or the whole text again.
        ("\n\nHuman: Hi\n\nAssistant:", ""),
        ("\n\nHuman: Hi\n\nAssistant:", "\n\nHuman: Hi\n\nAssistant: "),
        ("\n\nHuman: Hi", "\n\nHuman: Hi\n\nAssistant: "),
        # The bare question.
        ("Hi", "\n\nHuman: Hi\n\nAssistant: "),
        ("Hi", "Human: Hi \n\nAssistant: "),
    ],
)
def test_transcripts_beside_their_prompt_ask_it_once(
    prompt: str, before: str, tmp_path: Path
) -> None:
    # What follows the prompt is the response, whatever it looks like.
    bad = "Bad\n\nHuman: Thanks\n\nAssistant: I am nice."
    row = {"prompt": prompt, "chosen": f"{before}Good", "rejected": f"{before}{bad}"}
    found, notes = told(write(tmp_path / "t.jsonl", row))
    assert found == [(HI, "Good"), (HI, bad)]
    assert len(notes) == 1 and "layout transcripts" in notes[0]


def test_a_response_that_looks_like_a_transcript_is_text(tmp_path: Path) -> None:
    fake = "\n\nHuman: Ho\n\nAssistant: Bad\n\nHuman: Thanks\n\nAssistant: I am nice."
    rows = [{"prompt": "Hi", "response": text} for text in ("Good", fake)]
    assert told(write(tmp_path / "t.jsonl", *rows))[0] == [(HI, "Good"), (HI, fake)]
    assert told(write(tmp_path / "t.jsonl", rows[1]))[0] == [(HI, fake)]
    # Among texts with transcripts as prompts too.
    rows = [{"prompt": "\n\nHuman: Hi\n\nAssistant:", "response": t} for t in ("Good", fake)]
    found, notes = told(write(tmp_path / "t.jsonl", *rows))
    assert found == [(HI, "Good"), (HI, fake)]
    assert any("1 of 2 responses are transcripts that do not begin" in note for note in notes)


@pytest.mark.parametrize("form", ["jsonl", "parquet", "csv"])
@pytest.mark.parametrize("columns", [("response",), ("completion",), ("chosen", "rejected")])
def test_texts_without_a_prompt_are_refused_until_that_is_said(
    columns: tuple[str, ...], form: str, tmp_path: Path
) -> None:
    rows = [{name: f"{name} {n}" for name in columns} for n in range(3)]
    path = write(tmp_path / f"t.{form}", *rows)
    with pytest.raises(RatingsError, match=r"no column 'prompt'.*'transcripts'.*'unprompted'"):
        told(path)
    found, notes = told(path, layout="unprompted")
    assert found == [((), f"{name} {n}") for n in range(3) for name in columns]
    n = 3 * len(columns)
    assert notes == [f"{n} of {n} responses are rated without a prompt."]
    # Responses to different questions are not compared.
    assert len({row.ids["prompt_id"] for row in Texts(path, layout="unprompted")}) == 3


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
@pytest.mark.parametrize(
    "empty", ["", " \n", None, [], [user("")], [{**user("x"), "role": "system"}]]
)
def test_a_file_of_empty_prompts_is_refused_until_that_is_said(
    empty: Any, form: str, tmp_path: Path
) -> None:
    rows = [{"prompt": empty, "response": f"a {n}"} for n in range(3)]
    with pytest.raises(RatingsError, match=r"row 1, column 'prompt'.*No other row can be read"):
        told(write(tmp_path / f"t.{form}", *rows))
    path = tmp_path / f"t.{form}"
    assert [r for _, r in told(path, layout="unprompted")[0]] == ["a 0", "a 1", "a 2"]
    assert len({row.ids["prompt_id"] for row in Texts(path, layout="unprompted")}) == 3
    # Or the file says which responses belong together.
    if empty is not None:
        write(path, *({**row, "prompt_id": n % 2} for n, row in enumerate(rows)))
        assert [row.ids["prompt_id"] for row in Texts(path)] == ["0", "1", "0"]


def test_one_prompt_for_a_whole_file_is_said(tmp_path: Path) -> None:
    rows = [{"prompt": "None", "response": f"a {n}"} for n in range(3)]
    note = "All 3 rows have the same prompt, and count as responses to one question."
    assert told(write(tmp_path / "t.csv", *rows))[1] == [note]
    rows = [{**row, "prompt_id": "p"} for row in rows]
    assert told(write(tmp_path / "t.csv", *rows))[1] == []


def test_responses_that_all_repeat_their_prompt_are_said(tmp_path: Path) -> None:
    rows = [{"prompt": p, "response": f" {p} is what you ask."} for p in ("Hi", "Ho")]
    found, notes = told(write(tmp_path / "t.csv", *rows))
    assert [response for _, response in found] == [row["response"] for row in rows]
    assert len(notes) == 1 and notes[0].startswith("Every response begins with its own prompt")
    assert told(write(tmp_path / "t.csv", *rows, {"prompt": "He", "response": "No"}))[1] == []


@pytest.mark.parametrize("spaced", [{}, {"indent": 1}, {"separators": (" , ", " : ")}])
def test_prompts_that_are_json_are_messages_in_every_format_and_that_is_said_once(
    spaced: dict[str, Any], tmp_path: Path
) -> None:
    rows = [{"prompt": json.dumps([user(p)], **spaced), "response": "Good"} for p in ("Hi", "Ho")]
    for form in ("csv", "jsonl", "parquet"):
        found, notes = told(write(tmp_path / f"t.{form}", *rows))
        assert found == [(HI, "Good"), ((("user", "Ho"),), "Good")]
        assert notes == ["2 of 2 prompts are JSON lists of messages, and are read as such."]


def test_lists_as_json_are_read_where_that_is_said(tmp_path: Path) -> None:
    chosen, rejected = ([user("Hi"), said(text)] for text in ("Good", "Bad"))
    row = {"chosen": json.dumps(chosen), "rejected": json.dumps(rejected)}
    path = write(tmp_path / "t.csv", row)
    assert told(path, json_messages=True) == ([(HI, "Good"), (HI, "Bad")], [])
    with pytest.raises(RatingsError, match=r"looks like a list of messages.*json_messages"):
        told(path)
    path = write(tmp_path / "t.csv", {"prompt": "Hi", "chosen": '["Good"]', "rejected": '"Bad"'})
    assert told(path, json_messages=True)[0] == [(HI, "Good"), (HI, "Bad")]
    # What is not JSON then is not text either.
    path = write(tmp_path / "t.csv", {"prompt": "Hi", "chosen": '["Good"]', "rejected": "Bad"})
    assert told(path, json_messages=True)[0] == [(HI, "Good")]
    path = write(tmp_path / "t.csv", {"messages": json.dumps(chosen)})
    assert told(path, json_messages=True)[0] == [(HI, "Good")]
    with pytest.raises(RatingsError, match=r"is text; expected a list of messages.*json_messages"):
        told(path)


PRINTED = str([user("Hi"), said("Good")])


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": str([user("Hi")]), "response": "Good"},
        {"prompt": str([user("Hi")]), "response": str([said("Good")])},
        {"prompt": "Hi", "chosen": PRINTED, "rejected": PRINTED},
        {"chosen": PRINTED, "rejected": PRINTED},
        {"prompt": "Hi", "chosen": str(said("Good")), "rejected": str(said("Bad"))},
        {"prompt": "Hi", "chosen": "['Good']", "rejected": "['Bad' 'Worse']"},
        {"chosen": PRINTED.replace("}, {", "}\n {"), "rejected": PRINTED},
        {"messages": PRINTED},
        {"conversations": str([{"from": "human", "value": "Hi"}])},
    ],
)
def test_lists_as_python_prints_them_are_refused(row: dict[str, str], tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", *[row] * 3)
    with pytest.raises(RatingsError, match=r"as Python prints it.*Write JSON Lines or Parquet"):
        told(path)


def test_one_response_that_python_prints_is_text(tmp_path: Path) -> None:
    for text in (PRINTED, "['Good', 'Bad']"):
        found, notes = told(write(tmp_path / "t.csv", {"prompt": "Hi", "response": text}))
        assert found == [(HI, text)]
        assert bool(notes) is (text == PRINTED)


def test_a_prompt_that_is_nearly_json_is_text_and_said(tmp_path: Path) -> None:
    for text in (json.dumps([user("Hi")])[:-1] + ",]", json.dumps(user("Hi"))):
        found, notes = told(write(tmp_path / "t.csv", {"prompt": text, "response": "Good"}))
        assert found == [((("user", text),), "Good")]
        assert notes == [
            "1 of 1 prompts look like messages as JSON, and are no list of them; they are read as "
            "text."
        ]


def test_two_columns_of_responses_are_said(tmp_path: Path) -> None:
    pair = {"prompt": "Hi", "chosen": "Good", "rejected": "Bad"}
    messages = [user("Hi"), said("Fine")]
    path = write(tmp_path / "t.jsonl", {**pair, "messages": messages})
    assert told(path) == (
        [(HI, "Good"), (HI, "Bad")],
        ["chosen and rejected are read, not messages."],
    )
    assert told(path, layout="pairs") == ([(HI, "Good"), (HI, "Bad")], [])
    assert told(path, layout="messages") == ([(HI, "Fine")], [])


def test_a_layout_that_is_none_and_columns_that_are_not_there(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", {"instruction": "Hi", "output": "Good"})
    with pytest.raises(UnknownNameError, match="Did you mean 'transcripts'"):
        Texts(path, layout="transcript")
    with pytest.raises(RatingsError, match=r"expected the columns 'prompt' and 'response', or"):
        told(path)
    with pytest.raises(RatingsError, match=r"layout 'messages' needs the column 'messages', or"):
        told(path, layout="messages")


def test_a_dataset_of_message_lists(tmp_path: Path, peer: Callable[[str], ModuleType]) -> None:
    peer("datasets")
    row = {"chosen": [user("Hi"), said("Good")], "rejected": [user("Hi"), said("Bad")]}
    write(tmp_path / "train.parquet", row)
    assert told(tmp_path, split="train") == ([(HI, "Good"), (HI, "Bad")], [])


def test_the_layout_is_part_of_the_provenance(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", {"response": "Good"})
    told_of = Texts(path, layout="unprompted", json_messages=True).provenance()
    assert told_of["layout"] == "unprompted" and told_of["json_messages"] is True
    assert "layout" not in Texts(path).provenance()
