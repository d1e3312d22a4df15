"""Transcripts, as in HH-RLHF."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encore.raters.conversations import UnreadableError
from encore.raters.transcripts import after_prompt, prompt_turns, split_transcripts, turns_of

COLUMNS = ("chosen", "rejected")
Q = "\n\nHuman: Hi\n\nAssistant: Hello.\n\nHuman: Bye"
ASKED = (("user", "Hi"), ("assistant", "Hello."), ("user", "Bye"))
# Words that hold no mark of a turn, and no white space at their ends.
WORDS = st.text(st.characters(codec="utf-8", exclude_characters=":")).map(str.strip).filter(bool)


@given(st.lists(st.tuples(st.sampled_from(["Human", "Assistant"]), WORDS), min_size=1))
def test_what_is_written_as_a_transcript_is_read_as_its_turns(turns: list[tuple[str, str]]) -> None:
    text = "".join(f"\n\n{who}: {words}" for who, words in turns)
    read, starts = turns_of(text)
    roles = {"Human": "user", "Assistant": "assistant"}
    assert list(read) == [(roles[who], words) for who, words in turns]
    assert [text[start:].startswith(words) for start, (_, words) in zip(starts, turns, strict=True)]


def test_the_common_turns_of_a_pair_are_its_prompt() -> None:
    told = split_transcripts([f"{Q}\n\nAssistant: Good.", f"{Q} \n\nAssistant: Bad."], COLUMNS)
    assert told == [(ASKED, "Good."), (ASKED, "Bad.")]


def test_all_that_follows_the_common_turns_is_the_response() -> None:
    # The first turns of the assistant differ, so each response begins there, and ends at the end.
    longer = "\n\nHuman: Hi\n\nAssistant: Steal it.\n\nHuman: Thanks\n\nAssistant: I am nice."
    shorter = "\n\nHuman: Hi\n\nAssistant: No."
    asked = (("user", "Hi"),)
    rest = "Steal it.\n\nHuman: Thanks\n\nAssistant: I am nice."
    assert split_transcripts([longer, shorter], COLUMNS) == [(asked, rest), (asked, "No.")]
    # One that is the beginning of the other has a response too: its last turn.
    start = "\n\nHuman: Hi\n\nAssistant: Steal it."
    assert split_transcripts([start, longer], COLUMNS) == [(asked, "Steal it."), (asked, rest)]


def test_equal_transcripts_share_all_but_the_last_turn() -> None:
    text = f"{Q}\n\nAssistant: Same."
    assert split_transcripts([text, text], COLUMNS) == [(ASKED, "Same.")] * 2


def test_the_last_turn_of_a_single_transcript_is_the_response() -> None:
    assert split_transcripts([f"{Q}\n\nAssistant: Ciao"], ["response"]) == [(ASKED, "Ciao")]


def test_a_side_that_is_none_costs_that_side_alone() -> None:
    for other in ("", "Hello.", Q, " Read\n\nHuman: Hi\n\nAssistant: No."):
        first, second = split_transcripts([f"{Q}\n\nAssistant: Ciao", other], COLUMNS)
        assert first == (ASKED, "Ciao")
        assert isinstance(second, UnreadableError) and second.column == "rejected"


def test_transcripts_of_different_questions_are_no_pair() -> None:
    texts = [f"\n\nHuman: {q}\n\nAssistant: a" for q in ("Hi", "Ho")]
    for side in split_transcripts(texts, COLUMNS):
        assert isinstance(side, UnreadableError) and "different questions" in side.message


@pytest.mark.parametrize(
    ("prompt", "turns"),
    [
        (Q, ASKED),
        (f"{Q}\n\nAssistant:", ASKED),
        (f"{Q}\n\nAssistant: ", ASKED),
        ("Human: Hi", (("user", "Hi"),)),
        ("Hi", (("user", "Hi"),)),
        ("Who is\n\nHuman: a man?", (("user", "Who is\n\nHuman: a man?"),)),
    ],
)
def test_a_prompt_may_be_a_transcript(prompt: str, turns: tuple[tuple[str, str], ...]) -> None:
    assert prompt_turns(prompt) == turns


def test_after_a_prompt_comes_everything() -> None:
    text = f"{Q}\n\nAssistant: Bad.\n\nHuman: Thanks\n\nAssistant: I am nice."
    assert after_prompt(text, ASKED) == "Bad.\n\nHuman: Thanks\n\nAssistant: I am nice."
    assert after_prompt(text, (("user", "Another"),)) is None
    assert after_prompt(Q, ASKED) is None
