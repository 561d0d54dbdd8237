"""Building: files found, files left out, and a safe swap."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
from parsed_pages import Page
from site_folders import contents, save
from synthetic import make_record, make_replication, make_spec, save_replication

from conebench.errors import InputError, RecordError, StorageError
from conebench.record import record_text
from conebench.record.check import check_record
from conebench.site import BuildReport, build_site
from conebench.site.build import MARKER
from conebench.site.files.find import find_records
from conebench.site.files.write import write_records


@pytest.fixture
def records(tmp_path: Path) -> Path:
    folder = tmp_path / "records"
    save(make_record(), folder / "a")
    other = make_record(make_spec(title="Another"), noise=0.2)
    save(other, folder / "b", f"2026-01-02-{other.id}.json")
    return folder


def test_every_file_named_as_a_record_is_shown_or_listed(records, tmp_path):
    broken = {
        "c/record.json": "not JSON",
        "d/record.json": '{"schema_version": "9.0"}',
        "e/2026-01-02-0123abcd.json": "{}",
        "f/record.json": record_text(make_record()).replace('"seeds"', '"sedes"'),
    }
    for name, text in broken.items():
        (records / name).parent.mkdir()
        (records / name).write_text(text)
    (records / "a" / "metrics.json").write_text("{}")
    report = build_site([records], tmp_path / "site")
    assert report.shown == 2
    assert [path for path, _ in report.skipped] == [records / name for name in broken]
    index = report.index.read_text()
    for name in broken:
        assert f"<code>records/{name}</code>" in index
    assert "upgrade conebench" in index
    assert "metrics.json" not in index
    assert str(tmp_path) not in index
    assert all(str(tmp_path) not in reason for _, reason in report.skipped)


def test_replications_are_shown_with_their_record_or_listed(records, tmp_path):
    record = records / "a" / "record.json"
    save_replication(record, make_replication(make_record(), "anna"))
    # A replication is no record, whatever its name.
    save_replication(record, make_replication(make_record(), f"2026-01-02-{make_record().id}"))
    forged = make_replication(make_record(noise=0.3), "ben")
    file = save_replication(record, forged)
    report = build_site([records], tmp_path / "site")
    assert report.shown == 2
    reason = f"record_hash: got {forged.record_hash[:8]}, but the record has {make_record().id}"
    assert report.skipped == [(file, reason)]
    index = report.index.read_text()
    assert "<code>records/a/record.replications/ben.json</code>: record_hash: got " in index
    rows = json.loads((tmp_path / "site" / "table.json").read_text())
    assert {row["record"]: (row["trust"], row["replicated_by"]) for row in rows} == {
        make_record().id: ("replicated", f"2026-01-02-{make_record().id}, anna"),
        make_record(make_spec(title="Another"), noise=0.2).id: ("self-reported", None),
    }


@pytest.mark.parametrize(
    "kernel",
    [
        {"gram": [[-1e300] * (i + 1) for i in range(23)]},
        {"gram": [[-1.0] * (i + 1) for i in range(23)]},
        {"steps": [0, *(10**400 + i for i in range(22))]},
        {"steps": [0, *(2**63 + i for i in range(22))]},
        {"steps": [0], "gram": [[1.0]], "gram_centred": [[1.0]]}
        | {name: [0.5] for name in ("norm", "trace", "top_eigenvalue_share", "label_alignment")},
    ],
    ids=["overflow", "negative", "endless step", "step past int64", "one checkpoint"],
)
def test_numbers_that_no_run_can_write_leave_a_reason_or_a_page(records, tmp_path, kernel):
    data = make_record().dump()
    data["seeds"][0]["kernel"] |= kernel
    (records / "c").mkdir()
    (records / "c" / "record.json").write_text(json.dumps(data))
    report = build_site([records], tmp_path / "site")
    assert report.shown + len(report.skipped) == 3
    assert report.shown >= 2
    assert ">nan" not in report.index.read_text()


def _with_impossible_traces(data):
    data["seeds"][1]["kernel"]["trace"][2] *= 1e3


def _without_an_arm(data):
    data["seeds"][0]["arms"].pop()


def _with_another_hash(data):
    data["spec_hash"] = "0" * 64


def _with_a_negative_eigenvalue(data):
    data["seeds"][0]["kernel"]["gram"][1][0] = 0.0


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_with_impossible_traces, "scale: seed 1: expected traces between the norm and"),
        (_without_an_arm, "arms: seed 0: "),
        (_with_another_hash, "spec hash: got 00000000, but the spec gives "),
        (_with_a_negative_eigenvalue, "gram positive semi-definite: seed 0: an eigenvalue is"),
    ],
)
def test_a_record_that_no_check_passes_is_left_out(tmp_path, spoil, reason):
    data = make_record().dump()
    spoil(data)
    path = tmp_path / "records" / "record.json"
    path.parent.mkdir()
    path.write_text(json.dumps(data))
    report = build_site([path.parent], tmp_path / "site")
    assert report.shown == 0
    assert [text.startswith(reason) for _, text in report.skipped] == [True]
    assert check_record(path).findings


def test_no_stored_figure_is_trusted(tmp_path):
    data = make_record().dump()
    data["summary"]["CES"] = {"value": 99.9, "low": 99.8, "high": 100.0, "seeds": 3}
    data["seeds"][0]["phases"]["T_star"] = 7
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "record.json").write_text(json.dumps(data))
    report = build_site([tmp_path / "records"], tmp_path / "site")
    (row,) = json.loads((tmp_path / "site" / "table.json").read_text())
    assert row["CES"] == make_record().summary.CES.value
    assert "99.9" not in report.index.read_text()


def test_the_record_file_is_served_with_all_it_holds(records, tmp_path):
    build_site([records], tmp_path / "site")
    original = records / "a" / "record.json"
    served = tmp_path / "site" / "records" / f"{make_record().id}.json.gz"
    assert json.loads(gzip.decompress(served.read_bytes())) == json.loads(original.read_bytes())


def test_a_copied_record_appears_once_and_the_earliest_folder_wins(records, tmp_path):
    save(make_record(), tmp_path / "runs" / "x")
    report = build_site([tmp_path / "runs", records, records], tmp_path / "site")
    assert (report.shown, report.skipped) == (2, [])


def test_the_same_results_of_another_run_are_listed(records, tmp_path):
    record = make_record()
    elsewhere = record.provenance.model_copy(update={"device_name": "another machine"})
    again = save(record.model_copy(update={"provenance": elsewhere}), records / "z")
    report = build_site([records], tmp_path / "site")
    assert report.shown == 2
    assert report.skipped == [(again, "the same results as records/a/record.json")]


def test_symbolic_links_are_not_followed(records, tmp_path):
    outside = save(make_record(make_spec(title="Outside")), tmp_path / "outside")
    (records / "linked").symlink_to(outside.parent)
    (records / "record.json").symlink_to(outside)
    report = build_site([records], tmp_path / "site")
    assert report.shown == 2
    assert report.skipped == [(records / "record.json", "not a regular file")]


def test_the_same_records_give_the_same_bytes(records, tmp_path):
    build_site([records], tmp_path / "one")
    build_site([records], tmp_path / "two")
    first = contents(tmp_path / "one")
    build_site([records], tmp_path / "one")
    assert contents(tmp_path / "one") == contents(tmp_path / "two") == first


def test_a_rebuild_drops_pages_of_records_that_are_gone(records, tmp_path):
    build_site([records], tmp_path / "site")
    (records / "a" / "record.json").unlink()
    assert build_site([records], tmp_path / "site").shown == 1
    assert len(list((tmp_path / "site" / "records").glob("*.html"))) == 1


def test_a_failed_build_keeps_the_old_site_and_leaves_nothing_behind(
    records, tmp_path, monkeypatch
):
    site = tmp_path / "place" / "site"
    build_site([records], site)
    before = contents(site)
    save(make_record(make_spec(title="Third")), records / "c")
    monkeypatch.setattr("conebench.site.build.ASSETS", tmp_path / "missing")
    with pytest.raises(StorageError, match="cannot be written"):
        build_site([records], site)
    assert contents(site) == before
    assert list(site.parent.iterdir()) == [site]


def test_a_failed_swap_puts_the_old_site_back(records, tmp_path, monkeypatch):
    site = tmp_path / "place" / "site"
    build_site([records], site)
    before = contents(site)
    rename = Path.rename

    def full_disk(path: Path, target: Path) -> Path:
        if path.name == "new":
            raise OSError(28, "No space left on device", str(path))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", full_disk)
    with pytest.raises(StorageError, match="No space left on device"):
        build_site([records], site)
    assert contents(site) == before
    assert list(site.parent.iterdir()) == [site]


def test_a_folder_that_is_no_site_is_never_replaced(records, tmp_path):
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "chapter.txt").write_text("years of work")
    with pytest.raises(InputError, match="no site of conebench"):
        build_site([records], out)
    assert (out / "chapter.txt").read_text() == "years of work"


def test_a_file_in_the_way_is_refused(records, tmp_path):
    (tmp_path / "site").write_text("x")
    with pytest.raises(InputError, match="not a folder"):
        build_site([records], tmp_path / "site")
    with pytest.raises(StorageError):
        build_site([records], tmp_path / "site" / "below")


def test_a_site_that_holds_the_records_is_refused(records, tmp_path):
    (tmp_path / MARKER).touch()
    with pytest.raises(InputError, match="holds the records"):
        build_site([records], tmp_path)
    assert (records / "a" / "record.json").exists()


def test_an_empty_folder_is_taken(records, tmp_path):
    (tmp_path / "site").mkdir()
    report = build_site([records], tmp_path / "site")
    assert report == BuildReport(tmp_path / "site" / "index.html", 2, [])


def test_the_site_may_lie_among_the_records(records):
    build_site([records], records / "_site")
    report = build_site([records], records / "_site")
    assert (report.shown, report.skipped) == (2, [])


def test_a_missing_folder_of_records_is_an_error(tmp_path):
    with pytest.raises(RecordError, match="no such folder"):
        build_site([tmp_path / "recrods"], tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_building_imports_no_torch(records, tmp_path):
    code = (
        "import sys; from pathlib import Path; from conebench.site import build_site;"
        "build_site([Path(sys.argv[1])], Path(sys.argv[2]));"
        "print(*{'torch', 'timm'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code, str(records), str(tmp_path / "site")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")


def test_the_board_is_light(records, tmp_path):
    index = build_site([records], tmp_path / "site").index
    page = Page(index.read_text("utf-8"))
    loaded = [index, *(index.parent / link for link in page.links if link.startswith("assets/"))]
    assert len(loaded) == 7
    assert sum(part.stat().st_size for part in loaded) < 100_000


def test_many_records_are_written_side_by_side_to_the_same_bytes(records, tmp_path):
    (records / "c").mkdir()
    (records / "c" / "record.json").write_text("{}")
    written = [
        write_records(find_records([records]), tmp_path / str(many), many=many) for many in (1, 100)
    ]
    assert written[0] == written[1]
    assert [type(item).__name__ for item in written[0]] == ["SiteRecord", "SiteRecord", "Refused"]
    assert contents(tmp_path / "1") == contents(tmp_path / "100")
