"""Rebuilding a site: it makes only what changed, and gives the bytes of a new build."""

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from site_folders import contents, save
from synthetic import make_record, make_replication, make_spec, save_replication

from conebench.site import build_site
from conebench.site.files.cache import NOTES, kept_records, program

RECORDS = [make_record(make_spec(title=f"Run {i}", seeds=[i])) for i in range(4)]
ALPHA, BETA, GAMMA, DELTA = RECORDS


def inodes(site: Path) -> dict[str, int]:
    return {name: (site / name).stat().st_ino for name in contents(site)}


def touched(site: Path, before: dict[str, int]) -> set[str]:
    """Return the names of files that are new or replaced."""
    return {name for name, inode in inodes(site).items() if before.get(name) != inode}


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """Return records and their site, built once; each test has a copy."""
    folder = tmp_path_factory.mktemp("built")
    for name, record in (("a", ALPHA), ("b", BETA), ("c", GAMMA)):
        save(record, folder / "records" / name)
    build_site([folder / "records"], folder / "site")
    return folder


@pytest.fixture
def records(built: Path, tmp_path: Path) -> Path:
    return shutil.copytree(built / "records", tmp_path / "records")


@pytest.fixture
def site(built: Path, tmp_path: Path) -> Path:
    return shutil.copytree(built / "site", tmp_path / "site")


def add(records: Path) -> None:
    save(DELTA, records / "d")


def remove(records: Path) -> None:
    (records / "b" / "record.json").unlink()


def exchange(records: Path) -> None:
    save(DELTA, records / "a")


def spoil(records: Path) -> None:
    (records / "b" / "record.json").write_text("{}")


def repeat(records: Path) -> None:
    """Add the results of c from another machine, in a file that sorts first."""
    elsewhere = GAMMA.provenance.model_copy(update={"device_name": "another machine"})
    save(GAMMA.model_copy(update={"provenance": elsewhere}), records / "0")


def copy(records: Path) -> None:
    save(ALPHA, records / "z")


def replicate(records: Path) -> None:
    """Add a valid replication, and one of another record."""
    path = records / "b" / "record.json"
    save_replication(path, make_replication(BETA))
    save_replication(path, make_replication(GAMMA, by="someone-else"))


def nothing(_: Path) -> None:
    """Leave everything as it is."""


@pytest.mark.parametrize("change", [add, remove, exchange, spoil, repeat, copy, replicate, nothing])
def test_a_site_built_in_steps_is_that_built_at_once(
    records, site, tmp_path, change: Callable[[Path], None]
):
    change(records)
    again = build_site([records], site)
    once = build_site([records], tmp_path / "once")
    assert (again.shown, again.skipped) == (once.shown, once.skipped)
    assert contents(site) == contents(tmp_path / "once")


def test_a_build_without_changes_touches_nothing(records, site):
    before = inodes(site)
    build_site([records], site)
    assert touched(site, before) == set()


def test_a_replication_touches_its_record_and_what_all_share(records, site):
    before = inodes(site)
    replicate(records)
    report = build_site([records], site)
    (refused,) = report.skipped
    assert refused[0].name == "someone-else.json"
    assert f"records/{BETA.id}.html" in (changed := touched(site, before))
    assert not [name for name in changed if name.startswith(f"records/{ALPHA.id}")]


def test_a_new_record_touches_its_own_files_and_what_all_share(records, site):
    before = inodes(site)
    add(records)
    build_site([records], site)
    own = {name for name in inodes(site) if name.startswith(f"records/{DELTA.id}")}
    assert len(own) == 4
    shared = touched(site, before) - own
    assert {"index.html", "rows.js", "table.csv", "table.parquet", NOTES} <= shared
    assert not [name for name in shared if name.startswith(("records/", "assets/"))]
    assert not {"method.html", "schema.json"} & shared


def test_files_of_a_record_that_is_gone_go(records, site):
    remove(records)
    build_site([records], site)
    assert not [name for name in inodes(site) if BETA.id in name]


def test_another_program_keeps_nothing(site, monkeypatch):
    assert len(kept_records(site)) == 3
    monkeypatch.setattr("platform.python_version", lambda: "3.99")
    program.cache_clear()
    assert kept_records(site) == {}
    program.cache_clear()


def test_the_program_is_every_file_of_the_package(tmp_path, monkeypatch):
    (tmp_path / "conebench").mkdir()
    monkeypatch.setattr("conebench.__file__", str(tmp_path / "conebench" / "__init__.py"))
    found = set()
    for name, text in (("a.py", "1"), ("a.py", "2"), ("b.j2", "1"), ("b.css", "1")):
        (tmp_path / "conebench" / name).write_text(text)
        program.cache_clear()
        found.add(program())
    (tmp_path / "conebench" / "a.pyc").write_text("compiled")
    program.cache_clear()
    assert program() in found
    assert len(found) == 4
    program.cache_clear()


@pytest.mark.parametrize(
    "damage",
    [
        lambda site: (site / NOTES).unlink(),
        lambda site: (site / NOTES).write_bytes(b"\x1f\x8b not gzip"),
        lambda site: (site / NOTES).write_bytes((site / NOTES).read_bytes()[:100]),
        lambda site: (site / NOTES).write_bytes(gzip.compress(b'{"program": 1}')),
        lambda site: (site / "records" / f"{BETA.id}.html").unlink(),
        lambda site: (site / "records" / f"{BETA.id}.js").unlink(),
        lambda site: (site / "records" / f"{BETA.id}.json.gz").write_bytes(b"cut"),
        lambda site: (site / "records" / f"{BETA.id}.txt").write_text("x"),
        lambda site: (site / "index.html").unlink(),
    ],
)
def test_what_is_damaged_is_made_anew(records, site, damage):
    whole = contents(site)
    damage(site)
    build_site([records], site)
    assert contents(site) == whole


def test_files_are_copied_where_the_disk_has_no_second_names(records, site, monkeypatch):
    whole = contents(site)

    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("os.link", refuse)
    build_site([records], site)
    assert contents(site) == whole
