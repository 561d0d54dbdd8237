"""Figures follow from raw data, and only from them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from synthetic import (
    BASE_SPEC,
    lower_triangle,
    make_record,
    make_seed_result,
    make_spec,
    with_groups,
)

from conebench.analysis.cone import measure_cone
from conebench.analysis.phases import find_phases
from conebench.analysis.stretches import measure_stretches
from conebench.record import (
    ArmResult,
    Record,
    SeedResult,
    TriedRate,
    choose_rate,
    derive_geometry,
    derive_groups,
    derive_stretches,
    derive_summary,
    recompute,
)

RECORD = make_record()
TRAINING: dict[str, Any] = BASE_SPEC["training"]


def test_a_record_recomputes_to_itself() -> None:
    assert recompute(RECORD) == RECORD


def tampered(record: Record) -> Record:
    seeds = [
        seed.model_copy(
            update={
                "phases": replace(seed.phases, T_star=50, floor=0.5, estimators_disagree=True),
                "cone": seed.cone and replace(seed.cone, N=1.0),
            }
        )
        for seed in record.seeds
    ]
    summary = replace(record.summary, CES=replace(record.summary.N, value=99.0), detail="trust me")
    return record.model_copy(update={"seeds": seeds, "summary": summary})


def test_tampered_figures_are_restored() -> None:
    assert tampered(RECORD) != RECORD
    assert recompute(tampered(RECORD)) == RECORD


def test_a_figure_that_was_left_out_is_restored() -> None:
    bare = [seed.model_copy(update={"cone": None}) for seed in RECORD.seeds]
    assert recompute(RECORD.model_copy(update={"seeds": bare})) == RECORD


def test_raw_data_stay_as_they_are() -> None:
    G = np.eye(len(RECORD.seeds[0].kernel.steps))
    kernel = RECORD.seeds[0].kernel.model_copy(update={"gram": lower_triangle(G)})
    seeds = [RECORD.seeds[0].model_copy(update={"kernel": kernel}), *RECORD.seeds[1:]]
    record = recompute(RECORD.model_copy(update={"seeds": seeds}))
    assert record.seeds[0].kernel == kernel
    assert record.seeds[0].cone != RECORD.seeds[0].cone
    assert record.seeds[1:] == RECORD.seeds[1:]


def test_geometry_uses_the_grid_and_the_stretch_of_the_spec() -> None:
    schedule = {"name": "multistep", "milestones": [0.6], "warmup_steps": 100}
    spec = make_spec(training={**TRAINING, "schedule": schedule})
    kernel = make_seed_result(make_spec(), 0).kernel
    steps = np.array(kernel.steps)
    phases, cone = derive_geometry(spec, kernel)
    assert phases == find_phases(kernel.G(), steps, 50, (100, 600))
    assert phases.T_star is not None
    assert cone == measure_cone(kernel.G(), steps, 50, phases.T_star, 600)


def test_stretches_are_those_after_the_drops_of_the_spec() -> None:
    schedule = {"name": "multistep", "milestones": [0.6, 0.8]}
    spec = make_spec(training={**TRAINING, "schedule": schedule})
    kernel = make_seed_result(make_spec(), 0).kernel
    found = derive_stretches(spec, kernel, 200)
    expected = [(0, 600), (600, 800), (800, 1000)]
    assert found == measure_stretches(kernel.G(), np.array(kernel.steps), 50, expected, 200)
    assert [(s.start, s.end) for s in found or []] == expected[1:]
    assert recompute(make_record(spec)).seeds[0].stretches is not None
    without_phase_2 = derive_stretches(spec, kernel, None)
    assert [s.axis_turn_deg for s in without_phase_2 or []] == [None, None]
    assert derive_stretches(make_spec(), kernel, 200) is None


def test_no_cone_without_a_Phase_II() -> None:
    spec = make_spec(training={**TRAINING, "schedule": {"name": "cosine"}})
    phases, cone = derive_geometry(spec, RECORD.seeds[0].kernel)
    assert (phases.outcome, cone) == ("no constant learning rate", None)
    record = recompute(make_record(spec))
    assert record.summary.verdict == "no constant learning rate"


def test_groups_follow_the_definitions_of_the_whole_each_from_its_first_step() -> None:
    spec = make_spec(kernel={"samples": 50, "by": "stage", "checkpoints": {"every": 50}})
    settles = {"a": 150, "b": 200, "late": 300, "unused": None}
    kernel = with_groups(make_record(spec), settles, late={"late": 100}).seeds[0].kernel
    found = derive_groups(spec, kernel)
    assert found is not None
    assert [group.name for group in found] == list(settles)
    for group, geometry in zip((kernel.groups or [])[:3], found, strict=False):
        alone = kernel.model_copy(update={"steps": group.steps, "gram": group.gram})
        assert (geometry.phases, geometry.cone) == derive_geometry(spec, alone)
        assert geometry.cone is not None
    assert (found[3].phases, found[3].cone) == (None, None)
    assert derive_groups(make_spec(), RECORD.seeds[0].kernel) is None


def without(seed: SeedResult, name: str, step: int | None = None) -> SeedResult:
    kept = [arm for arm in seed.arms if arm.arm != name or (step is not None and arm.step != step)]
    return seed.model_copy(update={"arms": kept})


def with_arm(seed: SeedResult, arm: ArmResult, **changes: object) -> SeedResult:
    arms = [other if other != arm else other.model_copy(update=changes) for other in seed.arms]
    return seed.model_copy(update={"arms": arms})


def arm_of(seed: SeedResult, name: str, step: int | None) -> ArmResult:
    return next(arm for arm in seed.arms if (arm.arm, arm.step) == (name, step))


DIVERGED = {"status": "diverged", "diverged_at": 9, "test_accuracy": None, "test_loss": None}


@pytest.mark.parametrize("name", ["full", "lazy", "switched"])
def test_an_arm_that_is_missing(name: str) -> None:
    assert derive_summary([without(seed, name) for seed in RECORD.seeds]).verdict == "arm missing"


@pytest.mark.parametrize("name", ["full", "lazy", "switched"])
def test_an_arm_that_diverged(name: str) -> None:
    first, *others = RECORD.seeds
    step = {"full": None, "lazy": 0, "switched": first.phases.T_star}[name]
    broken = with_arm(first, arm_of(first, name, step), **DIVERGED)
    assert derive_summary([broken, *others]).verdict == "arm diverged"


def test_a_switched_arm_elsewhere_does_not_matter() -> None:
    first, *others = RECORD.seeds
    assert first.phases.T_star != 500
    for changed in (
        without(first, "switched", 500),
        with_arm(first, arm_of(first, "switched", 500), **DIVERGED),
    ):
        assert derive_summary([changed, *others]) == RECORD.summary


def test_the_switched_arm_is_the_one_at_T_star() -> None:
    for seed in RECORD.seeds:
        arm = arm_of(seed, "switched", seed.phases.T_star)
        assert (
            derive_summary([seed]).A_switched == derive_summary([without(seed, "probe")]).A_switched
        )
        summary = derive_summary([seed])
        assert summary.A_switched is not None
        assert summary.A_switched.value == arm.test_accuracy


def test_summary_of_the_synthetic_record() -> None:
    summary = RECORD.summary
    assert summary.verdict == "measured"
    assert summary.A_full is not None
    assert summary.A_full.value == pytest.approx(0.951)
    assert summary.lazy_gap is not None
    assert summary.lazy_gap.value == pytest.approx(0.35)


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
