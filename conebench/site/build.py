"""Building the site from folders of records."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from conebench.errors import InputError, RecordError, StorageError
from conebench.site.board.data_page import data_page, schema_text
from conebench.site.board.download import frame_csv, frame_json
from conebench.site.board.frames import arms_frame, board_frame
from conebench.site.board.parts import rows_script
from conebench.site.board.rows import Group, group_rows
from conebench.site.documents import attachments, documents, search_script
from conebench.site.files.cache import Note, keep_equal, write_notes
from conebench.site.files.find import find_records
from conebench.site.files.place import place_records
from conebench.site.files.write import SiteRecord, write_parquet, write_text
from conebench.site.findings_page.frame import tidy_frame
from conebench.site.findings_page.page import findings_page, index_sentences
from conebench.site.pages import (
    all_pages,
    compare_page,
    document_page,
    documents_page,
    index_page,
    moved_page,
)

MARKER = ".conebench-site"
MARKED = "Built by conebench; the whole folder is replaced by the next build.\n"
ASSETS = Path(__file__).parent / "assets"


@dataclass(frozen=True)
class BuildReport:
    """Result of a build."""

    index: Path
    shown: int
    # Files left out, each with the reason.
    skipped: list[tuple[Path, str]]


def build_site(record_dirs: Sequence[Path | str], out: Path | str) -> BuildReport:
    """Build the site of all records in the given folders.

    The same records give the same bytes, whether `out` was there before or not. A failed build
    leaves `out` as it was.

    Returns:
        The report; every file found is on a page or in its `skipped`.

    Raises:
        RecordError: A folder is missing.
        StorageError: `out` cannot be written, or holds something else than a site.

    """
    folders, out = [Path(folder) for folder in record_dirs], Path(out)
    try:
        _check_folders(folders, out)
        old = out.resolve()
        with _swapped_in(old) as new:
            files = find_records(folders)
            notes, skipped = place_records(files, new, old, new.parent / "aside")
            groups = group_rows([note.record.row for note in notes])
            left_out = [(file.label, reason) for file, reason in skipped]
            found = index_sentences(note.record.cell for note in notes)
            _write_board(groups, left_out, found, new)
            _write_arms(notes, new)
            _write_findings([note.record for note in notes], new)
            write_text(new / "data.html", data_page(groups, left_out, new))
            _write_documents(new / "docs")
            write_notes(notes, new)
            keep_equal(old, new)
    except OSError as error:
        place = error.filename or out
        raise StorageError(f"{place}: cannot be written: {error.strerror or error}") from None
    report = [(file.path, reason) for file, reason in skipped]
    return BuildReport(out / "index.html", len(notes), report)


def _check_folders(record_dirs: Sequence[Path], out: Path) -> None:
    target = out.resolve()
    for folder in record_dirs:
        if not folder.is_dir():
            raise RecordError(f"{folder}: no such folder, a folder of records is needed")
        if folder.resolve().is_relative_to(target):
            raise InputError(f"{out}: holds the records in {folder}, expected another folder")
    if not target.exists():
        return
    if not target.is_dir():
        raise InputError(f"{out}: is not a folder, expected a new folder or a built site")
    if any(target.iterdir()) and not (target / MARKER).is_file():
        raise InputError(
            f"{out}: holds files that are no site of conebench, expected a new or empty folder"
        )


@contextmanager
def _swapped_in(out: Path) -> Iterator[Path]:
    """Yield a new folder, and put it in place of `out`."""
    out.parent.mkdir(parents=True, exist_ok=True)
    workspace = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    new, old = workspace / "new", workspace / "old"
    try:
        new.mkdir()
        yield new
        try:
            # Renames within one folder: no reader sees a half-written site.
            if out.exists():
                out.rename(old)
            new.rename(out)
        except BaseException:
            # An interrupt, too, must not lose the old site.
            if old.exists():
                old.rename(out)
            raise
    finally:
        shutil.rmtree(workspace, ignore_errors=True)


def _write_board(
    groups: Sequence[Group],
    left_out: Sequence[tuple[str, str]],
    found: Sequence[str],
    folder: Path,
) -> None:
    write_text(folder / "index.html", index_page(groups, left_out, found))
    write_text(folder / "rows.js", rows_script(groups))
    for name, text in all_pages(groups).items():
        write_text(folder / name, text)
    write_text(folder / "compare.html", compare_page(groups))
    table = board_frame(groups)
    write_text(folder / "table.csv", frame_csv(table))
    write_text(folder / "table.json", frame_json(table))
    write_parquet(table, folder / "table.parquet")
    write_text(folder / "schema.json", schema_text())
    write_text(folder / MARKER, MARKED)
    shutil.copytree(ASSETS, folder / "assets", copy_function=shutil.copyfile)


def _write_arms(notes: Sequence[Note], folder: Path) -> None:
    arms = arms_frame([arm for note in notes for arm in note.record.arms])
    write_text(folder / "arms.csv", frame_csv(arms))
    write_parquet(arms, folder / "arms.parquet")


def _write_findings(records: Sequence[SiteRecord], folder: Path) -> None:
    cells = [record.cell for record in records]
    page = findings_page([record.row for record in records], cells)
    write_text(folder / "findings.html", page.html)
    # The address of the page that it replaced.
    write_text(folder / "factors.html", moved_page("findings.html", "Findings"))
    table = tidy_frame(cells)
    write_text(folder / "findings.csv", frame_csv(table))
    write_parquet(table, folder / "findings.parquet")


def _write_documents(folder: Path) -> None:
    folder.mkdir()
    write_text(folder / "index.html", documents_page())
    write_text(folder / "search-index.js", search_script())
    for document in documents():
        write_text(folder / f"{document.name}.html", document_page(document))
    for file in attachments():
        shutil.copyfile(file, folder / file.name)
