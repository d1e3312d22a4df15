"""Take the screenshots of the report for the documentation; needs Chromium.

Usage: python -m tools.report_picture docs/images
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from encore import examples
from encore.reporting import report

SET = """([strength, tab]) => {
  document.getElementById(`tab-${tab}`).click();
  const slider = document.getElementById("strength");
  slider.value = String(strength);
  slider.dispatchEvent(new Event("input"));
}"""


def main(folder: Path) -> None:
    """The top of the page, and the slider on the simulated mixture."""
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        path = Path(name) / "report.html"
        report(examples.ratings_path(), examples.rules()).save(path)
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = browser.new_page(viewport={"width": 1200, "height": 1150})
        page.goto(path.as_uri())
        page.locator(".flag").first.hover()
        page.wait_for_timeout(500)
        page.screenshot(path=folder / "report.png")
        page.evaluate(SET, [1.5, 1])
        page.wait_for_timeout(500)
        box = page.locator("#slider").bounding_box()
        assert box is not None
        page.screenshot(
            path=folder / "report-slider.png",
            clip={"x": box["x"] - 12, "y": box["y"] - 8, "width": box["width"] + 24, "height": 850},
            full_page=True,
        )
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
