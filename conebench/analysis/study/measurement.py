"""How much a figure depends on the probe images."""

from dataclasses import dataclass

from jaxtyping import Float

from conebench.analysis.distance import FloatArray


@dataclass(frozen=True)
class ProbeVariance:
    """Variance of a figure between sets of probe images, the same for all seeds."""

    variance: float
    freedom: float


def probe_variance(values: Float[FloatArray, "seeds sets"]) -> ProbeVariance:
    """Return the variance between probe sets.

    All seeds of a cell have the same probe images, so their spread does not show it. From the two
    mean squares of a table of seeds and sets,

        variance = max(0, (MS of sets - MS of what is left) / seeds).

    Args:
        values: The figure of each seed with each probe set, two or more of both.

    Returns:
        The variance, with as many degrees of freedom as there are sets beyond the first.

    Example: sets that differ by the same in all seeds.
        >>> import numpy as np
        >>> probe_variance(np.array([[1.0, 3.0], [2.0, 4.0], [0.0, 2.0]]))
        ProbeVariance(variance=2.0, freedom=1.0)

    Source: Searle, Casella, McCulloch 1992, "Variance Components".

    """
    seeds, sets = values.shape
    of_sets, of_seeds = values.mean(axis=0), values.mean(axis=1)  # [sets], [seeds]
    left = values - of_sets - of_seeds[:, None] + values.mean()  # [seeds, sets]
    MS_sets = seeds * float(of_sets.var(ddof=1))
    MS_left = float((left**2).sum()) / ((seeds - 1) * (sets - 1))
    return ProbeVariance(max(0.0, (MS_sets - MS_left) / seeds), float(sets - 1))
