"""Check a record: its invariants, by name, and its figures against its raw data."""

import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from conebench.errors import RecordError
from conebench.record.derive import recompute
from conebench.record.files import read_record
from conebench.record.schema import METHOD, ArmResult, KernelTrajectory, Record, SeedResult
from conebench.spec import Spec
from conebench.spec.arms import plan_arms
from conebench.spec.checks import cross_field_problems

# Rounding of float32 kernels can make eigenvalues of G this negative.
NEGATIVE_EIGENVALUE = 1e-6
# Other processors sum in another order.
RELATIVE, ABSOLUTE = 1e-9, 1e-12
FIRST_WITH_METHOD = 3
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
    findings = [*_hashes(path, record), *_spec(record)]
    if not findings:
        findings += [*_method(record), *_seeds(record)]
    compared = record.method == METHOD
    if compared and not findings:
        findings += _figures(record)
    return Checked(record, findings, compared)


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
    minor = int(record.schema_version.partition(".")[2])
    if (minor >= FIRST_WITH_METHOD) != (record.method > 1):
        detail = f"got {record.method}, which schema {record.schema_version} does not have"
        yield Finding("method", detail)


def _seeds(record: Record) -> Iterator[Finding]:
    for seed in record.seeds:
        samples, size = record.spec.kernel.samples, _kernel_side(record)
        checks = (
            _steps(record.spec, seed),
            _kernel(seed.kernel, samples, size),
            _arms(record, seed),
        )
        for finding in itertools.chain(*checks):
            yield Finding(finding.invariant, f"seed {seed.seed}: {finding.detail}")


def _kernel_side(record: Record) -> int:
    kernel = record.spec.kernel
    return kernel.samples * (record.data.classes if kernel.outputs == "full" else 1)


def _steps(spec: Spec, seed: SeedResult) -> Iterator[Finding]:
    """Check that the checkpoints are the spec's, up to the last one reached."""
    wanted, trained = list(spec.checkpoint_steps), seed.training.steps
    finished = any(arm.arm == "full" and arm.status == "finished" for arm in seed.arms)
    if trained != (wanted if finished else wanted[: len(trained)]):
        yield Finding("checkpoints", "those of training differ from the spec's")
    measured = seed.kernel.steps
    if measured != (trained if finished else trained[: len(measured)]):
        yield Finding("checkpoints", "those of the kernel differ from training's")


def _kernel(kernel: KernelTrajectory, samples: int, size: int) -> Iterator[Finding]:
    grams = {"gram": kernel.G(), "gram_centred": kernel.G(centred=True)}
    grams |= {f"gram of {group.name}": group.G() for group in kernel.groups or () if group.steps}
    for name, G in grams.items():
        smallest = float(np.linalg.eigvalsh(G)[0])
        if smallest < -NEGATIVE_EIGENVALUE:
            yield Finding(f"{name} positive semi-definite", f"an eigenvalue is {smallest:.1e}")
    yield from _scale(kernel.norm, kernel.trace, size, "")
    for group in kernel.groups or ():
        yield from _scale(group.norm, group.trace, samples, f" of {group.name}")
    share = np.array(kernel.top_eigenvalue_share)
    if np.any(share > 1 + 1e-3) or np.any(share < (1 - 1e-3) / size):
        detail = f"got {share.min():.3g} to {share.max():.3g}, expected {1 / size:.3g} to 1"
        yield Finding("top-eigenvalue share", detail)
    if np.abs(kernel.label_alignment).max() > 1 + 1e-6:
        yield Finding("label alignment", "expected -1 to 1")


def _scale(
    norms: Sequence[float], traces: Sequence[float], size: int, whose: str
) -> Iterator[Finding]:
    """Check that ||H||_F <= tr H <= sqrt(size) ||H||_F, as for any positive semi-definite H."""
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
        return bool(np.isclose(stored, again, rtol=RELATIVE, atol=ABSOLUTE))
    return bool(stored == again)
