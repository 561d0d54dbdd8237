"""Status of run folders: progress of stages, time left, files no longer needed."""

import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from conebench.errors import InputError
from conebench.storage.atomic_files import storage_error
from conebench.storage.manifest import Planned, read_manifest
from conebench.storage.store import Store

State = Literal["done", "begun", "stale", "to do", "failed"]
ALL_KINDS = "all"


def find_runs(folder: Path) -> list[Store]:
    """Find the run folder of one spec, or those in a folder. Raise an InputError for none."""
    candidates = [folder, *sorted(folder.iterdir())] if folder.is_dir() else []
    stores = [store for store in map(Store, candidates) if store.holds_a_run()]
    if not stores:
        raise InputError(f"{folder}: holds no run; expected a folder that --run-dir named")
    for store in stores:
        store.check_layout()
    return stores


@dataclass(frozen=True)
class StageStatus:
    """Progress of one planned stage.

    `seconds` is the time it took, if it is done; `why` is why it failed or is stale.
    """

    planned: Planned
    state: State
    share: float
    seconds: float | None = None
    why: str = ""


def stage_statuses(store: Store) -> list[StageStatus]:
    """List all planned stages in the order of the run, failed ones last."""
    found = [_status(store, planned) for planned in read_manifest(store).stages]
    return sorted(found, key=lambda status: status.state == "failed")


def _status(store: Store, planned: Planned) -> StageStatus:
    result = store.result(planned.stage)
    if result is not None:
        return StageStatus(planned, "done", 1.0, result.wall_seconds)
    failure = store.failure(planned.stage)
    if failure is not None:
        return StageStatus(planned, "failed", 0.0, why=failure)
    steps = store.stored_steps(planned.stage)
    if steps:
        share = (steps[-1] - planned.first) / max(1, planned.last - planned.first)
        return StageStatus(planned, "begun", share, why=planned.stale)
    return StageStatus(planned, "stale" if planned.stale else "to do", 0.0, why=planned.stale)


def seconds_left(statuses: Sequence[StageStatus]) -> float | None:
    """Estimate the time left from the stages that are done. None before the first is.

    A stage is taken to run at the pace of its kind, or at that of all kinds if none of its own
    is done.
    """
    work: dict[str, float] = defaultdict(float)
    seconds: dict[str, float] = defaultdict(float)
    for status in statuses:
        if status.seconds is not None:
            for kind in (status.planned.kind, ALL_KINDS):
                work[kind] += status.planned.work
                seconds[kind] += status.seconds
    if not work:
        return None
    left = 0.0
    for status in statuses:
        kind = status.planned.kind if status.planned.kind in work else ALL_KINDS
        left += (1 - status.share) * status.planned.work * seconds[kind] / work[kind]
    return left


@dataclass(frozen=True)
class OldFile:
    """A file or folder that no planned stage needs."""

    path: Path
    bytes: int


def old_files(store: Store) -> list[OldFile]:
    """List files of stages no longer planned, and damaged files.

    Empty without a manifest: the next run writes which stages are planned.
    """
    if store.manifest() is None:
        return []
    planned = {planned.stage.file_stem for planned in read_manifest(store).stages}
    old = [path for path in store.stage_paths() if path.name.removesuffix(".json") not in planned]
    # Damaged files in a folder that goes as a whole are not listed a second time.
    damaged = [path for path in store.damaged_paths() if not set(path.parents) & set(old)]
    found = sorted({*old, *damaged})
    return [OldFile(path, sum(map(_size, _files(path)))) for path in found]


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from (inner for inner in path.rglob("*") if inner.is_file())
    else:
        yield path


def _size(path: Path) -> int:
    return path.stat().st_size


def remove_old_files(store: Store) -> list[OldFile]:
    """Remove old files. Raise a StorageError if a process runs in the folder."""
    with ExitStack() as locks:
        for name in store.lock_names():
            locks.enter_context(store.locked(name, wait=False))
        # Listed again under the locks: a run may have planned other stages in the meantime.
        found = old_files(store)
        for old in found:
            try:
                shutil.rmtree(old.path) if old.path.is_dir() else old.path.unlink()
            except OSError as error:
                raise storage_error(error, old.path) from None
    return found
