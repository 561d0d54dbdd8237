"""conebench.reference.cli: the page in docs is the commands' own."""

from pathlib import Path

from conebench.errors import ExitCode
from conebench.reference.cli import MEANINGS, reference_markdown


def test_the_reference_in_docs_is_up_to_date() -> None:
    page = Path(__file__).parents[2] / "docs" / "cli.md"
    assert page.read_text(encoding="utf-8") == reference_markdown()


def test_every_kind_of_parameter_has_its_row() -> None:
    page = reference_markdown()
    for row in (
        "    conebench run SPECS... [OPTIONS]\n",
        "| `SPECS...` | required | Spec files, folders of them, or names of shipped specs. |",
        "| `[RUN_DIR]` | `runs` | Folder of one run, ",
        "| `--kernel-memory GIB` | – | GiB that one kernel may use",
        "| `--save-every SECONDS` | `60` | Seconds between saves ",
        "| `--smoke` | – | Try the spec with few images, ",
        "| `--port INTEGER` | `8000` | Port; 0 takes any free one. Allowed: 0 to 65535. |",
        "| `--device CHOICE` | `auto` | auto takes a GPU if there is one. One of auto, ",
        "| in the user's cache | Folder of datasets. Environment variable: CONEBENCH_DATA. |",
        "## conebench leaderboard serve\n",
    ):
        assert row in page


def test_every_exit_code_has_its_meaning() -> None:
    assert list(MEANINGS) == list(ExitCode)
