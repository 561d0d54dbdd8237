"""Check a record: its invariants, by name, and its figures against its raw data."""

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from conebench.analysis.distance import FloatArray
from conebench.errors import RecordError
from conebench.record.arms import ArmResult
from conebench.record.derive import recompute
from conebench.record.files import read_record
from conebench.record.schema import METHOD, Record, SeedResult
from conebench.record.trajectory import KernelTrajectory, Trajectory
from conebench.spec import Spec
from conebench.spec.arms import plan_arms
from conebench.spec.checks import cross_field_problems

# Rounding of float32 kernels can make eigenvalues of G this negative.
NEGATIVE_EIGENVALUE = 1e-6
# Other processors sum in another order.
RELATIVE, ABSOLUTE = 1e-9, 1e-12
# Minor versions of the schema that methods 2 and 3 began with.
FIRST_WITH_METHOD, FIRST_WITH_VIEWS = 3, 4
CANONICAL_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})-([0-9a-f]{8})\.json")


class Finding(NamedTuple):
    """Name of a broken invariant, and the detail."""

    invariant: str
    detail: str


class Checked(NamedTuple):
    """A record, what is wrong with it, and `figures_compared`.

    Figures of an older method are not compared, since `recompute` uses the current one.
    """

    record: Record
    findings: list[Finding]
    figures_compared: bool


def check_record(path: Path) -> Checked:
    """Check every invariant of a record, and recompute every figure from its raw data.

    Raises a RecordError if the file is not a record: schema, types, ranges, counts.
    """
    record = read_record(path)
    findings = broken_invariants(path, record, record)
    compared = record.method == METHOD
    if compared and not findings:
        findings += _figures(record)
    return Checked(record, findings, compared)


def broken_invariants(path: Path, record: Record, recomputed: Record) -> list[Finding]:
    """Return what is wrong with a record's hashes, spec and raw data.

    Its arms are those that T* of `recomputed` asks for, unless the record is of an older method.
    """
    findings = [*_hashes(path, record), *_spec(record)]
    # A wrong spec would only add false findings to what is checked against it.
    return findings or [
        *_method(record),
        *_seeds(recomputed if record.method == METHOD else record),
    ]


def _hashes(path: Path, record: Record) -> Iterator[Finding]:
    if record.spec_hash != record.spec.hash:
        yield Finding(
            "spec hash", f"got {record.spec_hash[:8]}, but the spec gives {record.spec.hash[:8]}"
        )
    name = CANONICAL_NAME.fullmatch(path.name)
    if name and name[2] != record.id:
        yield Finding("id", f"the file is named {name[2]}, but its content gives {record.id}")
    if name and name[1] != record.provenance.created_at[:10]:
        made = record.provenance.created_at
        yield Finding("date", f"the file is named {name[1]}, but it was made on {made}")


def _spec(record: Record) -> Iterator[Finding]:
    for problem in cross_field_problems(record.spec):
        yield Finding(f"spec {'.'.join(map(str, problem.field))}", problem.message)


def _method(record: Record) -> Iterator[Finding]:
    older = 2 if record.minor >= FIRST_WITH_METHOD else 1
    allowed = record.method >= 3 if record.minor >= FIRST_WITH_VIEWS else record.method == older
    if not allowed:
        detail = f"got {record.method}, which schema {record.schema_version} does not have"
        yield Finding("method", detail)


def _seeds(record: Record) -> Iterator[Finding]:
    for seed in record.seeds:
        checks = (
            _steps(record.spec, seed),
            _kernels(record, seed.kernel),
            _views(seed.kernel, record.data.classes),
            _arms(record, seed),
        )
        for finding in itertools.chain(*checks):
            yield Finding(finding.invariant, f"seed {seed.seed}: {finding.detail}")


def _steps(spec: Spec, seed: SeedResult) -> Iterator[Finding]:
    """Check that the checkpoints are the spec's, up to the last one reached."""
    wanted, trained = list(spec.checkpoint_steps), seed.training.steps
    finished = any(arm.arm == "full" and arm.status == "finished" for arm in seed.arms)
    if trained != (wanted if finished else wanted[: len(trained)]):
        yield Finding("checkpoints", "those of training differ from the spec's")
    measured = seed.kernel.steps
    if measured != (trained if finished else trained[: len(measured)]):
        yield Finding("checkpoints", "those of the kernel differ from training's")


def _kernels(record: Record, kernel: KernelTrajectory) -> Iterator[Finding]:
    """Check the kernel, its other views, and those of groups and of averaged weights."""
    outputs, samples = record.spec.kernel.outputs or "full", record.spec.kernel.samples
    for name, view in kernel.by_view(outputs).items():
        size = samples * (record.data.classes if name == "full" else 1)
        yield from _kernel(view, size, "" if view is kernel else f" of {name}")
    for group in kernel.groups or ():
        if group.steps:
            yield from _positive(group.G(), f"gram of {group.name}")
        yield from _scale(group.norm, group.trace, samples, f" of {group.name}")
    if kernel.averaged:
        yield from _positive(kernel.averaged.G(), "gram of averaged")


def _kernel(kernel: Trajectory, size: int, whose: str) -> Iterator[Finding]:
    yield from _positive(kernel.G(), f"gram{whose}")
    yield from _positive(kernel.G(centred=True), f"gram_centred{whose}")
    yield from _scale(kernel.norm, kernel.trace, size, whose)
    # The largest of `size` eigenvalues is at least their mean, and at most their sum. Here and
    # below, 1e-3 is far above the rounding of float32.
    share = np.array(kernel.top_eigenvalue_share)
    if np.any(share > 1 + 1e-3) or np.any(share < (1 - 1e-3) / size):
        detail = f"got {share.min():.3g} to {share.max():.3g}, expected {1 / size:.3g} to 1"
        yield Finding(f"top-eigenvalue share{whose}", detail)
    if np.abs(kernel.label_alignment).max() > 1 + 1e-6:
        yield Finding(f"label alignment{whose}", "expected -1 to 1")


def _positive(G: FloatArray, name: str) -> Iterator[Finding]:
    smallest = float(np.linalg.eigvalsh(G)[0])
    if smallest < -NEGATIVE_EIGENVALUE:
        yield Finding(f"{name} positive semi-definite", f"an eigenvalue is {smallest:.1e}")


def _views(kernel: KernelTrajectory, classes: int) -> Iterator[Finding]:
    """Check that `trace` and `sum` can be views of this `full` kernel."""
    if not kernel.views:
        return
    trace, summed = kernel.views
    norm, whole = np.array(kernel.norm), np.array(kernel.trace)
    if not np.allclose(classes * np.array(trace.trace), whole, rtol=1e-3):
        yield Finding("views", "expected C times the trace of `trace` to be that of the kernel")
    # `trace` is the mean of C diagonal blocks, whose squared norms add up to at most ||H||^2.
    # `sum` is V^T H V with orthonormal columns V, which shortens norm and trace.
    too_large = (
        np.array(trace.norm) > norm / np.sqrt(classes) * (1 + 1e-3),
        np.array(summed.norm) > norm * (1 + 1e-3),
        np.array(summed.trace) > whole * (1 + 1e-3),
    )
    if np.any(too_large):
        yield Finding("views", "the norm or trace of a view is too large for the kernel's")


def _scale(
    norms: Sequence[float], traces: Sequence[float], size: int, whose: str
) -> Iterator[Finding]:
    """Check that ||H||_F <= tr H <= sqrt(size) ||H||_F."""
    # H is positive semi-definite, with eigenvalues l >= 0: sum l^2 <= (sum l)^2 <= size * sum l^2.
    norm, trace = np.array(norms), np.array(traces)
    if np.any(norm > trace * (1 + 1e-3)) or np.any(trace > np.sqrt(size) * norm * (1 + 1e-3)):
        yield Finding(
            f"scale{whose}", "expected traces between the norm and sqrt(rows) times the norm"
        )


def _arms(record: Record, seed: SeedResult) -> Iterator[Finding]:
    named = [(arm.arm, arm.step) for arm in seed.arms]
    if len(set(named)) != len(named):
        yield Finding("arms", "an arm appears twice")
    full = next((arm for arm in seed.arms if arm.arm == "full"), None)
    if full is None or _ends_otherwise(full, seed):
        yield Finding("arms", "full is missing, or differs from the end of the training curve")
    # An older method has another T*; a failed stage leaves no arm.
    T_star = seed.phases.T_star if record.method == METHOD else None
    failed = any(failure.seed == seed.seed for failure in record.failures or ())
    planned = () if failed else plan_arms(record.spec, seed.training.steps[-1], T_star)
    missing = [arm for arm in planned if (arm.name, arm.start) not in named]
    if missing:
        yield Finding("arms", f"{missing[0].label} is missing")


def _ends_otherwise(full: ArmResult, seed: SeedResult) -> bool:
    finished = full.status == "finished"
    return finished and full.test_accuracy != seed.training.test_accuracy[-1]


def _figures(record: Record) -> Iterator[Finding]:
    try:
        again = recompute(record).dump()
    except RecordError as error:
        yield Finding("figures", str(error))
        return
    for name, value, expected in _differing(record.dump(), again):
        yield Finding(f"figure {name}", f"got {value}, but the data give {expected}")


def _differing(stored: Any, again: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield every leaf in which two JSON values differ by more than rounding."""
    # Most of a record is raw data, which are equal: compared at once they take no time.
    if stored == again:
        return
    if isinstance(stored, dict) and isinstance(again, dict):
        for key in sorted(stored.keys() | again.keys()):
            yield from _differing(stored.get(key), again.get(key), f"{name}.{key}".lstrip("."))
    elif isinstance(stored, list) and isinstance(again, list) and len(stored) == len(again):
        for i, pair in enumerate(zip(stored, again, strict=True)):
            yield from _differing(*pair, f"{name}.{i}")
    elif not _equal(stored, again):
        yield name, stored, again


def _equal(stored: Any, again: Any) -> bool:
    if isinstance(stored, float) and isinstance(again, float):
        return math.isclose(stored, again, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return bool(stored == again)
