"""Rules of a proposal, checked before and after its files are read."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from conebench.contribution.git_trees import REGULAR, Change
from conebench.contribution.package_index import release_page
from conebench.contribution.proposal import (
    MAX_FILES,
    RECORDS,
    SPECS,
    Proposal,
    is_record,
    is_replication,
    most_bytes,
    unpacked,
)
from conebench.contribution.provenance import provenance_problems
from conebench.contribution.replications import replication_problems
from conebench.errors import InputError
from conebench.record import Record, read_record
from conebench.record.check import check_record
from conebench.record.replication import SUFFIX, WHO
from conebench.spec import CHANGED_SUFFIX, SMOKE_SUFFIX, Spec, content_hash, find_specs, load_valid
from conebench.spec.model_names import known_models
from conebench.spec.section import NAME
from conebench.text import one_line

SPEC_PATH = re.compile(rf"{SPECS}{NAME}\.yaml")
RECORD_STEM = rf"{RECORDS}{NAME}/\d{{4}}-\d{{2}}-\d{{2}}-[0-9a-f]{{8}}"
RECORD_PATH = re.compile(rf"{RECORD_STEM}\.json")
REPLICATION_PATH = re.compile(rf"{RECORD_STEM}{re.escape(SUFFIX)}/{WHO}\.json")
KINDS = {
    "120000": "is a symbolic link; add the file itself",
    "100755": "is executable; chmod -x it",
    "160000": "is a submodule; add the files themselves",
}
MAX_LISTED = 5


def canonical_path(record: Record) -> str:
    """Return the path of a record: `leaderboard/records/<spec>/<date>-<id>.json`."""
    date = record.provenance.created_at[:10]
    return f"{RECORDS}{record.spec.name}/{date}-{record.id}.json"


def problems_of(proposal: Proposal, author: str | None = None) -> list[str]:
    """Return one line per broken rule, `path: got X, expected Y`.

    `author` is the GitHub name of its author, None if unknown: nobody may sign for another.
    """
    if proposal.lane != "data":
        return []
    shape = list(_shape(proposal))
    if shape:
        # Files with a wrong name or type are not read.
        return shape
    with unpacked(proposal.after) as folder:
        loaded, problems = load_valid(find_specs([folder / SPECS]))
        specs = {found.spec.name: found.spec for found in loaded}
        problems += _kept_specs(proposal, folder, specs)
        for path in proposal.records:
            problems += _record(proposal, folder, path, specs)
        for path in proposal.replications:
            problems += replication_problems(proposal, folder, path, author)
    return [one_line(line.replace(f"{folder}/", "")) for line in problems]


def remarks_of(proposal: Proposal) -> list[str]:
    """Return what readers of a sound proposal should know, one line each."""
    remarks = []
    for path in proposal.records:
        spec = json.loads(proposal.contents[path])["spec"]
        if spec["dataset"]["name"] == "imagefolder":
            remarks.append(
                f"{path}: its images are a folder of the author's, so nobody else can replicate it"
            )
        if package := spec["model"].get("package"):
            remarks.append(
                f"{path}: its network is of {package}, {release_page(package)}, which nothing here "
                "imported"
            )
    return remarks


def _shape(proposal: Proposal) -> Iterator[str]:
    for change in proposal.others[:MAX_LISTED]:
        yield one_line(f"{change.path}: changed together with records; propose it separately")
    if len(proposal.data) > MAX_FILES:
        yield f"got {len(proposal.data)} changed files, expected at most {MAX_FILES}"
        return
    for change in proposal.data:
        problem = _shape_of(change, proposal)
        if problem:
            yield one_line(f"{change.path}: {problem}")


def _shape_of(change: Change, proposal: Proposal) -> str:
    path = change.path
    if is_replication(path) and not REPLICATION_PATH.fullmatch(path):
        return f"expected {RECORDS}<spec>/<date>-<id>{SUFFIX}/<name>.json"
    if not any(known.fullmatch(path) for known in (SPEC_PATH, RECORD_PATH, REPLICATION_PATH)):
        return f"expected {SPECS}<name>.yaml or {RECORDS}<spec>/<date>-<id>.json"
    if path.startswith(RECORDS) and (change.status != "A" or path in proposal.before):
        words = {"D": "is removed", "A": "already exists"}
        kind = "records" if is_record(path) else "replications"
        return f"{words.get(change.status, 'is changed')}, but only new {kind} may be added"
    if path in proposal.moved:
        return "changed on the base as well; rebase"
    return "" if change.status == "D" else _file_problem(change, proposal)


def _file_problem(change: Change, proposal: Proposal) -> str:
    if change.mode != REGULAR:
        return KINDS.get(change.mode, f"got mode {change.mode}, expected a regular file")
    size, most = proposal.sizes[change.path], most_bytes(change.path)
    return f"got {size:,} bytes, expected at most {most:,}" if size > most else ""


def _kept_specs(proposal: Proposal, folder: Path, specs: dict[str, Spec]) -> Iterator[str]:
    """Check that specs with records did not change."""
    if all(change.path.startswith(RECORDS) for change in proposal.data):
        return
    for path in sorted(filter(RECORD_PATH.fullmatch, proposal.before)):
        spec = read_record(folder / path).spec
        if specs.get(spec.name) != spec:
            yield f"{path}: its spec {spec.name!r} changed; give the new spec another name"


def _record(proposal: Proposal, folder: Path, path: str, specs: dict[str, Spec]) -> Iterator[str]:
    try:
        record, findings, compared = check_record(folder / path)
    except InputError as error:
        yield str(error)
        return
    for finding in findings:
        yield f"{path}: {finding.invariant}: {finding.detail}"
    if not compared:
        yield f"{path}: method: got {record.method}, of another version of conebench"
    # A changed id or date is a finding, and no reason to rename the file.
    if not findings and path != canonical_path(record):
        yield f"{path}: expected the path {canonical_path(record)}"
    yield from (f"{path}: {problem}" for problem in _provenance(record, specs))
    # As written: reading may add or drop fields that have their default.
    written = json.loads(proposal.contents[path])
    written.pop("provenance")
    if content_hash(written)[:8] != record.id:
        yield f"{path}: its text is not as conebench writes it: the hashes differ"
    for other in sorted(filter(RECORD_PATH.fullmatch, proposal.after)):
        if other != path and other.endswith(f"-{record.id}.json"):
            yield f"{path}: a duplicate of {other}"


def _provenance(record: Record, specs: dict[str, Spec]) -> Iterator[str]:
    spec = specs.get(record.spec.name)
    if record.spec.name.endswith(SMOKE_SUFFIX):
        yield "spec: a smoke run is not for the board"
    elif CHANGED_SUFFIX in record.spec.name:
        yield (
            "spec: a run with --set is not for the board; "
            "write a spec with conebench new NAME --extends SPEC --set FIELD=VALUE"
        )
    elif spec is None:
        yield f"spec: the last commit has no spec named {record.spec.name!r} in {SPECS}; commit it"
    elif spec != record.spec:
        yield f"spec: differs from {spec.name!r} in {SPECS}, whose hash is {spec.hash[:8]}"
    known = record.spec.model.name.partition(".")[0] in known_models()
    if record.own_modules:
        yield (
            f"model.imported: got {', '.join(record.own_modules)}, expected modules of a package "
            "on PyPI that the spec pins; publish it and set model.package"
        )
    elif not known and not record.model.imported:
        yield "spec.model.name: neither timm nor conebench has this model, so nobody can replay it"
    if record.status != "complete":
        yield f"status: got {record.status}, expected complete"
    yield from provenance_problems(record.provenance)
