"""Status of run folders: progress of stages, time left, files no longer needed."""

import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from conebench.errors import InputError, StorageError
from conebench.storage.atomic_files import storage_error
from conebench.storage.manifest import Planned, read_manifest
from conebench.storage.store import Start, Store

State = Literal["done", "begun", "stale", "to do", "failed", "blocked"]
ALL_KINDS = "all"
# Kinds of stages that all later ones of their seed need, and those without which a seed is lost.
NEEDED = ("train", "kernel")
VITAL = (*NEEDED, "full")


def find_runs(folder: Path) -> list[Store]:
    """Find the run folder of one spec, or those in a folder. Raise an InputError for none."""
    candidates = [folder, *sorted(folder.iterdir())] if folder.is_dir() else []
    stores = [store for store in map(Store, candidates) if store.holds_a_run()]
    if not stores:
        raise InputError(f"{folder}: holds no run; expected a folder that --run-dir named")
    for store in stores:
        store.check_layout()
    return stores


@contextmanager
def noted_start(stores: Sequence[Store], text: str) -> Iterator[None]:
    """Note in run folders that their runs have begun; remove the notes at the end."""
    made = {store.folder.parent for store in stores if not store.folder.parent.exists()}
    for store in stores:
        # The run itself says what is wrong with a folder.
        with suppress(StorageError):
            store.note_start(Start(text))
    try:
        yield
    finally:
        for store in stores:
            with suppress(StorageError):
                store.forget_start()
        for folder in made:
            # Only if a refused run left it empty.
            with suppress(OSError):
                folder.rmdir()


@dataclass(frozen=True)
class StageStatus:
    """Progress of one planned stage.

    `share` is done, `saved` is the share that the next start does not do again. `seconds` is the
    time it took, if it is done. `why` is why it failed, is stale or is blocked,
    or where training diverged.
    """

    planned: Planned
    state: State
    share: float
    seconds: float | None = None
    why: str = ""
    saved: float = 0.0


def stage_statuses(store: Store) -> list[StageStatus]:
    """List all planned stages in the order of the run, failed ones last."""
    found = [_status(store, planned) for planned in read_manifest(store).stages]
    failed = {
        status.planned.seed: status.planned.label
        for status in reversed(found)
        if status.state == "failed" and status.planned.kind in NEEDED
    }
    found = [_blocked(status, failed.get(status.planned.seed)) for status in found]
    return sorted(found, key=lambda status: status.state == "failed")


def _blocked(status: StageStatus, needed: str | None) -> StageStatus:
    """Return the status of a stage, given a failed one that it needs."""
    if needed is None or status.state in ("done", "failed"):
        return status
    return replace(status, state="blocked", why=f"needs {needed}")


def failures(statuses: Sequence[StageStatus]) -> list[str]:
    """Return why stages failed, each reason once."""
    return list(dict.fromkeys(status.why for status in statuses if status.state == "failed"))


def is_lost(statuses: Sequence[StageStatus]) -> bool:
    """Return True if a stage failed in every seed without which it has no result."""
    lost = lost_seeds(statuses)
    return bool(lost) and lost == {status.planned.seed for status in statuses}


def lost_seeds(statuses: Sequence[StageStatus]) -> set[int]:
    """Return the seeds in which a stage failed without which they have no result."""
    return {
        status.planned.seed
        for status in statuses
        if status.state == "failed" and status.planned.kind in VITAL
    }


def _status(store: Store, planned: Planned) -> StageStatus:
    result = store.result(planned.stage)
    if result is not None:
        step = result.value.get("diverged_at") if isinstance(result.value, dict) else None
        why = "" if step is None else f"diverged at step {step:,}"
        return StageStatus(planned, "done", 1.0, result.wall_seconds, why, saved=1.0)
    failure = store.failure(planned.stage)
    if failure is not None:
        return StageStatus(planned, "failed", 0.0, why=failure)
    steps = store.stored_steps(planned.stage)
    if steps:
        # Training writes checkpoints more often than the state that it resumes from.
        resumable = store.stored_steps(planned.stage, "unfinished", "kernels")
        share, saved = (
            (step - planned.first) / max(1, planned.last - planned.first)
            for step in (steps[-1], resumable[-1] if resumable else planned.first)
        )
        return StageStatus(planned, "begun", share, why=planned.stale, saved=saved)
    return StageStatus(planned, "stale" if planned.stale else "to do", 0.0, why=planned.stale)


def seconds_left(statuses: Sequence[StageStatus]) -> float | None:
    """Estimate the time left from the stages that are done. None before the first is.

    A stage is taken to run at the pace of its kind, or at that of all kinds if none of its own
    is done. Blocked stages do not count.
    """
    statuses = [status for status in statuses if status.state != "blocked"]
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
