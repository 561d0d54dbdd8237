"""Two-level factorials: what share of the spread each factor has, with permutation p-values."""

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from conebench.analysis.distance import FloatArray
from conebench.analysis.study.effect import Effect, mean_over_seeds

RESAMPLES = 10_000
IndexArray = np.ndarray[tuple[int, int, int], np.dtype[np.int64]]


@dataclass(frozen=True)
class FactorialEffect:
    """A main effect (one factor) or a two-way interaction (two factors)."""

    # Indices of the factors.
    factors: tuple[int, ...]
    # High minus low; of an interaction, half the difference of the two differences.
    effect: Effect
    # Its sum of squares over that of all cells within seeds.
    share: float
    # By permutation of the cells within each seed.
    p: float


@dataclass(frozen=True)
class Decomposition:
    """Shares of the sum of squares within seeds, largest first."""

    effects: tuple[FactorialEffect, ...]
    seeds: int

    @property
    def rest(self) -> float:
        """Share of higher interactions and of noise."""
        return max(0.0, 1 - sum(found.share for found in self.effects))


def decompose(
    values: Float[FloatArray, "seeds cells"],
    design: Int[np.ndarray, "cells factors"],
    resamples: int = RESAMPLES,
) -> Decomposition:
    """Decompose the spread of a balanced two-level factorial.

    The seed is a block: its mean is taken off first. With the column x of an effect (+1 and -1, a
    product of two columns for an interaction), y the values and b the mean of x y,

        effect = 2 b,   share = seeds cells b^2 / sum (y - mean of its seed)^2,
        p = (1 + resamples with |b*| >= |b|) / (1 + resamples),

    b* after the cells of each seed are put in random order.

    Args:
        values: A value per seed and cell.
        design: Level of each factor in each cell, +1 or -1, each pair of columns orthogonal.
        resamples: Number of permutations.

    Returns:
        All main effects and two-way interactions, largest share first.

    Example: two factors that add up, in two seeds.
        >>> design = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])
        >>> found = decompose(np.array([[0.0, 1.0, 2.0, 3.0], [5.0, 6.0, 7.0, 8.0]]), design, 99)
        >>> [(e.factors, round(e.effect.value, 6), round(e.share, 6)) for e in found.effects]
        [((0,), 2.0, 0.8), ((1,), 1.0, 0.2), ((0, 1), 0.0, 0.0)]

    Source: Box, Hunter, Hunter 2005, "Statistics for Experimenters"; Phipson and Smyth 2010 (p).

    """
    seeds, cells = values.shape
    # The seed is a block.
    centered = values - values.mean(axis=1, keepdims=True)
    names = _effects(design.shape[1])
    columns = np.array([design[:, name].prod(axis=1) for name in names], dtype=np.float64)  # [e, c]
    b = (centered @ columns.T).mean(axis=0) / cells  # [e]
    total = float((centered**2).sum())
    drawn = _permuted_means(centered, columns, resamples)  # [resamples, e]
    # Rounding must not put a permutation below its equal.
    beyond = (np.abs(drawn) >= np.abs(b) * (1 - 1e-9) - 1e-300).sum(axis=0)  # [e]
    p = (1 + beyond) / (1 + resamples)
    found = [
        FactorialEffect(
            name,
            _effect_over_seeds(2 * (centered @ columns[i]) / cells),
            float(seeds * cells * b[i] ** 2 / total) if total > 0 else 0.0,
            float(p[i]),
        )
        for i, name in enumerate(names)
    ]
    return Decomposition(tuple(sorted(found, key=lambda e: (-e.share, e.factors))), seeds)


def _effects(factors: int) -> list[tuple[int, ...]]:
    """List main effects, then two-way interactions."""
    pairs = itertools.combinations(range(factors), 2)
    return [*((i,) for i in range(factors)), *pairs]


def _effect_over_seeds(values: Float[FloatArray, " seeds"]) -> Effect:
    found = mean_over_seeds(list(values[:, None]))
    assert found is not None  # noqa: S101  # there is a seed
    return found


def _permuted_means(
    values: Float[FloatArray, "seeds cells"],
    columns: Float[FloatArray, "effects cells"],
    resamples: int,
) -> Float[FloatArray, "resamples effects"]:
    """Return b of each effect after each permutation."""
    seeds, cells = values.shape
    orders = _orders(seeds, cells, resamples)  # [resamples, seeds, cells]
    means = np.zeros((resamples, len(columns)))
    for seed, of_seed in enumerate(values):
        means += of_seed[orders[:, seed]] @ columns.T
    return np.asarray(means / (seeds * cells))


@functools.lru_cache(maxsize=8)
def _orders(seeds: int, cells: int, resamples: int) -> IndexArray:
    """Return random orders of the cells, always the same."""
    rng = np.random.default_rng(0)
    return rng.random((resamples, seeds, cells)).argsort(axis=2)


def complete_seeds(
    cells: Sequence[Sequence[float | None]],
) -> Float[FloatArray, "seeds cells"]:
    """Return the seeds in which every cell is defined.

    Args:
        cells: One value per seed, in each cell; the same number of seeds in all.

    Returns:
        Values [seeds, cells].

    Example:
        >>> complete_seeds([[1.0, 2.0], [3.0, None]])
        array([[1., 3.]])

    """
    rows = [row for row in zip(*cells, strict=True) if all(value is not None for value in row)]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(cells))
