"""How often intervals over seeds and test images hold the truth; undefined counts as a miss.

An arm gets image i right in seed s with the log odds

    base(arm) + easy(i) + own(arm, i) + able(s) + own(arm, s),

so images differ in how hard they are, and some are right in one arm rather than the other.
"""

from dataclasses import dataclass

import numpy as np

from conebench.analysis.accuracy import Finding, benefit, lazy_gap, share_of_lazy_gap
from conebench.analysis.distance import FloatArray

SEEDS_ALONE = "B, seeds alone"


@dataclass(frozen=True)
class World:
    """Log odds of full, switched and lazy, and standard deviations of the other terms."""

    name: str
    base: tuple[float, float, float]
    images: float
    arm_images: float
    seeds: float
    arm_seeds: float


WORLDS = (
    World("as digits (0.98, 0.96, 0.90)", (6.5, 5.6, 3.8), 2.0, 1.0, 0.1, 0.2),
    World("as CIFAR-10 (0.62, 0.58, 0.36)", (0.9, 0.6, -1.0), 2.0, 1.0, 0.1, 0.1),
    World("seeds alike, images differ", (0.9, 0.6, -1.0), 2.0, 1.0, 0.0, 0.0),
    World("images alike, seeds differ", (0.9, 0.6, -1.0), 0.0, 0.0, 0.2, 0.2),
)


def right_images(world: World, seeds: int, images: int, rng: np.random.Generator) -> FloatArray:
    """Return which images each arm gets right in each seed, [arms, seeds, images]."""
    base = np.array(world.base)[:, None, None]  # [a, 1, 1]
    odds = (
        base
        + world.images * rng.normal(size=(1, 1, images))
        + world.arm_images * rng.normal(size=(3, 1, images))
        + world.seeds * rng.normal(size=(1, seeds, 1))
        + world.arm_seeds * rng.normal(size=(3, seeds, 1))
    )
    return (rng.random(odds.shape) < 1 / (1 + np.exp(-odds))).astype(np.float64)


def true_accuracies(world: World) -> FloatArray:
    """Return the expected accuracy of each arm, by Gauss-Hermite quadrature."""
    x, weights = np.polynomial.hermite_e.hermegauss(60)
    terms = (world.images, world.arm_images, world.seeds, world.arm_seeds)
    odds = np.array(world.base)[:, None] + np.linalg.norm(terms) * x
    return np.asarray((weights / weights.sum() / (1 + np.exp(-odds))).sum(axis=1))


def coverage(world: World, seeds: int, images: int, draws: int = 300) -> dict[str, float]:
    """Return the share of intervals that hold the truth, by figure."""
    full, switched, lazy = true_accuracies(world)
    B, gap = full - switched, full - lazy
    truth = {"B": B, "lazy gap": gap, "Γ": B / gap, SEEDS_ALONE: B}
    held = dict.fromkeys(truth, 0)
    for draw in range(draws):
        arms = right_images(world, seeds, images, np.random.default_rng(draw))
        for name, finding in _findings(arms).items():
            held[name] += _holds(finding, truth[name])
    return {name: count / draws for name, count in held.items()}


def bootstrap_coverage(world: World, seeds: int, images: int, draws: int = 300) -> float:
    """Return how often the percentiles of a bootstrap of both levels hold B."""
    full, switched, _ = true_accuracies(world)
    held = 0
    for draw in range(draws):
        rng = np.random.default_rng(draw)
        arms = right_images(world, seeds, images, rng)
        low, high = bootstrap_percentiles(arms[0] - arms[1], rng)
        held += low <= full - switched <= high
    return held / draws


def _findings(arms: FloatArray) -> dict[str, Finding]:
    full, switched, lazy = (list(arm) for arm in arms)
    means = arms.mean(axis=2, keepdims=True)  # [arms, seeds, 1]
    return {
        "B": benefit(full, switched),
        "lazy gap": lazy_gap(full, lazy),
        "Γ": share_of_lazy_gap(full, switched, full, lazy),
        SEEDS_ALONE: benefit(list(means[0]), list(means[1])),
    }


def bootstrap_percentiles(
    cells: FloatArray, rng: np.random.Generator, resamples: int = 300
) -> tuple[float, float]:
    """Return the 2.5 and 97.5 % points of the mean when rows and columns are drawn again."""
    seeds, images = cells.shape
    rows = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples) / seeds
    columns = rng.multinomial(images, np.full(images, 1 / images), size=resamples) / images
    means = ((rows @ cells) * columns).sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def _holds(finding: Finding, truth: float) -> bool:
    estimate = finding.estimate
    if estimate is None or estimate.low is None or estimate.high is None:
        return False
    return estimate.low <= truth <= estimate.high
