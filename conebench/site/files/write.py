"""Writing the files of each record on the site."""

import gzip
import json
import multiprocessing
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from conebench.environment import variable_set
from conebench.errors import RecordError
from conebench.record import Record, Replication, read_record, recompute
from conebench.record.check import broken_invariants
from conebench.record.derive import UNUSABLE
from conebench.record.replication import check_replication, replications_of
from conebench.site.board.frames import ArmRow, arm_rows
from conebench.site.board.rows import Row, row_of
from conebench.site.files.find import RecordFile
from conebench.site.pages import record_page
from conebench.site.record_page.script_data import record_script
from conebench.spec import spec_text
from conebench.study.figures import Cell, figures_of

# Below this many records new processes take longer to start than they save.
MANY = 100
# Files of a record: its page, numbers for scripts, the compressed record, and its spec.
ENDINGS = ("html", "js", "json.gz", "yaml")
COMPRESSION = 6


@dataclass(frozen=True)
class SiteRecord:
    """A record on the site, as shared pages need it."""

    row: Row
    arms: list[ArmRow]
    # Its figures per seed, for the Findings page.
    cell: Cell
    # Count and bytes of its own files.
    files: int
    size: int
    # Files next to the record that are not valid replications, with the reason.
    refused: list[tuple[str, str]]


@dataclass(frozen=True)
class Refused:
    """The reason why a file is not shown."""

    reason: str


def write_records(
    files: Sequence[RecordFile], folder: Path, *, many: int = MANY
) -> list[SiteRecord | Refused]:
    """Write the files of each record.

    The folders are named 0, 1, ... From `many` records on, several processes share the work.
    """
    folders = [folder / str(i) for i in range(len(files))]
    if len(files) < many:
        return list(map(_write_record, files, folders))
    spawn = multiprocessing.get_context("spawn")
    # Threads of several processes get in each other's way in matrices this small.
    with variable_set("OMP_NUM_THREADS", "1"), ProcessPoolExecutor(os.cpu_count(), spawn) as pool:
        return list(pool.map(_write_record, files, folders, chunksize=8))


def own_files(folder: Path, record_id: str) -> list[Path]:
    """Return the files of one record on the site."""
    files = [folder / f"{record_id}.{ending}" for ending in ENDINGS]
    return [*filter(Path.is_file, files)]


def size_of(files: Iterable[Path]) -> int:
    """Return the bytes of all files together."""
    return sum(path.stat().st_size for path in files)


def _write_record(file: RecordFile, folder: Path) -> SiteRecord | Refused:
    try:
        stored = _read_file(file)
        record_id = stored.id
        # Numbers that no run can write are to be refused, not shown as nan.
        with np.errstate(divide="raise", over="raise", invalid="raise"):
            record = recompute(stored)
            _check(file, stored, record)
            replications, refused = checked_replications(file.path, stored)
            row = row_of(record, record_id, replications)
            cell = figures_of(record, record_id)
            spec = spec_text(record.spec)
            page = record_page(record, row, spec)
            script = record_script(record, row, row.group.label)
    except RecordError as error:
        # Without the path, which the site never names.
        return Refused(str(error).removeprefix(f"{file.path}: "))
    except UNUSABLE as error:
        return Refused(f"its figures cannot be recomputed: {error}")
    folder.mkdir(parents=True)
    write_text(folder / f"{record_id}.html", page)
    write_text(folder / f"{record_id}.js", script)
    write_text(folder / f"{record_id}.yaml", spec)
    packed = _packed(file.path.read_bytes())
    (folder / f"{record_id}.json.gz").write_bytes(packed)
    written = own_files(folder, record_id)
    arms = arm_rows(record, record_id)
    return SiteRecord(row, arms, cell, len(written), size_of(written), refused)


def _read_file(file: RecordFile) -> Record:
    if file.problem:
        raise RecordError(file.problem)
    return read_record(file.path)


def _check(file: RecordFile, stored: Record, recomputed: Record) -> None:
    # As `conebench check`, but for stored figures, which no page shows.
    for invariant, detail in broken_invariants(file.path, stored, recomputed):
        raise RecordError(f"{invariant}: {detail}")


def _packed(original: bytes) -> bytes:
    """Compress a record, always to the same bytes."""
    # Python reads and writes every number of JSON the same.
    text = json.dumps(json.loads(original), separators=(",", ":")) + "\n"
    return gzip.compress(text.encode(), COMPRESSION, mtime=0)


def checked_replications(
    path: Path, record: Record
) -> tuple[list[Replication], list[tuple[str, str]]]:
    """Return the valid replications of a record, and other files with the reason."""
    valid: list[Replication] = []
    refused: list[tuple[str, str]] = []
    for file in replications_of(path):
        try:
            valid.append(check_replication(file, record))
        except RecordError as error:
            reason = str(error).removeprefix(f"{file}: ")
            refused.append((f"{file.parent.name}/{file.name}", reason))
    return valid, refused


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 with line feeds on every system."""
    path.write_text(text, encoding="utf-8", newline="\n")


def write_parquet(table: pd.DataFrame, path: Path) -> None:
    """Write a table as Parquet."""
    # pyarrow takes no path that is not UTF-8, but any open file.
    with path.open("wb") as file:
        table.to_parquet(file, engine="pyarrow", index=False)
