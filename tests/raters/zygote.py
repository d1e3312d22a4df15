"""Runs rating jobs, each in a process of its own that can be killed: ``zygote.py URL DATA``.

Each line on standard input is a store and an output; the answer is the process that rates into
them. A line ``wait PID`` gives how that process ended. Forking saves the half second that Python
and NumPy take to start.
"""

from __future__ import annotations

import os
import sys
import traceback

from encore import LevelScale, Rulebook
from encore.raters import Judge, Limits, rate

RULES = Rulebook.from_ids(["kind", "lawful", "modest", "honest"], LevelScale((1, 2, 3, 4, 5)))
CONCURRENCY = 4


def job(url: str, data: str, store: str, out: str) -> None:
    judge = Judge("m", url, limits=Limits(concurrency=CONCURRENCY))
    rate(data, RULES, judge, store=store).save(out)


def main() -> None:
    import aiohttp  # noqa: F401  (before the fork, so that a child need not)

    url, data = sys.argv[1:]
    for line in sys.stdin:
        first, second = line.split()
        if first == "wait":
            told = os.waitstatus_to_exitcode(os.waitpid(int(second), 0)[1])
        else:
            told = os.fork()
            if told == 0:
                try:
                    job(url, data, first, second)
                    os._exit(0)
                except BaseException:
                    traceback.print_exc()
                finally:
                    os._exit(1)
        sys.stdout.write(f"{told}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
