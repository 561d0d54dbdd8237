"""`conebench findings [RECORDS]`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from conebench.cli.exits import errors_as_exit_codes
from conebench.cli.terminal import Terminal, echo
from conebench.site import record_files
from conebench.study.claims import claim_counts, claims
from conebench.study.effects import Cells, latest_cells
from conebench.study.export import findings_json
from conebench.study.findings import Finding, find_all
from conebench.study.reading import read_cells
from conebench.study.sentences import (
    claim_sentence,
    coverage_sentence,
    sentence,
    standing_sentence,
)

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
    with errors_as_exit_codes():
        cells = latest_cells(read_cells(record_files(records or [DEFAULT_RECORDS])))
    if as_json:
        echo(json.dumps(findings_json(cells)))
    else:
        _print(cells, every=every)


def _print(cells: Cells, *, every: bool) -> None:
    console = Terminal(soft_wrap=True)
    console.print(coverage_sentence(cells))
    if not cells:
        return
    found = find_all(cells)
    console.print(claim_sentence(claim_counts(claims(cells))))
    console.print(standing_sentence(found))
    tested = [finding for finding in found if finding.verdict != "undefined"]
    # Tests that were not predicted and found nothing would bury the others.
    rest = 0
    for finding in tested:
        if every or finding.predicted is not None or finding.verdict == "found":
            console.print(f"{finding.hypothesis.row}: {sentence(finding)}{_standing(finding)}")
        else:
            rest += 1
    if rest:
        console.print(f"{rest} more tests: no effect, or not found; --all prints them.")
    if len(found) > len(tested):
        console.print(f"{len(found) - len(tested)} planned tests cannot be made yet.")


def _standing(finding: Finding) -> str:
    return "" if finding.predicted is None else f" {finding.standing.capitalize()}."
