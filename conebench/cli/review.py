"""`conebench review BASE HEAD`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from conebench.cli.exits import errors_as_exit_codes
from conebench.cli.terminal import echo
from conebench.errors import ExitCode

if TYPE_CHECKING:
    from conebench.contribution import Proposal


def review(
    base: Annotated[str, typer.Argument(help="Commit to merge into.")],
    head: Annotated[str, typer.Argument(help="Proposed commit.")],
    repository: Annotated[Path, typer.Option(help="Git repository of both.")] = Path(),
    summary: Annotated[Path | None, typer.Option(help="Append Markdown to this file.")] = None,
    site: Annotated[
        Path | None, typer.Option(help="Build a preview of the site in this folder.")
    ] = None,
    author: Annotated[
        str | None, typer.Option(help="GitHub name of the author, who alone may sign replications.")
    ] = None,
) -> None:
    """Review proposed specs and records as pull requests are reviewed.

    Files are read from git as data. Nothing is checked out or executed.
    """
    from conebench.contribution import (
        GitTrees,
        board_change,
        problems_of,
        read_proposal,
        remarks_of,
        unpacked,
    )
    from conebench.contribution.board import markdown
    from conebench.site import build_site

    with errors_as_exit_codes():
        proposal = read_proposal(GitTrees(repository), base, head)
        problems = problems_of(proposal, author)
        if not problems and proposal.records:
            text = "\n\n".join([*remarks_of(proposal), markdown(board_change(proposal))])
        else:
            text = "\n".join(f"- `{line.replace('`', ' ')}`" for line in problems)
        if not problems and site is not None and proposal.lane == "data":
            with unpacked(proposal.after) as folder:
                build_site([folder / "leaderboard" / "records"], site)
    verdict = _verdict(proposal, problems)
    if summary is not None:
        with errors_as_exit_codes(), summary.open("a", encoding="utf-8") as file:
            file.write(f"## {verdict}\n\n{text}\n")
    for line in problems:
        echo(line, err=True)
    echo(verdict)
    if text and not problems:
        echo(text)
    if problems:
        raise typer.Exit(ExitCode.BAD_INPUT)


def _verdict(proposal: "Proposal", problems: list[str]) -> str:
    if proposal.lane != "data":
        return "Nothing to review: this change has no records; the tests judge its code"
    if problems:
        return f"Problems: {len(problems)}"
    records, replications = len(proposal.records), len(proposal.replications)
    specs = len(proposal.data) - records - replications
    return f"Sound. Spec files: {specs}, records: {records}, replications: {replications}"
