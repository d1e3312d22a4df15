from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import pytest

from encore import StoppedError
from encore.rate import Item
from encore.rate.lanes import Lanes, Unit, Work


def works(*sizes: int) -> list[Work]:
    return [
        Work(Item((), f"text {n}", "p", str(n)), deque(Unit((rule,), 0) for rule in range(size)))
        for n, size in enumerate(sizes)
    ]


class Asked:
    """A judge that takes a moment, and remembers what was asked of it, when and by whom."""

    def __init__(self, fails: Callable[[str, int], Exception | None] = lambda *_: None) -> None:
        self.calls: list[tuple[str, int, int]] = []
        self.in_flight: list[int] = []
        self._now = 0
        self._fails = fails

    async def __call__(self, work: Work, unit: Unit, lane: int) -> None:
        (rule,) = unit.rules
        self.calls.append((work.item.response_id, rule, lane))
        self._now += 1
        self.in_flight.append(self._now)
        try:
            await asyncio.sleep(0.002)
            if error := self._fails(work.item.response_id, rule):
                raise error
        finally:
            self._now -= 1


def run(asked: Asked, sizes: list[int], n_lanes: int, *, own_caches: bool = False) -> None:
    asyncio.run(Lanes(works(*sizes), asked, n_lanes, own_caches=own_caches).run())


@pytest.mark.parametrize("own_caches", [False, True])
@pytest.mark.parametrize("n_lanes", [1, 2, 7])
def test_every_call_is_made_once(n_lanes: int, own_caches: bool) -> None:
    asked = Asked()
    sizes = [3, 1, 5, 2, 4]
    run(asked, sizes, n_lanes, own_caches=own_caches)
    wanted = [(str(n), rule) for n, size in enumerate(sizes) for rule in range(size)]
    assert sorted(call[:2] for call in asked.calls) == wanted


def test_the_first_call_goes_alone_and_then_all_lanes_work() -> None:
    asked = Asked()
    run(asked, [4] * 8, 4)
    assert asked.in_flight[0] == 1
    assert asked.in_flight[1:5] == [1, 2, 3, 4] and max(asked.in_flight) == 4


def test_nothing_to_do_is_done() -> None:
    asked = Asked()
    run(asked, [], 3)
    assert asked.calls == []


def test_a_lane_asks_all_rules_of_a_text_before_it_takes_another() -> None:
    asked = Asked()
    run(asked, [4] * 6, 2, own_caches=True)
    for lane in (0, 1):
        texts = [text for text, _, at in asked.calls if at == lane]
        assert texts == sorted(texts) and len(texts) % 4 == 0
    assert len({lane for *_, lane in asked.calls}) == 2


def test_with_a_cache_each_a_text_stays_in_its_lane() -> None:
    asked = Asked()
    run(asked, [3, 9, 1, 8], 3, own_caches=True)
    lanes: dict[str, set[int]] = {}
    for text, _, lane in asked.calls:
        lanes.setdefault(text, set()).add(lane)
    assert all(len(at) == 1 for at in lanes.values())


def test_with_a_shared_cache_idle_lanes_help_with_a_text_that_is_cached() -> None:
    asked = Asked()
    run(asked, [12], 4)
    # One lane makes the first call; the eleven others are shared by four.
    assert len({lane for *_, lane in asked.calls}) == 4
    assert len(asked.in_flight) == 12 and max(asked.in_flight) == 4


def test_a_text_is_not_helped_with_before_it_is_cached() -> None:
    asked = Asked()
    run(asked, [1, 6], 4)
    # After the first call alone, the second text's first call goes alone too.
    assert asked.calls[1][0] == "1" and asked.in_flight[:3] == [1, 1, 1]


def test_an_end_lets_the_calls_in_flight_end_and_begins_no_other() -> None:
    asked = Asked(lambda text, rule: StoppedError("enough") if (text, rule) == ("1", 1) else None)
    with pytest.raises(StoppedError, match="enough"):
        run(asked, [4] * 8, 3)
    # Calls of text 0, then three lanes at a time: those of the round that ended it are the last.
    assert ("1", 1) in [call[:2] for call in asked.calls] and len(asked.calls) <= 10


def test_a_fault_of_ours_is_told_before_the_end_that_it_led_to() -> None:
    def fails(text: str, rule: int) -> Exception | None:
        if text == "0":
            return None
        return KeyError("a bug") if text == "1" else StoppedError("stopped")

    with pytest.raises(KeyError, match="a bug"):
        run(Asked(fails), [2] * 6, 4)


def test_a_stop_from_outside_ends_after_what_is_in_flight() -> None:
    asked = Asked()

    async def stopped() -> None:
        lanes = Lanes(works(*[4] * 100), asked, 4, own_caches=False)
        running = asyncio.create_task(lanes.run())
        while len(asked.calls) < 20:
            await asyncio.sleep(0.001)
        lanes.stop()
        n_begun, n_in_flight = len(asked.calls), lanes.n_in_flight
        await running
        assert len(asked.calls) == n_begun and 1 <= n_in_flight <= 4

    asyncio.run(stopped())
