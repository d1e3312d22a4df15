"""What a folded model costs compared with the multi-head model: 1.00 ± 0.02 of the time.

On encore:mini's backbone, with its ten heads and with a thousand: the same texts through both in
turn, and the folded reward against the weighted heads.

Run as ``python benchmarks/heads/folding.py DATA``; a minute on two cores.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from encore import Weights
from encore.heads import HeadModel, check_fold, fold
from encore.heads.model.linear_heads import LinearHeads

ROUNDS = 15


def main() -> None:
    rows = pq.read_table(Path(sys.argv[1]) / "safety_pairs.parquet").to_pylist()[:100]
    talks = [(("user", row["prompt"]), ("assistant", row["chosen"])) for row in rows]
    model = HeadModel("encore:mini")
    assert model.rules is not None
    weights = Weights(model.rules, np.arange(1.0, len(model.rules) + 1))
    with tempfile.TemporaryDirectory() as name:
        fold("encore:mini", weights, out=Path(name) / "folded")
        folded = HeadModel(Path(name) / "folded")
        thousand = HeadModel("encore:mini")
        many = np.repeat(model.heads.weight, 100, axis=0)
        names = tuple(f"head_{number}" for number in range(len(many)))
        thousand.heads = replace(
            LinearHeads("classifier", many, np.zeros(len(many), np.float32), names)
        )
        ways = {"one head": folded, "ten heads": model, "a thousand": thousand}
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        rng = np.random.default_rng(0)
        for _ in range(ROUNDS):
            for name_of in rng.permutation(list(ways)):  # the order matters
                way = ways[name_of]
                began = time.perf_counter()
                way.score_heads(talks)
                seconds[name_of].append(time.perf_counter() - began)
        base = seconds["one head"]
        for name_of, times in seconds.items():
            ratios = [a / b for a, b in zip(base, times, strict=True)]
            print(
                f"{name_of:12} {statistics.median(times):.2f} s; the folded model takes "
                f"{statistics.median(ratios):.3f} of it (quartiles "
                f"{np.quantile(ratios, 0.25):.3f} to {np.quantile(ratios, 0.75):.3f})"
            )
        found = check_fold(model, weights, folded, talks)
        print(
            f"largest difference {found.largest_difference:.1e}, ranks {found.rank_agreement:.2%}"
        )


if __name__ == "__main__":
    main()
