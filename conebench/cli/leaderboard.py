"""`conebench leaderboard build|check|serve`."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from conebench.cli.exits import errors_as_exit_codes, show_error
from conebench.cli.terminal import echo
from conebench.errors import ConebenchError, ExitCode

app = typer.Typer(help="The static leaderboard site.", no_args_is_help=True)

DEFAULT_RECORDS = (Path("leaderboard/records"), Path("runs"))

Records = Annotated[
    list[Path] | None,
    typer.Option(help="Folder of records, repeatable; default: leaderboard/records and runs."),
]
Out = Annotated[Path, typer.Option(help="Folder of the site.")]
DEFAULT_OUT = Path("leaderboard/_site")


@app.callback()
def leaderboard() -> None:
    """The static leaderboard site."""


@app.command()
def build(records: Records = None, out: Out = DEFAULT_OUT) -> None:
    """Render records into a static site."""
    with errors_as_exit_codes():
        _build(_folders(records), out)


@app.command()
def check(records: Records = None) -> None:
    """Build the site in a temporary folder. Exit code 1 if a record cannot be shown."""
    with errors_as_exit_codes(), tempfile.TemporaryDirectory() as aside:
        skipped = _build(_folders(records), Path(aside) / "site", keep=False)
    if skipped:
        raise typer.Exit(ExitCode.BAD_INPUT)


@app.command()
def serve(
    records: Records = None,
    out: Out = DEFAULT_OUT,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes any free one.")] = 8000,
) -> None:
    """Build the site, serve it on this machine, and rebuild it when records change."""
    from conebench.site.serve import SiteServer, fingerprint

    folders = _folders(records)
    seen = fingerprint(folders)

    def rebuild() -> None:
        nonlocal seen
        if seen != (now := fingerprint(folders)):
            seen = now
            try:
                _build(folders, out)
            except ConebenchError as error:
                show_error(error)

    with errors_as_exit_codes():
        _build(folders, out)
        with SiteServer(out, port, rebuild) as server:
            echo(f"at {server.address}, until interrupted")
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                echo("stopped")


def _folders(records: Sequence[Path] | None) -> list[Path]:
    return list(records or [folder for folder in DEFAULT_RECORDS if folder.is_dir()])


def _build(folders: Sequence[Path], out: Path, *, keep: bool = True) -> bool:
    """Build the site and report it. Return True if a record was left out."""
    from conebench.site import build_site

    report = build_site(folders, out)
    for path, reason in report.skipped:
        echo(f"left out: {path}: {reason}", err=True)
    count = f"{report.shown} record{'' if report.shown == 1 else 's'}"
    echo(f"{count} on the board{f': open {report.index}' if keep else ''}")
    return bool(report.skipped)
