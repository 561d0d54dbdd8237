"""Arms and perturbed copies that a spec plans for each seed."""

from typing import Literal, NamedTuple

from conebench.spec.schema import Spec

ArmName = Literal["full", "lazy", "switched", "control", "probe"]
Kind = Literal["linear", "control", "probe"]
Rate = float | Literal["inherit"]


class Arm(NamedTuple):
    """One arm of one seed: its name, where it starts, and what its network is.

    A control is trained only with the rate chosen for the linear arm of the same start.
    """

    name: ArmName
    kind: Kind
    start: int
    # The step whose network it starts from, or is linearized at.
    anchor: int | Literal["pretrained"]
    # It is trained with each of these, and the best is kept.
    rates: tuple[Rate, ...]
    start_is_guess: bool = False

    @property
    def planned_rates(self) -> tuple[Rate, ...]:
        """The rates it is trained with. For a control, the first stands for the chosen one."""
        return self.rates[:1] if self.kind == "control" else self.rates

    @property
    def label(self) -> str:
        """The arm's name as the documentation writes it."""
        if self.name == "lazy":
            return "lazy"
        return f"{self.name}({'T*' if self.start_is_guess else self.start})"


def plan_arms(spec: Spec, reached: int, T_star: int | None) -> list[Arm]:
    """List the arms: `lazy`, then `switched`, `control` and `probe` at each switch step.

    Switch steps are those of the spec up to `reached`, the last checkpoint of ordinary training,
    and T* if the spec asks for it.
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


def guess_arms(spec: Spec) -> list[Arm]:
    """List the arms before T* is known, with T* a third of the way."""
    guess = spec.total_steps // 3
    known = (0, *spec.switching.steps)
    arms = plan_arms(spec, spec.total_steps, guess)
    return [arm._replace(start_is_guess=arm.start not in known) for arm in arms]


def settings_differ(spec: Spec) -> bool:
    """Return True if linear arms are trained unlike `full`, so that controls are needed."""
    choice = spec.linearization
    # `zero-origin` pulls w + theta_s toward 0, as ordinary training pulls theta.
    return bool(
        choice.learning_rate != "inherit"
        or (choice.weight_decay != "zero-origin" and spec.training.optimizer.weight_decay > 0)
        or (choice.augmentation == "none" and spec.dataset.augmentation.names)
        or choice.loss not in ("inherit", spec.training.loss)
    )


class PerturbedCopy(NamedTuple):
    """A copy perturbed at `t0` and compared with ordinary training later."""

    t0: int
    # Steps of the comparisons, ascending.
    ends: tuple[int, ...]
    # Size of the perturbation.
    sigma: float
    # Number of losses along the line between the two networks.
    points: int

    @property
    def label(self) -> str:
        """The copy's name in messages."""
        return f"perturbed copy({self.t0})"


def plan_pairs(spec: Spec, reached: int) -> list[tuple[int, int]]:
    """List the pairs (t0, t1) of the chaos probe, in the spec's order.

    `reached` is the last checkpoint with a kernel.
    """
    # Beyond it there is nothing to compare with.
    return [pair for pair in spec.chaos.pairs if pair[1] <= reached] if spec.chaos else []


def plan_copies(spec: Spec, reached: int) -> list[PerturbedCopy]:
    """List one copy per t0 of the chaos probe, with all its t1 up to `reached`."""
    chaos = spec.chaos
    if chaos is None:
        return []
    ends: dict[int, list[int]] = {}
    for t0, t1 in sorted(plan_pairs(spec, reached)):
        ends.setdefault(t0, []).append(t1)
    return [PerturbedCopy(t0, tuple(t1s), chaos.sigma, chaos.points) for t0, t1s in ends.items()]
