"""The run directory: every file name in it, and writes that are whole or not there.

    <run dir>/<spec name>/
        record.json                          the record of the last run
        stages/<stage>-<key>.json            result of a finished stage
        checkpoints/<stage>-<key>/<step>.safetensors            the network, with its metrics
        checkpoints/<stage>-<key>/<step>.optimizer.safetensors  the optimizer, kept while needed
        kernels/<stage>-<key>/<step>.safetensors                removed once G is stored
        locks/seed<seed>.lock                                   held while a seed is run

A stage's key is the hash of its inputs, so a changed spec never meets a stale result.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from conebench.errors import StorageError
from conebench.spec import content_hash


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
    """Plain JSON data that a stage gave, and the time it took."""

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

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Keep other processes from the same work here; a StorageError if one is at it."""
        path = self.folder / "locks" / f"{name}.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path, timeout=0)
            lock.acquire()
        except Timeout:
            message = f"{path}: another process is running {name} in this folder"
            raise StorageError(message) from None
        except OSError as error:
            raise _storage_error(error, path) from None
        try:
            yield
        finally:
            lock.release()

    def result(self, stage: Stage) -> StageResult | None:
        """What a finished stage gave, or None."""
        try:
            return StageResult(**json.loads(self._result_path(stage).read_text()))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _storage_error(error) from None
        except (ValueError, TypeError):
            # Whole files are renamed into place: a broken one was damaged later, so it is redone.
            return None

    def save_result(self, stage: Stage, result: StageResult) -> None:
        """Store what a stage gave; it is finished thereby."""
        self.write_text(self._result_path(stage), json.dumps(asdict(result), allow_nan=False))

    def _result_path(self, stage: Stage) -> Path:
        return self.folder / "stages" / f"{stage.file_stem}.json"

    def checkpoint_path(self, stage: Stage, step: int, *, optimizer: bool = False) -> Path:
        """File of one checkpoint of a training stage."""
        suffix = ".optimizer.safetensors" if optimizer else ".safetensors"
        return self.folder / "checkpoints" / stage.file_stem / f"{step:08d}{suffix}"

    def kernel_path(self, stage: Stage, step: int) -> Path:
        """File of one kernel of a Gram stage."""
        return self.folder / "kernels" / stage.file_stem / f"{step:08d}.safetensors"

    def drop_kernels(self, stage: Stage) -> None:
        """Remove the kernels of a stage whose Gram matrix is stored."""
        shutil.rmtree(self.kernel_path(stage, 0).parent, ignore_errors=True)

    def write_text(self, path: Path, text: str) -> None:
        """Write a text file, whole or not at all."""
        with whole_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def write_tensors(self, path: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Write tensors with a few facts beside them, whole or not at all."""
        with whole_file(path) as temporary:
            # save_file refuses tensors that share memory, as tied weights do.
            own = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
            save_file(own, temporary, {"facts": json.dumps(facts, allow_nan=False)})


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a file."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise StorageError(f"{path}: cannot be read: {error}") from None


def read_facts(path: Path) -> dict[str, Any] | None:
    """The facts beside the tensors of a file; None where there is no whole file."""
    try:
        with safe_open(path, framework="pt") as file:
            facts: dict[str, Any] = json.loads(file.metadata()["facts"])
            return facts
    except (OSError, SafetensorError):
        return None


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when all went well."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise _storage_error(error, path) from None
    except SafetensorError as error:
        raise StorageError(f"{path}: cannot be written: {error}") from None
    finally:
        with suppress(OSError):
            temporary.unlink()


def _storage_error(error: OSError, path: Path | None = None) -> StorageError:
    return StorageError(f"{path or error.filename}: {error.strerror or error}")
