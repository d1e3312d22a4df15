"""Probabilities of a reply's tokens: whatever servers name them, and over more tokens than one."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encore import LevelScale, Rule
from encore.raters.judge.answers import MAX_UNSEEN, answer_of, read_reply
from encore.raters.judge.codes import Codes
from encore.raters.judge.tokens import Token, find_token, read_tokens
from encore.raters.protocol import Answer, Reason
from tests.raters.steady import chat

FIVE = Codes.of(Rule("r", "Is kind.", LevelScale((1, 2, 3, 4, 5))))
TEN = Codes.of(Rule("r", "Is kind.", LevelScale(tuple(range(11)))))
BINS = Codes.of(Rule("r", "Is kind.", LevelScale(tuple(range(1, 27)))))


def entry(drawn: str, shares: dict[str, float], **more: Any) -> dict[str, Any]:
    top = [{"token": name, "logprob": math.log(share)} for name, share in shares.items()]
    return {"token": drawn, "logprob": -0.1, "top_logprobs": top, **more}


def spelled(*tokens: tuple[str, dict[str, float]], finish: str = "stop") -> dict[str, Any]:
    """A reply of these tokens."""
    content = [entry(drawn, shares) for drawn, shares in tokens]
    text = "".join(drawn for drawn, _ in tokens)
    return chat(text, finish, logprobs={"content": content})


def read(body: Any, codes: Codes = FIVE) -> Answer:
    return answer_of(read_reply(body), codes)


# --- one token is not the whole answer ------------------------------------------------------


@pytest.mark.parametrize("finish", ["stop", "length"])
@pytest.mark.parametrize(
    "tokens",
    [
        # 10, cut off or not, is not 1; nor are 1.5, 1/5 and "1. Because".
        [("1", {"1": 0.9, "2": 0.1}), ("0", {"0": 0.9, "": 0.1})],
        [("1", {"1": 0.9, "2": 0.1}), (".", {".": 1.0}), ("5", {"5": 1.0})],
        [("1", {"1": 0.9, "2": 0.1}), ("/", {"/": 1.0}), ("5", {"5": 1.0})],
        [("1", {"1": 0.9, "2": 0.1}), (".", {".": 1.0}), (" Because", {" Because": 1.0})],
        [("1", {"1": 0.9, "2": 0.1}), (" because", {" because": 1.0})],
        [("I", {"I": 0.93, "As": 0.04, "Sorry": 0.03})],
        [("I", {"I": 0.93, "5": 0.07}), ("'m", {"'m": 1.0}), (" sorry", {" sorry": 1.0})],
        [("A", {"A": 0.93, "5": 0.07}), (" response", {" response": 1.0})],
    ],
)
def test_a_code_that_goes_on_is_no_rating(tokens: Any, finish: str) -> None:
    for codes in (FIVE, Codes.of(Rule("r", "Is kind.", LevelScale((1, 2))))):
        assert read(spelled(*tokens, finish=finish), codes).value is None


def test_a_code_at_the_cut_is_no_rating() -> None:
    answer = read(spelled(("1", {"1": 0.96, "5": 0.04}), finish="length"))
    assert (answer.value, answer.reason) == (None, Reason.TRUNCATED)


@pytest.mark.parametrize(
    "after",
    [
        [],
        [("</s>", {"</s>": 1.0})],
        [("\n", {"\n": 1.0})],
        [("\n\n", {"\n\n": 0.6, ".": 0.4}), ("The", {"The": 1.0})],
        [(".", {".": 1.0})],
    ],
)
def test_a_code_that_ends_is_read_with_its_alternatives(after: Any) -> None:
    body = spelled(("4", {"4": 0.75, "5": 0.25}), *after)
    # 4 * 3/4 + 5 / 4, and the entropy of (3/4, 1/4).
    answer = read(body)
    assert answer.value == pytest.approx(4.25)
    assert answer.spread == pytest.approx(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))


def test_marks_before_and_after_a_code_are_passed_over() -> None:
    sure = {"**": 1.0}
    body = spelled(("**", sure), ("4", {"4": 0.5, "2": 0.5}), ("**", sure), finish="stop")
    assert read(body).value == pytest.approx(3.0)


@pytest.mark.parametrize("codes", [FIVE, TEN])
@pytest.mark.parametrize("other", [" ", "\n", "</s>", "**", "The"])
def test_space_beside_a_code_is_no_code(codes: Codes, other: str) -> None:
    # 4 and 5 hold 0.9 between them: 4 * 2/3 + 5 * 1/3.
    one, two = ("04", "05") if codes is TEN else ("4", "5")
    answer = read(spelled((one, {one: 0.6, two: 0.3, other: 0.1})), codes)
    assert answer.value == pytest.approx(13 / 3)
    assert answer.spread is not None


# --- more than ten levels -------------------------------------------------------------------


def test_two_digits_in_one_token_are_read_like_one() -> None:
    # Llama 3 and GPT have tokens of up to three digits: 7 * 0.5 + 10 * 0.3 + 0 * 0.2.
    answer = read(spelled(("07", {"07": 0.5, "10": 0.3, "00": 0.2})), TEN)
    assert answer.value == pytest.approx(6.5)
    assert answer.probabilities == pytest.approx((0.2, 0, 0, 0, 0, 0, 0, 0.5, 0, 0, 0.3))


def test_two_tokens_are_multiplied() -> None:
    # Qwen, Gemma and SmolLM2 have a token a digit. Only 10 begins with 1:
    # 10 * 0.2 + 0.8 * (7 * 0.75 + 8 * 0.25).
    body = spelled(("0", {"0": 0.8, "1": 0.2}), ("7", {"7": 0.75, "8": 0.25}))
    answer = read(body, TEN)
    assert answer.value == pytest.approx(2 + 0.8 * 7.25)
    assert answer.probabilities == pytest.approx((*[0] * 7, 0.6, 0.2, 0, 0.2))


def test_the_rest_of_a_number_that_was_not_drawn_is_not_known() -> None:
    # 10 was drawn; of the 0.4 that begins with 0 it is not known which it would have been.
    answer = read(spelled(("1", {"1": 0.6, "0": 0.4}), ("0", {"0": 1.0})), TEN)
    assert (answer.value, answer.spread, answer.reason) == (10.0, None, None)
    assert answer.probabilities == (*[0.0] * 10, 1.0)
    assert answer.trouble == ""  # nothing is wrong with the probabilities


@pytest.mark.parametrize(
    ("share", "known"), [(MAX_UNSEEN - 1e-4, True), (MAX_UNSEEN + 1e-4, False)]
)
def test_a_small_share_that_is_not_known_is_left_out(share: float, known: bool) -> None:
    body = spelled(("1", {"1": 1 - share, "2": share}), ("3", {"3": 0.5, "4": 0.5}))
    answer = read(body, BINS)
    assert (answer.spread is not None) is known
    assert answer.value == pytest.approx(13.5 if known else 13.0)


def test_a_number_of_one_digit_is_the_level_and_what_begins_another_is_not_known() -> None:
    # 7 is 07. The 1 beside it may be 1 or 10, unless hardly any of it is there.
    answer = read(spelled(("7", {"7": 0.8, "1": 0.2})), TEN)
    assert (answer.value, answer.spread) == (7.0, None)
    answer = read(spelled(("7", {"7": 0.5, "08": 0.5})), TEN)
    assert answer.value == pytest.approx(7.5)
    # 1 was drawn and ended: what followed it tells 1 from 10. 0.8 * (1 * 3/4 + 10 / 4) + 0.2 * 8.
    body = spelled(("1", {"1": 0.8, "8": 0.2}), ("\n", {"\n": 0.75, "0": 0.25}))
    assert read(body, TEN).value == pytest.approx(0.8 * 3.25 + 1.6)
    # … and nothing where nothing followed.
    answer = read(spelled(("1", {"1": 0.8, "8": 0.2})), TEN)
    assert (answer.value, answer.spread) == (1.0, None)


def test_words_beside_two_digits_count_against_them() -> None:
    # Only 0.9 * 0.5 is on codes.
    body = spelled(("0", {"0": 0.9, "I": 0.1}), ("7", {"7": 0.5, ".": 0.5}))
    answer = read(body, TEN)
    assert (answer.value, answer.reason) == (None, Reason.MALFORMED)


CHAIN = st.lists(st.floats(0.001, 1), min_size=11, max_size=11)


@given(CHAIN, st.integers(0, 9))
def test_two_tokens_and_one_say_the_same_where_all_is_known(parts: list[float], low: int) -> None:
    shares = dict(zip(TEN.names, (part / sum(parts) for part in parts), strict=True))
    below = 1 - shares["10"]
    name = f"{low:02}"
    first = ("0", {"0": below, "1": shares["10"]})
    second = (name[1], {n[1]: shares[n] / below for n in TEN.names[:10]})
    one, two = read(spelled((name, shares)), TEN), read(spelled(first, second), TEN)
    assert one.value is not None and one.spread is not None
    assert two.value == pytest.approx(one.value)
    assert two.spread == pytest.approx(one.spread)


# --- names that servers give their tokens ---------------------------------------------------


@pytest.mark.parametrize("mark", ["\u2581", "\u0120", " ", "\u010a", "\n"])
@pytest.mark.parametrize("with_bytes", [False, True])
def test_the_marks_of_a_tokenizer_are_taken_off(mark: str, with_bytes: bool) -> None:
    body = chat("4", logprobs={"content": [entry(f"{mark}4", {f"{mark}4": 0.7, f"{mark}5": 0.3})]})
    if with_bytes:  # some servers give the bytes of the name, not of the text
        for told in body["choices"][0]["logprobs"]["content"]:
            for token in (told, *told["top_logprobs"]):
                token["bytes"] = list(token["token"].encode())
    answer = read(body)
    assert answer.value == pytest.approx(4.3) and answer.trouble == ""


def test_the_bytes_count_where_the_names_say_nothing() -> None:
    body = chat("4", logprobs={"content": [entry("token_id:19", {"token_id:19": 0.7})]})
    told = body["choices"][0]["logprobs"]["content"][0]
    told["top_logprobs"].append({"token": "token_id:20", "logprob": math.log(0.3)})
    for token, digit in ((told, b"4"), *zip(told["top_logprobs"], (b"4", b"5"), strict=True)):
        token["bytes"] = list(digit)
    assert read(body).value == pytest.approx(4.3)


@pytest.mark.parametrize("with_bytes", [False, True])
def test_names_that_say_nothing_leave_the_words(with_bytes: bool) -> None:
    # vLLM with return_tokens_as_token_ids gives the bytes of the very name.
    more = {"bytes": list(b"token_id:19")} if with_bytes else {}
    body = chat("4", logprobs={"content": [entry("token_id:19", {"token_id:19": 1.0}, **more)]})
    answer = read(body)
    assert (answer.value, answer.spread) == (4.0, None)
    assert answer.trouble == "its tokens are not spelled like its words"


def test_a_character_in_several_tokens_is_found_by_its_bytes() -> None:
    text = '{"rating": 4, "why": "\U0001f642"}'
    content = [entry(c, {c: 1.0}) for c in '{"rating": ']
    content.append(entry("4", {"4": 0.5, "2": 0.5}))
    content += [entry(c, {c: 1.0}) for c in ', "why": "']
    content += [entry("\ufffd", {"\ufffd": 1.0}, bytes=[b]) for b in "\U0001f642".encode()]
    content += [entry(c, {c: 1.0}) for c in '"}']
    assert read(chat(text, logprobs={"content": content})).value == pytest.approx(3.0)


@pytest.mark.parametrize("top", ["mapping", "list"])
def test_lists_of_the_older_completions_are_read(top: str) -> None:
    shares = {"4": math.log(0.7), "5": math.log(0.3)}
    tops: Any = [shares, {"</s>": 0.0}]
    if top == "list":
        tops = [[{"token": t, "logprob": p} for t, p in one.items()] for one in tops]
    told = {"tokens": ["4", "</s>"], "token_logprobs": [-0.3, None], "top_logprobs": tops}
    assert read(chat("4", logprobs=told)).value == pytest.approx(4.3)
    # Without alternatives there are no probabilities, and nothing is wrong.
    told = {"tokens": ["4"], "token_logprobs": [-0.3], "top_logprobs": None}
    reply = read_reply(chat("4", logprobs=told))
    assert (reply.tokens, reply.trouble) == (None, "")


# --- what is no probability -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("logprob", "trouble"),
    [
        *((None, "null"), ("-0.1", "str"), (True, "bool"), (float("nan"), "not a number")),
        *(([], "list"), ({}, "dict")),
    ],
)
def test_what_is_no_log_probability_leaves_the_words(logprob: Any, trouble: str) -> None:
    token = {"token": "4", "top_logprobs": [{"token": "4", "logprob": logprob}]}
    answer = read(chat("4", logprobs={"content": [token]}))
    assert (answer.value, answer.spread) == (4.0, None)
    assert answer.trouble == f"a log probability is {trouble}"


@pytest.mark.parametrize(
    "logprobs", [(-0.1, -0.2), (12.5,), (10**400,), (float("inf"), -1), (1e308, 0)]
)
def test_two_tokens_cannot_both_be_nearly_certain(logprobs: tuple[float, ...]) -> None:
    top = [{"token": str(4 + n), "logprob": part} for n, part in enumerate(logprobs)]
    answer = read(chat("4", logprobs={"content": [{"token": "4", "top_logprobs": top}]}))
    assert (answer.value, answer.spread) == (4.0, None)
    assert answer.trouble.startswith("the probabilities of one token sum to")


@pytest.mark.parametrize("never", [-(10**400), float("-inf"), -1e308, -9999.0, -10_001])
def test_a_log_probability_of_any_size_is_read(never: float) -> None:
    top = [{"token": "4", "logprob": 0}, {"token": "1", "logprob": never}]
    answer = read(chat("4", logprobs={"content": [{"token": "4", "top_logprobs": top}]}))
    assert (answer.value, answer.spread, answer.trouble) == (4.0, 0.0, "")


@pytest.mark.parametrize(
    "told",
    [
        *([1], 3, "x", {"content": 3}, {"content": ["4"]}, {"content": [{"top_logprobs": []}]}),
        *({"content": [{"token": 4}]}, {"content": [{"token": "4", "top_logprobs": [{}]}]}),
        *({"tokens": [1]}, {"tokens": ["4"], "top_logprobs": 3}),
        {"content": [{"token": "4", "top_logprobs": [{"token": "4"}]}]},
    ],
)
def test_a_shape_that_is_not_known_leaves_the_words(told: Any) -> None:
    answer = read(chat("4", logprobs=told))
    assert (answer.value, answer.spread) == (4.0, None)
    assert answer.trouble == "they are not in a shape that is known"


def test_what_is_wrong_elsewhere_does_no_harm() -> None:
    first = {"token": "\n", "logprob": None, "top_logprobs": [{"token": "\n", "logprob": None}]}
    told = {"content": [first, entry("4", {"4": 0.5, "5": 0.5})]}
    answer = read(chat("\n4", logprobs=told))
    assert answer.value == pytest.approx(4.5) and answer.trouble == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
NUMBERS = st.floats() | st.integers() | st.sampled_from([10**400, -(10**400), 1e308])
TOP = st.fixed_dictionaries(
    {"token": st.sampled_from(["4", " 5", "", "\u25811", "<0x34>"]) | JSON, "logprob": NUMBERS},
    optional={"bytes": st.lists(st.integers(-1, 300)) | JSON},
)
TOLD = st.fixed_dictionaries(
    {},
    optional={
        "content": st.lists(st.fixed_dictionaries({"token": JSON, "top_logprobs": st.lists(TOP)})),
        "tokens": st.lists(st.text(max_size=2)) | JSON,
        "top_logprobs": st.lists(st.dictionaries(st.text(max_size=2), NUMBERS)) | JSON,
    },
)


@given(TOLD | JSON)
def test_whatever_comes_is_tokens_or_trouble(told: Any) -> None:
    tokens, trouble = read_tokens(told)
    assert isinstance(trouble, str)
    for token in tokens or ():
        assert bool(token.alternatives) is not bool(token.fault)
        assert math.fsum(token.alternatives.values()) <= 1 + 2e-3
        assert all(share >= 0 for share in token.alternatives.values())


@given(st.lists(st.binary(min_size=1, max_size=3), min_size=1, max_size=6), st.data())
def test_the_token_where_a_tail_begins_is_found(parts: list[bytes], data: st.DataObject) -> None:
    parts = [bytes(b % 2 + 48 for b in part) for part in parts]  # zeros and ones
    whole = b"".join(parts).decode()
    start = data.draw(st.integers(0, len(whole) - 1))
    found = find_token([Token(part, {}) for part in parts], whole[start:])
    ends = [sum(map(len, parts[: n + 1])) for n in range(len(parts))]
    assert found == next(n for n, end in enumerate(ends) if start < end)
    assert find_token([Token(part, {}) for part in parts], whole + "0") is None


def test_a_tail_of_a_million_characters_is_found_in_one_pass() -> None:
    # Compared at every place it would take 10^11 steps.
    tokens = [Token(b"1" + b"4" * 1_000_000, {})]
    assert find_token(tokens, "24" + "4" * 500_000) is None
    assert find_token(tokens, "4" * 500_000) == 0
