"""Each record's files in their place on a new site: kept where they still hold, made where not."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from conebench.site.files.cache import (
    ALL_RECORDS,
    Kept,
    Note,
    content_key,
    keep_files,
    kept_records,
    same_record,
)
from conebench.site.files.find import Found
from conebench.site.files.write import LINE, Shown, write_records


@dataclass(frozen=True)
class _Placed:
    """A record to show, the first file that holds it, and what there is of it already.

    `made` is the folder of its new files, None where those of the earlier site are kept.
    """

    found: Found
    note: Note
    made: Path | None
    start: int = 0


def place_records(
    records: Sequence[Found], new: Path, old: Path, aside: Path
) -> tuple[list[Note], list[tuple[Found, str]]]:
    """The files of all records on the site `new`; what is shown, and what is left out and why.

    Files of an earlier site at `old` are kept where they hold. New ones are made under `aside`.
    """
    keyed = [(content_key(found), found) for found in records]
    kept = kept_records(old)
    todo = {key: found for key, found in reversed(keyed) if key not in kept}
    made = write_records(list(todo.values()), aside)
    folders = [aside / str(i) for i in range(len(todo))]
    fresh = dict(zip(todo, zip(made, folders, strict=True), strict=True))
    placed, skipped = _first_of_each(keyed, kept, fresh)
    (new / "records").mkdir()
    for item in placed:
        _move(item, new / "records", old / "records")
    _join_lines(placed, new, old)
    return [item.note for item in placed], skipped


def _first_of_each(
    keyed: Iterable[tuple[str, Found]],
    kept: dict[str, Kept],
    fresh: dict[str, tuple[Shown | str, Path]],
) -> tuple[list[_Placed], list[tuple[Found, str]]]:
    """The first file of each record that can be shown, and the files left out with the reason."""
    placed: dict[str, _Placed] = {}
    skipped: list[tuple[Found, str]] = []
    for key, found in keyed:
        item = _item(key, found, kept, fresh)
        if isinstance(item, str):
            skipped.append((found, item))
            continue
        twin = placed.setdefault(item.note.shown.row.record_id, item)
        if twin is item:
            skipped += _refused(found, item.note.shown)
        # A plain copy of a file is not worth a word: a run's record is submitted by copying it.
        elif not same_record(twin.note.key, key):
            skipped.append((found, f"the same results as {twin.found.label}"))
    return list(placed.values()), skipped


def _refused(found: Found, shown: Shown) -> list[tuple[Found, str]]:
    """Files beside a record that are no replications of it; the record itself is shown."""
    folder = found.label.rpartition("/")[0]
    return [
        (Found(found.path.parent / name, f"{folder}/{name}"), reason)
        for name, reason in shown.refused
    ]


def _item(
    key: str, found: Found, kept: dict[str, Kept], fresh: dict[str, tuple[Shown | str, Path]]
) -> _Placed | str:
    if key in kept:
        return _Placed(found, Note(key, kept[key].shown), None, kept[key].start)
    shown, folder = fresh[key]
    return shown if isinstance(shown, str) else _Placed(found, Note(key, shown), folder)


def _move(item: _Placed, new: Path, old: Path) -> None:
    if item.made is None:
        keep_files(item.note.shown.row.record_id, old, new)
        return
    for path in item.made.iterdir():
        if path.name != LINE:
            path.rename(new / path.name)


def _join_lines(placed: Sequence[_Placed], new: Path, old: Path) -> None:
    """One file of all records: compressed lines one after the other are a compressed file."""
    with (new / ALL_RECORDS).open("wb") as target:
        for item in placed:
            source = old / ALL_RECORDS if item.made is None else item.made / LINE
            with source.open("rb") as lines:
                lines.seek(item.start)
                target.write(lines.read(item.note.shown.line))
