from __future__ import annotations

import json
from typing import Any

import pytest

from encore.raters.judge.answers import read_reply
from encore.raters.judge.responses import Verdict, understand
from encore.raters.judge.stream import is_stream, joined
from tests.raters.steady import weighed

USAGE = {"prompt_tokens": 9, "completion_tokens": 2}


def chunk(finish: str | None = None, logprobs: Any = None, **delta: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": logprobs}
    return {"object": "chat.completion.chunk", "choices": [choice]}


def stream(*chunks: Any, end: str = "\n\n", done: bool = True) -> bytes:
    lines = [f"data: {json.dumps(one, ensure_ascii=False)}" for one in chunks]
    return end.join([*lines, *(["data: [DONE]"] if done else []), ""]).encode()


@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n", "\r\r"])
@pytest.mark.parametrize("done", [True, False])
def test_the_parts_of_a_stream_are_one_completion(end: str, done: bool) -> None:
    parts = [
        chunk(role="assistant", content=""),
        chunk(reasoning_content="Hm."),
        chunk(reasoning_content="\u2028 Yes."),
        chunk(content='{"rating"'),
        chunk(content=": 4}"),
        chunk("stop"),
        {"choices": [], "usage": USAGE},
    ]
    body = joined(stream(*parts, end=end, done=done))
    message = {
        "role": "assistant",
        "content": '{"rating": 4}',
        "reasoning_content": "Hm.\u2028 Yes.",
    }
    choice = {"message": message, "finish_reason": "stop", "logprobs": None}
    assert body == {"choices": [choice], "usage": USAGE}


def test_probabilities_come_through() -> None:
    whole = weighed("4", {"4": 0.7, "5": 0.3})
    logprobs = whole["choices"][0]["logprobs"]
    raw = b": keep alive\n\n" + stream(chunk(content="4", logprobs=logprobs), chunk("stop"))
    assert is_stream(raw)
    assert understand(200, raw).reply == read_reply(whole)


def test_a_whole_message_beside_the_parts_is_not_added_to_them() -> None:
    parts = [chunk(content="4"), chunk("stop")]
    for part in parts:
        part["choices"][0]["message"] = {"content": "4"}
    assert joined(stream(*parts))["choices"][0]["message"]["content"] == "4"
    # Where a message stands in place of the parts, it is the reply.
    for part in parts:
        del part["choices"][0]["delta"]
    assert joined(stream(parts[1]))["choices"][0]["message"]["content"] == "4"


def test_an_error_in_a_stream_is_an_error() -> None:
    failed = {"error": {"message": "Overloaded", "code": 529}}
    response = understand(200, b"event: error\n" + stream(chunk(content="4"), failed))
    assert (response.verdict, response.status) == (Verdict.LATER, 529)


@pytest.mark.parametrize(
    "raw",
    [
        stream(),
        stream(chunk(content="4")),
        stream(chunk(content="4"), chunk("stop"))[:-40],
        b"data: {\n\n",
        b"data: 7\n\n",
        stream(None),
        stream({"choices": 7}),
        stream({"choices": [7]}),
        stream({"choices": [{"delta": 7}]}),
        stream({"choices": [{"delta": {}, "logprobs": 7}]}),
        stream({"choices": [{"delta": {}, "logprobs": {"content": 7}}]}),
        b"data: \xff\n\n",
    ],
)
def test_a_broken_stream_is_unreadable(raw: bytes) -> None:
    with pytest.raises(ValueError):
        joined(raw)
    assert understand(200, raw).verdict is Verdict.LATER
