"""Files of a run folder: their names, and how they are read and written.

    <run dir>/<spec name>/
        starting.json                        note on a run that has not planned its stages yet
        manifest.json                        layout of this folder, planned stages
        record.json                          record of the last run
        record.sha256                        its checksum, as `sha256sum -c` reads it
        record-<spec hash>.json              record of the spec as it was before a change
        stages/<stage>-<key>.json            result of a finished stage
        failed/<stage>-<key>.json            why a stage failed; removed by the next run
        checkpoints/<stage>-<key>/<step>.safetensors            network and its metrics
        checkpoints/<stage>-<key>/<step>.optimizer.safetensors  optimizer, if a stage starts here
        checkpoints/<stage>-<key>/<step>.averaged.safetensors   averaged weights, if asked for
        kernels/<stage>-<key>/<step>.safetensors                removed once G is stored
        unfinished/<stage>-<key>/<step>.safetensors             state that training resumes from
        older/<stage>-<key>                                     begun by code that is not known
        locks/seed<seed>.lock                                   held while a seed is run
        locks/folder.lock                                       held while manifest or record change

A stage's key is the hash of its inputs, so a changed spec never reads a stale result. Every other
file holds its own checksum. A damaged file is renamed to <file>.damaged.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open

from conebench.errors import StorageError
from conebench.spec import content_hash
from conebench.storage.atomic_files import (
    UNSEALED,
    read_json,
    remove,
    seal,
    set_aside,
    storage_error,
    whole_file,
    whole_or_set_aside,
    write_json,
)

if TYPE_CHECKING:
    from torch import Tensor

# Bump when files of an older conebench would be misread.
LAYOUT = 2
# Folders in which a stage keeps one file per step.
STEP_FOLDERS = ("checkpoints", "kernels", "unfinished")
CheckpointPart = Literal["network", "optimizer", "averaged"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StageKey:
    """Name and inputs of a stage."""

    name: str
    # All that decides the result, as plain JSON data.
    inputs: dict[str, Any]

    @property
    def file_stem(self) -> str:
        """Name and the first 12 digits of the hash of the inputs."""
        return f"{self.name}-{content_hash(self.inputs)[:12]}"


@dataclass(frozen=True)
class StageResult:
    """Result of a stage."""

    # Plain JSON data.
    value: Any
    # Time that the stage took, in all processes that worked on it.
    wall_seconds: float
    # The code that computed it. None if it is not known: older versions did not store it.
    code: dict[str, Any] | None = None


@dataclass(frozen=True)
class Start:
    """Note on a run that has not planned its stages yet, or failed before it did."""

    text: str
    failed: bool = False


@dataclass(frozen=True)
class Store:
    """The run folder of one spec."""

    folder: Path

    @property
    def record_path(self) -> Path:
        """File of the record."""
        return self.folder / "record.json"

    @property
    def manifest_path(self) -> Path:
        """File of the manifest, written before any file of a stage."""
        return self.folder / "manifest.json"

    def manifest(self) -> dict[str, Any] | None:
        """Read the manifest; None if there is none."""
        return read_json(self.manifest_path)

    def save_manifest(self, manifest: dict[str, Any]) -> None:
        """Write the manifest."""
        write_json(self.manifest_path, {"layout": LAYOUT, **manifest})
        remove(self._starting_path)

    def start(self) -> Start | None:
        """Read the note on a run without planned stages. None if there is none."""
        # The folder may be a file: one of those next to runs.
        if self.manifest_path.exists() or not self._starting_path.exists():
            return None
        data = read_json(self._starting_path)
        return None if data is None else Start(**data)

    def note_start(self, start: Start) -> None:
        """Write the note on a run, unless it has planned its stages."""
        if not self.manifest_path.exists():
            write_json(self._starting_path, asdict(start))

    def forget_start(self) -> None:
        """Remove that note, and the folder if it holds nothing else."""
        remove(self._starting_path)
        with suppress(OSError):
            self.folder.rmdir()

    @property
    def _starting_path(self) -> Path:
        return self.folder / "starting.json"

    def holds_a_run(self) -> bool:
        """Return True if a run was started here, in any layout."""
        has_stages = self.manifest_path.exists() or (self.folder / "stages").is_dir()
        return has_stages or self.start() is not None

    def check_layout(self) -> None:
        """Raise a StorageError for a folder in another layout."""
        manifest = self.manifest()
        if manifest is not None:
            layout = manifest["layout"]
        else:
            # Layout 1 had no manifest. If it was damaged just now, it was of this layout.
            damaged = self.manifest_path.with_name("manifest.json.damaged").exists()
            layout = 1 if (self.folder / "stages").is_dir() and not damaged else LAYOUT
        if layout != LAYOUT:
            raise StorageError(
                f"{self.folder}: got a run folder of layout {layout}, expected layout {LAYOUT}; "
                "choose another --run-dir, or remove the folder"
            )

    @contextmanager
    def locked(self, name: str, *, wait: bool = True) -> Iterator[None]:
        """Hold the lock of this name, so that no other process does the same work.

        Removes half-written files of an earlier process that held the lock. With `wait=False`,
        raises a StorageError if another process holds it now.
        """
        path = self.folder / "locks" / f"{name}.lock"
        lock = FileLock(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            what = "it" if name == "folder" else name
            _acquire(lock, f"{self.folder}: another process is at work on {what}", wait)
            self._remove_half_written(name)
        except OSError as error:
            raise storage_error(error, path) from None
        try:
            yield
        finally:
            lock.release()

    def lock_names(self) -> list[str]:
        """List the names of all locks ever held here."""
        return sorted(path.stem for path in (self.folder / "locks").glob("*.lock"))

    def _remove_half_written(self, name: str) -> None:
        for path in self.folder.rglob(".*.tmp"):
            where = path.relative_to(self.folder)
            # Names of stages hold their seed, as in `kernel-seed0-<key>`.
            mine = where.parent == Path() if name == "folder" else f"-{name}-" in str(where)
            if mine:
                path.unlink(missing_ok=True)

    def result(self, key: StageKey) -> StageResult | None:
        """Read the result of a stage. None if it has not finished."""
        data = read_json(self._result_path(key))
        return None if data is None else StageResult(**data)

    def has_result(self, key: StageKey) -> bool:
        """Return True if a stage has finished. Its file may still be damaged."""
        return self._result_path(key).exists()

    def save_result(self, key: StageKey, result: StageResult) -> None:
        """Write the result of a stage, which finishes it."""
        write_json(self._result_path(key), asdict(result))

    def adopt(self, old: StageKey, new: StageKey) -> None:
        """Rename the files of one key to another, unless that one has files."""
        for kind in ("stages", *STEP_FOLDERS):
            suffix = ".json" if kind == "stages" else ""
            before, after = (self.folder / kind / f"{k.file_stem}{suffix}" for k in (old, new))
            try:
                if before.exists() and not after.exists():
                    # Marked first: if the process dies in between, no file passes as this code's.
                    self._older_path(new).parent.mkdir(exist_ok=True)
                    self._older_path(new).touch()
                    before.rename(after)
            except OSError as error:
                raise storage_error(error, before) from None

    def continues_older(self, key: StageKey) -> bool:
        """Return True if a stage resumes from files of code that is not known."""
        unfinished = self.stored_steps(key, "unfinished", "kernels")
        return bool(unfinished) and self._older_path(key).exists()

    def failure(self, key: StageKey) -> str | None:
        """Read why a stage failed. None if it did not."""
        data = read_json(self._failure_path(key))
        return None if data is None else str(data["reason"])

    def save_failure(self, key: StageKey, reason: str) -> None:
        """Write why a stage failed."""
        write_json(self._failure_path(key), {"reason": reason})

    def forget_failures(self, seed: int) -> None:
        """Let the failed stages of a seed run again."""
        for path in (self.folder / "failed").glob(f"*-seed{seed}-*"):
            remove(path)

    def stored_steps(self, key: StageKey, *kinds: str) -> list[int]:
        """List the steps at which a stage has files in these folders, by default in all."""
        folders = (self.folder / kind / key.file_stem for kind in kinds or STEP_FOLDERS)
        names = {path.name[:8] for folder in folders for path in folder.glob("*.safetensors")}
        return sorted(int(name) for name in names if name.isdigit())

    def seconds_spent(self, key: StageKey) -> float:
        """Read the time an unfinished stage took so far; 0 if it has not started."""
        for kind in ("unfinished", "kernels"):
            for step in reversed(self.stored_steps(key, kind)):
                facts = read_facts(self._step_path(kind, key, step))
                if facts is not None:
                    # Files of older versions do not hold it.
                    return float(facts.get("seconds", 0.0))
        return 0.0

    def stage_paths(self) -> list[Path]:
        """List every file or folder of a stage, planned or not."""
        paths = (
            path
            for kind in ("stages", "failed", "older", *STEP_FOLDERS)
            for path in (self.folder / kind).glob("*")
        )
        return [path for path in paths if path.suffix not in (".damaged", ".tmp")]

    def damaged_paths(self) -> list[Path]:
        """List the files that were found damaged."""
        return list(self.folder.rglob("*.damaged"))

    def checkpoint_path(self, key: StageKey, step: int, part: CheckpointPart = "network") -> Path:
        """File of one part of a checkpoint of ordinary training."""
        path = self._step_path("checkpoints", key, step)
        return path if part == "network" else path.with_suffix(f".{part}.safetensors")

    def kernel_path(self, key: StageKey, step: int) -> Path:
        """File of the kernel at one checkpoint."""
        return self._step_path("kernels", key, step)

    def unfinished_path(self, key: StageKey, step: int) -> Path:
        """File of the state that an unfinished stage resumes from."""
        return self._step_path("unfinished", key, step)

    def drop_unfinished(self, key: StageKey) -> None:
        """Remove the files a stage needs only until it has finished."""
        for kind in ("unfinished", "kernels"):
            shutil.rmtree(self._step_path(kind, key, 0).parent, ignore_errors=True)

    def _step_path(self, kind: str, key: StageKey, step: int) -> Path:
        return self.folder / kind / key.file_stem / f"{step:08d}.safetensors"

    def _older_path(self, key: StageKey) -> Path:
        return self.folder / "older" / key.file_stem

    def _failure_path(self, key: StageKey) -> Path:
        return self.folder / "failed" / f"{key.file_stem}.json"

    def _result_path(self, key: StageKey) -> Path:
        return self.folder / "stages" / f"{key.file_stem}.json"

    def save_record(self, text: str) -> None:
        """Write the record, and its checksum to a file of its own."""
        # First, so that a checksum never stands next to another record.
        remove(self._record_checksum)
        for path, content in (
            (self.record_path, text),
            (self._record_checksum, _checksum_line(self.record_path, text.encode())),
        ):
            with whole_file(path) as temporary:
                temporary.write_text(content, encoding="utf-8")

    def keep_other_record(self, spec_hash: str) -> Path | None:
        """Rename the record if it is of a spec of another hash. Return its new path."""
        try:
            found = json.loads(self.record_path.read_bytes())["spec_hash"]
            if found == spec_hash:
                return None
            kept = self.record_path.with_name(f"record-{found[:8]}.json")
            self.record_path.rename(kept)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            set_aside(self.record_path)
            return None
        except OSError as error:
            raise storage_error(error, self.record_path) from None
        return kept

    def set_aside_damaged_record(self) -> None:
        """Rename the record if it does not match its checksum."""
        try:
            found = self.record_path.read_bytes(), self._record_checksum.read_bytes()
            if found[1].decode(errors="replace") != _checksum_line(self.record_path, found[0]):
                set_aside(self.record_path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise storage_error(error, self.record_path) from None

    @property
    def _record_checksum(self) -> Path:
        return self.record_path.with_suffix(".sha256")

    def write_tensors(
        self, path: Path, tensors: "dict[str, Tensor]", facts: dict[str, Any]
    ) -> None:
        """Write tensors and a few facts into one file."""
        from safetensors.torch import save_file

        metadata = {"facts": json.dumps(facts, allow_nan=False), **UNSEALED}
        # save_file refuses tensors that share memory, as tied weights do.
        own = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
        with whole_file(path) as temporary:
            try:
                save_file(own, temporary, metadata)
            except SafetensorError as error:
                raise StorageError(f"{path}: cannot be written: {error}") from None
            seal(temporary)


def _acquire(lock: FileLock, message: str, wait: bool) -> None:
    # Tried once without waiting, to be able to say what is waited for.
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if not wait:
            raise StorageError(message) from None
        _log.warning("%s; waiting for it", message)
        lock.acquire()


def _checksum_line(path: Path, content: bytes) -> str:
    """Return the line that `sha256sum` would print."""
    return f"{hashlib.sha256(content).hexdigest()}  {path.name}\n"


def read_tensors(path: Path) -> "dict[str, Tensor]":
    """Read all tensors of a file. Raise a StorageError if it is missing or damaged."""
    from safetensors.torch import load_file

    if not whole_or_set_aside(path):
        raise StorageError(f"{path}: lost or damaged; run the same command to make it again")
    return load_file(path)


def read_facts(path: Path) -> dict[str, Any] | None:
    """Read the facts stored with tensors. None if the file is missing or damaged."""
    if not whole_or_set_aside(path):
        return None
    with safe_open(path, framework="numpy") as file:
        facts: dict[str, Any] = json.loads(file.metadata()["facts"])
        return facts
