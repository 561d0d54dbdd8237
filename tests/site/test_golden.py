"""Whole pages against committed ones, so that no change of the HTML goes unseen."""

import difflib

import pytest
from golden_pages import FOLDER, pages

MOST_LINES = 60


@pytest.fixture(scope="module")
def found() -> dict[str, str]:
    return pages()


@pytest.mark.parametrize("name", ["index.html", "record.html"])
def test_a_page_is_the_committed_one(found, name):
    committed = (FOLDER / name).read_text("utf-8")
    if found[name] == committed:
        return
    lines = list(
        difflib.unified_diff(
            committed.splitlines(), found[name].splitlines(), "committed", "now", "", "", 1, ""
        )
    )
    shown = "\n".join(line[:200] for line in lines[:MOST_LINES])
    left = f"\n... {len(lines) - MOST_LINES} more lines" if len(lines) > MOST_LINES else ""
    pytest.fail(f"{name} changed; if it should: python tests/golden/update.py\n{shown}{left}")
