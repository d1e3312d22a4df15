"""Frames a second while the report's slider moves, on 2,000 pairs under 20 rules.

Every frame gets a new position. The floor is an empty page that only asks for the next frame. Run
as ``python -m benchmarks.reporting.frames``; needs Chromium. Software rendering, no GPU.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import sync_playwright

from encore import LevelScale, PreferencePairs, Rulebook
from encore.reporting import report

N_PAIRS, N_RULES, N_FRAMES = 2_000, 20, 300
MOVE = """async (n) => {
  const slider = document.getElementById("strength");
  slider?.scrollIntoView();
  const times = [];
  for (let i = 0; i < n; i++) {
    if (slider) {
      slider.value = String((i * 0.02) % 4);
      slider.dispatchEvent(new Event("input"));
    }
    times.push(await new Promise(requestAnimationFrame));
  }
  return times;
}"""


def frames(page: Any) -> str:
    """Frames a second, and the times of the slow ones."""
    took = np.diff(np.array(page.evaluate(MOVE, N_FRAMES)))
    return (
        f"{1000 / took.mean():.1f} frames a second; median {np.median(took):.1f} ms, "
        f"95 % within {np.quantile(took, 0.95):.1f} ms, longest {took.max():.1f} ms"
    )


def main() -> None:
    rng = np.random.default_rng(0)
    quality = rng.standard_normal((2, N_PAIRS, 1)) + np.array([0.6, 0.0])[:, None, None]
    noise = np.linspace(0.3, 3, N_RULES) * rng.standard_normal((2, N_PAIRS, N_RULES))
    rules = Rulebook.from_ids([f"rule-{k}" for k in range(N_RULES)], LevelScale((1, 2, 3, 4, 5)))
    values = np.clip(np.rint(3 + quality + noise), 1, 5)
    subsets = [f"subset-{i % 5}" for i in range(N_PAIRS)]
    pairs = PreferencePairs.from_arrays(values[0], values[1], rules, subsets=subsets)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        report(pairs, rules).save(Path(folder) / "report.html")
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        for width in (1440, 390):
            page = browser.new_page(viewport={"width": width, "height": 900})
            print(f"{width} px, floor:  {frames(page)}")
            page.goto((Path(folder) / "report.html").as_uri())
            page.wait_for_timeout(500)
            print(f"{width} px, report: {frames(page)}")
        browser.close()


if __name__ == "__main__":
    main()
