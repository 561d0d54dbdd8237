""".github/SECURITY.md: every row of its table names tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_threat_has_its_tests() -> None:
    text = (ROOT / ".github/SECURITY.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 10
    for row in rows:
        assert len(row) == 3, row
        for part in row[2].removesuffix(" |").split("; "):
            file, *tests = re.findall(r"`((?:\w+/)*test_\w+)`", part)
            source = (ROOT / f"tests/{file}.py").read_text(encoding="utf-8")
            for test in tests:
                assert f"def {test}(" in source, (file, test)
