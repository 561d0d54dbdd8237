"""The run directory: every file name in it, and writes that are whole or not there.

    <run dir>/<spec name>/
        manifest.json                        layout of this folder, stages expected in it
        record.json                          the record of the last run
        record.sha256                        its checksum, as `sha256sum -c` reads it
        stages/<stage>-<key>.json            result of a finished stage
        failed/<stage>-<key>.json            why a stage failed, until the next run
        checkpoints/<stage>-<key>/<step>.safetensors            the network, with its metrics
        checkpoints/<stage>-<key>/<step>.optimizer.safetensors  the optimizer, if it is taken on
        kernels/<stage>-<key>/<step>.safetensors                removed once G is stored
        unfinished/<stage>-<key>/<step>.safetensors             where training is taken up
        locks/seed<seed>.lock, folder.lock                      held while a seed is run or the
                                                                manifest and the record are written

A stage's key is the hash of its inputs, so a changed spec never meets a stale result. Every other
file carries its own checksum; one that is damaged is set aside as <file>.damaged.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open

from conebench.errors import StorageError
from conebench.spec import content_hash
from conebench.storage.atomic_files import (
    UNSEALED,
    found_whole,
    read_json,
    remove,
    seal,
    set_aside,
    storage_error,
    whole_file,
    write_json,
)

if TYPE_CHECKING:
    from torch import Tensor

# Raised whenever an older conebench's files would be misread.
LAYOUT = 2
# Where stages keep a file a step.
STEP_FOLDERS = ("checkpoints", "kernels", "unfinished")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stage:
    """A pure function from inputs to one result; `inputs` is plain JSON data."""

    name: str
    inputs: dict[str, Any]

    @property
    def file_stem(self) -> str:
        """Name and the first 12 digits of the hash of the inputs."""
        return f"{self.name}-{content_hash(self.inputs)[:12]}"


@dataclass(frozen=True)
class StageResult:
    """Plain JSON data that a stage gave, and the time it took, in all its parts."""

    value: Any
    wall_seconds: float


@dataclass(frozen=True)
class Store:
    """The run directory of one spec."""

    folder: Path

    @property
    def record_path(self) -> Path:
        """Where the record goes."""
        return self.folder / "record.json"

    @property
    def manifest_path(self) -> Path:
        """What is to be found here; it is written before anything else."""
        return self.folder / "manifest.json"

    def manifest(self) -> dict[str, Any] | None:
        """The manifest, None where there is none."""
        return read_json(self.manifest_path)

    def save_manifest(self, manifest: dict[str, Any]) -> None:
        """Write the manifest."""
        write_json(self.manifest_path, {"layout": LAYOUT, **manifest})

    def holds_a_run(self) -> bool:
        """Whether a run was begun here, in this layout or another."""
        return self.manifest_path.exists() or (self.folder / "stages").is_dir()

    def check_layout(self) -> None:
        """Raise a StorageError for a folder that another conebench keeps in another way."""
        manifest = self.manifest()
        if manifest is not None:
            layout = manifest["layout"]
        else:
            # The first layout had no manifest; one that was damaged is of this layout.
            damaged = self.manifest_path.with_name("manifest.json.damaged").exists()
            layout = 1 if (self.folder / "stages").is_dir() and not damaged else LAYOUT
        if layout != LAYOUT:
            raise StorageError(
                f"{self.folder}: got a run directory of layout {layout}, expected this "
                f"conebench's, {LAYOUT}; choose another --run-dir, or remove the folder"
            )

    @contextmanager
    def locked(self, name: str, *, wait: bool = True) -> Iterator[None]:
        """Keep other processes from the same work here, after waiting for one that is at it.

        Without `wait`, a StorageError if one is at it. What an ended process left half written of
        that work is removed.
        """
        path = self.folder / "locks" / f"{name}.lock"
        lock = FileLock(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _acquire(lock, f"{self.folder}: another process is at work on {name}", wait)
            self._remove_half_written(name)
        except OSError as error:
            raise storage_error(error, path) from None
        try:
            yield
        finally:
            lock.release()

    def lock_names(self) -> list[str]:
        """Everything that was ever locked here."""
        return sorted(path.stem for path in (self.folder / "locks").glob("*.lock"))

    def _remove_half_written(self, name: str) -> None:
        for path in self.folder.rglob(".*.tmp"):
            where = path.relative_to(self.folder)
            mine = where.parent == Path() if name == "folder" else f"-{name}-" in str(where)
            if mine:
                path.unlink(missing_ok=True)

    def result(self, stage: Stage) -> StageResult | None:
        """What a finished stage gave, or None."""
        data = read_json(self._result_path(stage))
        return None if data is None else StageResult(**data)

    def has_result(self, stage: Stage) -> bool:
        """Whether a stage has finished; its result may still turn out to be damaged."""
        return self._result_path(stage).exists()

    def stored_steps(self, stage: Stage, *kinds: str) -> list[int]:
        """Steps of the files that a stage stored on its way; of all kinds if none is named."""
        folders = (self.folder / kind / stage.file_stem for kind in kinds or STEP_FOLDERS)
        names = {path.name[:8] for folder in folders for path in folder.glob("*.safetensors")}
        return sorted(int(name) for name in names if name.isdigit())

    def seconds_spent(self, stage: Stage) -> float:
        """Time that the last file of an unfinished stage counts, 0 where there is none."""
        for kind in ("unfinished", "kernels"):
            for step in reversed(self.stored_steps(stage, kind)):
                facts = read_facts(self.folder / kind / stage.file_stem / f"{step:08d}.safetensors")
                if facts is not None:
                    # Files of an earlier conebench do not say.
                    return float(facts.get("seconds", 0.0))
        return 0.0

    def stage_paths(self) -> list[Path]:
        """Every file or folder that belongs to one stage, expected or not."""
        paths = (
            path
            for kind in ("stages", "failed", *STEP_FOLDERS)
            for path in (self.folder / kind).glob("*")
        )
        return [path for path in paths if path.suffix not in (".damaged", ".tmp")]

    def damaged_paths(self) -> list[Path]:
        """Every file that was set aside."""
        return list(self.folder.rglob("*.damaged"))

    def save_result(self, stage: Stage, result: StageResult) -> None:
        """Store what a stage gave; it is finished thereby."""
        write_json(self._result_path(stage), asdict(result))

    def failure(self, stage: Stage) -> str | None:
        """Why a stage failed, None where it did not."""
        data = read_json(self._failure_path(stage))
        return None if data is None else str(data["reason"])

    def save_failure(self, stage: Stage, reason: str) -> None:
        """Store why a stage failed."""
        write_json(self._failure_path(stage), {"reason": reason})

    def forget_failures(self, seed: int) -> None:
        """Let the stages of a seed that failed be tried again."""
        for path in (self.folder / "failed").glob(f"*-seed{seed}-*"):
            remove(path)

    def _failure_path(self, stage: Stage) -> Path:
        return self.folder / "failed" / f"{stage.file_stem}.json"

    def _result_path(self, stage: Stage) -> Path:
        return self.folder / "stages" / f"{stage.file_stem}.json"

    def checkpoint_path(self, stage: Stage, step: int, *, optimizer: bool = False) -> Path:
        """File of one checkpoint of a training stage."""
        suffix = ".optimizer.safetensors" if optimizer else ".safetensors"
        return self.folder / "checkpoints" / stage.file_stem / f"{step:08d}{suffix}"

    def kernel_path(self, stage: Stage, step: int) -> Path:
        """File of one kernel of a Gram stage."""
        return self.folder / "kernels" / stage.file_stem / f"{step:08d}.safetensors"

    def unfinished_path(self, stage: Stage, step: int) -> Path:
        """File of where an unfinished stage stood after a step."""
        return self.folder / "unfinished" / stage.file_stem / f"{step:08d}.safetensors"

    def drop_unfinished(self, stage: Stage) -> None:
        """Remove where a stage stood that is finished."""
        shutil.rmtree(self.unfinished_path(stage, 0).parent, ignore_errors=True)

    def drop_kernels(self, stage: Stage) -> None:
        """Remove the kernels of a stage whose Gram matrix is stored."""
        shutil.rmtree(self.kernel_path(stage, 0).parent, ignore_errors=True)

    def save_record(self, text: str) -> None:
        """Write the record, and its checksum beside it: a record has no place for one."""
        # Never beside a record that it is not of.
        remove(self._record_checksum)
        for path, content in (
            (self.record_path, text),
            (self._record_checksum, _checksum_line(self.record_path, text.encode())),
        ):
            with whole_file(path) as temporary:
                temporary.write_text(content, encoding="utf-8")

    def check_record(self) -> None:
        """Set the record aside where it is not what was written."""
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
        """Write tensors with a few facts beside them, whole or not at all."""
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
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if not wait:
            raise StorageError(message) from None
        _log.warning("%s; waiting for it", message)
        lock.acquire()


def _checksum_line(path: Path, content: bytes) -> str:
    """A line as `sha256sum` writes it."""
    return f"{hashlib.sha256(content).hexdigest()}  {path.name}\n"


def read_tensors(path: Path) -> "dict[str, Tensor]":
    """All tensors of a file; a StorageError where there is no whole one."""
    from safetensors.torch import load_file

    if not found_whole(path):
        raise StorageError(f"{path}: lost or damaged; the same command makes it anew")
    return load_file(path)


def read_facts(path: Path) -> dict[str, Any] | None:
    """The facts beside the tensors of a file; None where there is no whole one."""
    if not found_whole(path):
        return None
    with safe_open(path, framework="numpy") as file:
        facts: dict[str, Any] = json.loads(file.metadata()["facts"])
        return facts
