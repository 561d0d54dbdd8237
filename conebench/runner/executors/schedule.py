"""The work of a run as tasks, for executors that do several at once: what follows from what.

A seed's ordinary training and kernels are one task; its arms, one a learning rate, and its
perturbed copies follow from it. A control whose learning rate is still to be chosen follows from
all the arms that it is chosen among.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from conebench.runner.stages.arms import arm_stage, best_of
from conebench.runner.stages.context import Context
from conebench.runner.stages.copies import copy_stage
from conebench.runner.stages.kernels import kernel_stage
from conebench.runner.stages.planned import arm_label, copy_label, kernel_label, training_label
from conebench.runner.stages.results import Stages, Trajectory
from conebench.runner.stages.training import train_stage
from conebench.spec.arms import Arm, PerturbedCopy, Rate
from conebench.storage.store import Stage


@dataclass(frozen=True)
class Task:
    """An arm with a learning rate, a perturbed copy, or else a seed's training and kernels.

    An arm without `rate` takes that which was chosen among `needs`, the tasks it waits for.
    """

    seed: int
    arm: Arm | None = None
    rate: Rate | None = None
    copy: PerturbedCopy | None = None
    needs: tuple["Task", ...] = ()

    def perform(self, stages: Stages) -> list["Task"]:
        """Fill the store with the task's stages; returns the tasks that follow from them."""
        if self.copy is not None:
            stages.comparisons(self.seed, self.copy)
        elif self.arm is not None:
            stages.arm(self.seed, self.arm, self.rate or self._chosen_rate(stages))
        else:
            return _following(stages.context, self.seed, stages.trajectory(self.seed))
        return []

    @property
    def is_trajectory(self) -> bool:
        """Whether it is a seed's training and kernels, from which all else follows."""
        return self.arm is None and self.copy is None

    @property
    def label(self) -> str:
        """What the task is called."""
        if self.copy is not None:
            return copy_label(self.seed, self.copy)
        if self.arm is not None:
            return arm_label(self.seed, self.arm, self.rate or "inherit")
        return f"seed {self.seed}: training and kernels"

    def outputs(self, stages: Stages) -> list[tuple[str, Stage]]:
        """The stages that the task computes, with their labels."""
        context, seed = stages.context, self.seed
        if self.copy is not None:
            return [(self.label, copy_stage(context, seed, self.copy))]
        if self.arm is None:
            return trajectory_stages(context, seed)
        rate = self.rate or self._chosen_rate(stages)
        return [(arm_label(seed, self.arm, rate), arm_stage(context, seed, self.arm, rate))]

    def _chosen_rate(self, stages: Stages) -> Rate:
        arms = [(task.arm, task.rate) for task in self.needs]
        rates = [rate for _, rate in arms if rate is not None]
        ends = [stages.arm(self.seed, arm, rate) for arm, rate in arms if arm and rate is not None]
        return rates[best_of(rates, ends)[0]]


def trajectory_stages(context: Context, seed: int) -> list[tuple[str, Stage]]:
    """Ordinary training and kernels of a seed, from which all else follows."""
    return [
        (training_label(seed), train_stage(context, seed)),
        (kernel_label(seed), kernel_stage(context, seed)),
    ]


def _following(context: Context, seed: int, found: Trajectory) -> list[Task]:
    """What can be done once a seed is trained and its kernels are measured, each stage once."""
    tasks: dict[str, Task] = {}
    switched: dict[int, tuple[Task, ...]] = {}
    controls = []
    for arm in found.arms(context):
        if arm.kind == "control" and len(arm.rates) > 1:
            controls.append(Task(seed, arm, needs=switched[arm.start]))
            continue
        stems = {rate: arm_stage(context, seed, arm, rate).file_stem for rate in arm.rates}
        for rate, stem in stems.items():
            tasks.setdefault(stem, Task(seed, arm, rate))
        if arm.name == "switched":
            switched[arm.start] = tuple(tasks[stem] for stem in stems.values())
    copies = [Task(seed, copy=copy) for copy in found.copies(context)]
    return [*tasks.values(), *controls, *copies]


@dataclass
class Schedule:
    """The tasks of one run: which may begin, which wait for others."""

    seeds: Iterable[int]
    _waiting: list[Task] = field(default_factory=list)
    _ended: set[Task] = field(default_factory=set)

    def first(self) -> list[Task]:
        """The tasks to begin with."""
        return [Task(seed) for seed in self.seeds]

    def after(self, task: Task, following: Iterable[Task] = ()) -> list[Task]:
        """The tasks that may begin now that this one has ended, well or not."""
        self._ended.add(task)
        waiting = [*self._waiting, *following]
        ready = [task for task in waiting if self._ended.issuperset(task.needs)]
        self._waiting = [task for task in waiting if task not in ready]
        return ready
