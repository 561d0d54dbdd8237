"""`conebench leaderboard build`."""

from pathlib import Path
from typing import Annotated

import typer

from conebench.cli.exits import errors_as_exit_codes

app = typer.Typer(help="The static leaderboard site.", no_args_is_help=True)

DEFAULT_RECORDS = (Path("leaderboard/records"), Path("runs"))


@app.callback()
def leaderboard() -> None:
    """The static leaderboard site."""


@app.command()
def build(
    records: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of records; default: leaderboard/records and runs."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the site goes.")] = Path("leaderboard/_site"),
) -> None:
    """Render records into a static site."""
    from conebench.site import build_site

    with errors_as_exit_codes():
        folders = records or [folder for folder in DEFAULT_RECORDS if folder.is_dir()]
        report = build_site(folders, out)
    for path, reason in report.skipped:
        typer.echo(f"not on the board: {path}: {reason}", err=True)
    count = f"{report.shown} record{'' if report.shown == 1 else 's'}"
    typer.echo(f"{count} on the board: open {report.index}")
