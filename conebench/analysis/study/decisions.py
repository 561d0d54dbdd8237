"""Adjust p values, test equivalence, and give each effect a verdict."""

import math
from collections.abc import Sequence
from typing import Literal

from conebench.analysis.study.effect import Effect

Verdict = Literal["found", "no effect", "not found", "undefined"]
FALSE_DISCOVERY_RATE = 0.05
EQUIVALENCE_LEVEL = 0.05


def adjusted_p_values(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p-values adjusted by Benjamini and Hochberg.

    Args:
        p_values: The whole family as it was planned. None, a test that could not be made, counts as
            1, so an unfinished study finds no more than the finished one would with nothing there.

    Returns:
        The adjusted p-values, None where there is none.

    Example:
        >>> [p and round(p, 3) for p in adjusted_p_values([0.01, 0.04, None, 0.03])]
        [0.04, 0.053, None, 0.053]

    Source: Benjamini and Hochberg 1995.

    """
    from scipy.stats import false_discovery_control  # slow to import

    if not p_values:
        return []
    adjusted = false_discovery_control([1.0 if p is None else p for p in p_values]).tolist()
    return [None if p is None else q for p, q in zip(p_values, adjusted, strict=True)]


def equivalence_p(effect: Effect, margin: float) -> float | None:
    """Return the p-value of "within the margin".

    Args:
        effect: The effect.
        margin: Largest effect that counts as none, above 0.

    Returns:
        The larger p of two one-sided t tests; below 5 % where the 90 % interval lies within the
        margin. None with one seed.

    Example:
        >>> round(equivalence_p(Effect(0.0, 0.01, 4.0, 5), margin=0.3), 3)
        0.02

    Source: Schuirmann 1987.

    """
    from scipy.special import stdtr  # slow to import

    if effect.squared_error is None:
        return None
    if effect.squared_error == 0:
        return float(abs(effect.value) >= margin)
    return float(
        stdtr(effect.freedom, (abs(effect.value) - margin) / math.sqrt(effect.squared_error))
    )


def decide(effect: Effect | None, adjusted_p: float | None, margin: float | None) -> Verdict:
    """Return the verdict on an effect.

    Args:
        effect: The effect; None where undefined.
        adjusted_p: Its p-value after adjustment for the family.
        margin: Largest effect that counts as none; None if there is no such margin.

    Returns:
        "found" for an adjusted p below 5 %; else "no effect" if it is equivalent to none, and
        "not found" if it is not.

    Example:
        >>> decide(Effect(0.0, 0.01, 4.0, 5), adjusted_p=1.0, margin=0.3)
        'no effect'

    """
    if effect is None or adjusted_p is None:
        return "undefined"
    if adjusted_p < FALSE_DISCOVERY_RATE:
        return "found"
    return "no effect" if is_equivalent(effect, margin) else "not found"


def is_equivalent(effect: Effect, margin: float | None) -> bool:
    """Return True if the effect lies within the margin.

    Args:
        effect: The effect.
        margin: Largest effect that counts as none; None if there is no such margin.

    Returns:
        True if the two one-sided tests reject at 5 %.

    Example:
        >>> is_equivalent(Effect(0.0, 0.01, 4.0, 5), None)
        False

    """
    p = None if margin is None else equivalence_p(effect, margin)
    return p is not None and p < EQUIVALENCE_LEVEL
