"""The chaos probe of a record: its pairs are the spec's, its figures whole, its barriers true."""

import math
from collections.abc import Sequence

import numpy as np

from conebench.analysis.barrier import barrier
from conebench.errors import RecordError
from conebench.record.schema import ChaosResult, Failure, SeedResult
from conebench.spec import Spec
from conebench.spec.arms import plan_pairs


def derive_barriers(results: Sequence[ChaosResult] | None) -> list[ChaosResult] | None:
    """The same results with every barrier computed anew from the losses along its path."""
    if results is None:
        return None
    return [result.model_copy(update={"barrier": _barrier(result)}) for result in results]


def _barrier(result: ChaosResult) -> float | None:
    return None if result.losses is None else barrier(np.array(result.losses))


def check_chaos(where: str, seed: SeedResult, spec: Spec, failures: Sequence[Failure]) -> None:
    """Raise a RecordError where results are not those of the spec's pairs, or do not hold.

    Pairs may be missing where a stage of the seed failed.
    """
    if (spec.chaos is None) != (seed.chaos is None):
        raise RecordError(
            f"{where}: chaos: allowed with the spec's chaos section, and needed by it"
        )
    if spec.chaos is None or seed.chaos is None:
        return
    pairs = plan_pairs(spec, seed.kernel.steps[-1])
    found = [(result.t0, result.t1) for result in seed.chaos]
    if any(failure.seed == seed.seed for failure in failures):
        pairs = [pair for pair in pairs if pair in found]
    if found != pairs:
        raise RecordError(
            f"{where}: chaos: got the pairs {_written(found)}, needed are {_written(pairs)}"
        )
    for result in seed.chaos:
        _check_result(f"{where}: chaos [{result.t0}, {result.t1}]", result, spec.chaos.points)


def _written(pairs: Sequence[tuple[int, int]]) -> list[list[int]]:
    return [list(pair) for pair in pairs]


def _check_result(where: str, result: ChaosResult, points: int) -> None:
    figures = (
        result.losses,
        result.barrier,
        result.disagreement,
        result.parameter_dissimilarity,
        result.S,
    )
    missing = {figure is None for figure in figures} | {result.diverged_at is not None}
    if missing != {result.status == "diverged"}:
        raise RecordError(f"{where}: needed are all figures, or the step of divergence")
    if result.diverged_at is not None and not result.t0 <= result.diverged_at <= result.t1:
        raise RecordError(f"{where}: diverged_at: expected from t0 to t1")
    if result.losses is None or result.barrier is None:
        return
    if len(result.losses) != points:
        raise RecordError(f"{where}: losses: got {len(result.losses)}, needed are {points}")
    expected = barrier(np.array(result.losses))
    if not math.isclose(result.barrier, expected, rel_tol=1e-9, abs_tol=1e-12):
        raise RecordError(
            f"{where}: barrier: got {result.barrier}, from the losses follows {expected}"
        )
