"""What `import encore` costs compared with `import numpy`, its floor: best of several processes.

Run as ``python benchmarks/import_time.py``.
"""

from __future__ import annotations

import subprocess
import sys

RUNS = 15


def best_ms(module: str) -> float:
    """Milliseconds of one import in its own process; the least disturbed of all runs."""
    code = (
        "import time; start = time.perf_counter(); "
        f"import {module}; print((time.perf_counter() - start) * 1000)"
    )
    command = [sys.executable, "-c", code]
    return min(
        float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        for _ in range(RUNS)
    )


def main() -> None:
    floor = best_ms("numpy")
    for module in ("encore", "encore.cli.main"):
        took = best_ms(module)
        print(f"import {module}: {took:.0f} ms, {took / floor:.2f} x import numpy ({floor:.0f} ms)")


if __name__ == "__main__":
    main()
