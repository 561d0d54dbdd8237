"""Which differences in CES separate ranks, for boards whose true order is known."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from ground_truth.tables import markdown

from conebench.analysis.cone_strength import BOUNDS
from conebench.analysis.distance import FloatArray
from conebench.analysis.ranking import p_values, rank_ranges, rejected

# Standard deviation between seeds of CES, pooled over real runs: 2 to 9, root mean square 6.
SPREAD = 6.0
DRAWS = 200
# Spreads of a board's rows, from which each row's is drawn.
SPREADS = {
    "all 6": (6.0,),
    "3 or 9": (3.0, 9.0),
    "1, 2, 4, 8 or 16": (1.0, 2.0, 4.0, 8.0, 16.0),
    "one in ten 20, else 5": (20.0, *[5.0] * 9),
}
WEAKEST, STRONGEST = 20.0, 80.0


def board(
    truths: FloatArray,
    seeds: int,
    rng: np.random.Generator,
    spreads: Sequence[float] = (SPREAD,),
) -> list[FloatArray]:
    """Return the seeds' values of each row."""
    spread = rng.choice(spreads, size=(len(truths), 1))
    return list(truths[:, None] + spread * rng.normal(size=(len(truths), seeds)))


def wrong_boards(rows: int, seeds: int, spreads: Sequence[float], draws: int = 1000) -> float:
    """Return the share of boards of equal rows that put any row above another."""
    count = 0
    for draw in range(draws):
        rng = np.random.default_rng(draw)
        found = rank_ranges(board(np.full(rows, 50.0), seeds, rng, spreads), BOUNDS)
        count += any(found_range != (1, rows) for found_range in found)
    return count / draws


def told_apart(rows: int, difference: float, seeds: int, draws: int = DRAWS) -> float:
    """Return how often the better of two rows in the middle, this far apart, is found above.

    The other rows lie evenly between 20 and 80.
    """
    others = np.linspace(WEAKEST, STRONGEST, rows - 2)
    middle = (WEAKEST + STRONGEST) / 2
    truths = np.append([middle + difference / 2, middle - difference / 2], others)
    drawn = (board(truths, seeds, np.random.default_rng(draw)) for draw in range(draws))
    return float(np.mean([rejected(p_values(values, BOUNDS))[0, 1] for values in drawn]))


def smallest_difference(rows: int, seeds: int, power: float = 0.8) -> float:
    """Return the difference in CES that is found in 80 % of boards."""
    differences = np.arange(2.0, 61.0, 1.0)
    reached = (d for d in differences if told_apart(rows, float(d), seeds) >= power)
    return float(next(reached, np.inf))


def board_quality(rows: int, seeds: int, draws: int = DRAWS) -> tuple[float, float, float]:
    """Return mean width of the ranges, share of pairs told apart, and of boards with no error."""
    truths = np.linspace(WEAKEST, STRONGEST, rows)
    true_ranks = np.arange(rows, 0, -1)
    widths, apart, right = [], [], []
    for draw in range(draws):
        found = rank_ranges(board(truths, seeds, np.random.default_rng(draw)), BOUNDS)
        ends = np.array([range_ for range_ in found if range_ is not None])  # [rows, 2]
        widths.append((ends[:, 1] - ends[:, 0]).mean() + 1)
        apart.append(1 - (ends[:, 1] - ends[:, 0]).sum() / (rows * (rows - 1)))
        right.append(np.all((ends[:, 0] <= true_ranks) & (true_ranks <= ends[:, 1])))
    return float(np.mean(widths)), float(np.mean(apart)), float(np.mean(right))


def ranks_table() -> str:
    """Return what boards of evenly spaced rows tell apart."""
    head = ("rows", "seeds", "smallest difference, 80 %", "ranks in a range", "pairs told apart, %")
    cells = []
    for rows in (3, 5, 10, 20, 40):
        for seeds in (5, 10, 20):
            width, apart, right = board_quality(rows, seeds)
            found = (
                f"{smallest_difference(rows, seeds):.0f}",
                f"{width:.1f}",
                f"{100 * apart:.0f}",
            )
            cells.append((str(rows), str(seeds), *found, f"{100 * right:.0f}"))
    return markdown((*head, "boards without error, %"), cells)


def errors_table() -> str:
    """Return how often boards of equal rows claim a difference, in percent."""
    head = ("spreads of rows", *(f"{rows} rows" for rows in (2, 3, 5, 10, 20)))
    rows = [
        (name, *(f"{100 * wrong_boards(rows, 5, spreads):.1f}" for rows in (2, 3, 5, 10, 20)))
        for name, spreads in SPREADS.items()
    ]
    return markdown(head, rows)


if __name__ == "__main__":
    for table in (ranks_table, errors_table):
        sys.stdout.write(f"{table()}\n")
