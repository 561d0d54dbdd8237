"""Records on disk: JSON, schema version first, read with suspicion."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from conebench.errors import RecordError
from conebench.record.chaos import check_chaos
from conebench.record.derive import choose_rate
from conebench.record.schema import (
    SCHEMA_MAJOR,
    ArmResult,
    KernelTrajectory,
    Record,
    TrainingCurve,
)
from conebench.spec import Spec
from conebench.spec.yaml_text import one_line

# Three seeds of resnet20-160epochs by stage, 317 checkpoints and 12 groups, have 42 MB.
MAX_BYTES = 50_000_000
COSINE_ROUNDING = 1e-6
VERSION = re.compile(r"[0-9]{1,4}\.[0-9]{1,4}")


def record_text(record: Record) -> str:
    """The record as JSON text: objects over several lines, a list of numbers on one."""
    return pretty_json(record.dump())


def pretty_json(data: dict[str, Any]) -> str:
    """Plain data as JSON text: objects over several lines, a list of numbers on one."""
    return _indented(data, "") + "\n"


def _indented(value: Any, indent: str) -> str:
    deeper = indent + "  "
    if isinstance(value, dict) and value:
        items = [f"{deeper}{json.dumps(k)}: {_indented(v, deeper)}" for k, v in value.items()]
        return "{\n" + ",\n".join(items) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        items = [f"{deeper}{_indented(item, deeper)}" for item in value]
        return "[\n" + ",\n".join(items) + f"\n{indent}]"
    return json.dumps(value, allow_nan=False)


def read_record(path: Path) -> Record:
    """Read one record; a RecordError names the file, the field and what is wrong."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise RecordError(f"{path}: allowed are at most {MAX_BYTES:,} bytes")
        text = path.read_bytes().decode("utf-8")
        data = json.loads(text, object_pairs_hook=_object)
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path}: not JSON: {error}") from None
    _check_version(path, data)
    try:
        record = Record.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = one_line(".".join(map(str, first["loc"]))) or "record"
        raise RecordError(f"{path}: {field}: {first['msg']}") from None
    _check_content(path, record)
    return record


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; a ValueError for a key that comes twice, of which readers take either."""
    data = dict(pairs)
    if len(data) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise ValueError(f"came the key {counts.most_common(1)[0][0]!r} twice")
    return data


def _check_version(path: Path, data: object) -> None:
    version = data.get("schema_version") if isinstance(data, dict) else None
    if not isinstance(version, str) or not VERSION.fullmatch(version):
        raise RecordError(f"{path}: schema_version: missing, so this is no conebench record")
    if int(version.partition(".")[0]) > SCHEMA_MAJOR:
        raise RecordError(
            f"{path}: schema_version: came {version}, this conebench reads up to "
            f"{SCHEMA_MAJOR}.x; upgrade conebench"
        )


def _check_content(path: Path, record: Record) -> None:
    if record.spec != record.spec.resolved() or record.spec.training.steps is None:
        raise RecordError(f"{path}: spec: not resolved")
    seeds = [seed.seed for seed in record.seeds]
    if seeds != [seed for seed in record.spec.seeds if seed in seeds]:
        raise RecordError(f"{path}: seeds: came {seeds}, allowed are the spec's, each once")
    complete = len(seeds) == len(record.spec.seeds) and not record.failures
    if (record.status == "complete") != complete:
        raise RecordError(f"{path}: status: came {record.status}, with {len(seeds)} seeds")
    for seed in record.seeds:
        where, curve = f"{path}: seeds.{seed.seed}", seed.training
        _check_kernel(where, seed.kernel, record.spec.total_steps)
        _check_groups(where, seed.kernel, record)
        lists = (curve.steps, curve.train_loss, curve.test_loss, curve.test_accuracy)
        if not curve.steps or len({len(values) for values in lists}) != 1:
            raise RecordError(f"{where}: training: one entry a checkpoint is needed")
        _check_tested(where, record.data.test_images, curve)
        for arm in seed.arms:
            _check_arm(where, arm)
            _check_rate(where, arm, record.spec)
        check_chaos(where, seed, record.spec, record.failures or ())


def _check_kernel(where: str, kernel: KernelTrajectory, total_steps: int) -> None:
    steps = kernel.steps
    if not steps or steps[0] != 0 or steps != sorted(set(steps)) or steps[-1] > total_steps:
        raise RecordError(
            f"{where}: kernel.steps: allowed is 0 first, then ascending to at most {total_steps}"
        )
    for name in ("norm", "trace", "top_eigenvalue_share", "label_alignment"):
        if len(getattr(kernel, name)) != len(steps):
            raise RecordError(f"{where}: kernel.{name}: one entry a checkpoint is needed")
    check = kernel.self_check
    if check is not None and not (
        len(check.steps) == len(check.relative_error) and set(check.steps) <= set(steps)
    ):
        raise RecordError(f"{where}: kernel.self_check: one error for each of some checkpoints")
    for name in ("gram", "gram_centred"):
        _check_gram(f"{where}: kernel.{name}", getattr(kernel, name), len(steps))


def _check_gram(where: str, rows: list[list[float]], count: int) -> None:
    if [len(row) for row in rows] != list(range(1, count + 1)):
        raise RecordError(f"{where}: G must be a lower triangle, row i of i + 1")
    entries = [entry for row in rows for entry in row]
    on_diagonal = all(abs(row[-1] - 1) <= COSINE_ROUNDING for row in rows)
    within = all(-COSINE_ROUNDING <= entry <= 1 + COSINE_ROUNDING for entry in entries)
    if not on_diagonal or not within:
        raise RecordError(f"{where}: allowed are cosines in [0, 1], 1 on the diagonal")


def _check_groups(where: str, kernel: KernelTrajectory, record: Record) -> None:
    if (kernel.groups is None) != (record.spec.kernel.by is None):
        raise RecordError(f"{where}: kernel.groups: needed where, and only where, the spec has by")
    if kernel.groups is None:
        return
    parameters = sum(group.parameters for group in kernel.groups)
    names = {group.name for group in kernel.groups}
    if len(names) != len(kernel.groups) or parameters != record.model.parameters:
        raise RecordError(
            f"{where}: kernel.groups: needed is each group once, {record.model.parameters:,} "
            f"parameters together, came {parameters:,}"
        )
    for index, group in enumerate(kernel.groups):
        place, count = f"{where}: kernel.groups.{index}", len(group.steps)
        if group.steps != kernel.steps[len(kernel.steps) - count :]:
            raise RecordError(f"{place}: steps: allowed are the last ones of the kernel's")
        if not count == len(group.norm) == len(group.trace):
            raise RecordError(f"{place}: one entry of norm and trace a step is needed")
        _check_gram(f"{place}: gram", group.gram, count)


def _check_tested(where: str, images: int, curve: TrainingCurve) -> None:
    counts = curve.test_images
    if counts is not None and (len(counts) != len(curve.steps) or max(counts, default=0) > images):
        raise RecordError(
            f"{where}: training.test_images: one count a checkpoint, of at most {images}, is needed"
        )


def _check_rate(where: str, arm: ArmResult, spec: Spec) -> None:
    """The learning rate is the spec's, or that of its list which validation says."""
    grid = spec.linearization.learning_rate
    if not isinstance(grid, tuple) or arm.arm in ("full", "control"):
        if arm.tried is not None:
            raise RecordError(f"{where}: arms.{arm.arm}: tried: allowed with a list of rates only")
        return
    if [rate.learning_rate for rate in arm.tried or []] != list(grid):
        raise RecordError(f"{where}: arms.{arm.arm}: tried: needed is each rate of the spec's list")
    tried = arm.tried or []
    if any((rate.diverged_at is None) != (rate.validation_loss is not None) for rate in tried):
        raise RecordError(
            f"{where}: arms.{arm.arm}: tried: needed are figures, or the step of divergence"
        )
    if arm.learning_rate != grid[choose_rate(tried)]:
        raise RecordError(
            f"{where}: arms.{arm.arm}: learning_rate: came {arm.learning_rate}, needed is the best "
            "of tried"
        )


def _check_arm(where: str, arm: ArmResult) -> None:
    figures_missing = (
        arm.test_accuracy is None,
        arm.test_loss is None,
        arm.diverged_at is not None,
    )
    if set(figures_missing) != {arm.status == "diverged"}:
        raise RecordError(
            f"{where}: arms.{arm.arm}: needed are accuracy and loss, or the step of divergence"
        )
