from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from encore.rate.fit import fit

Parts = list[tuple[str, str]]


def mark(what: str) -> str:
    return f"<{what}>"


async def words(text: str) -> int:
    """A tokenizer of words."""
    return len(text.split())


async def letters(text: str) -> int:
    """A tokenizer of characters."""
    return len(text)


def fitted(parts: Parts, n_tokens: int, count: object = words) -> tuple[Parts, int]:
    return asyncio.run(fit(parts, n_tokens, count, mark))  # type: ignore[arg-type]


def numbered(n: int) -> str:
    return " ".join(f"w{number:03d}" for number in range(n))


def test_what_fits_is_left_alone() -> None:
    parts = [("user", numbered(40)), ("response", numbered(60))]
    assert fitted(parts, 100) == (parts, 0)


def test_few_bytes_are_few_tokens_and_are_not_counted() -> None:
    async def never(text: str) -> int:
        raise AssertionError("counted")

    # 4 + 6 bytes are at most 10 tokens.
    assert fitted([("user", "1234"), ("response", "ab\u00e9de")], 10, never)[1] == 0


def test_the_middle_gives_way_to_a_mark_that_says_how_much() -> None:
    ((_, text),), n_cut = fitted([("response", numbered(100))], 30)
    before, said, after = text.split("\n")
    assert n_cut == 70 and said == "<70 tokens left out>"
    # The beginning and the end stay, about as much of each.
    assert numbered(100).startswith(before) and numbered(100).endswith(after)
    assert abs(len(before) - len(after)) <= 1
    # 30 words, 4 of them the mark's.
    assert 20 < len(before.split()) + len(after.split()) <= 26


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
    kept, n_cut = fitted([*parts, ("r", numbered(20))], 125)
    sizes = [len(text.split()) for _, text in kept]
    # 125 - 20 - 5 is 100 for the two long ones.
    assert sizes[0] == 5 and sizes[3] == 20
    assert all(40 < size <= 50 for size in sizes[1:3])
    assert n_cut == 300 + 300 - 100


@given(st.lists(st.text(max_size=200), min_size=1, max_size=4), st.integers(120, 400))
def test_what_is_cut_fits_and_what_is_not_stays(texts: list[str], n_tokens: int) -> None:
    parts = [(f"p{number}", text) for number, text in enumerate(texts)]
    kept, n_cut = fitted(parts, n_tokens, letters)
    assert [name for name, _ in kept] == [name for name, _ in parts]
    assert (n_cut == 0) == (kept == parts) == (sum(map(len, texts)) <= n_tokens)
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
