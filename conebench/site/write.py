"""The files of each record on the site, several records at once where there are many."""

import functools
import multiprocessing
import os
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from conebench.errors import RecordError
from conebench.record import Record, Replication, read_record, recompute
from conebench.record.derive import UNUSABLE
from conebench.record.replication import check_replication, replications_of
from conebench.site.collect import Found
from conebench.site.data import ArmCells, arm_rows
from conebench.site.figures import csv_file, svg_file
from conebench.site.pages import record_page, sections_of
from conebench.site.plots import Plot
from conebench.site.rows import Row, group_label, row_of
from conebench.site.walk import walk_script
from conebench.spec import spec_text

# Below this many records new processes take longer to start than they save.
MANY = 100


@dataclass(frozen=True)
class Shown:
    """A record on the site: its file, its row on the board, its arms.

    `refused` are replications beside it that are none of it: their files' names, and why.
    """

    path: Path
    row: Row
    arms: list[ArmCells]
    refused: list[tuple[str, str]]


def write_records(records: Sequence[Found], folder: Path, *, many: int = MANY) -> list[Shown | str]:
    """Page, data and plots of each record; in its place, the reason where that cannot be done.

    From `many` records on, in processes side by side.
    """
    write = functools.partial(_write_record, folder=folder)
    if len(records) < many:
        return list(map(write, records))
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), spawn) as pool:
        return list(pool.map(write, records, chunksize=8))


def read(found: Found) -> Record:
    """The record of a file; a RecordError where there is none to be had."""
    if found.problem:
        raise RecordError(found.problem)
    return read_record(found.path)


def reason_of(error: RecordError, found: Found) -> str:
    """The error without the path, which the site never names."""
    return str(error).removeprefix(f"{found.path}: ")


def _write_record(found: Found, folder: Path) -> Shown | str:
    try:
        stored = read(found)
        record_id = stored.id
        with np.errstate(divide="raise", over="raise", invalid="raise"):
            record = recompute(stored)
            replications, refused = _replications(found.path, stored)
            row = row_of(record, record_id, replications)
            sections = sections_of(record)
            spec = spec_text(record.spec)
            page = record_page(record, row, sections, spec)
            script = walk_script(record, row, group_label(row.group))
    except RecordError as error:
        return reason_of(error, found)
    except UNUSABLE as error:
        return f"its figures cannot be recomputed: {error}"
    write_text(folder / f"{record_id}.html", page)
    write_text(folder / f"{record_id}.js", script)
    shutil.copyfile(found.path, folder / f"{record_id}.json")
    write_plots([plot for section in sections for plot in section], folder / record_id)
    write_text(folder / record_id / f"{row.spec_name}.yaml", spec)
    return Shown(found.path, row, arm_rows(record, record_id), refused)


def _replications(path: Path, record: Record) -> tuple[list[Replication], list[tuple[str, str]]]:
    """Those beside a record's file, and the files that are none of it with the reason."""
    kept: list[Replication] = []
    refused: list[tuple[str, str]] = []
    for file in replications_of(path):
        try:
            kept.append(check_replication(file, record))
        except RecordError as error:
            refused.append(
                (f"{file.parent.name}/{file.name}", str(error).removeprefix(f"{file}: "))
            )
    return kept, refused


def write_plots(plots: Iterable[Plot], folder: Path) -> None:
    """Every plot as SVG and CSV."""
    folder.mkdir(exist_ok=True)
    for plot in plots:
        write_text(folder / f"{plot.key}.svg", svg_file(plot))
        write_text(folder / f"{plot.key}.csv", csv_file(plot))


def write_text(path: Path, text: str) -> None:
    """UTF-8 with line feeds on every system."""
    path.write_text(text, encoding="utf-8", newline="\n")
