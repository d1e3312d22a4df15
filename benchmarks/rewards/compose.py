"""What composing costs: a million responses under twelve rules, in CPU seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np

from encore import RatingsTable, Rulebook, Weights, compose
from encore.rewards import FORMS

N_RESPONSES, N_RULES = 1_000_000, 12


def best_of(times: int, work: Callable[[], object]) -> float:
    """CPU seconds of the fastest run."""
    found = []
    for _ in range(times):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


def main() -> None:
    rng = np.random.default_rng(0)
    rules = Rulebook.from_ids([f"r{k}" for k in range(N_RULES)], [1, 2, 3, 4, 5])
    weights = Weights(rules, rng.random(N_RULES) + 0.1)
    values = rng.integers(1, 6, (N_RESPONSES, N_RULES)).astype(float)
    holes = np.where(rng.random(values.shape) < 0.02, np.nan, values)
    applies = rng.choice([0.0, 0.5, 1.0, 1.0], values.shape)
    tables = {
        "all rated": RatingsTable(rules, values),
        "2 % unrated": RatingsTable(rules, holes),
        "a quarter does not apply": RatingsTable(rules, values, applies=applies),
    }
    for name, table in tables.items():
        for form in FORMS:
            seconds = best_of(3, partial(compose, table, weights, form=form))
            print(f"{name}, {form}: {seconds:.2f} s")
        seconds = best_of(1, partial(compose, table, weights, contributions=True))
        print(f"{name}, mean with contributions: {seconds:.2f} s")


if __name__ == "__main__":
    main()
