"""Reading an answer: what is a level is read as one, what is none never is."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encore import LevelScale, Rule
from encore.raters.cells import rating_of
from encore.raters.judge.answers import (
    MIN_MASS,
    answer_of,
    answers_of,
    mean_and_entropy,
    read_reply,
)
from encore.raters.judge.codes import Codes
from encore.raters.protocol import Answer, Reason
from tests.raters.steady import chat, weighed

FIVE = Codes.of(Rule("r", "Is kind.", LevelScale((1, 2, 3, 4, 5))))
TEN = Codes.of(Rule("r", "Is kind.", LevelScale(tuple(range(11)))))


def read(body: Any, codes: Codes = FIVE) -> Answer:
    return answer_of(read_reply(body), codes)


def spelled(text: str, at: int, shares: dict[str, float]) -> dict[str, Any]:
    """A reply of one token a character, with *shares* at one of them, and certainty elsewhere."""
    tokens = []
    for place, character in enumerate(text):
        here = shares if place == at else {character: 1.0}
        top = [{"token": name, "logprob": math.log(share)} for name, share in here.items()]
        tokens.append({"token": character, "logprob": 0.0, "top_logprobs": top})
    return chat(text, logprobs={"content": tokens})


# --- from probabilities ---------------------------------------------------------------------


def test_the_rating_is_the_expected_level_and_the_spread_its_entropy(
    peer: Callable[[str], ModuleType],
) -> None:
    answer = read(weighed("4", {"3": 0.2, "4": 0.5, "5": 0.3}))
    # 3 * 0.2 + 4 * 0.5 + 5 * 0.3
    assert answer.value == pytest.approx(4.1)
    assert answer.spread == pytest.approx(peer("scipy.stats").entropy([0.2, 0.5, 0.3]))
    assert answer.probabilities == pytest.approx((0, 0, 0.2, 0.5, 0.3))
    assert (answer.reason, answer.reply) == (None, "4")


def test_probability_on_other_words_is_left_out() -> None:
    # Codes hold 0.8: 0.6 / 0.8 and 0.2 / 0.8, so 5 * 0.75 + 1 * 0.25.
    answer = read(weighed("5", {"5": 0.6, "1": 0.2, "The": 0.2}))
    assert answer.value == pytest.approx(4.0)


def test_a_token_with_a_space_is_the_same_label() -> None:
    answer = read(weighed(" 5", {" 5": 0.5, "5": 0.25, "\n1": 0.25}))
    # 5 * 0.75 + 1 * 0.25
    assert answer.value == pytest.approx(4.0)


@pytest.mark.parametrize(("mass", "rated"), [(MIN_MASS + 0.01, True), (MIN_MASS - 0.01, False)])
def test_a_judge_about_to_say_something_else_gives_no_rating(mass: float, rated: bool) -> None:
    answer = read(weighed("5", {"5": mass, "I": 1 - mass}))
    assert (answer.value == 5.0) is rated
    assert (answer.reason is Reason.MALFORMED) is not rated


def test_a_reply_that_is_no_code_is_none_however_likely_codes_were() -> None:
    # What would have come after the 2 is not known: it may have been 2.5.
    answer = read(weighed("I", {"2": 0.6, "I": 0.4}))
    assert (answer.value, answer.reason) == (None, Reason.MALFORMED)


def test_the_token_that_states_the_rating_is_read_and_no_other() -> None:
    # The digit 1 in the words before is not the rating; nor is the 2 in the thought.
    text = '{"rating": 4}'
    answer = read(spelled(text, text.index("4"), {"4": 0.5, "5": 0.5}))
    assert answer.value == pytest.approx(4.5)
    thought = "<think>1 or 2?</think>\n4"
    answer = read(spelled(thought, len(thought) - 1, {"4": 0.75, "3": 0.25}))
    assert answer.value == pytest.approx(3.75)


def test_tokens_of_a_code_fence_that_the_text_leaves_out_do_no_harm() -> None:
    # llama.cpp strips the fence from the text and not from the tokens.
    fenced = '```json\n{"rating": 2}\n```'
    body = spelled(fenced, fenced.index("2"), {"2": 0.9, "1": 0.1})
    body["choices"][0]["message"]["content"] = '{"rating": 2}'
    assert read(body).value == pytest.approx(1.9)


def test_a_label_of_no_probability_adds_nothing_to_the_spread() -> None:
    body = weighed("5", {"5": 1.0})
    body["choices"][0]["logprobs"]["content"][0]["top_logprobs"].append(
        {"token": "1", "logprob": float("-inf")}
    )
    answer = read(body)
    assert (answer.value, answer.spread) == (5.0, 0.0)


# --- from words -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        *("4", " 4\n", "4.", "**4**", "`4`", '"4"', "4.0", "Rating: 4", "rating = 4"),
        *('{"rating": 4}', '{"rating": "4"}', '{"rating": 4.0, "why": "kind"}'),
        '```json\n{"rating": 4}\n```',
        '<think>1? No, 5. {"rating": 2}</think>\n\n4',
    ],
)
def test_a_level_that_is_stated_is_the_rating(text: str) -> None:
    answer = read(chat(text))
    assert (answer.value, answer.spread, answer.reason) == (4.0, None, None)
    assert answer.probabilities == (0.0, 0.0, 0.0, 1.0, 0.0)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "four", "4 or 5", "4/5", "4 5", "I would say 4.", "45", "Rating: high", "4%"),
        *("{", '{"rating"', '{"rating": true}', '{"rating": null}', '{"rating": [4]}', "[4]"),
        *('{"score": 4}', '{"rating": 4, "rating": 5}', '{"rating": 4} or 5', "{" * 50_000),
        *('{"rating": "4 of 5"}', "<think>4</think>", "٤"),
    ],
)
def test_what_is_no_level_is_never_read_as_one(text: str) -> None:
    answer = read(chat(text))
    assert answer.value is None and answer.spread is None and answer.probabilities is None
    assert answer.reason in (Reason.MALFORMED, Reason.OUT_OF_SCALE)


@pytest.mark.parametrize("text", ["0", "6", "4.5", "-1", "10", '{"rating": 7}', '{"rating": 1e3}'])
def test_a_number_that_is_no_level_is_out_of_scale(text: str) -> None:
    assert read(chat(text)).reason is Reason.OUT_OF_SCALE


@pytest.mark.parametrize(
    "body",
    [
        chat("I cannot judge this.", finish="content_filter"),
        chat("", message={"role": "assistant", "content": None, "refusal": "I can't help."}),
        weighed("4", {"4": 1.0}, finish="content_filter"),
    ],
)
def test_a_refusal_is_refused_whatever_it_says(body: Any) -> None:
    answer = read(body)
    assert (answer.value, answer.reason) == (None, Reason.REFUSED)


def test_an_answer_that_is_cut_off_is_truncated() -> None:
    assert read(chat("<think>Let me see", finish="length")).reason is Reason.TRUNCATED
    assert read(chat("", finish="length")).reason is Reason.TRUNCATED
    # A digit at the cut may be the first of a number, and a word may follow.
    for text in ("1", "4.", "Rating: 4", "**4**", "4 ", '{"rating": 4', '{"rating"'):
        assert read(chat(text, finish="length")).reason is Reason.TRUNCATED
    # A line that ended, or an object that did, is whole.
    for text in ("4\n", "4.\n\nThe resp", '{"rating": 4}', "```\n4\n```"):
        assert read(chat(text, finish="length")).value == 4.0
    # A single token that is no digit is not cut off: no level was to come.
    assert read(chat("I", finish="length")).reason is Reason.MALFORMED


def test_a_long_reply_is_kept_shortened() -> None:
    assert read(chat("x" * 10_000)).reply == "x" * 500


# --- several rules at once ------------------------------------------------------------------


def test_each_rule_has_the_level_under_its_number() -> None:
    answers = answers_of(read_reply(chat('{"1": 4, "2": "10", "3": 9}')), [FIVE, TEN, FIVE])
    assert [answer.value for answer in answers] == [4.0, 10.0, None]
    assert answers[2].reason is Reason.OUT_OF_SCALE


def test_a_rule_that_is_left_out_is_malformed_and_the_others_are_rated() -> None:
    one, two = answers_of(read_reply(chat('{"2": 3}')), [FIVE, FIVE])
    assert (one.value, one.reason, two.value) == (None, Reason.MALFORMED, 3.0)


def test_a_bare_number_is_no_answer_to_several_rules() -> None:
    assert [a.reason for a in answers_of(read_reply(chat("4")), [FIVE, FIVE])] == ["malformed"] * 2


def test_each_rule_is_read_at_its_own_token() -> None:
    text = '{"1": 1, "2": 2}'
    body = spelled(text, text.rindex("2"), {"2": 0.5, "3": 0.5})
    one, two = answers_of(read_reply(body), [FIVE, FIVE])
    assert one.value == 1.0
    assert two.value == pytest.approx(2.5)


# --- what replies are made of ---------------------------------------------------------------


def text(said: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": said, **more}


@pytest.mark.parametrize(
    "content",
    [
        [text("4")],
        [text("Rating: "), text("4")],
        ["Rating: ", "4"],
        [{"type": "thinking", "thinking": [text("2?")]}, text("4")],
        [{"type": "thinking", "thinking": "2?", "signature": "x"}, text("4")],
        [{"type": "redacted_thinking", "data": "x"}, {"type": "output_text", "text": "4"}],
        [{"type": "reasoning", "text": "2"}, {"text": "4"}],
        [text("2", thought=True), text("4")],
        [{"type": "tool_use", "input": {"text": "2"}}, text("4"), {"type": "image_url"}],
    ],
)
def test_the_text_of_the_text_chunks_is_the_reply(content: list[Any]) -> None:
    assert read(chat("", message={"content": content})).value == 4.0


@pytest.mark.parametrize("content", [[], [{"type": "thinking", "thinking": "4"}], [text("")]])
def test_thoughts_alone_are_no_answer(content: list[Any]) -> None:
    message = {"content": content}
    assert read(chat("", message=message)).reason is Reason.MALFORMED
    assert read(chat("", "length", message=message)).reason is Reason.TRUNCATED


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
@pytest.mark.parametrize("content", [None, "", []])
def test_a_thought_that_took_all_the_room_is_truncated_and_shown(name: str, content: Any) -> None:
    message = {"content": content, name: "I would say 4"}
    answer = read(chat("", "length", message=message))
    assert (answer.value, answer.reason) == (None, Reason.TRUNCATED)
    assert answer.reply == "I would say 4"
    # Beside an answer it is none of ours.
    assert read(chat("", message={"content": "2", name: "4"})).value == 2.0


@pytest.mark.parametrize(
    "finish",
    [
        *("SAFETY", "safety", "RECITATION", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII", "refusal"),
        *("content_filter", "content_filter: SAFETY", "FinishReason.SAFETY", "sensitive"),
    ],
)
@pytest.mark.parametrize("message", [{"content": None}, {}, {"content": "4"}, None])
def test_a_filter_of_any_maker_is_a_refusal(finish: str, message: Any) -> None:
    answer = read(chat("", finish, message=message))
    assert (answer.value, answer.reason) == (None, Reason.REFUSED)


@pytest.mark.parametrize("finish", ["length", "MAX_TOKENS", "max_tokens", "model_length"])
def test_a_limit_of_any_maker_cuts(finish: str) -> None:
    assert read(chat("Rating: 4", finish)).reason is Reason.TRUNCATED


@pytest.mark.parametrize("finish", ["stop", "STOP", "end_turn", "eos", None, 3, ["length"]])
def test_any_other_end_is_an_end(finish: Any) -> None:
    assert read(chat("Rating: 4", finish)).value == 4.0


@pytest.mark.parametrize(
    "message",
    [
        {"content": None, "refusal": "I can't help with that."},
        {"content": [{"type": "refusal", "refusal": "I can't help with that."}]},
        {"content": "4", "refusal": "No."},
    ],
)
def test_a_refusal_beside_the_content_is_one(message: Any) -> None:
    assert read(chat("", message=message)).reason is Reason.REFUSED


@pytest.mark.parametrize(
    "beside",
    [
        {"promptFeedback": {"blockReason": "SAFETY"}},
        {"prompt_filter_results": [{"content_filter_results": {"hate": {"filtered": True}}}]},
    ],
)
@pytest.mark.parametrize("choices", [[], None])
def test_no_choices_because_of_a_filter_are_a_refusal(choices: Any, beside: Any) -> None:
    assert read({"choices": choices, **beside}).reason is Reason.REFUSED


def test_half_a_character_is_not_kept() -> None:
    answer = read(chat("I saw \ud83d"))
    assert answer.reply == "I saw ?" and answer.reason is Reason.MALFORMED


# --- replies that are none ------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        *(None, 3, "x", [], {}, {"choices": []}, {"choices": [{}]}, {"choices": [{"message": 3}]}),
        *({"choices": None}, {"choices": {}}, {"choices": "x"}, {"choices": [None]}),
        *({"choices": [{"message": None, "finish_reason": "stop"}]}, {"choices": [[]]}),
        chat("4", message={"content": 4}),
        chat("4", message={"content": {"rating": 4}}),
        chat("4", message={"content": [4]}),
        chat("4", message={"content": [{"type": "text"}]}),
        chat("4", message={"content": [{"type": "text", "text": ["4"]}]}),
        chat("4", finish="error"),
        chat("4", finish="insufficient_system_resource"),
    ],
)
def test_what_is_no_chat_completion_is_refused(body: Any) -> None:
    with pytest.raises(ValueError, match=r"not a chat completion|broke off its reply"):
        read_reply(body)


@pytest.mark.parametrize("told", [None, {}, {"content": None}, {"content": []}])
def test_a_reply_without_probabilities_has_no_tokens(told: Any) -> None:
    reply = read_reply(chat("4", logprobs=told))
    assert (reply.tokens, reply.trouble) == (None, "")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ALTERNATIVE = st.fixed_dictionaries(
    {"token": st.sampled_from(["1", "5", " 3", "x", ""]) | JSON, "logprob": st.floats() | JSON}
)


@given(JSON)
def test_any_json_is_a_reply_or_refused(body: Any) -> None:
    for one in (body, {"choices": body}, {"choices": [body]}, {"choices": [{"message": body}]}):
        try:
            answer = read(one)
        except ValueError:
            continue
        assert (answer.value is None) == (answer.reason is not None)


@given(
    content=st.sampled_from(["4", "", '{"rating": 3}']) | st.text() | JSON,
    finish=st.sampled_from(["stop", "length", "content_filter"]) | JSON,
    tokens=st.lists(
        st.fixed_dictionaries({"token": JSON, "top_logprobs": st.lists(ALTERNATIVE) | JSON})
    )
    | JSON,
)
def test_whatever_comes_is_a_level_or_a_reason_and_never_both(
    content: Any, finish: Any, tokens: Any
) -> None:
    message = {"content": content}
    body = {
        "choices": [{"message": message, "finish_reason": finish, "logprobs": {"content": tokens}}]
    }
    try:
        answer = read(json.loads(json.dumps(body)))
    except ValueError:
        return  # said to be no chat completion
    assert (answer.value is None) == (answer.reason is not None)
    if answer.value is not None:
        assert 1 <= answer.value <= 5
        assert answer.probabilities is not None and math.isclose(math.fsum(answer.probabilities), 1)
        assert answer.spread is None or 0 <= answer.spread <= math.log(5) + 1e-12


@given(st.lists(st.floats(0, 1), min_size=3, max_size=3).filter(lambda parts: sum(parts) > 0.01))
def test_mean_and_entropy_of_a_distribution(parts: list[float]) -> None:
    shares = [part / sum(parts) for part in parts]
    value, entropy = mean_and_entropy(shares, (1.0, 3.0, 5.0))
    assert value == pytest.approx(shares[0] + 3 * shares[1] + 5 * shares[2])
    assert entropy == pytest.approx(sum(-p * math.log(p) for p in shares if p), abs=1e-12)


@given(st.lists(st.lists(st.floats(0.01, 1), min_size=3, max_size=3), min_size=2, max_size=4))
def test_several_answers_are_their_mean_distribution(parts: list[list[float]]) -> None:
    rule = Rule("r", "Is kind.", LevelScale((1, 3, 5)))
    shares = [[part / sum(row) for part in row] for row in parts]
    answers = [Answer(value=3.0, probabilities=tuple(row)) for row in shares]
    value, spread, reason, probabilities, applies = rating_of(answers, rule)
    mean = [sum(row[k] for row in shares) / len(shares) for k in range(3)]
    assert value == pytest.approx(mean[0] + 3 * mean[1] + 5 * mean[2])
    assert probabilities == pytest.approx(mean)
    assert (reason, applies) == ("", 1.0)
    # Pooling adds the scatter between answers to that within them, (3 - 1) / (2 n) at most.
    pooled = -sum(p * math.log(p) for p in mean)
    within = sum(-p * math.log(p) for row in shares for p in row) / len(shares)
    assert within - 1e-9 <= pooled <= spread + 1e-9
    assert spread <= pooled + 1 / len(shares) + 1e-9
