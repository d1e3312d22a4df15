"""Messages, and a question that stands in two columns: when it is one, and when it is doubtful."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encore.raters.conversations import (
    UnreadableError,
    as_messages,
    is_listed,
    is_printed,
    json_messages,
    split_last,
)

SYSTEM, ASK, ANSWER, MORE = (
    ("system", "Be brief."),
    ("user", "Hi"),
    ("assistant", "Hello."),
    ("user", "Bye"),
)
LAST = ("assistant", "Ciao")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"role": "assistant", "content": "a"}, ("assistant", "a")),
        ({"from": "human", "value": "a"}, ("user", "a")),
        ({"from": "gpt", "value": "a"}, ("assistant", "a")),
        ({"from": "observation", "value": "a"}, ("tool", "a")),
        ({"role": "User", "content": ""}, ("user", "")),
        # A Parquet struct of both kinds of keys leaves those of the other kind null.
        ({"role": None, "content": None, "from": "system", "value": "a"}, ("system", "a")),
        ({"role": "user", "content": [{"type": "text", "text": "a"}] * 2}, ("user", "aa")),
    ],
)
def test_a_message_of_any_of_the_usual_kinds(value: Any, told: tuple[str, str]) -> None:
    assert as_messages([value], "c") == as_messages(value, "c") == (told,)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "None is not text"),
        (3.5, "3.5 is not text"),
        (b"a", "is not text"),
        (["a"], "'a' is not a message"),
        ([["user", "a"]], "is not a message; expected a role and text content"),
        ([{"role": "user"}], "expected a role and text content"),
        ([{"content": "a"}], "expected a role and text content"),
        ([{"role": "user", "content": None}], "expected a role and text content"),
        ([{"role": "user", "content": 3}], "expected a role and text content"),
        ([{"role": "critic", "content": "a"}], "one of the roles system, user, assistant and tool"),
        ([{"role": 3, "content": "a"}], "expected a role and text content"),
        (
            [{"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}],
            "expected text content beside the tool calls",
        ),
        ([{"role": "user", "content": [{"type": "image"}]}], "text content"),
        ([{"role": "user", "content": [{"type": "text", "text": None}]}], "text content"),
        ([{"role": "user", "content": ["a"]}], "text content"),
    ],
)
def test_what_is_no_message_is_said(value: Any, message: str) -> None:
    with pytest.raises(UnreadableError, match=message):
        as_messages(value, "c")


@pytest.mark.parametrize(
    ("prompt", "before", "whole"),
    [
        # The list holds the response alone, or goes on from the prompt.
        ([ASK], [], [ASK]),
        ([ASK], [ANSWER, MORE], [ASK, ANSWER, MORE]),
        ([ASK, ANSWER], [MORE], [ASK, ANSWER, MORE]),
        ([SYSTEM], [ASK], [SYSTEM, ASK]),
        ([], [ASK], [ASK]),
        # It repeats the prompt: all of it, its end, or more than it.
        ([ASK], [ASK], [ASK]),
        ([SYSTEM, ASK, ANSWER, MORE], [SYSTEM, ASK, ANSWER, MORE], [SYSTEM, ASK, ANSWER, MORE]),
        ([ASK, ANSWER, MORE], [MORE], [ASK, ANSWER, MORE]),
        ([MORE], [ASK, ANSWER, MORE], [ASK, ANSWER, MORE]),
        ([ASK], [ASK, ANSWER, MORE], [ASK, ANSWER, MORE]),
        # White space, or a system message that only one of them has, makes no second question.
        ([ASK], [("user", " Hi\n")], [ASK]),
        ([("user", "Hi ")], [ASK], [("user", "Hi ")]),
        ([ASK], [SYSTEM, ASK], [SYSTEM, ASK]),
        ([SYSTEM, ASK], [ASK], [SYSTEM, ASK]),
        ([SYSTEM, ASK], [("system", "Be brief. "), ASK], [SYSTEM, ASK]),
        # An empty prompt beside a whole conversation adds no empty turn.
        ([("user", " ")], [ASK], [ASK]),
        ([SYSTEM, ("user", "")], [ASK], [SYSTEM, ASK]),
    ],
)
def test_a_question_in_two_columns_is_asked_once(
    prompt: list[tuple[str, str]], before: list[tuple[str, str]], whole: list[tuple[str, str]]
) -> None:
    told = split_last((*before, LAST), tuple(prompt), "chosen")
    assert told == (tuple(whole), "Ciao")


@pytest.mark.parametrize(
    ("prompt", "before"),
    [
        ([ASK], [("user", "Hi!")]),
        ([ASK, ANSWER, MORE], [ASK]),
        ([("user", "Be brief. Hi")], [SYSTEM, ASK]),
        ([ASK, ANSWER], [("assistant", "Good day."), MORE]),
    ],
)
def test_a_question_that_is_nearly_another_is_doubtful(
    prompt: list[tuple[str, str]], before: list[tuple[str, str]]
) -> None:
    with pytest.raises(UnreadableError, match="neither repeat the prompt nor follow it"):
        split_last((*before, LAST), tuple(prompt), "chosen")


def test_two_system_messages_are_doubtful() -> None:
    with pytest.raises(UnreadableError, match="different system messages"):
        split_last((("system", "Be long."), ASK, LAST), (SYSTEM, ASK), "chosen")


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([], "must be the response, and there is none"),
        ([ASK], "must be the response, not the user's"),
        ([ASK, LAST, MORE], "not the user's"),
        ([ASK, LAST, ("tool", "4")], "not the tool's"),
        ([ASK, ANSWER, LAST], "two messages of the assistant"),
        ([ANSWER, LAST], "two messages of the assistant"),
    ],
)
def test_a_list_that_does_not_end_in_one_response(
    messages: list[tuple[str, str]], message: str
) -> None:
    with pytest.raises(UnreadableError, match=message):
        split_last(tuple(messages), (), "chosen")


MESSAGES = [{"role": "user", "content": 'Say "it\'s [{fine}]"'}]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(MESSAGES),
        json.dumps(MESSAGES, indent=4),
        json.dumps(MESSAGES, separators=(" ,\n", " :\t")),
        f"\n\t {json.dumps(MESSAGES)} \r\n",
        json.dumps(MESSAGES).replace("[{", "[ \n{", 1),
        json.dumps([{"content": MESSAGES[0]["content"], "role": "user"}]),
    ],
)
def test_a_json_list_of_messages_is_found_however_it_is_spaced(text: str) -> None:
    found = json_messages(text)
    assert found is not None and as_messages(found, "c") == (("user", MESSAGES[0]["content"]),)


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "[1]", "[{]", "{}", '[{"a": 1}]', '[{"role": "user"}]', "null"),
        f"{json.dumps(MESSAGES)} What does this mean?",
        f"Read this: {json.dumps(MESSAGES)}",
        str(MESSAGES),
        '[{"role": "user", "content": "a"}, 3]',
        '[{"role": ' + "[" * 100_000,
        '[{"role": "user", "content": ' + "9" * 5000 + "}, {}]",
    ],
)
def test_other_texts_are_no_json_list_of_messages(text: str) -> None:
    assert json_messages(text) is None


@pytest.mark.parametrize(
    "text",
    [
        str(MESSAGES),
        str([{"content": "a", "role": "user"}, {"content": "b", "role": "assistant"}]),
        str([{"from": "human", "value": "a"}]),
        # NumPy arrays of messages, which Parquet gives to pandas, have no commas.
        "[{'content': 'a', 'role': 'user'}\n {'content': 'b', 'role': 'assistant'}]",
        "array([{'content': 'a', 'role': 'user'}], dtype=object)",
        str([{"name": None, "role": "user", "content": "a"}]),
    ],
)
def test_lists_that_python_prints_are_known(text: str) -> None:
    assert is_printed(text) and not is_listed(text) and json_messages(text) is None


@given(st.lists(st.fixed_dictionaries({"role": st.text(), "content": st.text()}), min_size=1))
def test_a_list_as_json_and_as_python_prints_it_are_told_apart(rows: list[dict[str, str]]) -> None:
    as_json, printed = json.dumps(rows), str(rows)
    assert json_messages(as_json) == rows and is_listed(as_json) and not is_printed(as_json)
    assert is_printed(printed) and not is_listed(printed) and json_messages(printed) is None
