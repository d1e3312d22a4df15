"""Cutting overlong text in the middle, by tokens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

# Where no tokenizer can be asked, tokens are estimated from bytes of UTF-8: three a token is more
# than enough for prose in any script, not for digits or random letters.
BYTES_PER_TOKEN = 3
_ROUNDS = 20

Count = Callable[[str], Awaitable[int]]
Part = tuple[str, str]


async def fit(
    parts: Sequence[Part], n_tokens: int, count: Count, mark: Callable[[str], str]
) -> tuple[list[Part], int]:
    """Parts of a conversation within a number of tokens, and how many were left out.

    The response, which is the last part, keeps at least half of the room; what is left goes to
    the longest of the other parts last. Beginnings and ends stay: the middle gives way to a mark.

    Parameters
    ----------
    parts : sequence of (name, text)
        What was said, the response last.
    n_tokens : int
        Room for all texts.
    count : callable
        Tokens of a text.
    mark : callable
        Makes the mark that says how much is left out.
    """
    # A token has at least one byte, so few bytes are few tokens and nobody need count them.
    if sum(len(text.encode("utf-8", "replace")) for _, text in parts) <= n_tokens:
        return list(parts), 0
    sizes = [await count(text) for _, text in parts]
    if sum(sizes) <= n_tokens:
        return list(parts), 0
    room = _rooms(sizes, n_tokens)
    cut = [
        (name, text if size <= limit else await _cut(text, size, limit, count=count, mark=mark))
        for (name, text), size, limit in zip(parts, sizes, room, strict=True)
    ]
    left_out = sum(max(size - limit, 0) for size, limit in zip(sizes, room, strict=True))
    return cut, left_out


def _rooms(sizes: Sequence[int], n_tokens: int) -> list[int]:
    """How many tokens each part may have; the response is the last."""
    *context, response = sizes
    for_response = min(response, max(n_tokens // 2, n_tokens - sum(context)))
    left, rooms = n_tokens - for_response, dict[int, int]()
    # Water filling: short parts are served whole, the long ones share the rest.
    for served, place in enumerate(sorted(range(len(context)), key=context.__getitem__)):
        rooms[place] = min(context[place], left // (len(context) - served))
        left -= rooms[place]
    return [*(rooms[place] for place in range(len(context))), for_response]


async def _cut(
    text: str, size: int, limit: int, *, count: Count, mark: Callable[[str], str]
) -> str:
    """The beginning and the end of a text, in *limit* tokens with the mark between them."""
    said = f"\n{mark(f'{size - limit} tokens left out')}\n"
    kept = int(len(text) * limit / size)
    for _ in range(_ROUNDS):
        shorter = text[: (kept + 1) // 2] + said + text[len(text) - kept // 2 :]
        now = await count(shorter)
        if now <= limit or kept <= 0:
            return shorter
        kept = max(min(int(kept * limit / now), kept - 1), 0)
    return said
