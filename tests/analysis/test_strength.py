"""The figures of one run, by hand and where they are undefined."""

import dataclasses
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from conebench.analysis.accuracy import benefit, share_of_lazy_gap
from conebench.analysis.cone_strength import cone_strength
from conebench.analysis.intervals import mean_estimate
from conebench.analysis.phases import Phases
from conebench.analysis.strength import (
    SWITCH_FIGURES,
    WINDOW_BOUNDS,
    SeedFigures,
    Summary,
    summarize,
)
from conebench.analysis.window import WindowFigures

PHASES = Phases("two phases", 200, 0.02, 150, estimators_disagree=False)
WINDOW = WindowFigures(
    undefined=None,
    start=300,
    end=1000,
    checkpoints=15,
    turn_deg=20.0,
    cone_deg=5.0,
    cone_95_deg=8.0,
    N=0.75,
    alpha=0.2,
    VR=0.4,
    floor=0.01,
    motion=0.002,
    drift=1.0,
)
FROZEN = replace(WINDOW, undefined="frozen", alpha=None, VR=None, drift=None)
IMAGES = 200


def images(share: float, seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).permutation(IMAGES) < share * IMAGES).astype(float)


def make_seed(number: int = 0, **changes: Any) -> SeedFigures:
    shares = {
        ("full", None): 0.9,
        ("lazy", 0): 0.5,
        ("switched", 300): 0.8,
        ("probe", 300): 0.6,
        ("control", 300): 0.85,
        ("switched", 200): 0.7,
        ("probe", 200): 0.55,
        ("control", 200): 0.8,
    }
    found = SeedFigures(
        phases=PHASES,
        window=replace(WINDOW, N=0.75 + 0.01 * number, alpha=0.2 - 0.02 * number),
        T_fit=250,
        diverged=False,
        right={key: images(share, number) for key, share in shares.items()},
        losses={key: 1 - share for key, share in shares.items()},
    )
    return replace(found, **changes)


def summary_of(*seeds: SeedFigures, control: str = "full", w: int | None = 300) -> Summary:
    return summarize(seeds, w=w, steps=[300], control=control)  # type: ignore[arg-type]


SEEDS = [make_seed(number) for number in range(5)]


def without(seed: SeedFigures, key: tuple[str, int | None]) -> SeedFigures:
    kept = {other: bits for other, bits in seed.right.items() if other != key}
    return replace(seed, right=kept)


def test_by_hand() -> None:
    summary = summary_of(*SEEDS)
    assert (summary.verdict, summary.detail) == ("measured", "CES = 100 N (1 - alpha)")
    assert (summary.w, summary.outcomes, summary.undefined) == (300, {"two phases": 5}, {})
    values = {
        "CES": 100 * 0.77 * 0.84,
        "turn_deg": 20,
        "cone_deg": 5,
        "N": 0.77,
        "alpha": 0.16,
        "VR": 0.4,
        "benefit": 0.1,
        "loss_benefit": 0.1,
        "kernel_benefit": 0.2,
        "lazy_gap": 0.4,
        "Gamma": 0.25,
        "A_full": 0.9,
        "A_lazy": 0.5,
        "A_switched": 0.8,
        "T_star": 200,
        "change_point": 150,
        "T_fit": 250,
    }
    found = {name: getattr(summary, name).value for name in values}
    assert found == pytest.approx(values)


def test_figures_of_the_window_are_means_over_seeds() -> None:
    summary = summary_of(*SEEDS)
    for name, bounds in WINDOW_BOUNDS.items():
        values = np.array([getattr(seed.window, name) for seed in SEEDS])
        assert getattr(summary, name) == mean_estimate(values, bounds)
    strength = cone_strength([seed.window for seed in SEEDS])
    assert (summary.CES, summary.contributions) == (strength.CES, strength.contributions)


def test_benefits_have_intervals_over_seeds_and_images() -> None:
    summary = summary_of(*SEEDS)
    full, lazy, switched = (
        [seed.right[key] for seed in SEEDS]
        for key in (("full", None), ("lazy", 0), ("switched", 300))
    )
    assert summary.benefit == benefit(full, switched).estimate
    assert summary.Gamma == share_of_lazy_gap(full, switched, full, lazy).estimate


def test_the_control_takes_the_place_of_full() -> None:
    summary = summary_of(*SEEDS, control="control")
    assert summary.benefit is not None
    assert summary.Gamma is not None
    assert summary.loss_benefit is not None
    assert summary.benefit.value == pytest.approx(0.05)
    assert summary.loss_benefit.value == pytest.approx(0.05)
    # The lazy gap is that of `full` all the same.
    assert summary.Gamma.value == pytest.approx(0.05 / 0.4)


def test_every_switch_step_has_its_figures_and_T_star_last() -> None:
    at_w, at_T_star = summary_of(*SEEDS).switches
    assert (at_w.step, at_T_star.step) == (300, None)
    assert at_w.benefit == summary_of(*SEEDS).benefit
    assert at_T_star.benefit is not None
    assert at_T_star.benefit.value == pytest.approx(0.2)


def test_T_star_is_each_seeds_own() -> None:
    other = make_seed(1, phases=replace(PHASES, T_star=300))
    (_, found) = summary_of(SEEDS[0], other).switches
    assert found.benefit is not None
    assert found.benefit.value == pytest.approx((0.2 + 0.1) / 2)


def test_steps_are_described_over_the_seeds_that_have_them() -> None:
    lost = replace(PHASES, outcome="no Phase II", T_star=None)
    summary = summary_of(make_seed(phases=lost, T_fit=None), *SEEDS[1:])
    assert summary.outcomes == {"no Phase II": 1, "two phases": 4}
    assert summary.T_star is not None
    assert summary.T_fit is not None
    assert (summary.T_star.seeds, summary.T_fit.seeds) == (4, 4)
    assert summary_of(make_seed(phases=lost, T_fit=None)).T_star is None


def test_a_frozen_seed_leaves_alpha_and_CES_undefined() -> None:
    summary = summary_of(make_seed(window=FROZEN), *SEEDS[1:])
    assert (summary.verdict, summary.detail) == ("frozen", "frozen in 1 of 5 seeds")
    assert summary.CES is summary.alpha is summary.VR is None
    assert summary.contributions == ()
    assert summary.turn_deg is not None
    assert summary.undefined == dict.fromkeys(
        ("alpha", "VR", "drift", "CES"), "frozen in 1 of 5 seeds"
    )


def test_a_diverged_seed() -> None:
    right = {**SEEDS[0].right, ("full", None): None}
    window = WindowFigures("diverged")
    summary = summary_of(make_seed(window=window, diverged=True, right=right), *SEEDS[1:])
    assert summary.verdict == "diverged"
    assert summary.outcomes == {"diverged": 1, "two phases": 4}
    assert summary.undefined["benefit"] == "an arm has no accuracy in 1 of 5 seeds"
    assert summary.undefined["turn_deg"] == "diverged in 1 of 5 seeds"
    assert summary.kernel_benefit is not None


def test_no_arm_at_w() -> None:
    bare = [without(seed, ("switched", 300)) for seed in SEEDS]
    summary = summary_of(*bare)
    assert summary.CES is not None
    assert [getattr(summary, name) for name in SWITCH_FIGURES] == [None] * 4
    reasons = {summary.undefined[name] for name in SWITCH_FIGURES}
    assert reasons == {"no arm at w = 300"}
    some = summary_of(SEEDS[0], *bare[1:])
    assert some.undefined["Gamma"] == "no arm at w = 300 in 4 of 5 seeds"


def test_no_constant_learning_rate() -> None:
    window = WindowFigures("no constant learning rate")
    summary = summary_of(*(replace(seed, window=window) for seed in SEEDS), w=None)
    assert (summary.verdict, summary.w) == ("no constant learning rate", None)
    assert summary.undefined["benefit"] == "no constant learning rate"


def test_every_undefined_figure_has_its_reason() -> None:
    for summary in (summary_of(make_seed(window=FROZEN, right={}, losses={})), summary_of(*SEEDS)):
        for field in dataclasses.fields(Summary):
            is_step = field.name in ("w", "T_star", "change_point", "T_fit")
            if getattr(summary, field.name) is None and not is_step:
                assert summary.undefined[field.name]


def test_one_seed_has_no_intervals() -> None:
    summary = summary_of(SEEDS[0])
    assert summary.CES is not None
    assert summary.benefit is not None
    assert summary.CES.low is summary.benefit.low is None
