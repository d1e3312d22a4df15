"""Conversations: where the prompt ends and the response begins, and which prompts are one."""

from __future__ import annotations

import csv
import json
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import encore
from encore.cli.main import main
from encore.raters import Texts
from encore.ratings.importing import import_ratings

Write = Callable[[Sequence[dict[str, Any]]], Path]
HI = [{"role": "user", "content": "Hi"}]
KIND = [{"role": "system", "content": "Be kind."}, *HI]
TONES = (1, 5, 3)


def said(text: str) -> dict[str, str]:
    """A message of the assistant."""
    return {"role": "assistant", "content": text}


TALKS = [[*HI, said("a")], [*HI, said("b")], [*KIND, said("a")]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write rows, with a rating of tone each."""

    def lines(rows: Sequence[dict[str, Any]]) -> Path:
        path = tmp_path / "judge.jsonl"
        rated = [{**row, "tone": tone} for row, tone in zip(rows, TONES, strict=True)]
        path.write_text("".join(json.dumps(row) + "\n" for row in rated))
        return path

    return lines


def as_others(turns: list[dict[str, str]]) -> list[dict[str, str]]:
    """The same as ShareGPT writes it."""
    names = {"user": "human", "assistant": "gpt", "system": "system"}
    return [{"from": names[turn["role"]], "value": turn["content"]} for turn in turns]


FORMS: dict[str, Callable[[list[dict[str, str]]], dict[str, Any]]] = {
    "messages": lambda talk: {"messages": talk},
    "nested": lambda talk: {"sample": {"messages": talk}},
    "conversations": lambda talk: {"conversations": as_others(talk)},
    "as JSON": lambda talk: {"conversation": json.dumps(talk)},
    "prompt and completion": lambda talk: {"prompt": talk[:-1], "completion": talk[-1:]},
    "prompt and text": lambda talk: {"prompt": talk[:-1], "response": talk[-1]["content"]},
    "messages and response": lambda talk: {"messages": talk[:-1], "response": talk[-1]["content"]},
    "messages that repeat it": lambda talk: {"messages": talk, "response": talk[-1]["content"]},
    "parts": lambda talk: {
        "messages": [
            {**turn, "content": [{"type": "text", "text": turn["content"]}]} for turn in talk
        ]
    },
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_prompt_and_response_are_taken_from_messages(
    form: Callable[[Any], dict[str, Any]], write: Write, tmp_path: Path
) -> None:
    path = write([form(talk) for talk in TALKS])
    done = import_ratings(path, tmp_path / "out.parquet")
    rows = done.table.to_pylist()
    texts = [row.get("response", row.get("completion")) for row in rows]
    assert texts == ["a", "b", "a"]
    first, second, third = (row["prompt_id"] for row in rows)
    assert first == second != third
    assert rows[0]["prompt"] == "Hi"
    assert json.loads(rows[2]["prompt"]) == KIND
    (note,) = done.understood.notes
    assert "from the messages in" in note and "prompt" in note
    assert "no column says which prompt" not in note


@pytest.mark.parametrize("form", ["messages", "conversations", "prompt and completion"])
def test_a_prompt_has_the_id_that_raters_give_it(form: str, write: Write, tmp_path: Path) -> None:
    rows = [FORMS[form](talk) for talk in TALKS]
    ids = import_ratings(write(rows)).table["prompt_id"].to_pylist()
    texts = tmp_path / "texts.jsonl"
    texts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert ids == [row.ids["prompt_id"] for row in Texts(texts)]


def test_there_are_margins(write: Write, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    done = import_ratings(write([FORMS["messages"](talk) for talk in TALKS]), out)
    # a of 1 and b of 5 answer one prompt; the third has one of its own.
    assert encore.calibrate(out, done.rules).n_compared.tolist() == [1]


def test_csv_and_parquet_hold_the_same_prompts_as_lines(write: Write, tmp_path: Path) -> None:
    rows = [{"messages": talk} for talk in TALKS]
    ids = import_ratings(write(rows)).table["prompt_id"]
    with (tmp_path / "judge.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["messages", "tone"])
        lines.writerows([json.dumps(t), tone] for t, tone in zip(TALKS, TONES, strict=True))
    rated = [{**row, "tone": tone} for row, tone in zip(rows, TONES, strict=True)]
    pq.write_table(pa.Table.from_pylist(rated), tmp_path / "judge.parquet")
    for name in ("judge.csv", "judge.parquet"):
        assert import_ratings(tmp_path / name).table["prompt_id"].equals(ids), name


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_the_command_that_is_printed_repeats_it(
    form: Callable[[Any], dict[str, Any]],
    write: Write,
    tmp_path: Path,
) -> None:
    out = tmp_path / "out.parquet"
    done = import_ratings(write([form(talk) for talk in TALKS]), out)
    again = CliRunner().invoke(main, shlex.split(done.command)[1:])
    assert again.exit_code == 0, again.output
    assert pq.read_table(out).equals(done.table)


def test_messages_that_all_end_in_a_question_are_the_prompt(write: Write) -> None:
    done = import_ratings(write([{"messages": talk[:-1]} for talk in TALKS]))
    first, second, third = done.table["prompt_id"].to_pylist()
    assert first == second != third
    assert "response" not in done.table.column_names
    assert done.understood.notes == ("prompt from the messages in 'messages'.",)


def test_some_that_end_in_a_response_and_some_that_do_not_are_refused(write: Write) -> None:
    path = write([{"messages": talk} for talk in (*TALKS[:2], KIND)])
    with pytest.raises(encore.RatingsError, match=r"row 3, column 'messages'.*does not end"):
        import_ratings(path)


def test_another_response_than_the_last_message_is_refused_until_it_is_said(write: Write) -> None:
    path = write([{"messages": talk, "response": "z"} for talk in TALKS])
    with pytest.raises(encore.RatingsError, match=r"row 1.*--prompt messages.*--response messages"):
        import_ratings(path)
    whole = import_ratings(path, columns={"prompt": "messages"}).table
    assert whole["response"].to_pylist() == ["z", "z", "z"]
    assert len(set(whole["prompt_id"].to_pylist())) == 3
    last = import_ratings(path, columns={"response": "messages"}).table
    assert last["response"].to_pylist() == ["a", "b", "a"]


def test_a_response_to_nothing_is_a_prompt_of_its_own(write: Write) -> None:
    ids = import_ratings(write([{"messages": [said(t)]} for t in "abc"])).table["prompt_id"]
    assert len(set(ids.to_pylist())) == 3


def test_a_prompt_that_is_there_is_kept(write: Write) -> None:
    rows = [{"prompt_id": n, "messages": talk} for n, talk in zip("xxy", TALKS, strict=True)]
    table = import_ratings(write(rows)).table
    assert table["prompt_id"].to_pylist() == ["x", "x", "y"]
    assert table["response"].to_pylist() == ["a", "b", "a"]


def test_what_is_called_messages_and_holds_none_is_left_alone(write: Write) -> None:
    rows = [{"messages": text, "response_id": text} for text in "abc"]
    done = import_ratings(write(rows))
    assert "prompt_id" not in done.table.column_names
    assert "no column says which prompt" in done.understood.notes[0]
