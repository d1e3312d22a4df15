from __future__ import annotations

from typing import Any

import pytest

from encore.raters.judge.capabilities import Capabilities

BODY = {
    **{"model": "m", "temperature": 0.0, "seed": 0, "max_tokens": 1},
    **{"logprobs": True, "top_logprobs": 20, "response_format": {}},
}


def adapted(*troubles: str) -> tuple[list[str | None], dict[str, Any]]:
    """What each rejection changes, and the body that comes of it."""
    capabilities = Capabilities()
    changes = [capabilities.adapt(trouble, capabilities.apply(BODY)) for trouble in troubles]
    return changes, capabilities.apply(BODY)


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in BODY.items() if name not in names}


def test_nothing_is_left_out_before_it_is_refused() -> None:
    assert adapted() == ([], BODY)


@pytest.mark.parametrize(
    ("trouble", "change", "body"),
    [
        (
            "HTTP 400: Unsupported parameter: 'max_tokens' is not supported with this model. Use "
            "'max_completion_tokens' instead",
            "max_completion_tokens for max_tokens",
            {**without("max_tokens"), "max_completion_tokens": 1},
        ),
        (
            "HTTP 400: Invalid value for 'top_logprobs': must be less than or equal to 5",
            "top_logprobs 5",
            {**BODY, "top_logprobs": 5},
        ),
        (
            "HTTP 400: logprobs is not supported",
            "no logprobs",
            {**without("logprobs", "top_logprobs"), "max_tokens": 8},
        ),
        ("HTTP 400: Unknown field: seed", "no seed", without("seed")),
        (
            "HTTP 400: Unsupported value: 'temperature' does not support 0",
            "no temperature",
            without("temperature"),
        ),
        (
            "HTTP 400: response_format is not supported by this model",
            "no response_format",
            without("response_format"),
        ),
    ],
)
def test_what_a_rejection_names_is_asked_otherwise(
    trouble: str, change: str, body: dict[str, Any]
) -> None:
    assert adapted(trouble) == ([change], body)


def test_fewer_alternatives_come_before_none() -> None:
    trouble = "top_logprobs is too large"
    changes, body = adapted(trouble, trouble)
    assert changes == ["top_logprobs 5", "no logprobs"]
    # A level in words needs room: one token may be its first letter only.
    assert "logprobs" not in body and body["max_tokens"] == 8


def test_a_rejection_that_names_nothing_of_ours_changes_nothing() -> None:
    changes, body = adapted("HTTP 400: the prompt is longer than 8192 tokens")
    assert (changes, body) == ([None], BODY)


def test_nothing_is_left_out_twice() -> None:
    assert adapted("no seed", "no seed")[0] == ["no seed", None]


def test_room_for_a_thought_is_kept() -> None:
    capabilities = Capabilities(n_alternatives=0)
    assert capabilities.apply({**BODY, "max_tokens": 2048})["max_tokens"] == 2048


def test_what_was_left_out_stays_left_out() -> None:
    changes, body = adapted("seed", "temperature", "response_format")
    assert changes == ["no seed", "no temperature", "no response_format"]
    assert body == without("seed", "temperature", "response_format")


def test_a_body_that_is_adapted_already_may_be_adapted_again() -> None:
    capabilities = Capabilities()
    body = capabilities.apply(BODY)
    for trouble in ("use max_completion_tokens", "logprobs", "seed"):
        assert capabilities.adapt(trouble, body)
        body = capabilities.apply(body)
    assert body == capabilities.apply(body) == capabilities.apply(BODY)
    # One token of a level became eight of words, under the other name.
    assert body["max_completion_tokens"] == 8 and "max_tokens" not in body
    longer = capabilities.apply(capabilities.apply({**BODY, "max_tokens": 2048}))
    assert longer["max_completion_tokens"] == 2048 and "max_tokens" not in longer


def test_a_rejection_that_repeats_the_judged_text_changes_nothing() -> None:
    capabilities = Capabilities()
    body = {**BODY, "messages": [{"role": "user", "content": "I like logprobs and a seed."}]}
    trouble = "HTTP 400: rejected by the filter: 'I like logprobs and a seed.'"
    assert capabilities.adapt(trouble, body) is None and capabilities.apply(body) == body
    # A word that stands in the text by chance is no repetition.
    for word in ("temperature", "seed"):
        climate = {**BODY, "messages": [{"role": "user", "content": f"The {word} of a stream?"}]}
        assert Capabilities().adapt(f"unknown field: {word}", climate) == f"no {word}"
    # What else it names is its own.
    assert capabilities.adapt(f"{trouble} (temperature)", body) == "no temperature"


def test_what_was_taken_once_is_not_what_a_rejection_means() -> None:
    capabilities = Capabilities()
    capabilities.accepted(BODY)
    for trouble in ("no logprobs", "top_logprobs", "use max_completion_tokens", "seed"):
        assert capabilities.adapt(trouble, BODY) is None
    assert capabilities.apply(BODY) == BODY


def test_calls_refused_at_the_same_time_change_one_thing_together() -> None:
    capabilities = Capabilities()
    one, other = capabilities.apply(BODY), capabilities.apply(BODY)
    assert capabilities.adapt("top_logprobs is too large", one) == "top_logprobs 5"
    capabilities.accepted(capabilities.apply(one))
    assert capabilities.adapt("top_logprobs is too large", other) == ""
    assert capabilities.apply(other)["top_logprobs"] == 5
