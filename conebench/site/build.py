"""From folders of records to a folder of pages, swapped in whole."""

import filecmp
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from conebench.errors import RecordError, StorageError
from conebench.site.collect import Found, find_records
from conebench.site.data import arms_csv, data_page, schema_text, write_all_records
from conebench.site.documents import documents, pictures
from conebench.site.download import csv_text, json_text
from conebench.site.pages import (
    compare_page,
    document_page,
    documents_page,
    factors_page,
    index_page,
)
from conebench.site.rows import Group, Row, group_rows
from conebench.site.scatter import factor_sections
from conebench.site.write import Shown, read, reason_of, write_plots, write_records, write_text

MARKER = ".conebench-site"
MARKED = "Built by conebench; the whole folder is replaced by the next build.\n"
ASSETS = Path(__file__).parent / "assets"


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
            _write_documents(folder / "docs")
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
    chosen, skipped = _without_twins(records)
    written = write_records(chosen, folder / "records")
    skipped += [(f, item) for f, item in zip(chosen, written, strict=True) if isinstance(item, str)]
    order = {found.path: i for i, found in enumerate(records)}
    skipped.sort(key=lambda item: order[item[0].path])
    for found, item in zip(chosen, written, strict=True):
        skipped += _refused(found, item) if isinstance(item, Shown) else []
    return [item for item in written if isinstance(item, Shown)], skipped


def _refused(found: Found, shown: Shown) -> list[tuple[Found, str]]:
    """Files beside a record that are no replications of it; the record itself is shown."""
    folder = found.label.rpartition("/")[0]
    return [
        (Found(found.path.parent / name, f"{folder}/{name}"), reason)
        for name, reason in shown.refused
    ]


def _without_twins(records: Sequence[Found]) -> tuple[list[Found], list[tuple[Found, str]]]:
    """The first file of each record that can be read, and the files left out with the reason."""
    skipped: list[tuple[Found, str]] = []
    first: dict[str, Found] = {}
    for found in records:
        try:
            twin = first.setdefault(read(found).id, found)
        except RecordError as error:
            skipped.append((found, reason_of(error, found)))
            continue
        # A plain copy of a file is not worth a word: a run's record is submitted by copying it.
        if twin is not found and not filecmp.cmp(found.path, twin.path, shallow=False):
            skipped.append((found, f"the same results as {twin.label}"))
    return list(first.values()), skipped


def _write_board(rows: Sequence[Row], skipped: Sequence[tuple[Found, str]], folder: Path) -> None:
    groups = group_rows(rows)
    left_out = [(found.label, reason) for found, reason in skipped]
    write_text(folder / "index.html", index_page(groups, left_out))
    write_text(folder / "compare.html", compare_page(groups))
    _write_factors(groups, folder)
    write_text(folder / "data.html", data_page(groups))
    write_text(folder / "table.csv", csv_text(groups))
    write_text(folder / "table.json", json_text(groups))
    write_text(folder / MARKER, MARKED)
    shutil.copytree(ASSETS, folder / "assets", copy_function=shutil.copyfile)


def _write_data(shown: Sequence[Shown], folder: Path) -> None:
    write_text(folder / "arms.csv", arms_csv(arm for item in shown for arm in item.arms))
    write_text(folder / "schema.json", schema_text())
    write_all_records([item.path for item in shown], folder / "records.jsonl.gz")


def _write_factors(groups: Sequence[Group], folder: Path) -> None:
    sections = factor_sections([row for group in groups for row in group.rows])
    write_text(folder / "factors.html", factors_page(groups, sections))
    write_plots([plot for section in sections for plot in section.plots], folder / "factors")


def _write_documents(folder: Path) -> None:
    folder.mkdir()
    write_text(folder / "index.html", documents_page())
    for document in documents():
        write_text(folder / f"{document.name}.html", document_page(document))
    for picture in pictures():
        shutil.copyfile(picture, folder / picture.name)
