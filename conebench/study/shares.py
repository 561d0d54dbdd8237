"""Compute the share of the spread of each factor of a factorial."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from conebench.analysis.study import Decomposition, complete_seeds, decompose
from conebench.study.effects import Cells
from conebench.study.plan import A_DESIGN, A_FACTORS, C_DESIGN, C_FACTORS
from conebench.study.responses import PRIMARY, Response


@dataclass(frozen=True)
class Shares:
    """The decomposition of one response in a factorial."""

    block: str
    response: Response
    factors: tuple[str, ...]
    # None where a cell is missing, or fewer than two seeds are complete.
    found: Decomposition | None
    missing: tuple[str, ...]

    def name(self, factors: tuple[int, ...]) -> str:
        """Name an effect by its factors."""
        return " × ".join(self.factors[i] for i in factors)


def shares(cells: Cells) -> list[Shares]:
    """Decompose the primary responses in both factorials."""
    return [
        _shares(block, design, tuple(factors), response, cells)
        for block, design, factors in (("A", A_DESIGN, A_FACTORS), ("C", C_DESIGN, C_FACTORS))
        for response in PRIMARY
    ]


def _shares(
    block: str,
    design: Mapping[str, tuple[int, ...]],
    factors: tuple[str, ...],
    response: Response,
    cells: Cells,
) -> Shares:
    # Sums of squares add up only in a whole design.
    missing = tuple(name for name in design if name not in cells)
    if missing:
        return Shares(block, response, factors, None, missing)
    seeds = sorted(set.intersection(*(set(cells[name].seed_numbers) for name in design)))
    values = complete_seeds(
        [
            [
                None if (v := cells[name].value(seed, response)) is None else float(v.mean())
                for seed in seeds
            ]
            for name in design
        ]
    )
    found = decompose(values, np.array(list(design.values()))) if len(values) > 1 else None
    return Shares(block, response, factors, found, ())
