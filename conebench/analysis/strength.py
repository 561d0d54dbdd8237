"""Figures of one run over its seeds: cone, strength, and what non-linear training is worth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from conebench.analysis.accuracy import (
    Arm,
    Finding,
    accuracy,
    benefit,
    kernel_benefit,
    lazy_gap,
    loss_benefit,
    share_of_lazy_gap,
)
from conebench.analysis.cone_strength import cone_strength
from conebench.analysis.distance import FloatArray
from conebench.analysis.intervals import Estimate, mean_estimate
from conebench.analysis.meaning import says
from conebench.analysis.phases import PhaseOutcome, Phases
from conebench.analysis.window import Undefined, WindowFigures

Verdict = Literal["measured"] | Undefined
SeedOutcome = PhaseOutcome | Literal["diverged"]
# Name of an arm, and the step at which it leaves ordinary training.
ArmKey = tuple[str, int | None]
# The arm that switched arms are compared with.
Control = Literal["full", "control"]

ANY, POSITIVE = (-np.inf, np.inf), (0.0, np.inf)
SHARE, ANGLE = (0.0, 1.0), (0.0, 90.0)
# Means over seeds of the late window's figures, and their ranges, where intervals end.
WINDOW_BOUNDS: Mapping[str, tuple[float, float]] = {
    "turn_deg": ANGLE,
    "cone_deg": ANGLE,
    "cone_95_deg": ANGLE,
    "N": SHARE,
    "alpha": ANY,
    "VR": POSITIVE,
    "motion": POSITIVE,
    "drift": POSITIVE,
}
SWITCH_FIGURES = ("benefit", "loss_benefit", "kernel_benefit", "Gamma")
FORMULA = "CES = 100 N (1 - alpha)"


@dataclass(frozen=True)
class SeedFigures:
    """One seed: figures of its primary view, and its arms."""

    phases: Phases
    window: WindowFigures
    T_fit: int | None
    diverged: bool
    # 1 for each test image that the arm got right, or the share alone; None if it diverged.
    right: Mapping[ArmKey, FloatArray | None]
    losses: Mapping[ArmKey, float | None]

    @property
    def outcome(self) -> SeedOutcome:
        """The phases that were found, or that training diverged."""
        return "diverged" if self.diverged else self.phases.outcome


@dataclass(frozen=True)
class SwitchFigures:
    """Benefits of non-linear training after one switch step."""

    step: int | None = field(metadata=says("Step s of the switch; null: each seed's own T*."))
    benefit: Estimate | None = field(
        metadata=says("B(s), A(control(s)) − A(switched(s)); the control is full without one.")
    )
    loss_benefit: Estimate | None = field(
        metadata=says("B(s) in test loss, that of switched(s) − that of the control.")
    )
    kernel_benefit: Estimate | None = field(
        metadata=says("A(switched(s)) − A(probe(s)): what the kernel gives beyond the last layer.")
    )
    Gamma: Estimate | None = field(metadata=says("B(s) / lazy gap."))
    undefined: dict[str, str] = field(metadata=says("Why a figure is null, by its name."))


@dataclass(frozen=True)
class Summary:
    """Figures over the seeds of one run, with intervals; null where undefined.

    Figures of the late window are means over seeds, of the primary view.
    """

    verdict: Verdict = field(metadata=says("`measured`, or why CES is undefined."))
    detail: str = field(metadata=says("The verdict in a sentence."))
    outcomes: dict[SeedOutcome, int] = field(metadata=says("Number of seeds by outcome."))
    w: int | None = field(
        metadata=says("First step of the late window; null without a constant learning rate.")
    )
    CES: Estimate | None = field(
        metadata=says("Cone-effect strength, 100 N (1 − α), from 0 to 100.")
    )
    contributions: tuple[float, ...] = field(
        metadata=says("A value per seed; their mean is CES before it is clipped. Ranks use them.")
    )
    turn_deg: Estimate | None = field(
        metadata=says("Angle from the first kernel to the axis of the late window, in degrees.")
    )
    cone_deg: Estimate | None = field(
        metadata=says("Cone angle: root-mean-square size of the late window’s cone, in degrees.")
    )
    cone_95_deg: Estimate | None = field(
        metadata=says("95th percentile of the kernels’ angles to the axis, in degrees.")
    )
    N: Estimate | None = field(
        metadata=says("Narrowness of the cone, 1 − cone angle / turn, clipped to [0, 1].")
    )
    alpha: Estimate | None = field(
        metadata=says("Confinement exponent: 0 is bounded, 1 a memoryless walk, 2 a straight line.")
    )
    VR: Estimate | None = field(
        metadata=says("Scatter about the axis over that of a memoryless walk with the same steps.")
    )
    motion: Estimate | None = field(
        metadata=says("Median S over one interval of the late window, per summed learning rate.")
    )
    drift: Estimate | None = field(
        metadata=says("Median S over one interval, late in the window over early.")
    )
    benefit: Estimate | None = field(
        metadata=says(
            "B(w), A(control(w)) − A(switched(w)): what non-linear training after w is worth."
        )
    )
    loss_benefit: Estimate | None = field(
        metadata=says("Test loss of switched(w) minus that of the control.")
    )
    kernel_benefit: Estimate | None = field(
        metadata=says("A(switched(w)) − A(probe(w)): what the kernel gives beyond the last layer.")
    )
    lazy_gap: Estimate | None = field(metadata=says("A(full) − A(lazy)."))
    Gamma: Estimate | None = field(
        metadata=says(
            "Γ(w), B(w) / lazy gap: share of the advantage over lazy training that needs "
            "non-linear training after w."
        )
    )
    A_full: Estimate | None = field(metadata=says("Test accuracy at T of ordinary training."))
    A_lazy: Estimate | None = field(
        metadata=says("Test accuracy at T of the network linearized at the linearization point.")
    )
    A_switched: Estimate | None = field(
        metadata=says("Test accuracy at T of ordinary training to w, linearized from there on.")
    )
    T_star: Estimate | None = field(
        metadata=says("End of Phase I by settling time, over the seeds that have one.")
    )
    change_point: Estimate | None = field(
        metadata=says("End of Phase I by change point, over the seeds that have one.")
    )
    T_fit: Estimate | None = field(
        metadata=says("First checkpoint with under 10 % of the initial loss, over such seeds.")
    )
    switches: tuple[SwitchFigures, ...] = field(
        metadata=says("The arms' figures at each switch step, then at T*.")
    )
    undefined: dict[str, str] = field(metadata=says("Why a figure is null, by its name."))


def summarize(
    seeds: Sequence[SeedFigures], *, w: int | None, steps: Sequence[int], control: Control
) -> Summary:
    """Compute the figures over the seeds of one run.

    Args:
        seeds: Figures and arms of each seed.
        w: First step of the late window; None without a stretch of constant learning rate.
        steps: The spec's switch steps.
        control: "control" where linear arms are trained otherwise than `full` is.

    Returns:
        The figures. Each that is None has its reason in `undefined`.

    Example: one seed whose kernel turns by 60 degrees and stays; no arms.
        >>> from conebench.analysis import find_phases, measure_window
        >>> steps = np.arange(0, 1001, 50)
        >>> angle = np.radians(np.where(steps < 200, 0.3 * steps, 60 + np.cos(2 * steps)))
        >>> G = np.cos(angle[:, None] - angle)
        >>> window = measure_window(G, steps, 50, (0, 1000), np.full(1000, 0.1))
        >>> phases = find_phases(G, steps, 50, (0, 1000))
        >>> seed = SeedFigures(phases, window, None, False, right={}, losses={})
        >>> summary = summarize([seed], w=300, steps=(), control="full")
        >>> summary.verdict, round(summary.turn_deg.value)
        ('measured', 60)
        >>> summary.undefined["lazy_gap"]
        'an arm has no accuracy in 1 of 1 seeds'

    """
    strength = cone_strength([seed.window for seed in seeds])
    undefined = next((seed.window.undefined for seed in seeds if seed.window.undefined), None)
    at_w = _at_window(seeds, w, control)
    arms: dict[str, Finding] = {
        "lazy_gap": lazy_gap(*(_right(seeds, arm) for arm in (("full", None), ("lazy", 0)))),
        "A_full": accuracy(_right(seeds, ("full", None))),
        "A_lazy": accuracy(_right(seeds, ("lazy", 0))),
        "A_switched": Finding(None, missing)
        if (missing := _no_arm_at(seeds, w))
        else accuracy(_right(seeds, ("switched", w))),
    }
    means = {name: _window_mean(seeds, name) for name in WINDOW_BOUNDS}
    findings = {**means, **arms, "CES": Finding(strength.CES, strength.undefined)}
    return Summary(
        verdict=undefined or "measured",
        detail=strength.undefined or FORMULA,
        outcomes=_counts(seeds),
        w=w,
        contributions=strength.contributions,
        **{name: finding.estimate for name, finding in findings.items()},
        **{name: getattr(at_w, name) for name in SWITCH_FIGURES},
        T_star=_description([seed.phases.T_star for seed in seeds]),
        change_point=_description([seed.phases.change_point for seed in seeds]),
        T_fit=_description([seed.T_fit for seed in seeds]),
        switches=(*(_at(seeds, step, control) for step in steps), _at(seeds, None, control)),
        undefined={**_reasons(findings), **at_w.undefined},
    )


def _at_window(seeds: Sequence[SeedFigures], w: int | None, control: Control) -> SwitchFigures:
    missing = _no_arm_at(seeds, w)
    if missing is None:
        return _at(seeds, w, control)
    return SwitchFigures(w, None, None, None, None, dict.fromkeys(SWITCH_FIGURES, missing))


def _no_arm_at(seeds: Sequence[SeedFigures], w: int | None) -> str | None:
    """Say that no arm starts at w in some seeds. None if one does in all."""
    if w is None:
        return "no constant learning rate"
    lost = sum(("switched", w) not in seed.right for seed in seeds)
    if not lost:
        return None
    # The T* of single seeds may be w.
    counted = f" in {lost} of {len(seeds)} seeds" if lost < len(seeds) else ""
    return f"no arm at w = {w:,}{counted}"


def _at(seeds: Sequence[SeedFigures], step: int | None, control: Control) -> SwitchFigures:
    """Return the figures at one step. None stands for each seed's T*."""
    # T* differs between seeds, so each seed has its own key.
    steps = [seed.phases.T_star if step is None else step for seed in seeds]
    names = ("full" if control == "full" else "control", "switched", "probe")
    keys = [[(name, None if name == "full" else s) for s in steps] for name in names]
    unlinear, switched, probe = (_each(seeds, arm) for arm in keys)
    losses = [_each(seeds, arm, losses=True) for arm in keys[:2]]
    full, lazy = _right(seeds, ("full", None)), _right(seeds, ("lazy", 0))
    findings = {
        "benefit": benefit(unlinear, switched),
        "loss_benefit": loss_benefit(*losses),
        "kernel_benefit": kernel_benefit(switched, probe),
        "Gamma": share_of_lazy_gap(unlinear, switched, full, lazy),
    }
    estimates = {name: finding.estimate for name, finding in findings.items()}
    return SwitchFigures(step=step, **estimates, undefined=_reasons(findings))


def _right(seeds: Sequence[SeedFigures], key: ArmKey) -> Arm:
    return _each(seeds, [key] * len(seeds))


def _each(seeds: Sequence[SeedFigures], keys: Sequence[ArmKey], *, losses: bool = False) -> Arm:
    """Return the arm of each seed under its own key, None where it is missing."""
    if losses:
        found = [seed.losses.get(key) for seed, key in zip(seeds, keys, strict=True)]
        return [None if loss is None else np.array([loss]) for loss in found]
    return [seed.right.get(key) for seed, key in zip(seeds, keys, strict=True)]


def _reasons(findings: Mapping[str, Finding]) -> dict[str, str]:
    return {name: found.undefined for name, found in findings.items() if found.undefined}


def _window_mean(seeds: Sequence[SeedFigures], name: str) -> Finding:
    """Return the mean of a window's figure. Undefined unless every seed has it."""
    values = [getattr(seed.window, name) for seed in seeds]
    missing = [seed.window for seed, value in zip(seeds, values, strict=True) if value is None]
    if missing:
        reasons = dict.fromkeys(window.reason or "not measurable" for window in missing)
        return Finding(None, f"{', '.join(reasons)} in {len(missing)} of {len(seeds)} seeds")
    return Finding(mean_estimate(np.array(values, dtype=np.float64), WINDOW_BOUNDS[name]))


def _description(steps: Sequence[int | None]) -> Estimate | None:
    """Return the mean step over the seeds that have one."""
    # Seeds without one are left out: these steps describe a run, and rank nothing.
    known = [step for step in steps if step is not None]
    return mean_estimate(np.array(known, dtype=np.float64), POSITIVE) if known else None


def _counts(seeds: Sequence[SeedFigures]) -> dict[SeedOutcome, int]:
    outcomes = [seed.outcome for seed in seeds]
    return {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))}
