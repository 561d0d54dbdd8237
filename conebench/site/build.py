"""From folders of records to a folder of pages, swapped in whole."""

import filecmp
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from conebench.errors import RecordError, StorageError
from conebench.record import Record, read_record, recompute
from conebench.record.check import UNUSABLE
from conebench.site.collect import Found, find_records
from conebench.site.data import (
    ArmCells,
    arm_rows,
    arms_csv,
    data_page,
    schema_text,
    write_all_records,
)
from conebench.site.download import csv_text, json_text
from conebench.site.figures import csv_file, svg_file
from conebench.site.pages import (
    compare_page,
    factors_page,
    index_page,
    method_page,
    record_page,
    sections_of,
    spec_text,
)
from conebench.site.plots import Plot
from conebench.site.rows import Group, Row, group_label, group_rows, row_of
from conebench.site.scatter import factor_sections
from conebench.site.walk import walk_script

MARKER = ".conebench-site"
ASSETS = Path(__file__).parent / "assets"


@dataclass(frozen=True)
class Shown:
    """A record on the site: its file, its row on the board, its arms."""

    path: Path
    row: Row
    arms: list[ArmCells]


@dataclass(frozen=True)
class BuildReport:
    """The site's first page, how many records it shows, and the files left out with the reason."""

    index: Path
    shown: int
    skipped: list[tuple[Path, str]]


def build_site(record_dirs: Sequence[Path], out: Path) -> BuildReport:
    """Build the site of all records under the given folders into `out`, or leave `out` as it was.

    Every record found is on a page or in the report's `skipped`. The same records give the same
    bytes. Raises a RecordError where a folder is missing, a StorageError where `out` cannot be
    written or holds something that is not a site built by this function.
    """
    try:
        _check_folders(record_dirs, out)
        with _swapped_in(out.resolve()) as folder:
            shown, skipped = _write_records(find_records(record_dirs), folder)
            _write_board([item.row for item in shown], skipped, folder)
            _write_data(shown, folder)
    except OSError as error:
        place = error.filename or out
        raise StorageError(f"{place}: cannot be written: {error.strerror or error}") from None
    return BuildReport(
        out / "index.html", len(shown), [(found.path, reason) for found, reason in skipped]
    )


def _check_folders(record_dirs: Sequence[Path], out: Path) -> None:
    target = out.resolve()
    for folder in record_dirs:
        if not folder.is_dir():
            raise RecordError(f"{folder}: no such folder, a folder of records is needed")
        if folder.resolve().is_relative_to(target):
            raise StorageError(f"{out}: holds the records in {folder}, allowed is another folder")
    if not target.exists():
        return
    if not target.is_dir():
        raise StorageError(f"{out}: is not a folder, allowed is a new folder or a built site")
    if any(target.iterdir()) and not (target / MARKER).is_file():
        raise StorageError(
            f"{out}: holds files that are no site of conebench, allowed is a new or empty folder"
        )


@contextmanager
def _swapped_in(out: Path) -> Iterator[Path]:
    """A new folder beside `out`, put in its place when the block ends well."""
    out.parent.mkdir(parents=True, exist_ok=True)
    workspace = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    new, old = workspace / "new", workspace / "old"
    try:
        new.mkdir()
        yield new
        try:
            if out.exists():
                out.rename(old)
            new.rename(out)
        except BaseException:
            if old.exists():
                old.rename(out)
            raise
    finally:
        shutil.rmtree(workspace, ignore_errors=True)


def _write_records(
    records: Sequence[Found], folder: Path
) -> tuple[list[Shown], list[tuple[Found, str]]]:
    """One page a record; what is shown, and the records left out with the reason."""
    (folder / "records").mkdir()
    items: list[Shown] = []
    skipped: list[tuple[Found, str]] = []
    shown: dict[str, Found] = {}
    for found in records:
        try:
            stored = _read(found)
            record_id = stored.id
            twin = shown.get(record_id)
            if twin is None:
                items.append(_write_record(found, stored, record_id, folder / "records"))
                shown[record_id] = found
            # A plain copy of a file is not worth a word: a run's record is submitted by copying it.
            elif not filecmp.cmp(found.path, twin.path, shallow=False):
                skipped.append((found, f"the same results as {twin.label}, which is shown"))
        except RecordError as error:
            skipped.append((found, str(error).removeprefix(f"{found.path}: ")))
    return items, skipped


def _read(found: Found) -> Record:
    if found.problem:
        raise RecordError(found.problem)
    return read_record(found.path)


def _write_record(found: Found, stored: Record, record_id: str, folder: Path) -> Shown:
    try:
        with np.errstate(divide="raise", over="raise", invalid="raise"):
            record = recompute(stored)
            row = row_of(record, record_id)
            sections = sections_of(record)
            spec = spec_text(record.spec)
            page = record_page(record, row, sections, spec)
            script = walk_script(record, row, group_label(row.group))
    except UNUSABLE as error:
        raise RecordError(f"its figures cannot be recomputed: {error}") from None
    _write(folder / f"{record_id}.html", page)
    _write(folder / f"{record_id}.js", script)
    shutil.copyfile(found.path, folder / f"{record_id}.json")
    (folder / record_id).mkdir()
    _write(folder / record_id / f"{row.spec_name}.yaml", spec)
    _write_plots([plot for section in sections for plot in section], folder / record_id)
    return Shown(found.path, row, arm_rows(record, record_id))


def _write_board(rows: Sequence[Row], skipped: Sequence[tuple[Found, str]], folder: Path) -> None:
    groups = group_rows(rows)
    left_out = [(found.label, reason) for found, reason in skipped]
    _write(folder / "index.html", index_page(groups, left_out))
    _write(folder / "compare.html", compare_page(groups))
    _write_factors(groups, folder)
    _write(folder / "method.html", method_page())
    _write(folder / "data.html", data_page(groups))
    _write(folder / "table.csv", csv_text(groups))
    _write(folder / "table.json", json_text(groups))
    _write(folder / MARKER, "Built by conebench; the whole folder is replaced by the next build.\n")
    shutil.copytree(ASSETS, folder / "assets", copy_function=shutil.copyfile)


def _write_data(shown: Sequence[Shown], folder: Path) -> None:
    _write(folder / "arms.csv", arms_csv(arm for item in shown for arm in item.arms))
    _write(folder / "schema.json", schema_text())
    write_all_records([item.path for item in shown], folder / "records.jsonl.gz")


def _write_factors(groups: Sequence[Group], folder: Path) -> None:
    sections = factor_sections([row for group in groups for row in group.rows])
    _write(folder / "factors.html", factors_page(groups, sections))
    _write_plots([plot for section in sections for plot in section.plots], folder / "factors")


def _write_plots(plots: Iterable[Plot], folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for plot in plots:
        _write(folder / f"{plot.key}.svg", svg_file(plot))
        _write(folder / f"{plot.key}.csv", csv_file(plot))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
