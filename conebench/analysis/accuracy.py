"""Accuracy differences between arms, with intervals over seeds and test images.

An arm is given by one array per seed: 1 for each test image that it got right, else 0. The images
are the same in every seed. Where only the seed's mean is known, the array has one entry, and the
interval is over seeds alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from conebench.analysis.distance import FloatArray
from conebench.analysis.intervals import Estimate
from conebench.analysis.meaning import says

# Which test images the arm got right, per seed; None where it has no accuracy.
Arm = Sequence[Float[FloatArray, " _"] | None]


@dataclass(frozen=True)
class Finding:
    """A figure, or the reason why it is undefined."""

    estimate: Estimate | None = field(metadata=says("The figure; null where undefined."))
    undefined: str | None = field(default=None, metadata=says("Why it is undefined, else null."))


def accuracy(arm: Arm) -> Finding:
    """Return the share of test images that an arm got right.

    Example:
        >>> accuracy([np.array([1.0, 1, 1, 0]), np.array([1.0, 0, 0, 1])]).estimate.value
        0.625

    """
    missing = _missing(arm)
    if missing:
        return Finding(None, missing)
    return Finding(_within(two_level_mean(np.array(list(arm), dtype=np.float64)), 0.0, 1.0))


def benefit(control: Arm, switched: Arm) -> Finding:
    """Return B(s) = A(control(s)) - A(switched(s)): what non-linear training after s is worth.

    The control is `full` where linear arms are trained as `full` is.

    Args:
        control: Images that the control got right, per seed.
        switched: Images that the network linearized at s got right, per seed.

    Returns:
        B as a fraction of the test images, with its interval.

    Example: two seeds, four images.
        >>> control = [np.array([1.0, 1, 1, 0]), np.array([1.0, 1, 0, 1])]
        >>> switched = [np.array([1.0, 1, 0, 0]), np.array([1.0, 0, 0, 1])]
        >>> benefit(control, switched).estimate.value
        0.25

    """
    return _difference(control, switched)


def loss_benefit(control: Arm, switched: Arm) -> Finding:
    """Return B(s) in test loss, L(switched(s)) - L(control(s)). The arms hold losses."""
    missing = _missing(switched, control)
    return Finding(None, missing) if missing else Finding(two_level_mean(_cells(switched, control)))


def kernel_benefit(switched: Arm, probe: Arm) -> Finding:
    """Return A(switched(s)) - A(probe(s)): what the kernel gives beyond the last layer.

    Args:
        switched: Images that the network linearized at s got right, per seed.
        probe: Images that the last layer, trained alone from s on, got right.

    Returns:
        The difference as a fraction of the test images, with its interval.

    Example: one seed, four images.
        >>> kernel_benefit([np.array([1.0, 1, 1, 0])], [np.array([1.0, 0, 0, 0])]).estimate.value
        0.5

    """
    return _difference(switched, probe)


def lazy_gap(full: Arm, lazy: Arm) -> Finding:
    """Return A(full) - A(lazy).

    Args:
        full: Images that ordinary training got right, per seed.
        lazy: Images that the network linearized from the start got right.

    Returns:
        The difference as a fraction of the test images, with its interval.

    Example: one seed, four images.
        >>> lazy_gap([np.array([1.0, 1, 1, 1])], [np.array([1.0, 0, 1, 1])]).estimate.value
        0.25

    """
    return _difference(full, lazy)


def share_of_lazy_gap(
    control: Arm,
    switched: Arm,
    full: Arm,
    lazy: Arm,
) -> Finding:
    """Return Gamma(s) = B(s) / lazy gap, not clipped.

    It is the share of the advantage over lazy training that needs non-linear training after s.

    Args:
        control: Images that the control got right, per seed.
        switched: Images that the network linearized at s got right.
        full: Images that ordinary training got right.
        lazy: Images that the network linearized from the start got right.

    Returns:
        Gamma; undefined where the interval of the lazy gap does not lie above 0.

    Example: one seed; half of the gap of two images is closed.
        >>> full, lazy = [np.array([1.0, 1, 1])], [np.array([1.0, 0, 0])]
        >>> share_of_lazy_gap(full, [np.array([1.0, 1, 0])], full, lazy).estimate.value
        0.5

    """
    missing = _missing(control, switched, full, lazy)
    if missing:
        return Finding(None, missing)
    b, g = _cells(control, switched), _cells(full, lazy)  # [seeds, images]
    gap = two_level_mean(g)
    # With a gap that may be 0, Gamma could be any number. One seed has no interval: there the gap
    # itself must be positive.
    if (gap.value if gap.low is None else gap.low) <= 0:
        return Finding(None, "the lazy gap is not significantly above 0")
    share = b.mean() / gap.value
    # Delta method: to first order, Gamma varies as the mean of z = Gamma + (b - Gamma g) / gap,
    # and that mean is Gamma itself.
    return Finding(two_level_mean(share + (b - share * g) / gap.value))


def two_level_mean(cells: Float[FloatArray, "seeds images"]) -> Estimate:
    """Return the mean over seeds and images, with its 95 % interval.

    The interval is for new seeds and new images. With V_seeds and V_images the squared standard
    errors of the means of rows and of columns, and V_rest that of what neither explains,

        V = max(V_seeds + V_images - V_rest, V_seeds, V_images),

    the interval is mean +- t sqrt(V), t with the degrees of freedom of Satterthwaite
    (docs/method.md has its coverage).

    Args:
        cells: One value per seed and image; one column for values of whole seeds.

    Returns:
        The mean; without an interval for one seed.

    Example: two seeds that agree on every image.
        >>> estimate = two_level_mean(np.array([[1.0, 0.0, 1.0, 1.0]] * 2))
        >>> estimate.value, round(estimate.high - estimate.value, 2)
        (0.75, 0.8)

    Source: Owen 2007, "The pigeonhole bootstrap", arXiv 0712.1111.

    """
    value, seeds = float(cells.mean()), len(cells)
    if seeds < 2:
        return Estimate(value, None, None, seeds)
    V, freedom = two_level_error(cells)
    return _interval(value, V, freedom, seeds)


def two_level_error(cells: Float[FloatArray, "seeds images"]) -> tuple[float, float]:
    """Return the squared error V of `two_level_mean`, and its degrees of freedom.

    Args:
        cells: One value per seed and image, two seeds or more; one column for values of whole
            seeds.

    Returns:
        V, and the degrees of freedom by Satterthwaite.

    Example: values of whole seeds.
        >>> two_level_error(np.array([[1.0], [2.0], [3.0]]))
        (0.3333333333333333, 2.0)

    """
    seeds, images = cells.shape
    of_seeds, of_images = cells.mean(axis=1), cells.mean(axis=0)  # [seeds], [images]
    V_seeds = float(of_seeds.var(ddof=1)) / seeds
    if images < 2:
        return V_seeds, float(seeds - 1)
    V_images = float(of_images.var(ddof=1)) / images
    rest = cells - of_seeds[:, None] - of_images + cells.mean()  # [seeds, images]
    V_rest = float((rest**2).sum()) / ((seeds - 1) * (images - 1) * seeds * images)
    # V_seeds and V_images each contain V_rest, so their sum counts it twice, and a bootstrap of
    # rows and columns three times. The maximum guards against a difference that is small by chance.
    V = max(V_seeds + V_images - V_rest, V_seeds, V_images)
    # Satterthwaite's degrees of freedom, V^2 / spread. Two seeds may give less than 1.
    spread = V_seeds**2 / (seeds - 1) + V_images**2 / (images - 1)
    return V, max(V**2 / spread, 1.0) if spread > 0 else 1.0


def _interval(value: float, squared_error: float, freedom: float, seeds: int) -> Estimate:
    from scipy.special import stdtrit  # slow to import

    reach = float(stdtrit(freedom, 0.975)) * math.sqrt(squared_error)
    return Estimate(value, value - reach, value + reach, seeds)


def _difference(better: Arm, worse: Arm) -> Finding:
    """Return the difference of two accuracies, from -1 to 1."""
    missing = _missing(better, worse)
    if missing:
        return Finding(None, missing)
    return Finding(_within(two_level_mean(_cells(better, worse)), -1.0, 1.0))


def _within(found: Estimate, lowest: float, highest: float) -> Estimate:
    """Cut an interval off where the figure cannot go. A t interval of two seeds may reach there."""
    if found.low is None or found.high is None:
        return found
    return Estimate(found.value, max(lowest, found.low), min(highest, found.high), found.seeds)


def _cells(better: Arm, worse: Arm) -> Float[FloatArray, "seeds images"]:
    """Return the differences of single seeds and images. Every arm must have an accuracy."""
    first, second = (np.array(list(arm), dtype=np.float64) for arm in (better, worse))
    return np.asarray(first - second)


def _missing(*arms: Arm) -> str | None:
    """Say in how many seeds an arm has no accuracy. None for none.

    Raises:
        ValueError: The arms differ in their seeds or in their test images.

    """
    seeds = sorted({len(arm) for arm in arms})
    images = sorted({len(right) for arm in arms for right in arm if right is not None})
    if len(seeds) > 1 or len(images) > 1:
        raise ValueError(
            f"got arms of {seeds} seeds and {images} test images, expected the same for all"
        )
    lost = sum(any(right is None for right in of_seed) for of_seed in zip(*arms, strict=True))
    return f"an arm has no accuracy in {lost} of {seeds[0]} seeds" if lost else None
