"""Ranks of the rows of a board, as ranges that hold with 95 % confidence."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from conebench.analysis.distance import FloatArray

# Values per seed; rows may have different numbers of seeds.
Row = Float[FloatArray, " _"]

MIN_SEEDS = 5
MIN_ROWS_TO_POOL = 5
LEVEL = 0.05


def rank_ranges(
    rows: Sequence[Row | None],
    bounds: tuple[float, float] = (-np.inf, np.inf),
    level: float = LEVEL,
) -> list[tuple[int, int] | None]:
    """Return the best and the worst rank of each row, by simultaneous paired comparisons.

    Each ordered pair of rows (a, b) is tested for "the mean of a is above that of b" (Welch's t,
    with moderated variances). Holm's procedure holds the chance of any wrong claim, in any pair, at
    `level`. A row's best rank is then 1 + the rows found above it, its worst the number of ranked
    rows minus those found below it. All ranges hold the true ranks at once with probability
    1 - `level`.

    Args:
        rows: Values per seed whose mean is the figure; None where it is undefined.
        bounds: Range that a figure is shown in. Means beyond one end count as equal there.
        level: Chance of a wrong claim.

    Returns:
        (best, worst) for each row; None where it has no figure or fewer than 5 seeds.

    Example:
        >>> low, high = np.array([1.0, 1.1, 0.9, 1.0, 1.2]), np.array([5.0, 5.2, 4.9, 5.1, 5.0])
        >>> rank_ranges([low, high, high + 0.05, None])
        [(3, 3), (1, 2), (1, 2), None]

    Source: Mogstad, Romano, Shaikh, Wilhelm 2024, "Inference for Ranks"; Holm 1979.

    """
    ranked = {i: row for i, row in enumerate(rows) if row is not None and len(row) >= MIN_SEEDS}
    above = rejected(p_values(list(ranked.values()), bounds), level)  # [r, r]
    ranges: list[tuple[int, int] | None] = [None] * len(rows)
    for at, i in enumerate(ranked):
        ranges[i] = (1 + int(above[:, at].sum()), len(ranked) - int(above[at].sum()))
    return ranges


def p_values(
    rows: Sequence[Row], bounds: tuple[float, float] = (-np.inf, np.inf)
) -> Float[FloatArray, "r r"]:
    """Return the p-values of "the mean of row i is not above that of row j".

    They are 1 for i = j. Both means are cut off at the bounds.
    """
    means = np.array([row.mean() for row in rows])  # [r]
    errors, freedom = squared_errors(rows)  # [r], [r]
    squared = errors[:, None] + errors  # [r, r]
    # Welch's degrees of freedom; rows without spread have none, and need none.
    with np.errstate(invalid="ignore", divide="ignore"):
        welch = squared**2 / (errors[:, None] ** 2 / freedom[:, None] + errors**2 / freedom)
    # Cut off, mean i is above mean j only if i is above j, i above the lower bound and j below the
    # upper one. All three must be shown, so the largest p counts.
    p = np.maximum.reduce(
        [
            _chance_above(means[:, None] - means, squared, np.where(squared > 0, welch, 1.0)),
            _chance_above(means - bounds[0], errors, freedom)[:, None].repeat(len(rows), 1),
            _chance_above(bounds[1] - means, errors, freedom)[None].repeat(len(rows), 0),
        ]
    )
    return np.where(np.eye(len(rows), dtype=bool), 1.0, p)


def squared_errors(
    rows: Sequence[Row],
) -> tuple[Float[FloatArray, " r"], Float[FloatArray, " r"]]:
    """Return the squared standard error of each row's mean, and its degrees of freedom.

    From 5 rows on, a row's variance is the mean of its own and the pooled one of all rows, with
    twice the degrees of freedom.

    Source: Smyth 2004, "Linear models and empirical Bayes methods" (moderated t), weights fixed.

    """
    seeds = np.array([len(row) for row in rows], dtype=np.float64)  # [r]
    own = np.array([row.var(ddof=1) for row in rows])  # [r]
    freedom = seeds - 1
    if len(rows) < MIN_ROWS_TO_POOL:
        return own / seeds, freedom
    # Five seeds tell a variance only to a factor of 2 either way, and one that is small by chance
    # would set its row apart. Simulated boards keep their level even if the spreads of their rows
    # differ by a factor of 16 (docs/method.md).
    pooled = float(own @ freedom) / float(freedom.sum())
    return (own + pooled) / 2 / seeds, 2 * freedom


def rejected(
    p: Float[FloatArray, "r r"], level: float = LEVEL
) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Return which of all off-diagonal hypotheses Holm's procedure rejects.

    In ascending order, p_(1) <= p_(2) <= ..., hypotheses are rejected as long as
    p_(k) <= level / (m - k + 1), with m the number of hypotheses.
    """
    tested = ~np.eye(len(p), dtype=bool)
    ordered = np.sort(p[tested])  # [m]
    limits = level / np.arange(len(ordered), 0, -1)  # [m]
    # The first hypothesis that is kept ends the procedure; False stands behind the last.
    passed = int(np.argmin(np.append(ordered <= limits, False)))
    cutoff = ordered[passed - 1] if passed else -1.0
    return np.asarray(tested & (p <= cutoff))


def _chance_above(
    difference: FloatArray, squared_error: FloatArray, freedom: FloatArray
) -> FloatArray:
    """Return the upper tail of Student's t; 0 or 1 where the error is 0."""
    from scipy.special import stdtr  # slow to import

    with np.errstate(invalid="ignore", divide="ignore"):
        t = difference / np.sqrt(squared_error)
    # Without spread any difference is certain, and equal means show none.
    t = np.where(squared_error > 0, t, np.where(difference > 0, np.inf, -np.inf))
    return np.asarray(stdtr(freedom, -t))
