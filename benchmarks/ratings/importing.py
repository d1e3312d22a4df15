"""What it takes to import 1,000,000 long rows (12 rules), against a bare read of the same file.

Run as ``python benchmarks/ratings/importing.py``. Each figure is of a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

N_RULES, N_RESPONSES, PER_PROMPT = 12, 83_334, 4
_WATCH = r"""
import re, time
start = time.perf_counter()
{work}
took = time.perf_counter() - start
peak = int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1]) / 1024
print(took, time.process_time(), peak)
"""
_IMPORT = "import encore\nencore.import_ratings({path!r}, {out!r}, scale='1-5')"
_BARE = {
    "csv": "import pyarrow.csv\ntable = pyarrow.csv.read_csv({path!r})",
    "jsonl": "import json\nrows = [json.loads(line) for line in open({path!r})]",
    "parquet": "import pyarrow.parquet\ntable = pyarrow.parquet.read_table({path!r})",
}


def rows() -> pa.Table:
    """Scores with reasons, as a judge writes them: in the order of responses."""
    rng = np.random.default_rng(0)
    n_rows = N_RULES * N_RESPONSES
    response = np.repeat(np.arange(N_RESPONSES), N_RULES)
    rules = np.tile([f"rule-{number}" for number in range(N_RULES)], N_RESPONSES)
    score = rng.integers(1, 6, n_rows)
    return pa.table(
        {
            "prompt_id": [f"prompt-{number}" for number in response // PER_PROMPT],
            "response_id": [f"response-{number}" for number in response],
            "model": np.array(["small", "large"])[response % 2],
            "rule": rules,
            "score": score,
            "reason": [f"Row {row}: the response earns {s}." for row, s in enumerate(score)],
        }
    )


def measured(work: str) -> tuple[float, float, float]:
    """Seconds, CPU seconds, and megabytes at most, of some work in its own process."""
    done = subprocess.run(
        [sys.executable, "-c", _WATCH.format(work=work)], capture_output=True, text=True, check=True
    )
    seconds, busy, megabytes = map(float, done.stdout.split()[-3:])
    return seconds, busy, megabytes


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        table = rows()
        paths = {ending: Path(folder) / f"long.{ending}" for ending in _BARE}
        pyarrow.csv.write_csv(table, paths["csv"])
        pq.write_table(table, paths["parquet"])
        with paths["jsonl"].open("w") as file:
            for row in table.to_pylist():
                file.write(json.dumps(row) + "\n")
        print(f"{table.num_rows:,} long rows under {N_RULES} rules")
        for ending, path in paths.items():
            bare, _, _ = measured(_BARE[ending].format(path=str(path)))
            out = str(Path(folder) / f"{ending}.out.parquet")
            took, busy, peak = measured(_IMPORT.format(path=str(path), out=out))
            size = path.stat().st_size / 1e6
            print(
                f"{ending} ({size:.0f} MB): {took:.1f} s (CPU {busy:.1f} s), at most "
                f"{peak:,.0f} MB; "
                f"{took / bare:.1f} x a bare read ({bare:.2f} s)"
            )


if __name__ == "__main__":
    main()
