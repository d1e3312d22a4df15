from __future__ import annotations

import asyncio
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encore.raters.judge.prompt import escape
from encore.raters.judge.truncate import Count, truncate

Parts = list[tuple[str, str]]


def mark(what: str) -> str:
    return f"<{what}>"


async def words(text: str) -> int:
    """A tokenizer of words."""
    return len(text.split())


async def letters(text: str) -> int:
    """A tokenizer of characters."""
    return len(text)


def fitted(parts: Parts, n_tokens: int, count: Count = words) -> tuple[Parts, int]:
    return asyncio.run(truncate(parts, n_tokens, count, mark))


def numbered(n: int) -> str:
    return " ".join(f"w{number:03d}" for number in range(n))


def test_what_fits_is_left_alone() -> None:
    parts = [("user", numbered(40)), ("response", numbered(60))]
    # 40 + 60 words and two marks.
    assert fitted(parts, 102) == (parts, 0)
    assert fitted(parts, 101)[1] > 0


def test_few_bytes_are_few_tokens_and_are_not_counted() -> None:
    async def never(text: str) -> int:
        raise AssertionError("counted")

    # "<user>", "1234", "<response>" and "abéde", of 6, 4, 10 and 6 bytes, and three ends of lines.
    assert fitted([("user", "1234"), ("response", "ab\u00e9de")], 29, never)[1] == 0


def test_the_middle_gives_way_to_a_mark_that_says_how_much() -> None:
    ((_, text),), n_cut = fitted([("response", numbered(100))], 30)
    before, said, after = text.split("\n")
    # 29 words beside the response's own mark; 4 of them the mark's in the middle.
    assert n_cut == 100 - 29 + 4 and said == "<75 tokens left out>"
    # The beginning and the end stay, about as much of each.
    assert numbered(100).startswith(before) and numbered(100).endswith(after)
    assert abs(len(before) - len(after)) <= 1
    assert 20 < len(before.split()) + len(after.split()) <= 25


def test_the_response_keeps_at_least_half_of_the_room() -> None:
    (_, user), (_, response) = fitted([("user", numbered(500)), ("r", numbered(500))], 100)[0]
    assert len(response.split()) <= 50 and len(user.split()) <= 50
    assert len(response.split()) > 40 and len(user.split()) > 40


def test_a_short_response_leaves_its_room_to_the_conversation() -> None:
    (_, user), (_, response) = fitted([("user", numbered(500)), ("r", numbered(10))], 100)[0]
    assert response == numbered(10)
    assert 80 < len(user.split()) <= 90


def test_short_messages_are_kept_whole_and_long_ones_share_the_rest() -> None:
    parts = [("system", numbered(5)), ("user", numbered(300)), ("assistant", numbered(300))]
    kept, n_cut = fitted([*parts, ("r", numbered(20))], 600)
    sizes = [len(text.split()) for _, text in kept]
    # 600 - 20 - 5 - 4 marks is 571 for the two long ones: 285 and 286, 4 of them a mark's.
    assert sizes[0] == 5 and sizes[3] == 20
    assert all(250 < size <= 286 for size in sizes[1:3])
    assert n_cut == (300 - 285 + 4) + (300 - 286 + 4)


@given(st.lists(st.text(max_size=400), min_size=1, max_size=4), st.integers(600, 900))
def test_what_is_cut_fits_and_what_is_not_stays(texts: list[str], n_tokens: int) -> None:
    parts = [(f"p{number}", text) for number, text in enumerate(texts)]
    kept, n_cut = fitted(parts, n_tokens, letters)
    assert [name for name, _ in kept] == [name for name, _ in parts]
    # Marks of 4 letters, and ends of lines: one after each mark, and one between two parts.
    whole = sum(map(len, texts)) + 5 * len(texts) + len(texts) - 1
    assert (n_cut == 0) == (kept == parts) == (whole <= n_tokens)
    for (_, before), (_, after) in zip(parts, kept, strict=True):
        if before != after:
            head, _, rest = after.partition("\n<")
            tail = rest.partition(">\n")[2]
            assert before.startswith(head) and before.endswith(tail)
            assert len(head) + len(tail) < len(before)


def test_a_tokenizer_that_counts_oddly_is_not_asked_for_ever() -> None:
    n_asked = 0

    async def stubborn(text: str) -> int:
        nonlocal n_asked
        n_asked += 1
        return 1000

    fitted([("r", numbered(1000))], 10, stubborn)
    assert n_asked < 50


def test_more_bytes_than_tokens_are_counted() -> None:
    # 15 bytes with the mark, 7 tokens: room for 6 leaves 5 for the text, 4 of them a mark's.
    assert fitted([("r", "a b c d e f")], 6)[1] == 6 - 5 + 4


def told(parts: Parts) -> str:
    return "\n".join(f"{mark(name)}\n{text}" for name, text in parts)


async def pieces(text: str) -> int:
    """A tokenizer like a real one: four letters of a word, a byte of anything else."""
    runs = re.findall(r"[A-Za-z]{1,4}|[^A-Za-z]", text)
    return sum(1 if run.isalpha() and run.isascii() else len(run.encode()) for run in runs)


@given(
    st.lists(st.text(st.sampled_from("ab \n&;#日🙂é0"), max_size=900), min_size=1, max_size=4),
    st.integers(600, 900),
)
def test_what_is_cut_is_within_the_limit(texts: list[str], n_tokens: int) -> None:
    parts = [(f"p{number}", text) for number, text in enumerate(texts)]
    kept, _ = fitted(parts, n_tokens, pieces)
    assert asyncio.run(pieces(told(kept))) <= n_tokens


@pytest.mark.parametrize("n_messages", [1, 5, 40, 400])
@pytest.mark.parametrize("size", [3, 200])
def test_many_messages_are_within_the_limit_too(n_messages: int, size: int) -> None:
    parts = [("user", f"m{n} {numbered(size - 1)}") for n in range(n_messages)]
    kept, _ = fitted([*parts, ("response", numbered(60))], 600)
    assert len(told(kept).split()) <= 600
    # The first and the last message stay, and the response; between them it is said what does not.
    assert kept[0][1].startswith("m0 ") and kept[-2][1].startswith(f"m{n_messages - 1} ")
    assert kept[-1] == ("response", numbered(60))
    gone = n_messages + 1 - len(kept) + any("left out" in name for name, _ in kept)
    assert (f"{gone} messages left out", "") in kept or gone == 0


@given(st.text(st.characters(codec=None), max_size=300))
def test_cut_text_can_still_be_sent(text: str) -> None:
    ((_, kept),), _ = fitted([("r", escape(text))], 60, letters)
    kept.encode("utf-8")  # half a character, or half a pair, would have no encoding
