"""`conebench findings [RECORDS]`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from conebench.cli.exits import errors_as_exit_codes
from conebench.cli.terminal import echo

DEFAULT_RECORDS = Path("leaderboard/records")


def findings(
    records: Annotated[
        list[Path] | None,
        typer.Argument(help="Records, or folders of them; default: leaderboard/records."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Also print tests without a prediction and an effect.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print the findings of the study, one sentence each.

    Records of other specs are left out. Any part of the study gives what can be said of it.
    """
    # These import scipy, which takes a while.
    from conebench.cli.finding_lines import finding_lines
    from conebench.site import record_files
    from conebench.study.effects import latest_cells
    from conebench.study.export import findings_json
    from conebench.study.reading import read_cells

    with errors_as_exit_codes():
        cells = latest_cells(read_cells(record_files(records or [DEFAULT_RECORDS])))
    if as_json:
        echo(json.dumps(findings_json(cells)))
    else:
        for line in finding_lines(cells, every=every):
            echo(line)
