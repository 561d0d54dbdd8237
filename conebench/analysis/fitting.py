"""The step at which ordinary training has fitted its images."""

from collections.abc import Sequence

FITTED_SHARE = 0.1


def fit_step(steps: Sequence[int], losses: Sequence[float | None], initial: float) -> int | None:
    """Return T_fit, the first step with a loss below 10 % of the initial one.

    Args:
        steps: Checkpoints, ascending.
        losses: Training loss at each of them; None where it is not known.
        initial: Loss before training.

    Returns:
        The step, or None if training does not get there.

    Example:
        >>> fit_step([0, 50, 100], [None, 0.5, 0.2], initial=2.3)
        100

    """
    for step, loss in zip(steps, losses, strict=True):
        if loss is not None and loss < FITTED_SHARE * initial:
            return step
    return None
