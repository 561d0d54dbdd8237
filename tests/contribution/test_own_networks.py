"""Records of a network of the author's: unranked, or of a package that the spec pins."""

import io
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from command_line import Call, caller
from scratch_clone import Clone, clean, cloned, make_remote, path_of
from synthetic import make_record, make_spec

from conebench.contribution import GitTrees, package_index, read_proposal, remarks_of
from conebench.record import ImportedModule, Record, record_text
from conebench.site.board.rows import group_rows, row_of
from conebench.site.record_page.tables import provenance_table
from conebench.spec import spec_text

PINNED = "mypackage==1.2"
MODULE = "mypackage.models"


def own_record(pinned: str | None, package: str | None = PINNED, name: str = "own") -> Record:
    model = {"name": "my_net", **({"package": pinned} if pinned else {})}
    record = clean(make_record(make_spec(name=name, model=model)))
    imported = [ImportedModule(module=MODULE, source="5" * 64, package=package)]
    facts = record.model.model_copy(update={"imported": imported})
    return record.model_copy(update={"model": facts})


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_remote(tmp_path_factory.mktemp("remote"))


@pytest.fixture
def clone(remote: Path, tmp_path: Path) -> Clone:
    return cloned(remote, tmp_path)


@pytest.fixture
def call(clone: Clone, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    monkeypatch.chdir(clone.folder)
    return caller(monkeypatch, capsys)


def propose(clone: Clone, record: Record) -> list[str]:
    clone.write(f"specs/{record.spec.name}.yaml", spec_text(record.spec))
    clone.write(path_of(record), record_text(record))
    clone.commit(push_to="proposal")
    return clone.problems()


def test_a_record_of_an_own_network_is_shown_without_a_rank() -> None:
    record = own_record(None, package=None)
    (group,) = group_rows([row_of(record, record.id), row_of(own_record(PINNED), "1" * 8)])
    by_id = {row.record_id: row for row in group.rows}
    why = f"its run imported {MODULE}, which no package of its spec provides"
    assert (by_id[record.id].rank, by_id[record.id].reason) == (None, why)
    assert by_id["1" * 8].rank == 1


def test_its_page_says_what_was_imported() -> None:
    for package, shown in ((None, "not published"), (PINNED, PINNED)):
        rows = dict(provenance_table(own_record(None, package)).rows)
        assert rows["Imported"] == f"{MODULE} ({shown})"
    assert "Imported" not in dict(provenance_table(make_record()).rows)


@pytest.mark.parametrize(
    ("pinned", "package"),
    [(None, None), (None, PINNED), (PINNED, None), (PINNED, "mypackage==1.3")],
)
def test_it_is_refused_unless_the_spec_pins_its_package(
    clone: Clone, pinned: str | None, package: str | None
) -> None:
    record = own_record(pinned, package)
    assert propose(clone, record) == [
        f"{path_of(record)}: model.imported: got {MODULE}, expected modules of a package on PyPI "
        "that the spec pins; publish it and set model.package"
    ]


def test_a_pinned_package_alone_makes_no_network_known(clone: Clone) -> None:
    record = own_record(PINNED)
    facts = record.model.model_copy(update={"imported": None})
    (problem,) = propose(clone, record.model_copy(update={"model": facts}))
    assert "spec.model.name: neither timm nor conebench has this model" in problem


def test_a_pinned_package_is_accepted_and_its_page_named(clone: Clone) -> None:
    record = own_record(PINNED)
    assert propose(clone, record) == []
    proposal = read_proposal(GitTrees(clone.folder), "origin/main", "origin/proposal")
    assert remarks_of(proposal) == [
        f"{path_of(record)}: its network is of {PINNED}, https://pypi.org/project/mypackage/1.2/, "
        "which nothing here imported"
    ]


def answers(status: int | None, body: str):
    def urlopen(request: urllib.request.Request, timeout: float) -> io.BytesIO:
        assert request.full_url == "https://pypi.org/simple/mypackage/"
        assert request.headers["Accept"] == "application/vnd.pypi.simple.v1+json"
        assert timeout > 0
        if status is None:
            raise urllib.error.URLError("no network")
        if status != 200:
            raise urllib.error.HTTPError(request.full_url, status, "as asked", None, None)
        return io.BytesIO(body.encode())

    return urlopen


NO_ANSWER = f"model.package: cannot ask PyPI for {PINNED}: "


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (200, '{"versions": ["1.1", "1.2"]}', None),
        (
            200,
            '{"versions": ["1.1"]}',
            f"model.package: got {PINNED}, but PyPI has no version 1.2 of mypackage",
        ),
        (200, "<html>", f"{NO_ANSWER}Expecting value: line 1 column 1 (char 0)"),
        (404, "", f"model.package: got {PINNED}, but PyPI has no package mypackage"),
        (503, "", f"{NO_ANSWER}HTTP Error 503: as asked"),
        (None, "", f"{NO_ANSWER}<urlopen error no network>"),
    ],
)
def test_submit_asks_the_index(
    clone: Clone,
    call: Call,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: int | None,
    body: str,
    message: str | None,
) -> None:
    monkeypatch.setattr(package_index.urllib.request, "urlopen", answers(status, body))
    record = own_record(PINNED)
    clone.write(f"specs/{record.spec.name}.yaml", spec_text(record.spec))
    clone.commit(push_to="main")
    file = tmp_path / "record.json"
    file.write_text(record_text(record), encoding="utf-8")
    code, out, err = call("submit", str(file), "--dry-run")
    assert (code, err) == ((0, "") if message is None else (1, f"{message}\n"))
    assert ("would write" in out) == (message is None)


def test_nothing_that_a_proposal_names_is_imported(
    clone: Clone, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = tmp_path / "ran"
    # Where any import would find it.
    package = tmp_path / "site/mypackage"
    package.mkdir(parents=True)
    for file in ("__init__.py", "models.py"):
        (package / file).write_text(f"import pathlib\npathlib.Path({str(ran)!r}).touch()\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    record = own_record(PINNED)
    assert propose(clone, record) == []
    path, site = path_of(record), str(tmp_path / "board")
    assert call("review", "origin/main", "HEAD", "--site", site)[0] == 0
    assert call("check", path)[0] == 0
    assert call("show", path)[0] == 0
    assert call("validate", f"specs/{record.spec.name}.yaml")[0] == 0
    board = ("--records", "leaderboard/records", "--out", site)
    assert call("leaderboard", "build", *board)[0] == 0
    code, _, err = call("verify", path)
    assert (code, err) == (
        1,
        "the record's network is not timm's or conebench's; if you trust it, install "
        f"{PINNED} and add --import {MODULE}\n",
    )
    assert not ran.exists()
    assert not any(name.startswith("mypackage") for name in sys.modules)
