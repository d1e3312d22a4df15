"""Runs that are killed, interrupted or not alone lose nothing and rate nothing twice."""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from encore.raters import Store
from tests.raters.steady import SteadyEndpoint
from tests.raters.zygote import CONCURRENCY, RULES

Peer = Callable[[str], ModuleType]
N_RESPONSES = 80
N_CELLS = N_RESPONSES * len(RULES)
N_KILLS = 50
ROOT = Path(__file__).parents[2]
# A kill may come between an answer and the moment that it is stored.
SECONDS_TO_STORE = 0.1

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")


@pytest.fixture
def data(tmp_path: Path, peer: Peer) -> Path:
    peer("aiohttp")
    rows = [{"prompt": "Say a number.", "response": f"Number {n}."} for n in range(N_RESPONSES)]
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path / "texts.jsonl"


class Zygote:
    """Starts rating processes, and says how they ended."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(self, store: Path, out: Path) -> int:
        return self._told(f"{store} {out}")

    def end(self, pid: int) -> int:
        return self._told(f"wait {pid}")

    def _told(self, line: str) -> int:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def zygote(url: str, data: Path) -> Iterator[Zygote]:
    line = [sys.executable, "-m", "tests.raters.zygote", url, str(data)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(line, cwd=ROOT, text=True, **pipes) as process:  # type: ignore[call-overload]
        yield Zygote(process)
        process.stdin.close()


def cell(prompt: str) -> tuple[str, str]:
    """The response and the rule that a prompt is about."""
    response = re.search(r"Number \d+\.", prompt)
    rule = [rule.id for rule in RULES if re.search(rf"\b{rule.text}\b", prompt)]
    assert response is not None and len(rule) == 1
    return response[0], rule[0]


def stored(path: Path) -> dict[tuple[str, str], tuple[object, ...]]:
    """What a store holds, by response digest and rule."""
    if not path.exists():
        return {}
    with Store(path) as store:
        rows = list(store.rows())
    whole = sqlite3.connect(path)
    assert whole.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    whole.close()
    return {(row["conversation"], row["rule"]): tuple(row.values()) for row in rows}


def undisturbed(zygote: Zygote, folder: Path) -> bytes:
    pid = zygote.start(folder / "calm.sqlite", folder / "calm.parquet")
    assert zygote.end(pid) == 0
    return (folder / "calm.parquet").read_bytes()


def test_a_run_killed_fifty_times_loses_nothing_and_ends_as_if_it_had_not_been(
    data: Path, tmp_path: Path
) -> None:
    store, out, when = tmp_path / "s.sqlite", tmp_path / "out.parquet", random.Random(3)
    before: dict[tuple[str, str], tuple[object, ...]] = {}
    grew = 0
    with SteadyEndpoint() as endpoint, zygote(endpoint.url, data) as made:
        calm = undisturbed(made, tmp_path)
        endpoint.asked.clear()
        for number in range(N_KILLS):
            n_asked, pid = len(endpoint.asked), made.start(store, out)
            # Every third kill comes when there are answers, on however busy a machine.
            while number % 3 == 0 and len(endpoint.asked) < n_asked + CONCURRENCY + 1:
                time.sleep(0.001)
            time.sleep(when.uniform(0.0, 0.09))
            os.kill(pid, signal.SIGKILL)
            assert made.end(pid) == -signal.SIGKILL
            after = stored(store)
            assert {key: after.get(key) for key in before} == before
            grew += len(after) > len(before)
            before = after
        assert made.end(made.start(store, out)) == 0
        asked = Counter(cell(asked.prompt) for asked in endpoint.asked)
    assert len(stored(store)) == N_CELLS == len(asked)
    # The kills came at all stages: before anything was stored, and in the middle of it.
    assert 10 < grew < N_KILLS and 0 < len(before) < N_CELLS
    # Asked again is what was in flight, and nothing else.
    assert asked.total() - N_CELLS <= N_KILLS * CONCURRENCY
    assert out.read_bytes() == calm


def test_what_is_stored_is_not_asked_again_after_a_kill(data: Path, tmp_path: Path) -> None:
    store, out = tmp_path / "s.sqlite", tmp_path / "out.parquet"
    with SteadyEndpoint() as endpoint, zygote(endpoint.url, data) as made:
        pid = made.start(store, out)
        while len(endpoint.asked) < N_CELLS // 2:
            time.sleep(0.005)
        os.kill(pid, signal.SIGKILL)
        made.end(pid)
        n_stored, n_asked = len(stored(store)), len(endpoint.asked)
        assert n_asked - CONCURRENCY <= n_stored <= n_asked
        assert made.end(made.start(store, out)) == 0
        assert len(endpoint.asked) - n_asked == N_CELLS - n_stored


def test_two_processes_on_one_store_share_the_work(data: Path, tmp_path: Path) -> None:
    store = tmp_path / "s.sqlite"
    with SteadyEndpoint() as endpoint, zygote(endpoint.url, data) as made:
        calm = undisturbed(made, tmp_path)
        endpoint.asked.clear()
        outs = [tmp_path / "one.parquet", tmp_path / "two.parquet"]
        pids = [made.start(store, out) for out in outs]
        assert [made.end(pid) for pid in pids] == [0, 0]
    assert len(stored(store)) == N_CELLS
    assert [out.read_bytes() for out in outs] == [calm, calm]
    first: dict[tuple[str, str], float] = {}
    again = 0
    for asked in endpoint.asked:
        assert asked.answered is not None
        if (answered := first.setdefault(cell(asked.prompt), asked.answered)) != asked.answered:
            # Rated twice is only what both had in flight at the same time.
            assert asked.came < answered + SECONDS_TO_STORE
            again += 1
    assert again <= N_CELLS // 4


# --- Ctrl-C ---------------------------------------------------------------------------------


def command(url: str, folder: Path) -> list[str]:
    RULES.save(folder / "rules.toml")
    line = f"rate texts.jsonl --rules rules.toml --rater openai:m --base-url {url} -o out.parquet"
    run = "from encore.cli.main import main; main()"
    return [sys.executable, "-c", run, *shlex.split(line), "--concurrency", str(CONCURRENCY)]


def interrupted(url: str, endpoint: SteadyEndpoint, folder: Path, n_times: int) -> tuple[int, str]:
    """Interrupt a command in the middle; how it exits, and what it says."""
    with subprocess.Popen(
        command(url, folder), cwd=folder, stderr=subprocess.PIPE, text=True
    ) as process:
        while len(endpoint.asked) < 5 * CONCURRENCY:
            time.sleep(0.005)
        for _ in range(n_times):
            process.send_signal(signal.SIGINT)
            time.sleep(0.05)
        assert process.stderr is not None
        said = process.stderr.read()
    return process.returncode, said


def test_ctrl_c_stores_what_is_in_flight_and_says_how_to_go_on(data: Path, tmp_path: Path) -> None:
    with SteadyEndpoint(seconds=0.1) as endpoint:
        code, said = interrupted(endpoint.url, endpoint, tmp_path, 1)
        n_asked = len(endpoint.asked)
        assert code == 130
        assert f"{n_asked} of {N_CELLS} answers are in encore-store.sqlite; no file" in said
        assert "Resume with the same command:\n  encore rate texts.jsonl --rules" in said
        assert len(stored(tmp_path / "encore-store.sqlite")) == n_asked
        assert not (tmp_path / "out.parquet").exists() and "Traceback" not in said
        endpoint.seconds = 0.005
        done = subprocess.run(command(endpoint.url, tmp_path), cwd=tmp_path, check=False)
        assert done.returncode == 0 and (tmp_path / "out.parquet").exists()
    asked = Counter(cell(asked.prompt) for asked in endpoint.asked)
    assert set(asked.values()) == {1} and len(asked) == N_CELLS


def test_a_second_ctrl_c_does_not_wait_for_what_is_in_flight(data: Path, tmp_path: Path) -> None:
    with SteadyEndpoint(seconds=0.3) as endpoint:
        code, said = interrupted(endpoint.url, endpoint, tmp_path, 2)
        n_asked = len(endpoint.asked)
    assert code == 130 and "Traceback" not in said
    n_stored = len(stored(tmp_path / "encore-store.sqlite"))
    assert n_asked - CONCURRENCY <= n_stored < n_asked
