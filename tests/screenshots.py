"""Writes docs/board.png and docs/record.png: the board of the committed records, as readers see it.

`make screenshots` runs it.
"""

import tempfile
from pathlib import Path

from browser import Visit, chromium, follow, wait_until

from conebench.site import build_site

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Build the board aside and take its pictures."""
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        site = build_site([ROOT / "leaderboard" / "records"], Path(folder) / "site").index.parent
        visit = Visit(browser, site.as_uri())
        page = visit.open("index.html")
        page.screenshot(path=ROOT / "docs" / "board.png")
        follow(page.locator(".board tbody th a:visible").first)
        wait_until(page, "document.querySelectorAll('.plot-tools').length >= 8")
        page.locator("#step").press("ArrowRight")
        page.evaluate("document.activeElement.blur()")
        page.screenshot(path=ROOT / "docs" / "record.png")
        visit.finish()


if __name__ == "__main__":
    main()
