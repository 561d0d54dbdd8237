"""The cone effect's own claim: the kernel moves, it is confined, and that pays."""

from dataclasses import dataclass

from conebench.analysis.study.effect import Effect


@dataclass(frozen=True)
class Claim:
    """Each statement of the claim in one cell; None where it cannot be judged."""

    # Motion has an interval above 0.
    moves: bool | None
    # alpha has an interval below 1, the value of a walk without memory.
    confined: bool | None
    # B(w) has an interval above 0.
    pays: bool | None

    @property
    def holds(self) -> bool | None:
        """True if all three hold. None if none fails but one cannot be judged."""
        parts = (self.moves, self.confined, self.pays)
        if False in parts:
            return False
        return None if None in parts else True


def judge_claim(motion: Effect | None, alpha: Effect | None, benefit: Effect | None) -> Claim:
    """Judge the claim in one cell, by intervals.

    Args:
        motion: Motion over seeds; None where undefined.
        alpha: The confinement exponent.
        benefit: B(w).

    Returns:
        The three statements; None where a figure has no interval.

    Example:
        >>> judge_claim(Effect(1.0, 0.01, 4.0, 5), Effect(0.9, 0.01, 4.0, 5), None)
        Claim(moves=True, confined=False, pays=None)

    """
    return Claim(_lies_above(motion, 0.0), is_confined(alpha), _lies_above(benefit, 0.0))


def is_confined(alpha: Effect | None) -> bool | None:
    """Judge if a kernel is confined, by the interval of alpha.

    Args:
        alpha: The confinement exponent over seeds; None where undefined.

    Returns:
        True if the interval lies below 1, the value of a walk without memory. None without one.

    Example:
        >>> is_confined(Effect(0.6, 0.01, 4.0, 5))
        True

    """
    ends = alpha.interval() if alpha else None
    return None if ends is None else ends[1] < 1


def _lies_above(effect: Effect | None, value: float) -> bool | None:
    ends = effect.interval() if effect else None
    return None if ends is None else ends[0] > value
