"""The learning rate of each step, against values computed by hand."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import BASE_SPEC, make_spec
from torch.optim import lr_scheduler

from conebench.analysis.window import late_window
from conebench.spec import Spec, constant_stretch, learning_rate, schedule_factor
from conebench.spec.schedule import constant_intervals, window_start


def scheduled(steps: int = 100, **schedule: object) -> Spec:
    training = {**BASE_SPEC["training"], "steps": steps, "schedule": schedule}
    return make_spec(training=training, switching={})


DROPS = {"name": "multistep", "milestones": [0.5, 0.75]}
FACTORS = {
    "constant": ({}, {0: 1, 50: 1, 99: 1}),
    "multistep": (DROPS, {0: 1, 49: 1, 50: 0.1, 74: 0.1, 75: 0.01, 99: 0.01}),
    "multistep by halves": ({**DROPS, "factor": 0.5}, {49: 1, 50: 0.5, 75: 0.25}),
    "cosine": (
        {"name": "cosine"},
        {0: 1, 25: (1 + math.sqrt(0.5)) / 2, 50: 0.5, 75: (1 - math.sqrt(0.5)) / 2, 100: 0},
    ),
    "warm-up": ({"warmup_steps": 4}, {0: 0.25, 1: 0.5, 2: 0.75, 3: 1, 4: 1, 99: 1}),
    "warm-up, then multistep": ({**DROPS, "warmup_steps": 10}, {4: 0.5, 9: 1, 10: 1, 50: 0.1}),
    "warm-up past a drop": ({**DROPS, "warmup_steps": 60}, {29: 0.5, 59: 1, 60: 0.1, 75: 0.01}),
    "warm-up, then cosine": (
        {"name": "cosine", "warmup_steps": 20},
        {9: 0.5, 19: 1, 20: 1, 60: 0.5, 80: (1 - math.sqrt(0.5)) / 2},
    ),
}


@pytest.mark.parametrize(("schedule", "factors"), FACTORS.values(), ids=FACTORS)
def test_factor(schedule: dict[str, object], factors: dict[int, float]) -> None:
    spec = scheduled(**schedule)
    got = {step: schedule_factor(spec, step) for step in factors}
    assert got == pytest.approx(factors, rel=1e-12, abs=1e-15)
    rates = {step: learning_rate(spec, step) for step in factors}
    assert rates == pytest.approx({s: 0.1 * f for s, f in factors.items()}, rel=1e-12, abs=1e-15)


def warmed_up(optimizer: torch.optim.Optimizer, steps: int) -> lr_scheduler.LRScheduler:
    return lr_scheduler.LinearLR(optimizer, 1 / steps, total_iters=steps - 1)


# The same schedules as torch makes them.
TORCHS: dict[str, Callable[[torch.optim.Optimizer], lr_scheduler.LRScheduler]] = {
    "multistep": lambda o: lr_scheduler.MultiStepLR(o, [50, 75], 0.1),
    "multistep by halves": lambda o: lr_scheduler.MultiStepLR(o, [50, 75], 0.5),
    "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, 100),
    "warm-up": lambda o: warmed_up(o, 4),
    "warm-up, then multistep": lambda o: lr_scheduler.ChainedScheduler(
        [warmed_up(o, 10), lr_scheduler.MultiStepLR(o, [50, 75], 0.1)]
    ),
    "warm-up, then cosine": lambda o: lr_scheduler.SequentialLR(
        o, [warmed_up(o, 20), lr_scheduler.CosineAnnealingLR(o, 80)], [20]
    ),
}


@pytest.mark.filterwarnings("ignore:The epoch parameter")  # SequentialLR's own use of it
@pytest.mark.parametrize("name", TORCHS)
def test_every_step_is_that_of_torchs_schedulers(name: str) -> None:
    spec = scheduled(**FACTORS[name][0])
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = TORCHS[name](optimizer)
    for step in range(100):
        expected = optimizer.param_groups[0]["lr"]
        assert learning_rate(spec, step) == pytest.approx(expected, rel=1e-9, abs=1e-12), step
        optimizer.step()
        scheduler.step()


STRETCHES = {
    "constant": ({}, (0, 100)),
    "warm-up": ({"warmup_steps": 10}, (10, 100)),
    "multistep": (DROPS, (0, 50)),
    "warm-up, then multistep": ({**DROPS, "warmup_steps": 10}, (10, 50)),
    "warm-up to the first drop": ({**DROPS, "warmup_steps": 50}, (50, 75)),
    "warm-up past the first drop": ({**DROPS, "warmup_steps": 60}, (60, 75)),
    "warm-up past all drops": ({**DROPS, "warmup_steps": 80}, (80, 100)),
    "drop at the very start": ({"name": "multistep", "milestones": [0.001]}, (0, 100)),
    "cosine": ({"name": "cosine"}, None),
    "cosine after warm-up": ({"name": "cosine", "warmup_steps": 10}, None),
}


@pytest.mark.parametrize(("schedule", "stretch"), STRETCHES.values(), ids=STRETCHES)
def test_constant_stretch(schedule: dict[str, object], stretch: tuple[int, int] | None) -> None:
    assert constant_stretch(scheduled(**schedule)) == stretch


@given(
    milestones=st.sets(st.floats(0.01, 0.99), min_size=1, max_size=4),
    warmup=st.integers(0, 99),
    factor=st.floats(0.01, 0.99),
)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_the_learning_rate_is_constant_on_the_stretch(
    milestones: set[float], warmup: int, factor: float
) -> None:
    spec = scheduled(
        name="multistep", milestones=sorted(milestones), warmup_steps=warmup, factor=factor
    )
    factors = [schedule_factor(spec, step) for step in range(spec.total_steps)]
    start, end = constant_stretch(spec) or (0, 0)
    assert 0 <= start < end <= spec.total_steps
    assert len(set(factors[start:end])) == 1
    assert end == spec.total_steps or factors[end] < factors[end - 1]
    assert all(0 < f <= 1 for f in factors)


@pytest.mark.parametrize("window", [0.07, 0.2, 0.3, 0.5, 0.99])
@pytest.mark.parametrize("schedule", [{}, {"warmup_steps": 120}, {"name": "multistep"}])
@pytest.mark.parametrize("every", [20, 50, 125])
def test_the_window_starts_where_its_figures_say(window, schedule, every) -> None:
    if schedule.get("name") == "multistep":
        schedule = {**schedule, "milestones": (0.65,)}
    spec = make_spec(
        training={**BASE_SPEC["training"], "schedule": schedule},
        kernel={"samples": 50, "window": window, "checkpoints": {"every": every}},
    )
    steps, stretch = np.array(spec.checkpoint_steps), constant_stretch(spec)
    assert stretch is not None
    members = late_window(steps, every, stretch, window)
    expected = int(steps[members[0]]) if len(members) else None
    assert window_start(spec) == expected
    uniform = [step for step in range(0, 1001, every) if stretch[0] <= step <= stretch[1]]
    assert constant_intervals(spec) == len(uniform) - 1


def test_no_window_without_a_constant_learning_rate() -> None:
    spec = make_spec(training={**BASE_SPEC["training"], "schedule": {"name": "cosine"}})
    assert (window_start(spec), constant_intervals(spec)) == (None, 0)
