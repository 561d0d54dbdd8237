"""`conebench list`."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from conebench.cli.exits import errors_as_exit_codes
from conebench.cli.terminal import WIDEST, Terminal, echo
from conebench.errors import ExitCode
from conebench.spec import LoadedSpec, Spec, find_specs, load_valid, shipped_specs

Facts = dict[str, str | int]

NUMBERS = {"specs", "steps", "kernels", "seeds"}
# Titles are shown on terminals of at least this many columns.
WIDE = 140
# Columns of texts that may be wrapped.
LEAST = 20


def list_specs(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Spec files, or folders of them; default: specs, else the shipped ones."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per spec.")
    ] = False,
) -> None:
    """List the specs.

    A file of several specs has one line; name the file to list each of them.
    """
    paths = paths or [_own_specs()]
    with errors_as_exit_codes():
        specs, problems = load_valid(find_specs(paths))
    for line in problems:
        echo(line, err=True)
    if as_json:
        for found in specs:
            echo(json.dumps({"path": str(found.file), **_facts(found.spec)}))
    elif specs:
        _print_table(_rows(specs, find_specs([path for path in paths if path.is_dir()])))
    if problems:
        raise typer.Exit(ExitCode.BAD_INPUT)


def _own_specs() -> Path:
    """Return the folder specs, or that of the shipped specs where there is none."""
    here = Path("specs")
    return here if here.is_dir() else shipped_specs()


def _rows(specs: list[LoadedSpec], in_folders: list[Path]) -> list[Facts]:
    """Return a row for each file in a folder, and for each spec of the other files."""
    files: dict[Path, list[Spec]] = {found.file: [] for found in specs}
    for found in specs:
        files[found.file].append(found.spec)
    rows: list[Facts] = []
    for file, members in files.items():
        facts = [_facts(spec) for spec in members]
        if len(facts) > 1 and file in in_folders:
            rows.append({**_common(facts), "name": file.stem, "specs": len(facts)})
        else:
            rows += [{**one, "specs": 1} for one in facts]
    return rows


def _common(facts: list[Facts]) -> Facts:
    """Return what several specs have in common, and how far they differ."""
    row: Facts = {}
    for column in facts[0]:
        values = list(dict.fromkeys(one[column] for one in facts))
        if len(values) == 1:
            row[column] = values[0]
        elif column in NUMBERS:
            row[column] = f"{min(map(int, values))}-{max(map(int, values))}"
        else:
            row[column] = "" if column == "title" else f"{len(values)} {column}s"
    return row


def _facts(spec: Spec) -> Facts:
    return {
        "name": spec.name,
        "model": spec.model.name,
        "dataset": spec.dataset.shown_name,
        "steps": spec.total_steps,
        "kernels": len(spec.checkpoint_steps),
        "seeds": len(spec.seeds),
        "title": spec.title,
    }


def _print_table(rows: list[Facts]) -> None:
    console = Terminal()
    columns = ["name", "model", "dataset", "steps", "kernels", "seeds"]
    if any(facts["specs"] != 1 for facts in rows):
        columns.insert(1, "specs")
    if console.width >= WIDE:
        columns.append("title")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        # Names are searched for and copied, so these are never cut.
        kept = column not in ("dataset", "title")
        least = max(len(str(facts[column])) for facts in rows) if kept else LEAST
        table.add_column(
            column,
            justify="right" if column in NUMBERS else "left",
            no_wrap=kept,
            min_width=max(least, len(column)),
        )
    for facts in rows:
        table.add_row(*(Text(str(facts[column])) for column in columns))
    # A terminal that is too narrow wraps the lines itself.
    least = console.measure(table, options=console.options.update(width=WIDEST)).minimum
    console.width = max(console.width, least)
    console.print(table)
