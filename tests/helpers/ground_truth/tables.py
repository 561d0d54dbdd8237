"""Prints the tables of errors in docs/method.md."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from ground_truth.coverage import COVERED, INTERVALS, coverage
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
    return _markdown(head, rows)


def _phase_cells(case: Case, right: float, errors: dict[str, FloatArray]) -> tuple[str, ...]:
    names = ("T*", "T* first", "change", "change first")
    return (
        case.name,
        case.outcome,
        f"{100 * right:.0f}",
        *(spread(errors[name], 1) for name in names),
        spread(errors["floor"], 0, 100),
    )


def cone_table() -> str:
    """Half-angle, turn, N and alpha."""
    head = ("trajectory", "half-angle, %", "turn, °", "N", "α", "α, first version")
    rows = []
    for case in CASES[:10]:
        _, errors = measure(case)
        cells = (
            spread(errors["half"], 0, 100),
            spread(errors["turn"], 1),
            spread(errors["N"], 2),
            spread(errors["alpha"], 2),
            spread(errors["alpha first"], 2),
        )
        rows.append((case.name, *cells))
        if np.isfinite(errors["half after"]).any():
            after = (spread(errors["half after"], 0, 100), spread(errors["turn after"], 1))
            rows.append(("after that drop", *after, "–", "–", "–"))
    return _markdown(head, rows)


def coverage_table() -> str:
    """How often 95 % intervals hold the truth, for a mean and for CES."""
    names = [figure if figure == "N" else f"{figure}, {truth}" for figure, truth in COVERED]
    head = ["seeds", *(f"{name}{kind}" for name in names for kind in ("", ", percentiles"))]
    rows = [
        [str(seeds)]
        + [
            f"{100 * coverage(seeds, figure, truth, interval):.0f}"
            for figure, truth in COVERED
            for interval in INTERVALS
        ]
        for seeds in (2, 3, 5)
    ]
    return _markdown(head, rows)


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


if __name__ == "__main__":
    for table in (phases_table, cone_table, coverage_table):
        sys.stdout.write(f"{table()}\n")
