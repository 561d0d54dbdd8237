"""Check and recompute the chaos probe of a record."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from conebench.analysis.barrier import barrier
from conebench.record.schema import ChaosResult, Failure, SeedResult
from conebench.spec import Spec
from conebench.spec.arms import plan_pairs


def derive_barriers(results: Sequence[ChaosResult] | None) -> list[ChaosResult] | None:
    """Return the results with each barrier recomputed from the losses along its path."""
    if results is None:
        return None
    return [result.model_copy(update={"barrier": _barrier(result)}) for result in results]


def _barrier(result: ChaosResult) -> float | None:
    return None if result.losses is None else barrier(np.array(result.losses))


def chaos_problems(seed: SeedResult, spec: Spec, failures: Sequence[Failure]) -> Iterator[str]:
    """Yield the problems of a seed's chaos results, one line each."""
    if (spec.chaos is None) != (seed.chaos is None):
        yield "chaos: expected if, and only if, the spec has a chaos section"
    if spec.chaos is None or seed.chaos is None:
        return
    pairs = plan_pairs(spec, seed.kernel.steps[-1])
    found = [(result.t0, result.t1) for result in seed.chaos]
    # A stage that failed may leave pairs out.
    if any(failure.seed == seed.seed for failure in failures):
        pairs = [pair for pair in pairs if pair in found]
    if found != pairs:
        yield f"chaos: got the pairs {_written(found)}, expected {_written(pairs)}"
    for result in seed.chaos:
        problems = _result_problems(result, spec.chaos.points)
        yield from (f"chaos [{result.t0}, {result.t1}]: {problem}" for problem in problems)


def _written(pairs: Sequence[tuple[int, int]]) -> list[list[int]]:
    return [list(pair) for pair in pairs]


def _result_problems(result: ChaosResult, points: int) -> Iterator[str]:
    figures = (
        result.losses,
        result.barrier,
        result.disagreement,
        result.parameter_dissimilarity,
        result.S,
    )
    # Either all figures are there and no step of divergence, or the other way around. Anything
    # else puts both True and False into the set.
    missing = {figure is None for figure in figures} | {result.diverged_at is not None}
    if missing != {result.status == "diverged"}:
        yield "expected all figures, or else the step of divergence"
    if result.diverged_at is not None and not result.t0 <= result.diverged_at <= result.t1:
        yield "diverged_at: expected a step from t0 to t1"
    if result.losses is None or result.barrier is None:
        return
    if len(result.losses) != points:
        yield f"losses: got {len(result.losses)}, expected {points}"
    expected = barrier(np.array(result.losses))
    # Other processors round the last digit differently.
    if not math.isclose(result.barrier, expected, rel_tol=1e-9, abs_tol=1e-12):
        yield f"barrier: got {result.barrier}, but the losses give {expected}"
