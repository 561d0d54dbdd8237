"""The blocks of code in the pages of the documentation."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str, *languages: str) -> list[tuple[str, str]]:
    """Language and text of each block of the given languages, in order."""
    text = (DOCS / page).read_text("utf-8")
    return [found for found in BLOCK.findall(text) if found[0] in languages]
