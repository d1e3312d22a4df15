"""The prompt: one prefix for all rules, and text in it that comes back out as it was."""

from __future__ import annotations

import json
from typing import Any
from unicodedata import category

from hypothesis import given
from hypothesis import strategies as st

from encore import LevelScale, RangeScale, Rule
from encore.rate import Item
from encore.rate.prompt import (
    Fence,
    conversation_prompt,
    escape,
    parts_of,
    rating_schema,
    ratings_schema,
    rule_prompt,
    rules_prompt,
    unescape,
)

KIND = Rule("kind", "Is kind.", LevelScale((1, 2, 3, 4, 5)))
CLEAN = Rule("clean", "Uses no slur.", LevelScale((0, 1)))
COST = Rule("cost", "Does no harm.", RangeScale(worst=1.0, best=0.0, bins=12))
ITEM = Item((("system", "Be nice."), ("user", "Hi")), "Hello", "p", "r")

TEXT = st.text() | st.text(st.sampled_from("<>&;#[]|lt0123amp\u200b\ud83d\n"))


def levels_in(schema: dict[str, Any], name: str) -> dict[str, Any]:
    inner = schema["json_schema"]
    assert inner["strict"] is True and inner["schema"]["additionalProperties"] is False
    assert name in inner["schema"]["required"]
    found: dict[str, Any] = inner["schema"]["properties"][name]
    return found


@given(TEXT)
def test_text_comes_out_as_it_went_in(text: str) -> None:
    assert unescape(escape(text)) == text


@given(TEXT)
def test_no_escaped_text_holds_a_bracket_or_a_hidden_character(text: str) -> None:
    escaped = escape(text)
    assert "<" not in escaped
    # Controls, format characters, surrogates and private ones; lines and tabs are seen.
    hidden = {"Cc", "Cf", "Cs", "Co"}
    assert not hidden & {category(c) for c in escaped if c not in "\n\t\r"}
    escaped.encode("utf-8")  # no lone surrogate is left


def test_what_people_read_stays_as_it_is() -> None:
    text = "Café 日本語 🙂 1 > 0 & so on; a[0] = [x] – “quoted”\n\ttabbed"
    assert escape(text) == text


@given(TEXT, TEXT)
def test_different_texts_have_different_escapes(one: str, other: str) -> None:
    assert (escape(one) == escape(other)) == (one == other)


def test_the_nonce_depends_on_conversation_response_and_key_alone() -> None:
    nonce = Fence.of(ITEM).nonce
    assert nonce == Fence.of(Item(ITEM.messages, "Hello", "other", "ids")).nonce
    others = {
        Fence.of(Item(ITEM.messages, "Hello!", "p", "r")).nonce,
        Fence.of(Item(ITEM.messages[1:], "Hello", "p", "r")).nonce,
        Fence.of(Item((("user", "Be nice."), ("user", "Hi")), "Hello", "p", "r")).nonce,
        Fence.of(ITEM, b"a secret").nonce,
    }
    assert len(others | {nonce}) == 5
    assert all(len(code) == 12 and int(code, 16) >= 0 for code in others)


def test_all_rules_share_everything_up_to_the_end_mark() -> None:
    fence = Fence.of(ITEM)
    told = conversation_prompt(parts_of(ITEM), fence)
    assert told.endswith(f"\n<<end {fence.nonce}>>")
    prompts = [told + rule_prompt(rule) for rule in (KIND, CLEAN, COST)]
    prompts += [told + rule_prompt(KIND, strict=True), told + rules_prompt([KIND, CLEAN])]
    assert all(prompt.startswith(told) for prompt in prompts)


def test_every_message_stands_under_its_role_and_the_response_last() -> None:
    nonce = Fence.of(ITEM).nonce
    told = conversation_prompt(parts_of(ITEM), Fence.of(ITEM))
    assert told.split("\n\n", 2)[2] == (
        f"<<system {nonce}>>\nBe nice.\n<<user {nonce}>>\nHi\n"
        f"<<response to rate {nonce}>>\nHello\n<<end {nonce}>>"
    )


def test_the_rule_stands_last_with_both_ends_of_its_scale() -> None:
    asked = rule_prompt(KIND)
    assert asked.startswith("\n\nRule: Is kind.\n")
    assert "1 = clearly violates it, 5 = fully follows it" in asked
    assert asked.endswith("Answer with one number, 1, 2, 3, 4 or 5, and nothing else.")
    # A range of 12 bins is lettered from its worst end, A, to its best, L.
    assert "A = clearly violates it, L = fully follows it" in rule_prompt(COST)


def test_the_stricter_question_is_the_same_and_a_format() -> None:
    strict = rule_prompt(KIND, strict=True)
    assert strict.startswith(rule_prompt(KIND)) and strict.endswith('it: {"rating": 5}')
    assert rule_prompt(COST, strict=True).endswith('{"rating": "L"}')


def test_all_rules_at_once_are_numbered_with_an_example_for_each() -> None:
    asked = rules_prompt([KIND, CLEAN, COST])
    for line in (
        "1. Is kind. (1 = clearly",
        "2. Uses no slur. (0 = clearly",
        "3. Does no harm. (A =",
    ):
        assert f"\n{line}" in asked
    assert json.loads(asked[asked.rindex("{") :]) == {"1": 5, "2": 1, "3": "L"}


def test_the_schema_admits_the_levels_and_nothing_else() -> None:
    assert levels_in(rating_schema(KIND), "rating") == {"type": "integer", "enum": [1, 2, 3, 4, 5]}
    assert levels_in(rating_schema(COST), "rating") == {
        "type": "string",
        "enum": list("ABCDEFGHIJKL"),
    }
    assert levels_in(ratings_schema([KIND, CLEAN]), "2") == {"type": "integer", "enum": [0, 1]}
