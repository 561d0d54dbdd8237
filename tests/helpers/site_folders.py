"""Folders of records, and what a site holds."""

from pathlib import Path

from conebench.record import Record, record_text


def save(record: Record, folder: Path, name: str = "record.json") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(record_text(record))
    return folder / name


def save_all(records: list[Record], folder: Path) -> Path:
    for record in records:
        save(record, folder / record.id)
    return folder


def contents(site: Path) -> dict[str, bytes]:
    files = sorted(path for path in site.rglob("*") if path.is_file())
    return {path.relative_to(site).as_posix(): path.read_bytes() for path in files}
