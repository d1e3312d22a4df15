"""Cutting overlong text in the middle, by tokens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

# Where no tokenizer is available, tokens are estimated from bytes of UTF-8: three per token is safe
# for prose in any script, but not for digits or random letters.
_BYTES_PER_TOKEN = 3
_ROUNDS = 20
# Below this there is no room for a message, or for anything: its marks alone take that much.
_LEAST_OF_A_MESSAGE = 96
LEAST_ROOM = 256

Count = Callable[[str], Awaitable[int]]
Part = tuple[str, str]


async def estimate(text: str) -> int:
    """Tokens of a text where no tokenizer is available."""
    return -(-len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN)


async def truncate(
    parts: Sequence[Part], n_tokens: int, count: Count, mark: Callable[[str], str]
) -> tuple[list[Part], int]:
    """Parts of a conversation within a number of tokens, and how many were left out.

    The response, which is the last part, keeps at least half of the room; the rest is shared so
    that the longest of the other parts are cut first. Beginnings and ends stay: the middle is
    replaced by a mark, and so are the messages in the middle where there is no room for all.

    Parameters
    ----------
    parts : sequence of (name, text)
        What was said, the response last.
    n_tokens : int
        Room for all texts and the marks above them; at least ``LEAST_ROOM``.
    count : callable
        Tokens of a text.
    mark : callable
        Makes the mark above a text, or the one that says how much is left out.
    """
    whole = _told(parts, mark)
    # A token has at least one byte, so few bytes are few tokens and need no counting.
    if len(whole.encode("utf-8", "replace")) <= n_tokens or await count(whole) <= n_tokens:
        return list(parts), 0
    kept, n_cut = await _fewer(parts, n_tokens, count)
    sizes = [await count(text) for _, text in kept]
    marks = await count(_told([(name, "") for name, _ in kept], mark))
    room = _rooms(sizes, n_tokens - marks)
    for place, (size, limit) in enumerate(zip(sizes, room, strict=True)):
        if size > limit:
            name, text = kept[place]
            shorter, left_out = await _cut(text, size, limit, count=count, mark=mark)
            kept[place] = (name, shorter)
            n_cut += left_out
    return kept, n_cut


def _told(parts: Sequence[Part], mark: Callable[[str], str]) -> str:
    return "\n".join(f"{mark(name)}\n{text}" for name, text in parts)


async def _fewer(parts: Sequence[Part], n_tokens: int, count: Count) -> tuple[list[Part], int]:
    """The messages that there is room for: the first, the last, and the response."""
    *context, response = parts
    most = max(n_tokens // (2 * _LEAST_OF_A_MESSAGE), 1)
    if len(context) <= most:
        return list(parts), 0
    first, last = most // 2, len(context) - (most - most // 2)
    dropped = context[first:last]
    n_cut = await count("\n".join(text for _, text in dropped))
    gap = (f"{len(dropped)} messages left out", "")
    return [*context[:first], gap, *context[last:], response], n_cut


def _rooms(sizes: Sequence[int], n_tokens: int) -> list[int]:
    """How many tokens each part may have; the response is the last."""
    *context, response = sizes
    for_response = min(response, max(n_tokens // 2, n_tokens - sum(context)))
    left, rooms = n_tokens - for_response, dict[int, int]()
    # Water filling: short parts are kept whole, the long ones share the rest.
    for served, place in enumerate(sorted(range(len(context)), key=context.__getitem__)):
        rooms[place] = min(context[place], left // (len(context) - served))
        left -= rooms[place]
    return [*(rooms[place] for place in range(len(context))), for_response]


async def _cut(
    text: str, size: int, limit: int, *, count: Count, mark: Callable[[str], str]
) -> tuple[str, int]:
    """The beginning and the end of a text with a mark between them, and what is left out.

    All of it fits in *limit* tokens; a text with no room for a mark is left out without one.
    """
    n_mark = await count(_gap(mark, size))
    if n_mark > limit:
        return "", size
    left_out = size - limit + n_mark
    kept = int(len(text) * (limit - n_mark) / size)
    for _ in range(_ROUNDS):
        shorter = text[: (kept + 1) // 2] + _gap(mark, left_out) + text[len(text) - kept // 2 :]
        now = await count(shorter)
        if now <= limit:
            return shorter, left_out
        if kept <= 0:
            break
        kept = max(min(int(kept * limit / now), kept - 1), 0)
    return "", size


def _gap(mark: Callable[[str], str], left_out: int) -> str:
    return f"\n{mark(f'{left_out} tokens left out')}\n"
