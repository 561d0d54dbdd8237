"""What a proposal of specs and records must keep to, before and after its files are read."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from conebench.contribution.git_trees import REGULAR, Change
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
from conebench.contribution.replications import replication_problems
from conebench.errors import InputError
from conebench.record import Record, read_record
from conebench.record.check import check_record
from conebench.record.replication import SUFFIX, WHO
from conebench.spec import Spec, content_hash, find_specs, load_specs, repeated_names
from conebench.text import one_line

NAME = r"[a-z0-9][a-z0-9._-]{0,63}"
SPEC_PATH = re.compile(rf"{SPECS}{NAME}\.yaml")
RECORD_STEM = rf"{RECORDS}{NAME}/\d{{4}}-\d{{2}}-\d{{2}}-[0-9a-f]{{8}}"
RECORD_PATH = re.compile(rf"{RECORD_STEM}\.json")
REPLICATION_PATH = re.compile(rf"{RECORD_STEM}{re.escape(SUFFIX)}/{WHO}\.json")
KINDS = {"120000": "a symbolic link", "100755": "a program", "160000": "a submodule"}
MAX_LISTED = 5


def canonical_path(record: Record) -> str:
    """Where a record belongs: `leaderboard/records/<spec>/<date>-<id>.json`."""
    date = record.provenance.created_at[:10]
    return f"{RECORDS}{record.spec.name}/{date}-{record.id}.json"


def problems_of(proposal: Proposal, author: str | None = None) -> list[str]:
    """One line a broken rule, `path: what came, what is allowed`; none where all is well.

    `author` is who proposes it, where that is known: nobody replicates under another's name.
    """
    if proposal.lane != "data":
        return []
    shape = list(_shape(proposal))
    if shape:
        # What is named or made wrongly is not read.
        return shape
    with unpacked(proposal.after) as folder:
        specs, problems = _specs(folder)
        problems += _kept_specs(proposal, folder, specs)
        for path in proposal.records:
            problems += _record(proposal, folder, path, specs)
        for path in proposal.replications:
            problems += replication_problems(proposal, folder, path, author)
    return [one_line(line.replace(f"{folder}/", "")) for line in problems]


def _shape(proposal: Proposal) -> Iterator[str]:
    for change in proposal.others[:MAX_LISTED]:
        yield one_line(
            f"{change.path}: changed together with records, expected specs and records only"
        )
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
        return f"expected {SPECS}<name>.yaml and {RECORDS}<spec>/<date>-<id>.json"
    if path.startswith(RECORDS) and (change.status != "A" or path in proposal.before):
        words = {"D": "removed", "A": "there already"}
        kind = "records" if is_record(path) else "replications"
        return f"{words.get(change.status, 'changed')}, expected new {kind} only"
    if path in proposal.moved:
        return "changed on the base too since this left it: rebase"
    return "" if change.status == "D" else _file_problem(change, proposal)


def _file_problem(change: Change, proposal: Proposal) -> str:
    if change.mode != REGULAR:
        return f"got {KINDS.get(change.mode, change.mode)}, expected regular files"
    size, most = proposal.sizes[change.path], most_bytes(change.path)
    return f"got {size:,} bytes, expected at most {most:,}" if size > most else ""


def _specs(folder: Path) -> tuple[dict[str, Spec], list[str]]:
    loaded, problems = [], []
    for file in find_specs([folder / SPECS]):
        try:
            loaded += load_specs(file)
        except InputError as error:
            problems += str(error).split("\n")
    return {found.spec.name: found.spec for found in loaded}, problems + repeated_names(loaded)


def _kept_specs(proposal: Proposal, folder: Path, specs: dict[str, Spec]) -> Iterator[str]:
    """Specs that have records stay what they were: a changed spec is a new one."""
    if all(change.path.startswith(RECORDS) for change in proposal.data):
        return
    for path in sorted(filter(RECORD_PATH.fullmatch, proposal.before)):
        spec = read_record(folder / path).spec
        if specs.get(spec.name) != spec:
            yield f"{path}: its spec {spec.name!r} changed, expected a new spec of another name"


def _record(proposal: Proposal, folder: Path, path: str, specs: dict[str, Spec]) -> Iterator[str]:
    try:
        record, findings, compared = check_record(folder / path)
    except InputError as error:
        yield str(error)
        return
    for finding in findings:
        yield f"{path}: {finding.invariant}: {finding.detail}"
    if not compared:
        yield f"{path}: method: got {record.method}, made by another version of conebench"
    if path != canonical_path(record):
        yield f"{path}: expected its canonical name {canonical_path(record)}"
    yield from (f"{path}: {problem}" for problem in _provenance(record, specs))
    written = json.loads(proposal.contents[path])
    written.pop("provenance")
    if content_hash(written)[:8] != record.id:
        yield f"{path}: not as conebench writes it: its text has another hash than its content"
    for other in sorted(filter(RECORD_PATH.fullmatch, proposal.after)):
        if other != path and other.endswith(f"-{record.id}.json"):
            yield f"{path}: a duplicate, the same content is in {other}"


def _provenance(record: Record, specs: dict[str, Spec]) -> Iterator[str]:
    spec = specs.get(record.spec.name)
    if spec is None:
        yield f"spec: no spec in {SPECS} is named {record.spec.name!r}"
    elif spec != record.spec:
        yield f"spec: not the spec {spec.name!r} of {SPECS}, hash {spec.hash[:8]}"
    if record.status != "complete":
        yield f"status: got {record.status}, expected complete records"
    if record.provenance.git_dirty is not False:
        yield "provenance.git_dirty: expected records of committed code"
