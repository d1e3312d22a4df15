"""The order of calls, so that all calls about one response find its prompt in the cache."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from encore.errors import StoppedError
from encore.raters.protocol import Item

# One call: what is asked about an item, by a worker.
Ask = Callable[["Work", "Unit", int], Awaitable[None]]


@dataclass(frozen=True)
class Unit:
    """What one call asks for: rules by position in the rulebook, and a sample number."""

    rules: tuple[int, ...]
    sample: int


@dataclass
class Work:
    """An item with the calls that are yet to be made about it."""

    item: Item
    units: deque[Unit]
    warm: bool = False  # whether a call about it was answered, so its prompt is cached
    prompt: str = ""
    n_cut: int = 0


class Schedule:
    """Makes the calls about each item, several items at a time.

    A worker takes an item and makes its calls one after the other: the first evaluates the
    conversation, the rest find it in the endpoint's prefix cache. Workers that find no new item
    help with items whose conversation is already cached, unless each has its own cache.

    Parameters
    ----------
    works : iterable of Work
        Taken one by one, as workers become free.
    ask : callable
        Makes one call and keeps its answer.
    n_workers : int
        Calls in flight.
    own_caches : bool
        Whether a worker's prompts are cached for that worker alone (the slots of llama.cpp).
    """

    def __init__(
        self, works: Iterable[Work], ask: Ask, n_workers: int, *, own_caches: bool
    ) -> None:
        self._works = iter(works)
        self._ask = ask
        self._n_workers = n_workers
        self._own_caches = own_caches
        self._begun: list[Work] = []
        self._stopping = False
        self._moved = asyncio.Event()
        self.n_in_flight = 0

    def stop(self) -> None:
        """Begin no further call."""
        self._stopping = True
        self._moved.set()

    async def run(self) -> None:
        """Make all calls; the first goes alone, since it shows what the endpoint supports.

        Raises
        ------
        StoppedError
            The first one that a call raised, once all calls in flight have ended.
        """
        first = self._next()
        if first is None:
            return
        await self._step(first, 0)
        tasks = [
            asyncio.create_task(self._worker(number, None if number else first))
            for number in range(self._n_workers)
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            self.stop()
            if pending := [task for task in tasks if not task.done()]:
                await asyncio.wait(pending)
            failed = [error for task in tasks if (error := task.exception()) is not None]
        # A bug of ours says more than the stop that it led to.
        for error in sorted(failed, key=lambda error: isinstance(error, StoppedError)):
            raise error

    async def _worker(self, number: int, work: Work | None) -> None:
        while not self._stopping:
            work = work if work is not None and work.units else self._next()
            if work is not None:
                await self._step(work, number)
            elif self._begun:
                # Others make the first calls about the last items: wait until one is answered.
                self._moved.clear()
                await self._moved.wait()
            else:
                return

    async def _step(self, work: Work, worker: int) -> None:
        """Make one call."""
        unit = work.units.popleft()
        self.n_in_flight += 1
        try:
            await self._ask(work, unit, worker)
        finally:
            self.n_in_flight -= 1
            work.warm = True
            if not work.units and work in self._begun:
                self._begun.remove(work)
            self._moved.set()

    def _next(self) -> Work | None:
        """A new item, else one to help with."""
        work = next(self._works, None)
        if work is not None:
            self._begun.append(work)
            return work
        if self._own_caches:
            return None
        cached = [work for work in self._begun if work.warm and work.units]
        return max(cached, key=lambda work: len(work.units), default=None)
