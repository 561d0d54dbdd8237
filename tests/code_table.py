"""Print how the package reads, next to an earlier commit: `python tests/code_table.py [COMMIT]`."""

import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "helpers"))

from code_figures import CodeFigures, measure  # noqa: E402  # the path to it stands above

# The commit before the folders were regrouped.
FIRST = "c09dfc0"


def at_commit(commit: str) -> CodeFigures:
    """Measure the package as it was at a commit."""
    command = ["git", "archive", commit, "conebench"]
    archive = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(folder, filter="data")
        return measure(Path(folder) / "conebench")


if __name__ == "__main__":
    commit = sys.argv[1] if len(sys.argv) > 1 else FIRST
    earlier = at_commit(commit).rows()
    print(f"| | now | {commit} |\n|---|---:|---:|")  # noqa: T201  # a script
    for (name, now), (_, then) in zip(measure(ROOT / "conebench").rows(), earlier, strict=True):
        print(f"| {name} | {now} | {then} |")  # noqa: T201  # a script
