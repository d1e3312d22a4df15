"""Reports of 1,000,000 rated pairs under 12 rules and of 300 subsets, and how large pages get.

Time and memory are those of the command in its own process, against the floor: reading the same
columns with pyarrow and summing them. Run as ``python -m benchmarks.reporting.large``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from encore import LevelScale, PreferencePairs, RangeScale, Rulebook
from encore.reporting import report

N_PAIRS, N_RULES = 1_000_000, 12


def write_pairs(path: Path, rules: Rulebook, n_pairs: int, n_subsets: int) -> None:
    """Five-level ratings with increasing noise, two pairs per prompt."""
    rng = np.random.default_rng(0)
    quality = rng.standard_normal((2, n_pairs)) + np.array([[0.5], [0.0]])
    numbers = np.arange(n_pairs)
    subsets = np.array([f"subset {k}" for k in range(n_subsets)])
    columns = {
        "id": pc.binary_join_element_wise("pair", pa.array(numbers).cast(pa.string()), "-"),
        "prompt_id": pc.binary_join_element_wise(
            "p", pa.array(numbers // 2).cast(pa.string()), "-"
        ),
        "subset": pa.array(subsets[numbers % n_subsets]),
    }
    for side, latent in zip(("chosen", "rejected"), quality, strict=True):
        for k, rule_id in enumerate(rules.ids):
            noise = (0.3 + 0.2 * k) * rng.standard_normal(n_pairs)
            columns[f"{side}.{rule_id}"] = np.clip(np.rint(3 + latent + noise), 1, 5).astype("i1")
    pq.write_table(pa.table(columns), path)


def run(*command: str) -> tuple[float, float]:
    """Seconds and peak megabytes of a command."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} failed")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def floor(path: Path, rules: Rulebook) -> float:
    """Seconds to read the ratings and add them up."""
    names = [f"{side}.{rule_id}" for side in ("chosen", "rejected") for rule_id in rules.ids]
    start = time.perf_counter()
    table = pq.read_table(path, columns=names)
    for name in names:
        pc.sum(table[name])
    return time.perf_counter() - start


def size(n_rules: int, *, levels: bool) -> float:
    """Megabytes of a page with 6,000 pairs."""
    rng = np.random.default_rng(0)
    values = rng.integers(1, 6, (2, 6_000, n_rules)) if levels else rng.random((2, 6_000, n_rules))
    scale = LevelScale((1, 2, 3, 4, 5)) if levels else RangeScale(0.0, 1.0)
    rules = Rulebook.from_ids([f"rule-{k}" for k in range(n_rules)], scale)
    pairs = PreferencePairs.from_arrays(values[0], values[1], rules)
    return len(report(pairs, rules).to_html().encode()) / 1e6


def main() -> None:
    rules = Rulebook.from_ids([f"rule-{k}" for k in range(N_RULES)], LevelScale((1, 2, 3, 4, 5)))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path, page = folder / "pairs.parquet", folder / "report.html"
        rules.save(folder / "rules.toml")
        write_pairs(path, rules, N_PAIRS, 3)
        encore = (str(Path(sys.executable).with_name("encore")),)
        of = (str(path), "--rules", str(folder / "rules.toml"), "-o")
        reported = run(*encore, "report", *of, str(page))
        calibrated = run(*encore, "calibrate", *of, str(folder / "calibration.json"))
        print(f"encore report: {reported[0]:.1f} s, {reported[1]:.0f} MB at most")
        print(f"encore calibrate on the same: {calibrated[0]:.1f} s, {calibrated[1]:.0f} MB")
        print(f"reading and adding up the ratings: {floor(path, rules):.2f} s")
        print(f"page: {page.stat().st_size / 1e6:.2f} MB")
        write_pairs(path, rules, 20_000, 300)
        seconds, megabytes = run(*encore, "report", *of, str(page))
        print(f"20,000 pairs in 300 subsets: {seconds:.1f} s, {megabytes:.0f} MB")
    for n_rules, levels in ((1, True), (12, True), (100, True), (12, False), (100, False)):
        kind = "five levels" if levels else "a range"
        megabytes = size(n_rules, levels=levels)
        print(f"page of 6,000 pairs under {n_rules} rules of {kind}: {megabytes:.2f} MB")


if __name__ == "__main__":
    main()
