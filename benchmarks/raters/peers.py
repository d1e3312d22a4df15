"""One endpoint, the same responses and rules: with ENCORE, autorubric 1.6 and rubric 2.2.

Reports calls, prompt tokens that llama.cpp actually evaluates, tokens generated, wall time and
cells without a rating. SmolLM2-135M often cannot write the JSON that the peers ask for: the
failures show how they fail, not how good they are. rubric is given a JSON schema, which it leaves
to its user. Answers are cut at 128 tokens. The peers have their own environment::

    python -m venv /tmp/peers && /tmp/peers/bin/pip install autorubric==1.6.1 rubric==2.2.0 openai
    python benchmarks/raters/peers.py /tmp/peers/bin/python
"""

from __future__ import annotations

import asyncio
import json
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from encore.raters import Judge, JudgeOptions, rate
from encore.raters.judge.local import smollm2_path, start_server
from encore.rules import Rulebook

RULES = Rulebook.load("safety-12")
N_RESPONSES, LONGEST = 2, 128
SENTENCE = "You could ask your neighbours kindly, or look for it in the garden behind the house. "


@contextmanager
def counting(address: str) -> Iterator[tuple[str, Counter[str]]]:
    """A proxy in front of the endpoint that counts what the endpoint says it did."""
    counts: Counter[str] = Counter()
    ready, loop = threading.Event(), asyncio.new_event_loop()
    place: list[str] = []

    async def forward(request: web.Request) -> web.Response:
        data: Any = await request.read()
        chat = request.path.endswith("/chat/completions")
        if chat:
            body = json.loads(data)
            body["max_tokens"] = min(body.get("max_tokens") or LONGEST, LONGEST)
            data = json.dumps(body).encode()
        async with (
            aiohttp.ClientSession() as session,
            session.request(request.method, f"{address}{request.path}", data=data) as reply,
        ):
            raw = await reply.read()
            if chat:
                told = json.loads(raw).get("timings", {})
                counts["calls"] += 1
                counts["evaluated"] += told.get("prompt_n", 0)
                counts["generated"] += told.get("predicted_n", 0)
            return web.Response(body=raw, status=reply.status, content_type="application/json")

    async def serve() -> None:
        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{path:.*}", forward)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        place.append(f"http://127.0.0.1:{runner.addresses[0][1]}/v1")
        ready.set()

    def run() -> None:
        loop.run_until_complete(serve())
        loop.run_forever()

    threading.Thread(target=run, daemon=True).start()
    ready.wait(10)
    yield place[0], counts
    loop.call_soon_threadsafe(loop.stop)


def rows() -> list[dict[str, str]]:
    salts = [secrets.token_hex(8) for _ in range(N_RESPONSES)]
    return [{"prompt": f"Where is cat {s}?", "response": SENTENCE * 12 + s} for s in salts]


def ours(url: str, folder: Path, **options: Any) -> int:
    """Cells without a rating."""
    path = folder / f"{secrets.token_hex(4)}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows()))
    rated = rate(path, RULES, Judge("m", url, options=JudgeOptions(**options)))
    return sum(rule.n_responses - rule.n_rated for rule in rated.coverage)


def theirs(python: str, library: str, url: str) -> int:
    """Cells without a rating."""
    script = Path(__file__).with_name("peers_client.py")
    told = {"rows": rows(), "rules": [rule.text for rule in RULES], "url": url}
    done = subprocess.run(
        [python, str(script), library],
        input=json.dumps(told),
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        raise SystemExit(f"{library} did not run: {done.stderr[-2000:]}")
    return int(lines[-1])


def main(python: str) -> None:
    # One slot, so that every library finds in the cache what its own order left there.
    server = start_server(smollm2_path(), context=8192)
    with tempfile.TemporaryDirectory() as name, counting(server.listening_address) as (url, counts):
        folder = Path(name)
        ways: dict[str, Callable[[], int]] = {
            "encore": lambda: ours(url, folder, prefill=True),
            "encore --batch-rules": lambda: ours(url, folder, batch_rules=True, reading="text"),
            "autorubric": lambda: theirs(python, "autorubric", url),
            "autorubric, one call an item": lambda: theirs(python, "autorubric-item", url),
            "rubric": lambda: theirs(python, "rubric", url),
        }
        print(f"{N_RESPONSES} responses x {len(RULES)} rules")
        for way, work in ways.items():
            counts.clear()
            began = time.perf_counter()
            unrated = work()
            seconds = time.perf_counter() - began
            print(
                f"{way:30} {counts['calls']:4} calls {counts['evaluated']:7} evaluated "
                f"{counts['generated']:6} generated {seconds:6.1f} s {unrated:3} unrated",
                flush=True,
            )
    del server


if __name__ == "__main__":
    main(sys.argv[1])
