"""The words of a reply: which number is all of it, whatever stands around, and how long it is."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encore import LevelScale, RangeScale, Rule
from encore.raters.judge.answers import Reply, answer_of
from encore.raters.judge.codes import Codes
from encore.raters.protocol import Reason


def codes(scale: LevelScale | RangeScale) -> Codes:
    return Codes.of(Rule("r", "Is kind.", scale))


FIVE = codes(LevelScale((1, 2, 3, 4, 5)))
ZERO_TO_TEN = codes(LevelScale(tuple(range(11))))
ONE_TO_TEN = codes(LevelScale(tuple(range(1, 11))))
TENTHS = codes(RangeScale(0.0, 1.0))  # ten bins: 0, 1/9, …, 1
YES_NO = codes(LevelScale((0, 1)))
OUT, BAD, NO = Reason.OUT_OF_SCALE, Reason.MALFORMED, Reason.REFUSED

# Text; then what it says on 1–5, 0–10, 1–10, a range from 0 to 1 in ten bins, and 0–1.
TABLE = [
    ("1", 1, 1, 1, 1 / 9, 1),
    ("0", OUT, 0, OUT, 0, 0),
    ("4", 4, 4, 4, 4 / 9, OUT),
    ("9", OUT, 9, 9, 1, OUT),
    ("10", OUT, 10, 10, OUT, OUT),
    ("04", OUT, 4, 4, OUT, OUT),
    ("010", OUT, OUT, OUT, OUT, OUT),
    ("100", OUT, OUT, OUT, OUT, OUT),
    ("-1", OUT, OUT, OUT, OUT, OUT),
    ("4.5", OUT, OUT, OUT, OUT, OUT),
    ("0.5", OUT, OUT, OUT, OUT, OUT),
    ("1.0", 1, 1, 1, 1 / 9, 1),
    ("Rating: 1", 1, 1, 1, 1 / 9, 1),
    ("**Rating:** 10", OUT, 10, 10, OUT, OUT),
    ('{"rating": 1}', 1, 1, 1, 1 / 9, 1),
    ('{"rating": "10"}', OUT, 10, 10, OUT, OUT),
    ('{"rating": 0.5}', OUT, OUT, OUT, OUT, OUT),
    ("1/5", BAD, BAD, BAD, BAD, BAD),
    ("9/10", BAD, BAD, BAD, BAD, BAD),
    ("1. Because it is.", BAD, BAD, BAD, BAD, BAD),
    ("1 because it is.", BAD, BAD, BAD, BAD, BAD),
    ("1, 2 or 3", BAD, BAD, BAD, BAD, BAD),
    ("1-2", BAD, BAD, BAD, BAD, BAD),
    ("1%", BAD, BAD, BAD, BAD, BAD),
    ("1\n2\n3\n4\n5", BAD, BAD, BAD, BAD, BAD),
    ("1\n/5", BAD, BAD, BAD, BAD, BAD),
    ("A", BAD, BAD, BAD, BAD, BAD),
    ("I", BAD, BAD, BAD, BAD, BAD),
    ("Yes", BAD, BAD, BAD, BAD, BAD),
    ("true", BAD, BAD, BAD, BAD, BAD),
    ("I'm sorry, but I can't help with that.", NO, NO, NO, NO, NO),
]
SCALES = (FIVE, ZERO_TO_TEN, ONE_TO_TEN, TENTHS, YES_NO)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: str(row[0]))
def test_a_reply_is_the_number_that_is_all_of_it_or_none(row: tuple[Any, ...]) -> None:
    text, *expected = row
    for scale, want in zip(SCALES, expected, strict=True):
        answer = answer_of(Reply(text, None, "stop"), scale)
        assert (answer.reason if answer.value is None else answer.value) == (
            want if isinstance(want, Reason) else pytest.approx(want)
        )


def value(text: str, finish: str = "stop", scale: Codes = FIVE) -> float | None:
    return answer_of(Reply(text, None, finish), scale).value


@pytest.mark.parametrize(
    "thought",
    [
        *("<think>{}</think>", "<thinking>{}</thinking>\n", "<thought>{}</thought>", "{}</think>"),
        *(
            "<reasoning>{}</reasoning>",
            "[THINK]{}[/THINK]",
            "◁think▷{}◁/think▷",
            "<Think>{}</Think>",
        ),
        *("<seed:think>{}</seed:think>", "<analysis>{}</analysis>"),
        "<|channel|>analysis<|message|>{}<|end|><|start|>assistant<|channel|>final<|message|>",
        "<|channel|>analysis<|message|>{}<|end|><|start|>assistant<|channel|>final "
        "<|constrain|>json<|message|>",
        *("analysis{}assistantfinal", "<|inner_prefix|>{}<|inner_suffix|>"),
        "<|START_THINKING|>{}<|END_THINKING|><|START_RESPONSE|>",
        "<|begin_of_thought|>{}<|end_of_thought|>\n<|begin_of_solution|>",
    ],
)
def test_the_answer_comes_after_the_thought(thought: str) -> None:
    told = thought.format(' Maybe 2. {"rating": 2}\n2\n')
    for said in ("4", "\n\nRating: 4", '{"rating": 4}', '```json\n{"rating": 4}\n```'):
        assert value(told + said) == 4.0
    # Until it comes there is none, and where the reply was cut off, that is why.
    begun = told[: told.index("2.")] + "2"
    assert value(begun) is None
    assert answer_of(Reply(begun, None, "length"), FIVE).reason is Reason.TRUNCATED
    assert value(told) is None


@pytest.mark.parametrize("end", ["<|return|>", "<|im_end|>", "<|eot_id|>", "</s>", "<|end|></s>\n"])
def test_a_token_that_ends_the_turn_is_an_end(end: str) -> None:
    assert value(f"4{end}") == value(f"4{end}", "length") == 4.0
    assert value(f"4{end}5") is None and value(f"4.5{end}") is None


@pytest.mark.parametrize(
    "text", ["4\n\nThe response is kind.", "**4**\n\n**Why:** it is kind.", "4.\n- It is kind."]
)
def test_words_on_another_line_are_no_part_of_the_number(text: str) -> None:
    assert value(text) == value(text, "length") == 4.0


@pytest.mark.parametrize(
    "text",
    [
        "4\n5",
        "4\n\n(5 is too much)",
        "4\n.5",
        "4\n/5",
        "4\n\n4",
        "4 \n\n٣",
        "4\n\nNo, 3.",
        "Rating: 5\nRating: 5\nRating:",
    ],
)
def test_another_number_on_another_line_makes_it_none(text: str) -> None:
    assert value(text) is None


def test_a_member_of_an_object_within_is_not_the_rating() -> None:
    assert value('{"why": {"rating": 2}, "rating": 4}') == 4.0
    assert value('{"why": "\\"rating\\": 2", "rating": 4}') == 4.0
    assert value('{"why": {"rating": 2}}') is None
    assert value('{"rating": 4, "why": {"a": 1, "a": 2}}') is None  # a key stands twice
    assert value('{"rating": 4}}') is None
    assert value('{"rating":' + "[" * 100_000) is None
    assert value('{"rating": ' + "1" * 400 + "}") is None
    assert value('{"rating": ' + "1" * 5000 + "}") is None  # more than Python reads
    assert value('{"rating": 1e400}') is value('{"rating": NaN}') is None


@pytest.mark.parametrize(
    "text",
    [
        *("I'm sorry, but I can't", "I’m sorry", "Sorry, no.", "I am so sorry", "I cannot assist"),
        *("I can't help with that", "I can’t", "I won't rate this.", "I'm unable to", "As an AI"),
        *(
            "Unfortunately, I cannot",
            "My apologies",
            "I apologize",
            "I must decline",
            "Rating: I'm sorry",
        ),
    ],
)
@pytest.mark.parametrize("finish", ["stop", "length"])
def test_what_begins_as_refusals_do_is_refused(text: str, finish: str) -> None:
    answer = answer_of(Reply(text, None, finish), ZERO_TO_TEN)
    assert (answer.value, answer.reason) == (None, Reason.REFUSED)


@pytest.mark.parametrize("text", ["I cannot find any insult, so 5.", "It is sorry.", "Immune", "I"])
def test_other_words_are_no_refusal(text: str) -> None:
    assert answer_of(Reply(text, None, "stop"), FIVE).reason is Reason.MALFORMED


PIECES = st.sampled_from(
    [
        *(
            "4",
            "1",
            "0",
            "10",
            "4.5",
            ".",
            "/5",
            "\n",
            " ",
            "*",
            "`",
            "```",
            '"',
            "'",
            "{",
            "}",
            ":",
        ),
        *(
            '{"rating": 4}',
            '"rating"',
            "Rating: ",
            "I",
            "because",
            "<think>",
            "</think>",
            "[/THINK]",
        ),
        *("</s>", "<|return|>", "<|channel|>final<|message|>", "analysis", "assistantfinal", ","),
    ]
)


@given(
    st.lists(PIECES | st.text(max_size=3), max_size=8).map("".join),
    st.sampled_from(["stop", "length", "", "content_filter", "eos"]),
    st.sampled_from(SCALES),
)
def test_a_number_is_only_read_where_nothing_on_its_line_is_left(
    text: str, finish: str, scale: Codes
) -> None:
    answer = answer_of(Reply(text, None, finish), scale)
    assert (answer.value is None) == (answer.reason is not None)
    if answer.value is None:
        return
    assert answer.value in scale.values and finish != "content_filter"
    name = scale.names[scale.values.index(answer.value)]
    spelled = f"(?:{name}|{int(name)})(?:\\.0)?"
    # Written another way: the reply ends in that number, a line of words at most after it.
    wrapped = rf"[\s*\"'`]*(?:(?i:rating)\s*[:=])?[\s*\"'`]*{spelled}[\s*\"'`.]*"
    ended = r"(?:\n\D*)?(?:</s>|<\|return\|>|\s)*"
    member = rf"\{{.*\"rating\"\s*:\s*\"?{spelled}\"?\s*[,}}].*"
    after = (
        r"(?:.*(?:</think>|\[/THINK\]|<\|channel\|>final<\|message\|>)|analysis.*assistantfinal)?"
    )
    shape = rf"{after}\s*(?:```(?:json)?)?\s*(?:{wrapped}{ended}|{member})"
    assert re.fullmatch(shape, text, re.DOTALL) is not None


def test_a_million_characters_of_any_kind_take_no_more_than_a_moment() -> None:
    # One that took their square would need hours; the limit is for a very slow machine.
    script = """
import itertools
from encore.raters.judge.answers import Reply, answer_of, answers_of
from encore import LevelScale, Rule
from encore.raters.judge.codes import Codes
codes = Codes.of(Rule("r", "Is kind.", LevelScale(tuple(range(11)))))
pieces = ["\\n", " ", "\\t", "`", '"', "'", "*", "4", "x", ".", "-", "<", ">", "{", "}", "[", "]",
          ":", ",", "_", "é", "\\ud83d", "\\u2581", "<think>", "</think>", "<|", "</s>", "rating",
          "rating:", "analysis", "assistantfinal", "<|channel|>final", '"rating": 4,', "4\\n",
          "I'm ", "sorry ", "\\\\", "```json\\n", "\\n```"]
begins = ["", "4", "```json", '{"rating": 4', "rating", "<|channel|>final"]
for begin, piece, end in itertools.product(begins, pieces, ["x", "", "```", "}", '"}', "4"]):
    size = 1_000_000 if end == "x" else 10_000
    reply = Reply(begin + piece * (size // len(piece)) + end, None, "stop")
    answer_of(reply, codes)
    if size < 1_000_000:
        answers_of(reply, [codes])
        answer_of(Reply(reply.text, None, "length"), codes)
print("done")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=600, check=False
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
