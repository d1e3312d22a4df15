"""Working out what is left of a job with 100,000 stored ratings: under 2 s and 200 MB.

In its own process: reading the data, looking up every response, and counting. Also what one answer
costs to store, and its size on disk. Run as ``python benchmarks/raters/resume.py``.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from encore.raters import Answer, Job, Judge, Store, Texts
from encore.rules import Rulebook

RULES = Rulebook.load("safety-12")
N_RESPONSES = 8_400
WORDS = "You could ask your neighbours kindly, or look for it in the garden behind the house. " * 10
JUDGE = Judge("m", "http://127.0.0.1:9/v1")


def prepare(folder: Path) -> None:
    with (folder / "texts.jsonl").open("w") as file:
        for number in range(N_RESPONSES):
            file.write(json.dumps({"prompt": f"Question {number}?", "response": WORDS}) + "\n")
    shares = (0.1, 0.2, 0.4, 0.2, 0.1)
    answer = Answer(value=3.0, spread=1.2, probabilities=shares, reply="3")
    with Store(folder / "s.sqlite") as store:
        rater = store.rater_id(JUDGE.identity)
        rules = store.rule_ids(RULES, JUDGE.identity)
        keys = [JUDGE.identity.key(item) for item in Texts(folder / "texts.jsonl").items()]
        began = time.perf_counter()
        for key in keys:
            for rule in rules:
                store.put(key, rater, rule, 0, answer)
        took = time.perf_counter() - began
    n, size = N_RESPONSES * len(RULES), (folder / "s.sqlite").stat().st_size
    print(f"stored {n} answers: {took / n * 1e6:.0f} us and {size / n:.0f} bytes each")


def resume(folder: Path) -> None:
    began = time.perf_counter()
    with Store(folder / "s.sqlite") as store:
        job = Job(folder / "texts.jsonl", RULES, JUDGE, store)
        left = job.n_wanted - job.n_stored
    took = time.perf_counter() - began
    # Kilobytes on Linux.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{job.n_stored} stored, {left} left: {took:.2f} s (target 2), {peak:.0f} MB (target 200)"
    )


if __name__ == "__main__":
    if len(sys.argv) == 2:
        resume(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as name:
            prepare(Path(name))
            subprocess.run([sys.executable, __file__, name], check=True)
