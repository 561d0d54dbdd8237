"""Prints the table of errors of T* in docs/method.md."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from ground_truth.errors import CASES, Case, measure

from conebench.analysis.distance import FloatArray


def spread(values: FloatArray, decimals: int, factor: float = 1.0) -> str:
    """Median [10 %, 90 %] of what is defined, or a dash."""
    known = factor * values[np.isfinite(values)]
    if len(known) == 0:
        return "–"
    low, middle, high = (round(x, decimals) + 0.0 for x in np.percentile(known, [10, 50, 90]))
    return f"{middle:.{decimals}f} [{low:.{decimals}f}, {high:.{decimals}f}]"


def phases_table() -> str:
    """T* and floor: errors of both estimators, and of their first versions."""
    head = (
        "trajectory",
        "outcome",
        "right, %",
        "T*",
        "T*, first version",
        "change-point",
        "change-point, first version",
        "floor, %",
    )
    rows = [_phase_cells(case, *measure(case)) for case in CASES]
    return markdown(head, rows)


def _phase_cells(case: Case, right: float, errors: dict[str, FloatArray]) -> tuple[str, ...]:
    names = ("T*", "T* first", "change", "change first")
    return (
        case.name,
        case.outcome,
        f"{100 * right:.0f}",
        *(spread(errors[name], 1) for name in names),
        spread(errors["floor"], 0, 100),
    )


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(phases_table())
