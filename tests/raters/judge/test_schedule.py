from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encore import StoppedError
from encore.raters import Item
from encore.raters.judge.schedule import Schedule, Unit, Work


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

    async def __call__(self, work: Work, unit: Unit, worker: int) -> None:
        (rule,) = unit.rules
        self.calls.append((work.item.response_id, rule, worker))
        self._now += 1
        self.in_flight.append(self._now)
        try:
            await asyncio.sleep(0.002)
            if error := self._fails(work.item.response_id, rule):
                raise error
        finally:
            self._now -= 1


def run(asked: Asked, sizes: list[int], n_workers: int, *, own_caches: bool = False) -> None:
    asyncio.run(Schedule(works(*sizes), asked, n_workers, own_caches=own_caches).run())


@pytest.mark.parametrize("own_caches", [False, True])
@pytest.mark.parametrize("n_workers", [1, 2, 7])
def test_every_call_is_made_once(n_workers: int, own_caches: bool) -> None:
    asked = Asked()
    sizes = [3, 1, 5, 2, 4]
    run(asked, sizes, n_workers, own_caches=own_caches)
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
    for worker in (0, 1):
        texts = [text for text, _, at in asked.calls if at == worker]
        assert texts == sorted(texts) and len(texts) % 4 == 0
    assert len({worker for *_, worker in asked.calls}) == 2


def test_with_a_cache_each_a_text_stays_in_its_lane() -> None:
    asked = Asked()
    run(asked, [3, 9, 1, 8], 3, own_caches=True)
    workers: dict[str, set[int]] = {}
    for text, _, worker in asked.calls:
        workers.setdefault(text, set()).add(worker)
    assert all(len(at) == 1 for at in workers.values())


def test_with_a_shared_cache_idle_lanes_help_with_a_text_that_is_cached() -> None:
    asked = Asked()
    run(asked, [12], 4)
    # One worker makes the first call; the eleven others are shared by four.
    assert len({worker for *_, worker in asked.calls}) == 4
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
    # Calls of text 0, then three workers at a time: those of the round that ended it are the last.
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
        workers = Schedule(works(*[4] * 100), asked, 4, own_caches=False)
        running = asyncio.create_task(workers.run())
        while len(asked.calls) < 20:
            await asyncio.sleep(0.001)
        workers.stop()
        n_begun, n_in_flight = len(asked.calls), workers.n_in_flight
        await running
        assert len(asked.calls) == n_begun and 1 <= n_in_flight <= 4

    asyncio.run(stopped())


def test_the_rules_of_a_text_are_begun_in_order() -> None:
    asked = Asked()
    run(asked, [6, 5, 4], 4)
    for text in ("0", "1", "2"):
        rules = [rule for at, rule, _ in asked.calls if at == text]
        assert rules == sorted(rules)


def test_idle_lanes_help_where_most_is_left() -> None:
    asked = Asked()
    run(asked, [1, 3, 9], 3)
    # Workers 0 and 1 take texts 1 and 2; worker 2 finds no other and helps where 8 are left.
    helped = [text for text, _, worker in asked.calls if worker == 2]
    assert helped[0] == "2"


@pytest.mark.parametrize("own_caches", [False, True])
def test_a_stop_wakes_the_lanes_that_wait(own_caches: bool) -> None:
    async def stopped() -> None:
        go = asyncio.Event()

        async def ask(work: Work, unit: Unit, worker: int) -> None:
            if work.item.response_id == "1":
                await go.wait()

        workers = Schedule(works(1, 1), ask, 3, own_caches=own_caches)
        running = asyncio.create_task(workers.run())
        while workers.n_in_flight != 1:
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)  # two workers wait for the one call
        assert len(asyncio.all_tasks()) == 5  # this one, `run`, and three workers
        workers.stop()
        await asyncio.sleep(0.01)
        assert len(asyncio.all_tasks()) == 3  # this one, `run`, and the worker whose call goes on
        go.set()
        await running

    asyncio.run(stopped())


def test_an_error_of_the_first_call_is_raised_and_nothing_else_begun() -> None:
    asked = Asked(lambda *_: ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        run(asked, [2, 2], 4)
    assert [call[:2] for call in asked.calls] == [("0", 0)]


def test_data_that_breaks_midway_ends_the_run_after_what_is_in_flight() -> None:
    asked = Asked()

    def breaking() -> Iterator[Work]:
        yield from works(2, 2, 2)
        raise OSError("the disk is gone")

    async def broken() -> None:
        with pytest.raises(OSError, match="the disk is gone"):
            await Schedule(breaking(), asked, 2, own_caches=False).run()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(broken())
    assert 2 <= len(asked.calls) <= 6 and asked._now == 0


def test_a_cancelled_run_waits_for_its_calls_and_leaves_no_task() -> None:
    asked = Asked()

    async def cancelled() -> None:
        running = asyncio.create_task(Schedule(works(*[4] * 50), asked, 4, own_caches=False).run())
        while len(asked.calls) < 20:
            await asyncio.sleep(0.001)
        n_begun = len(asked.calls)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert len(asked.calls) == n_begun and asked._now == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(cancelled())


@given(
    sizes=st.lists(st.integers(1, 5), max_size=6),
    n_workers=st.integers(1, 5),
    own_caches=st.booleans(),
    turns=st.lists(st.integers(0, 6), min_size=1, max_size=8),
    failing=st.none() | st.integers(0, 12),
)
def test_in_any_order_of_answers_no_call_is_lost_and_none_made_twice(
    sizes: list[int], n_workers: int, own_caches: bool, turns: list[int], failing: int | None
) -> None:
    begun: list[tuple[str, int]] = []
    ended: list[tuple[str, int]] = []
    left = works(*sizes)

    async def ask(work: Work, unit: Unit, worker: int) -> None:
        number = len(begun)
        begun.append((work.item.response_id, unit.rules[0]))
        assert len(begun) - len(ended) <= (n_workers if number else 1)
        for _ in range(turns[number % len(turns)]):
            await asyncio.sleep(0)
        ended.append((work.item.response_id, unit.rules[0]))
        if number == failing:
            raise StoppedError("enough")

    async def to_the_end() -> bool:
        try:
            await Schedule(left, ask, n_workers, own_caches=own_caches).run()
        except StoppedError:
            return False
        finally:
            assert asyncio.all_tasks() == {asyncio.current_task()}
        return True

    with asyncio.Runner() as runner:
        whole = runner.run(to_the_end())
    wanted = [(str(n), rule) for n, size in enumerate(sizes) for rule in range(size)]
    rest = [(work.item.response_id, unit.rules[0]) for work in left for unit in work.units]
    assert sorted(begun) == sorted(ended) and sorted(begun + rest) == wanted
    assert whole == (failing is None or failing >= len(wanted))
    assert not whole or rest == []
