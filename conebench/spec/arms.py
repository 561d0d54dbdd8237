"""The arms that a spec asks for, once it is known how far ordinary training came and what T* is."""

from typing import Literal, NamedTuple

from conebench.spec.schema import Spec

ArmName = Literal["full", "lazy", "switched", "control", "probe"]
Kind = Literal["linear", "control", "probe"]
Rate = float | Literal["inherit"]


class Arm(NamedTuple):
    """One arm of one seed: what it is called, where it starts and what its network is.

    It is trained with each of `rates`, constants or the schedule, and the best is kept; a control
    only with that which was chosen for the linear arm of the same start.
    """

    name: ArmName
    kind: Kind
    start: int
    anchor: int | Literal["pretrained"]
    rates: tuple[Rate, ...]

    @property
    def planned_rates(self) -> tuple[Rate, ...]:
        """The rates it will be trained with; the first stands for a control's, not chosen yet."""
        return self.rates[:1] if self.kind == "control" else self.rates

    @property
    def label(self) -> str:
        """The arm's name as the documentation writes it."""
        return "lazy" if self.name == "lazy" else f"{self.name}({self.start})"


def plan_arms(spec: Spec, reached: int, T_star: int | None) -> list[Arm]:
    """The arms `lazy`, then `switched`, `control` and `probe` at each switch step.

    Switch steps are those of the spec up to `reached`, the last checkpoint of ordinary training,
    and T* if it is asked for.
    """
    point = spec.linearization.point
    switches = {step for step in spec.switching.steps if step <= reached}
    choice = spec.linearization.learning_rate
    rates = choice if isinstance(choice, tuple) else (choice,)
    arms = []
    if not isinstance(point, int) or point <= reached:
        arms.append(Arm("lazy", "linear", 0, 0 if point == "init" else point, rates))
    if T_star is not None and spec.switching.add_t_star:
        switches.add(T_star)
    for step in sorted(switches):
        arms.append(Arm("switched", "linear", step, step, rates))
        if settings_differ(spec):
            arms.append(Arm("control", "control", step, step, rates))
        arms.append(Arm("probe", "probe", step, step, rates))
    return arms


def settings_differ(spec: Spec) -> bool:
    """Whether linear arms are trained otherwise than `full`, so that a control is needed."""
    choice = spec.linearization
    augmentation = spec.dataset.augmentation
    augments = augmentation.flip or augmentation.crop_padding > 0
    return (
        choice.learning_rate != "inherit"
        or (choice.weight_decay != "zero-origin" and spec.training.optimizer.weight_decay > 0)
        or (choice.augmentation == "none" and augments)
        or choice.loss not in ("inherit", spec.training.loss)
    )


class PerturbedCopy(NamedTuple):
    """A copy that leaves ordinary training at `t0` and is compared at each of `ends`, ascending.

    `sigma` is the size of its perturbation, `points` how many losses along the line are taken.
    """

    t0: int
    ends: tuple[int, ...]
    sigma: float
    points: int

    @property
    def label(self) -> str:
        """What the progress display calls it."""
        return f"perturbed copy({self.t0})"


def plan_copies(spec: Spec, reached: int) -> list[PerturbedCopy]:
    """One copy for each t0 of the spec, with every t1 up to `reached`.

    That is the last checkpoint with a kernel: beyond it there is nothing to compare with.
    """
    chaos = spec.chaos
    if chaos is None:
        return []
    ends: dict[int, list[int]] = {}
    for t0, t1 in sorted(chaos.pairs):
        if t1 <= reached:
            ends.setdefault(t0, []).append(t1)
    return [PerturbedCopy(t0, tuple(t1s), chaos.sigma, chaos.points) for t0, t1s in ends.items()]
