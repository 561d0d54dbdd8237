"""Write the pages that the golden tests compare with: `python tests/golden/update.py`.

Look at `git diff` before you commit them.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "helpers"), str(HERE.parents[1])]

from golden_pages import pages  # noqa: E402  # the paths to it stand above

if __name__ == "__main__":
    for name, text in pages().items():
        (HERE / name).write_text(text, encoding="utf-8", newline="\n")
