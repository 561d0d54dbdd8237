"""Means over the seeds of a record, with intervals."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import TypeVar, get_args

import numpy as np

from conebench.analysis.accuracy import accuracy
from conebench.analysis.intervals import Estimate, mean_estimate
from conebench.record.arms import ArmResult
from conebench.record.quantities import UNDEFINED, interval_or_reason, percent, whole
from conebench.record.schema import Record
from conebench.spec.arms import ArmName

KeyT = TypeVar("KeyT", bound=Hashable)


@dataclass(frozen=True)
class SeedMean:
    """A mean over seeds; `estimate` is None if none finished."""

    estimate: Estimate | None
    started: int

    def cells(self, name: str, number: Callable[[float], str]) -> dict[str, str]:
        """Write mean, interval and count of seeds, by column."""
        finished = self.estimate.seeds if self.estimate else 0
        return {
            name: number(self.estimate.value) if self.estimate else UNDEFINED,
            "95 % interval": interval_or_reason(number, self.estimate),
            "Seeds finished": f"{finished} of {self.started}",
        }


def seed_means(
    values: Iterable[tuple[KeyT, float | None]], bounds: tuple[float, float]
) -> dict[KeyT, SeedMean]:
    """Return the mean over seeds of the values under each key.

    A value is None if the seed did not finish. Intervals end at `bounds`.
    """
    by_key: dict[KeyT, list[float | None]] = {}
    for key, value in values:
        by_key.setdefault(key, []).append(value)
    means = {}
    for key, started in by_key.items():
        finished = [value for value in started if value is not None]
        estimate = mean_estimate(np.array(finished), bounds) if finished else None
        means[key] = SeedMean(estimate, len(started))
    return means


def arm_means(record: Record) -> dict[tuple[ArmName, int], SeedMean]:
    """Return the mean test accuracy by arm and switch step, over seeds and test images."""
    by_key: dict[tuple[ArmName, int], list[ArmResult]] = {}
    for seed in record.seeds:
        for arm in seed.arms:
            by_key.setdefault((arm.arm, arm.step or 0), []).append(arm)
    images, order = record.data.test_images, get_args(ArmName)
    means = {key: SeedMean(_accuracy(arms, images), len(arms)) for key, arms in by_key.items()}
    return dict(sorted(means.items(), key=lambda item: (order.index(item[0][0]), item[0][1])))


def _accuracy(arms: Iterable[ArmResult], test_images: int) -> Estimate | None:
    """Return the accuracy of the arms that finished."""
    right = [found for arm in arms if (found := arm.right(test_images)) is not None]
    return accuracy(right).estimate if right else None


def arm_cells(record: Record) -> list[dict[str, str]]:
    """Write every arm with its mean test accuracy."""
    return [
        {
            "Arm": arm,
            "Switch step s": UNDEFINED if arm == "full" else whole(step),
            **mean.cells("Test accuracy at T, %", percent),
        }
        for (arm, step), mean in arm_means(record).items()
    ]


def barrier_means(record: Record) -> dict[tuple[int, int], SeedMean]:
    """Return the mean barrier by t1 and t0."""
    barriers = (
        ((result.t1, result.t0), result.barrier)
        for seed in record.seeds
        for result in seed.chaos or ()
    )
    return dict(sorted(seed_means(barriers, (0.0, np.inf)).items()))
