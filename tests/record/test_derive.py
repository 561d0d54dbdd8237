"""Figures follow from raw data, and only from them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from synthetic import BASE_SPEC, TEST_IMAGES, make_record, make_seed_result, make_spec, with_groups

from conebench.analysis.phases import find_phases
from conebench.analysis.stretches import measure_stretches
from conebench.analysis.window import measure_window
from conebench.record import (
    ArmResult,
    AveragedTrajectory,
    Record,
    SeedResult,
    TriedRate,
    choose_rate,
    derive_groups,
    derive_phases,
    derive_stretches,
    derive_summary,
    derive_windows,
    lower_triangle,
    recompute,
)
from conebench.spec import learning_rate

RECORD = make_record()
TRAINING: dict[str, Any] = BASE_SPEC["training"]
KERNEL: dict[str, Any] = BASE_SPEC["kernel"]


def test_a_record_recomputes_to_itself() -> None:
    assert recompute(RECORD) == RECORD


def tampered(record: Record) -> Record:
    seeds = [
        seed.model_copy(
            update={
                "phases": replace(seed.phases, T_star=50, floor=0.5, estimators_disagree=True),
                "windows": [
                    window.model_copy(update={"figures": replace(window.figures, N=1.0)})
                    for window in seed.windows or ()
                ],
                "T_fit": 5,
            }
        )
        for seed in record.seeds
    ]
    summary = replace(record.figures, CES=replace(record.figures.N, value=99.0), detail="trust me")
    return record.model_copy(update={"seeds": seeds, "summary": summary})


def test_tampered_figures_are_restored() -> None:
    assert tampered(RECORD) != RECORD
    assert recompute(tampered(RECORD)) == RECORD


def test_a_figure_that_was_left_out_is_restored() -> None:
    bare = [seed.model_copy(update={"windows": None, "T_fit": None}) for seed in RECORD.seeds]
    assert recompute(RECORD.model_copy(update={"seeds": bare})) == RECORD


def test_raw_data_stay_as_they_are() -> None:
    G = np.eye(len(RECORD.seeds[0].kernel.steps))
    trace, summed = RECORD.seeds[0].kernel.views or ()
    still = trace.model_copy(update={"gram": lower_triangle(G)})
    kernel = RECORD.seeds[0].kernel.model_copy(update={"views": [still, summed]})
    seeds = [RECORD.seeds[0].model_copy(update={"kernel": kernel}), *RECORD.seeds[1:]]
    record = recompute(RECORD.model_copy(update={"seeds": seeds}))
    assert record.seeds[0].kernel == kernel
    assert record.seeds[0].window != RECORD.seeds[0].window
    assert record.seeds[1:] == RECORD.seeds[1:]


def test_geometry_uses_the_grid_and_the_stretch_of_the_spec() -> None:
    schedule = {"name": "multistep", "milestones": [0.6], "warmup_steps": 100}
    kernel = {**KERNEL, "window": 0.2}
    spec = make_spec(training={**TRAINING, "schedule": schedule}, kernel=kernel)
    kernels = make_seed_result(make_spec(), 0).kernel
    steps, (trace, summed) = np.array(kernels.steps), kernels.views or ()
    assert derive_phases(spec, kernels) == find_phases(trace.G(), steps, 50, (100, 600))
    rates = np.array([learning_rate(spec, step) for step in range(1000)])
    assert {window.view: window.figures for window in derive_windows(spec, kernels)} == {
        name: measure_window(view.G(), steps, 50, (100, 600), rates, 0.2)
        for name, view in (("trace", trace), ("full", kernels), ("sum", summed))
    }


def test_the_primary_view_is_trace_where_it_was_measured() -> None:
    seed = RECORD.seeds[0]
    assert [window.view for window in seed.windows or ()] == ["trace", "full", "sum"]
    assert seed.window == (seed.windows or [])[0].figures
    (alone,) = make_record(make_spec(kernel={**KERNEL, "outputs": "sum"})).seeds[0].windows or ()
    assert alone.view == "sum"


def test_averaged_weights_have_a_window_of_their_own() -> None:
    kernel = RECORD.seeds[0].kernel
    steps = [step for step in kernel.steps if step > 0 and step % 50 == 0]
    G = kernel.primary.G()[-len(steps) :, -len(steps) :]
    averaged = AveragedTrajectory(steps=steps, gram=lower_triangle(G), norm=[1.0] * len(steps))
    found = derive_windows(RECORD.spec, kernel.model_copy(update={"averaged": averaged}))
    assert found[-1].view == "averaged"
    # The window itself is the same; the turn is from the first average on.
    assert found[-1].figures.alpha == found[0].figures.alpha
    assert found[-1].figures.turn_deg != found[0].figures.turn_deg


def test_T_fit_is_where_the_training_loss_is_a_tenth_of_the_first_test_loss() -> None:
    seed = RECORD.seeds[0]
    losses = dict(zip(seed.training.steps, seed.training.train_loss, strict=True))
    first = next(t for t, loss in losses.items() if loss is not None and loss < 0.23)
    assert seed.T_fit == first
    slow = seed.training.model_copy(update={"train_loss": [None, *[2.0] * (len(losses) - 1)]})
    bare = RECORD.model_copy(update={"seeds": [seed.model_copy(update={"training": slow})]})
    assert recompute(bare).seeds[0].T_fit is None


def test_stretches_are_those_after_the_drops_of_the_spec() -> None:
    schedule = {"name": "multistep", "milestones": [0.6, 0.8]}
    spec = make_spec(training={**TRAINING, "schedule": schedule})
    kernel = make_seed_result(make_spec(), 0).kernel
    found = derive_stretches(spec, kernel, 200)
    expected = [(0, 600), (600, 800), (800, 1000)]
    G, steps = kernel.primary.G(), np.array(kernel.steps)
    assert found == measure_stretches(G, steps, 50, expected, 200)
    assert [(s.start, s.end) for s in found or []] == expected[1:]
    assert recompute(make_record(spec)).seeds[0].stretches is not None
    without_phase_2 = derive_stretches(spec, kernel, None)
    assert [s.axis_turn_deg for s in without_phase_2 or []] == [None, None]
    assert derive_stretches(make_spec(), kernel, 200) is None


def test_no_window_without_a_constant_learning_rate() -> None:
    record = make_record(make_spec(training={**TRAINING, "schedule": {"name": "cosine"}}))
    assert recompute(record) == record
    assert record.seeds[0].phases.outcome == "no constant learning rate"
    assert record.figures.verdict == "no constant learning rate"


def test_groups_follow_the_definitions_of_the_whole_each_from_its_first_step() -> None:
    spec = make_spec(kernel={"samples": 50, "by": "stage", "checkpoints": {"every": 50}})
    settles = {"a": 150, "b": 200, "late": 300, "unused": None}
    kernel = with_groups(make_record(spec), settles, late={"late": 100}).seeds[0].kernel
    found = derive_groups(spec, kernel)
    assert found is not None
    assert [group.name for group in found] == list(settles)
    for group, geometry in zip((kernel.groups or [])[:3], found, strict=False):
        alone = kernel.model_copy(update={"steps": group.steps, "gram": group.gram})
        alone = alone.model_copy(update={"views": None})
        assert geometry.phases == derive_phases(spec, alone)
        assert geometry.window == derive_windows(spec, alone)[0].figures
    assert (found[3].phases, found[3].window) == (None, None)
    assert derive_groups(make_spec(), RECORD.seeds[0].kernel) is None


def without(seed: SeedResult, name: str, step: int | None) -> SeedResult:
    kept = [arm for arm in seed.arms if (arm.arm, arm.step) != (name, step)]
    return seed.model_copy(update={"arms": kept})


def with_arm(seed: SeedResult, arm: ArmResult, **changes: object) -> SeedResult:
    arms = [other if other != arm else other.model_copy(update=changes) for other in seed.arms]
    return seed.model_copy(update={"arms": arms})


def arm_of(seed: SeedResult, name: str, step: int | None) -> ArmResult:
    return next(arm for arm in seed.arms if (arm.arm, arm.step) == (name, step))


def summary_of(*seeds: SeedResult) -> Any:
    return derive_summary(RECORD.spec, seeds, TEST_IMAGES)


DIVERGED = {
    "status": "diverged",
    "diverged_at": 9,
    "test_accuracy": None,
    "test_loss": None,
    "correct": None,
}


def test_summary_of_the_synthetic_record() -> None:
    summary = RECORD.figures
    assert (summary.verdict, summary.w, summary.undefined) == ("measured", 300, {})
    counts = {"benefit": 18, "kernel_benefit": 72, "lazy_gap": 126}
    for name, images in counts.items():
        assert getattr(summary, name).value == pytest.approx(images / TEST_IMAGES)


def test_the_arms_at_w_count() -> None:
    first, *others = RECORD.seeds
    missing = summary_of(without(first, "switched", 300), *others)
    assert missing.undefined["benefit"] == "no arm at w = 300 in 1 of 5 seeds"
    broken = with_arm(first, arm_of(first, "switched", 300), **DIVERGED)
    diverged = summary_of(broken, *others)
    assert diverged.undefined["benefit"] == "an arm has no accuracy in 1 of 5 seeds"
    for changed in (
        without(first, "switched", 500),
        with_arm(first, arm_of(first, "switched", 500), **DIVERGED),
    ):
        assert summary_of(changed, *others).benefit == RECORD.figures.benefit


def test_benefits_use_the_control_where_linear_arms_are_trained_otherwise() -> None:
    record = make_record(make_spec(linearization={"learning_rate": 0.01}))
    assert record.figures.benefit is not None
    assert record.figures.benefit.value == pytest.approx(0.02)


def test_without_bits_the_interval_is_over_seeds_alone() -> None:
    seeds = [
        seed.model_copy(
            update={"arms": [arm.model_copy(update={"correct": None}) for arm in seed.arms]}
        )
        for seed in RECORD.seeds
    ]
    found, known = summary_of(*seeds).benefit, RECORD.figures.benefit
    assert known is not None
    assert found.value == pytest.approx(known.value)
    assert found.high - found.low < known.high - known.low  # type: ignore[operator]


@pytest.mark.parametrize(
    ("validation", "best"),
    [
        ([(0.2, 1.0), (0.4, 9.0), (0.3, 0.1)], 1),
        ([(0.4, 1.0), (0.4, 0.5)], 1),
        ([(0.4, 0.5), (0.4, 0.5)], 0),
        ([7, (0.0, 100.0)], 1),
        ([3, 7, 5], 1),
    ],
)
def test_the_choice_is_by_validation_and_never_of_a_diverged_arm(
    validation: list[tuple[float, float] | int], best: int
) -> None:
    tried = []
    for found in validation:
        diverged_at, accuracy, loss = (
            (found, None, None) if isinstance(found, int) else (None, *found)
        )
        tried.append(
            TriedRate(
                learning_rate=0.1,
                diverged_at=diverged_at,
                validation_accuracy=accuracy,
                validation_loss=loss,
            )
        )
    assert choose_rate(tried) == best


@pytest.mark.parametrize(("turn_deg", "cone_deg"), [(5.0, 0.1), (1.0, 0.02)])
def test_the_rounding_of_G_changes_no_figure_of_a_nearly_lazy_run(
    turn_deg: float, cone_deg: float
) -> None:
    steps = np.arange(0, 1001, 20)
    z = np.random.default_rng(0).normal(size=(len(steps), 30))
    angle = np.radians(turn_deg) * np.maximum(0, 1 - steps / 200)  # [t]
    tangent = np.radians(cone_deg) / np.sqrt(30) * z
    h = np.column_stack([np.cos(angle), np.sin(angle), tangent])
    h /= np.linalg.norm(h, axis=1, keepdims=True)
    G = h @ h.T
    stored = np.array([row + [0.0] * (len(G) - len(row)) for row in lower_triangle(G)])
    stored += np.tril(stored, -1).T
    exact, rounded = (
        measure_window(of, steps, 20, (0, 1000), np.full(1000, 0.1)) for of in (G, stored)
    )
    assert exact.floor is not None
    assert exact.floor < 1e-5
    for name in ("turn_deg", "cone_deg", "cone_95_deg", "N", "VR", "motion", "drift"):
        assert getattr(rounded, name) == pytest.approx(getattr(exact, name), rel=2e-3), name
    assert rounded.alpha == pytest.approx(exact.alpha, abs=2e-3)
