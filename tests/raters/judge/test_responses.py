"""What replies mean: errors in the words of the servers that are about, and what is no reply."""

from __future__ import annotations

import json
from typing import Any

import pytest

from encore.raters import Usage
from encore.raters.judge.answers import read_reply
from encore.raters.judge.responses import Verdict, reported_usage, understand
from tests.raters.steady import chat, rating

ANSWERED, LATER, REJECTED, FILTERED, REFUSED = (
    *(Verdict.ANSWERED, Verdict.LATER, Verdict.REJECTED, Verdict.FILTERED, Verdict.REFUSED),
)


def verdict(status: int, body: Any) -> Verdict:
    return understand(
        status, body if isinstance(body, bytes) else json.dumps(body).encode()
    ).verdict


def test_a_chat_completion_is_an_answer() -> None:
    response = understand(200, json.dumps(rating("x")).encode())
    assert (response.verdict, response.reply) == (ANSWERED, read_reply(rating("x")))
    assert response.usage == Usage(0, 100, 0, 1)


# --- errors in a body that HTTP calls a success -----------------------------------------------


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"message": "Rate limit exceeded: free-models-per-day", "code": 429}, LATER),
        ({"message": "slow down", "code": "429"}, LATER),
        ({"message": "slow down", "code": "rate_limit_exceeded"}, LATER),
        ({"message": "Overloaded", "type": "overloaded_error"}, LATER),
        ({"message": "oops", "type": "server_error", "code": None}, LATER),
        ({"message": "quota", "code": 429, "status": "RESOURCE_EXHAUSTED"}, LATER),
        ({"message": "bad gateway", "code": 502, "metadata": {"provider_name": "x"}}, LATER),
        ({"message": "no such thing", "code": 42}, LATER),
        ({"message": "what?"}, LATER),
        ("Unexpected endpoint or method. (POST /chat/completions)", LATER),
        (True, LATER),
        (["broken"], LATER),
        ({"message": "max_tokens is wrong", "code": 400}, REJECTED),
        ({"message": "bad", "type": "invalid_request_error"}, REJECTED),
        ({"message": "no such key", "code": 401}, REFUSED),
        ({"message": "no such key", "code": "invalid_api_key"}, REFUSED),
        ({"message": "not for you", "code": "403"}, REFUSED),
        ({"message": "not for you", "type": "permission_error"}, REFUSED),
        ({"message": "pay first", "code": 402}, REFUSED),
        ({"message": "no such model", "code": "model_not_found"}, REFUSED),
    ],
)
def test_an_error_in_a_success_goes_by_its_own_code(error: Any, expected: Verdict) -> None:
    for body in (
        {"error": error},
        {"id": None, "choices": None, "error": error},
        {**chat(""), "error": error},
        {"choices": [{"error": error, "finish_reason": "error", "message": {"content": ""}}]},
    ):
        assert verdict(200, body) is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"code": 429, "message": "too many"}, LATER),
        ({"object": "error", "message": "bad key", "code": 401}, REFUSED),
        ({"detail": "Not Found"}, LATER),
        ([{"error": {"code": 503, "message": "try later"}}], LATER),
    ],
)
def test_an_error_without_the_word_is_one_too(body: Any, expected: Verdict) -> None:
    assert verdict(200, body) is expected


@pytest.mark.parametrize("nothing", [None, {}, "", False, []])
def test_an_empty_error_is_none(nothing: Any) -> None:
    assert verdict(200, {**chat("4"), "error": nothing}) is ANSWERED


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"   \n",
        b"<html><title>Just a moment...</title></html>",
        b"busy",
        b"4",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"[" * 100_000,
        b"1" * 5000,
        b'{"choices": ',
        b'{"choices": {}}',
        b'{"choices": [7]}',
        b'{"result": "4"}',
        b'{"model": "m", "message": {"role": "assistant", "content": "4"}, "done": true}',
    ],
)
def test_what_is_no_chat_completion_may_become_one_later(raw: bytes) -> None:
    response = understand(200, raw)
    assert response.verdict is LATER and response.reply is None
    assert response.said.startswith("HTTP 200, but not a chat completion: ")


# --- content policies -------------------------------------------------------------------------

AZURE = {
    "message": "The response was filtered due to the prompt triggering Azure OpenAI's content "
    "management policy. Please modify your prompt and retry.",
    **{"type": None, "param": "prompt", "code": "content_filter", "status": 400},
    "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {}},
}
POLICIES = [
    (400, {"error": AZURE}),
    (400, {"error": {**AZURE, "code": None, "message": "no"}}),
    (400, {"error": {"message": f"litellm.ContentPolicyViolationError: {AZURE['message']}"}}),
    (
        400,
        {
            "error": {
                "message": "Invalid prompt: your prompt was flagged as potentially violating our "
                "usage policy. Please try again with a different prompt",
                **{"type": "invalid_request_error", "param": None, "code": "invalid_prompt"},
            }
        },
    ),
    (
        400,
        {
            "type": "error",
            "error": {
                "type": "invalid_request_error",
                "message": "Output blocked by content filtering policy",
            },
        },
    ),
    (
        400,
        {
            "error": {
                **{"code": 400, "param": "prompt", "type": "content_filter"},
                "message": "The request was rejected because it was considered high risk",
            }
        },
    ),
    (400, {"error": {"message": "Content Exists Risk", "type": "invalid_request_error"}}),
    (400, {"detail": "Content Exists Risk"}),
    (
        400,
        {
            "error": {
                "code": "data_inspection_failed",
                "message": "Input data may contain inappropriate content.",
            }
        },
    ),
    (
        403,
        {
            "code": "The caller does not have permission to execute the specified operation",
            "error": "Content violates usage guidelines. Team: t, API key ID: k, Model: grok-4, "
            "Failed check: SAFETY_CHECK_TYPE_BIO",
        },
    ),
    (
        403,
        {
            "error": {
                "message": "a/b requires moderation on X. Your input was flagged for "
                '"sexual/minors". No credits were charged.',
                "code": 403,
                "metadata": {"reasons": ["sexual/minors"], "flagged_input": "…"},
            }
        },
    ),
    (403, {"error": {"message": "Input flagged by moderation", "code": 403}}),
    (
        400,
        {"error": {"code": "1301", "message": "系统检测到输入或生成内容可能包含不安全或敏感内容"}},
    ),
    (400, {"error": {"code": "InputTextSensitiveContentDetected", "message": "no"}}),
    (400, {"message": "blocked output: please adjust the prompt and try again"}),
    (422, {"detail": "The prompt violates our content policy."}),
    (500, {"error": {"code": "content_filter", "message": "filtered"}}),
    (200, {"error": {"code": 400, "message": AZURE["message"]}}),
    (200, {"error": AZURE}),
    (200, {"choices": None, "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}),
    (
        400,
        {
            "error": {
                "message": "Provider returned error",
                "code": 400,
                "metadata": {"raw": json.dumps({"error": AZURE}), "provider_name": "Azure"},
            }
        },
    ),
]


@pytest.mark.parametrize(("status", "body"), POLICIES)
def test_a_content_policy_is_about_one_conversation(status: int, body: Any) -> None:
    assert verdict(status, body) is FILTERED


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (403, "Your access was terminated due to violation of our policies.", REFUSED),
        (403, "Your account was flagged for violating our usage policies.", REFUSED),
        (400, "this model's maximum context length is 4096 tokens", REJECTED),
        (400, "model names are case sensitive", REJECTED),
        (403, "the key has no permission for this model", REFUSED),
        (401, "key blocked by content policy", REFUSED),
        (503, "the content filter is being restarted", LATER),
        (429, "rate limit policy violated", LATER),
    ],
)
def test_other_refusals_are_not_taken_for_a_policy(
    status: int, message: str, expected: Verdict
) -> None:
    assert verdict(status, {"error": {"message": message}}) is expected


# --- statuses ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        *((status, LATER) for status in (408, 409, 425, 429, 500, 502, 503, 504, 529, 599)),
        *((status, REJECTED) for status in (400, 406, 413, 418, 422, 501)),
        *((status, REFUSED) for status in (301, 302, 307, 308, 401, 402, 403, 404, 405)),
        (202, LATER),
        (204, LATER),
    ],
)
def test_a_status_alone_says_what_it_means(status: int, expected: Verdict) -> None:
    assert verdict(status, b"") is expected


def test_an_account_without_credit_is_not_a_rate_limit() -> None:
    told = {"message": "You exceeded your current quota", "code": "insufficient_quota"}
    assert verdict(429, {"error": told}) is REFUSED
    assert verdict(429, {"error": {**told, "code": "rate_limit_exceeded"}}) is LATER


@pytest.mark.parametrize("status", [403, 404, 405])
def test_a_refusal_that_names_a_field_is_about_that_field(status: int) -> None:
    told = {"message": "You are not allowed to request logprobs from this model"}
    assert verdict(status, {"error": told}) is REJECTED
    assert verdict(status, {"error": {"message": "no"}}) is REFUSED


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": {"message": "no seed", "code": 7}}, "no seed"),
        ({"error": "no seed"}, "no seed"),
        ({"message": "no seed."}, "no seed"),
        ([{"error": {"message": "no seed", "status": "INVALID_ARGUMENT"}}], "no seed"),
        (
            {"detail": [{"loc": ["body", "seed"], "msg": "not permitted", "input": "judged text"}]},
            "not permitted; body.seed",
        ),
        ("no seed", "no seed"),
        ({"error": {"message": "a\x1b[2Jb\ud800\nc"}}, "a\\x1b[2Jb\\ud800 c"),
    ],
)
def test_an_error_is_told_in_its_own_words(body: Any, said: str) -> None:
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    assert understand(400, raw).said == f"HTTP 400: {said}"


def test_a_page_is_told_by_its_beginning_and_read_for_nothing() -> None:
    page = b"<html><body>" + b"Blocked by our content policy, seed and logprobs. " * 1000
    response = understand(400, page)
    assert response.verdict is REJECTED and response.words == ""
    assert len(response.said) < 320 and response.said.startswith("HTTP 400: <html><body>Blocked")


# --- usage ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "used",
    [
        *(None, [], "many", 3, {}),
        {"prompt_tokens": 10**30, "completion_tokens": 1},
        {"prompt_tokens": 1, "completion_tokens": 10**30},
        {"prompt_tokens": -1, "completion_tokens": 1},
        {"prompt_tokens": 9, "completion_tokens": -1},
        {"prompt_tokens": 9.5, "completion_tokens": 1},
        {"prompt_tokens": "9", "completion_tokens": "1"},
        {"prompt_tokens": True, "completion_tokens": True},
        {"prompt_tokens": None, "completion_tokens": None},
        {"prompt_tokens": 0, "completion_tokens": 0},
        {"prompt_tokens": 9},
    ],
)
def test_a_usage_that_is_no_count_is_none(used: Any) -> None:
    assert reported_usage({"usage": used}) is None


@pytest.mark.parametrize(
    ("details", "cached"),
    [
        (None, 0),
        ({"cached_tokens": 64}, 64),
        ({"cached_tokens": 10**30}, 0),
        ({"cached_tokens": 91}, 90),
        ({"cached_tokens": -1}, 0),
        ({"cached_tokens": "x"}, 0),
        ([64], 0),
    ],
)
def test_no_more_is_cached_than_there_is(details: Any, cached: int) -> None:
    used = {"prompt_tokens": 90, "completion_tokens": 2, "prompt_tokens_details": details}
    assert reported_usage({"usage": used}) == Usage(0, 90, cached, 2)
