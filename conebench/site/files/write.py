"""The files of each record on the site, several records at once where there are many."""

import gzip
import multiprocessing
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from conebench.errors import RecordError
from conebench.record import Record, Replication, read_record, recompute
from conebench.record.derive import UNUSABLE
from conebench.record.replication import check_replication, replications_of
from conebench.site.board.frames import ArmRow, arm_rows
from conebench.site.board.rows import Row, group_label, row_of
from conebench.site.charts.plot import Plot
from conebench.site.files.find import Found
from conebench.site.files.plot_files import csv_file, svg_file
from conebench.site.pages import record_page, sections_of
from conebench.site.record_page.script_data import walk_script
from conebench.spec import spec_text

# Below this many records new processes take longer to start than they save.
MANY = 100
# The record as one compressed line, which becomes a part of the file of all records.
LINE = "line.gz"
COMPRESSION = 6


@dataclass(frozen=True)
class Shown:
    """A record on the site: what the shared pages need of it, and the size of what is its own.

    `files` and `size` are its files' count and bytes, `line` the bytes of it among all records.
    `refused` are replications beside it that are none of it: their files' names, and why.
    """

    row: Row
    arms: list[ArmRow]
    files: int
    size: int
    line: int
    refused: list[tuple[str, str]]


def write_records(records: Sequence[Found], folder: Path, *, many: int = MANY) -> list[Shown | str]:
    """Page, data and plots of each record, in folders named 0, 1, ...

    In its place, the reason where that cannot be done. From `many` records on, in processes side by
    side.
    """
    folders = [folder / str(i) for i in range(len(records))]
    if len(records) < many:
        return list(map(_write_record, records, folders))
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), spawn) as pool:
        return list(pool.map(_write_record, records, folders, chunksize=8))


def own_files(folder: Path, record_id: str) -> list[Path]:
    """The files of one record that are there: page, script, the record itself, spec and plots."""
    beside = [folder / f"{record_id}.{ending}" for ending in ("html", "js", "json")]
    inside = folder / record_id
    return [*filter(Path.is_file, beside), *(sorted(inside.iterdir()) if inside.is_dir() else ())]


def size_of(files: Iterable[Path]) -> int:
    """Bytes in all of them."""
    return sum(path.stat().st_size for path in files)


def _write_record(found: Found, folder: Path) -> Shown | str:
    try:
        stored = _read(found)
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
        # Without the path, which the site never names.
        return str(error).removeprefix(f"{found.path}: ")
    except UNUSABLE as error:
        return f"its figures cannot be recomputed: {error}"
    folder.mkdir(parents=True)
    write_text(folder / f"{record_id}.html", page)
    write_text(folder / f"{record_id}.js", script)
    original = found.path.read_bytes()
    (folder / f"{record_id}.json").write_bytes(original)
    write_plots([plot for section in sections for plot in section], folder / record_id)
    write_text(folder / record_id / f"{row.spec_name}.yaml", spec)
    (folder / LINE).write_bytes(line := _packed_line(original))
    files = own_files(folder, record_id)
    return Shown(row, arm_rows(record, record_id), len(files), size_of(files), len(line), refused)


def _read(found: Found) -> Record:
    if found.problem:
        raise RecordError(found.problem)
    return read_record(found.path)


def _packed_line(original: bytes) -> bytes:
    """The record on one line, compressed; the same record gives the same bytes.

    No text in JSON holds the end of a line: its lines, joined, are the same document.
    """
    text = b"".join(map(bytes.strip, original.splitlines()))
    return gzip.compress(text + b"\n", COMPRESSION, mtime=0)


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
