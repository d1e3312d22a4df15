"""What rating costs on top of the endpoint's own time.

With an endpoint that answers in a fixed 50 ms, 64 calls at once, and every answer written to a
store on disk:

- wall time against the ideal, calls x 50 ms / 64: at most 1.05 x;
- client CPU per call: at most 0.5 ms, shown next to a bare aiohttp loop that posts the same bodies.

The wall time is that of :meth:`Job.run`, without the start of Python. Run as
``python benchmarks/raters/overhead.py``.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp

from encore.raters import Job, Judge, Limits, Store
from encore.rules import Rulebook

SECONDS, CONCURRENCY, N_RESPONSES, ROUNDS = 0.05, 64, 1600, 3
RULES = Rulebook.load("safety-12")
N_CALLS = N_RESPONSES * len(RULES)
IDEAL = N_CALLS * SECONDS / CONCURRENCY
TEXT = "You could ask your neighbours kindly, or look for it in the garden behind the house. " * 8


@contextmanager
def endpoint() -> Iterator[str]:
    """The endpoint, in its own process."""
    script = Path(__file__).with_name("fixed_endpoint.py")
    command = [sys.executable, str(script), str(SECONDS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        process.kill()


def measured(work: Callable[[], None]) -> tuple[float, float]:
    """Wall and CPU seconds of this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def ours(url: str, folder: Path, number: int) -> tuple[float, float]:
    data = folder / "texts.jsonl"
    rows = ({"prompt": f"Question {n}?", "response": f"{TEXT}{n}"} for n in range(N_RESPONSES))
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    judge = Judge("m", url, limits=Limits(concurrency=CONCURRENCY))
    with Store(folder / f"{number}.sqlite") as store:
        job = Job(data, RULES, judge, store)
        took = measured(job.run)
        assert job.count_stored() == N_CALLS
    return took


def bare(url: str) -> tuple[float, float]:
    """Posts bodies of the same size from as many workers, and parses the replies."""
    message = {"role": "user", "content": TEXT + "x" * 900}
    body = json.dumps({"model": "m", "messages": [message]}).encode()

    async def worker(session: aiohttp.ClientSession, left: list[int]) -> None:
        while left:
            left.pop()
            async with session.post(f"{url}/chat/completions", data=body) as response:
                json.loads(await response.read())

    async def all_of_them() -> None:
        connector = aiohttp.TCPConnector(limit=CONCURRENCY)
        async with aiohttp.ClientSession(connector=connector) as session:
            left = list(range(N_CALLS))
            await asyncio.gather(*(worker(session, left) for _ in range(CONCURRENCY)))

    return measured(lambda: asyncio.run(all_of_them()))


def main() -> None:
    with endpoint() as url, tempfile.TemporaryDirectory() as folder:
        rounds = [(ours(url, Path(folder), n), bare(url)) for n in range(ROUNDS)]
    # Shared cores only ever add time: the least disturbed round counts.
    wall, floor_wall = (min(r[who][0] for r in rounds) for who in (0, 1))
    cpu, floor_cpu = (min(r[who][1] for r in rounds) / N_CALLS * 1e3 for who in (0, 1))
    print(f"{N_CALLS} calls of {SECONDS * 1e3:.0f} ms, {CONCURRENCY} at once: ideal {IDEAL:.2f} s")
    print(
        f"wall: {wall / IDEAL:.3f} x ideal (target 1.05); bare aiohttp {floor_wall / IDEAL:.3f} x"
    )
    print(f"client CPU: {cpu:.3f} ms a call (target 0.5); bare aiohttp {floor_cpu:.3f} ms")


if __name__ == "__main__":
    main()
