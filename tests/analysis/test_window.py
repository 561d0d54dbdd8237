"""The late window's figures, against the vectors themselves."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from conebench.analysis.confinement import confinement_exponent, walk_ratio
from conebench.analysis.window import (
    WindowFigures,
    drift,
    is_frozen,
    late_window,
    measure_window,
    narrowness,
)

EVERY, TOTAL = 20, 1000
STEPS = np.arange(0, TOTAL + 1, EVERY)
RATES = np.full(TOTAL, 0.05)
STRETCH = (0, TOTAL)


def normalised(h: np.ndarray) -> np.ndarray:
    return h / np.linalg.norm(h, axis=-1, keepdims=True)


def angle_deg(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Kahan's formula, which keeps its digits at all angles."""
    return np.degrees(
        2 * np.arctan2(np.linalg.norm(u - v, axis=-1), np.linalg.norm(u + v, axis=-1))
    )


def wandering(seed: int, t: int = len(STEPS), dimension: int = 30) -> np.ndarray:
    rng = np.random.default_rng(seed)
    start = 3 * rng.normal(size=dimension)
    return normalised(start + np.cumsum(rng.normal(size=(t, dimension)), axis=0))


def numbers(figures: WindowFigures) -> dict[str, float]:
    return {name: value for name, value in vars(figures).items() if name != "undefined"}


def figures_of(h: np.ndarray, steps: np.ndarray = STEPS, **options) -> WindowFigures:
    return measure_window(h @ h.T, steps, EVERY, STRETCH, RATES, **options)


@pytest.mark.parametrize("share", [0.2, 0.3, 0.5])
@pytest.mark.parametrize("seed", range(3))
def test_figures_of_explicit_vectors(seed: int, share: float) -> None:
    h = wandering(seed)
    inside = h[share * TOTAL <= STEPS]
    axis = normalised(inside.mean(axis=0))
    R = np.linalg.norm(inside.mean(axis=0))
    S = ((inside[1:] - inside[:-1]) ** 2).sum(axis=1) / 2
    turn, cone = float(angle_deg(h[0], axis)), float(np.degrees(np.arccos(R)))
    expected = WindowFigures(
        undefined=None,
        start=int(share * TOTAL),
        end=TOTAL,
        checkpoints=len(inside),
        turn_deg=turn,
        cone_deg=cone,
        cone_95_deg=float(np.percentile(angle_deg(inside, axis), 95)),
        N=max(0, 1 - cone / turn),
        alpha=confinement_exponent(inside @ inside.T),
        VR=walk_ratio(inside @ inside.T),
        floor=float(np.median(S)),
        motion=float(np.median(S)) / (EVERY * 0.05),
        drift=float(np.median(S[-(len(S) // 2) :]) / np.median(S[: len(S) // 2])),
    )
    found = figures_of(h, share=share)
    assert found.undefined is None
    assert numbers(found) == pytest.approx(numbers(expected), rel=1e-9)


def test_the_cone_angle_is_the_root_mean_square_angle() -> None:
    rng = np.random.default_rng(0)
    h = normalised(np.array([1.0, *[0.0] * 50]) + 0.01 * rng.normal(size=(len(STEPS), 51)))
    to_axis = angle_deg(h[STEPS >= 300], normalised(h[STEPS >= 300].mean(axis=0)))
    assert figures_of(h).cone_deg == pytest.approx(np.sqrt((to_axis**2).mean()), rel=1e-3)


@pytest.mark.parametrize(
    ("stretch", "share", "first", "last"),
    [
        ((0, 100), 0.3, 30, 100),
        ((0, 100), 0.31, 40, 100),
        ((0, 100), 0.0, 0, 100),
        ((0, 100), 1.0, 100, 100),
        ((20, 90), 0.5, 60, 90),
        ((0, 95), 0.3, 30, 90),
        # In floating point 0.07 * 100 is above 7, and 0.1 + 0.2 above 0.3.
        ((0, 100), 0.1 + 0.2, 30, 100),
    ],
)
def test_the_window_of_a_stretch(
    stretch: tuple[int, int], share: float, first: int, last: int
) -> None:
    steps = np.array([0, 3, 5, *range(10, 101, 10)])
    found = steps[late_window(steps, 10, stretch, share)]
    np.testing.assert_array_equal(found, np.arange(first, last + 1, 10))


def test_w_may_be_every_step() -> None:
    steps = np.arange(101)
    assert steps[late_window(steps, 1, (0, 100), 0.07)][0] == 7


def test_extra_checkpoints_are_left_out() -> None:
    dense = np.unique([5, 10, 305, 333, *STEPS])
    h = wandering(2, t=len(dense))
    # One product for both: BLAS gives a smaller one other last digits.
    G, on_grid = h @ h.T, np.isin(dense, STEPS)
    without = measure_window(G[np.ix_(on_grid, on_grid)], STEPS, EVERY, STRETCH, RATES)
    assert measure_window(G, dense, EVERY, STRETCH, RATES) == without


def test_the_window_ends_with_its_stretch() -> None:
    h = wandering(3)
    G, part = h @ h.T, STEPS <= 600
    short = measure_window(G[np.ix_(part, part)], STEPS[part], EVERY, (0, 600), RATES)
    assert measure_window(G, STEPS, EVERY, (0, 600), RATES) == short
    assert (short.start, short.end) == (180, 600)


def test_what_comes_after_the_stretch_may_be_anything() -> None:
    h = wandering(4)
    G = h @ h.T
    known = measure_window(G, STEPS, EVERY, (0, 600), RATES)
    G[STEPS > 600] = G[:, STEPS > 600] = np.nan
    assert measure_window(G, STEPS, EVERY, (0, 600), RATES) == known


def test_motion_is_per_summed_learning_rate() -> None:
    h = wandering(5)
    rates = np.linspace(0.01, 0.1, TOTAL)
    inside = STEPS[STEPS >= 300]
    S = [1 - h[i] @ h[i + 1] for i in range(15, 50)]
    spent = [rates[a:b].sum() for a, b in itertools.pairwise(inside)]
    figures = measure_window(h @ h.T, STEPS, EVERY, STRETCH, rates)
    assert figures.motion == pytest.approx(np.median(np.array(S) / spent))


def without_figures(reason: str, checkpoints: int = 0) -> WindowFigures:
    return WindowFigures(reason, checkpoints=checkpoints)  # type: ignore[arg-type]


def test_no_constant_learning_rate() -> None:
    G = np.eye(len(STEPS))
    found = measure_window(G, STEPS, EVERY, None, RATES)
    assert found == without_figures("no constant learning rate")


@pytest.mark.parametrize(("every", "checkpoints"), [(80, 9), (100, 8), (200, 4)])
def test_too_few_checkpoints(every: int, checkpoints: int) -> None:
    found = measure_window(np.eye(len(STEPS)), STEPS, every, STRETCH, RATES)
    assert found.checkpoints == checkpoints
    assert (found.undefined == "too few checkpoints") == (checkpoints < 9)
    assert (found.alpha is None) == (checkpoints < 9)
    few = f"too few checkpoints ({checkpoints} in the late window, 9 needed)"
    assert found.reason == (few if checkpoints < 9 else None)


def test_a_diverged_run_ends_before_its_stretch() -> None:
    h = wandering(6)
    part = STEPS <= 980
    found = measure_window((h @ h.T)[np.ix_(part, part)], STEPS[part], EVERY, STRETCH, RATES)
    assert found == without_figures("diverged")


def test_a_stretch_that_is_no_multiple_of_the_grid_is_complete() -> None:
    h = wandering(6)
    found = measure_window(h @ h.T, STEPS, EVERY, (0, 1019), np.full(1019, 0.05))
    assert (found.undefined, found.end) == (None, 1000)


def test_kernels_that_are_not_finite() -> None:
    G = np.eye(len(STEPS))
    G[-1] = G[:, -1] = np.nan
    assert measure_window(G, STEPS, EVERY, STRETCH, RATES) == without_figures("diverged")


@pytest.mark.parametrize("noise", [0.0, 1e-5])
def test_a_frozen_kernel_has_neither_alpha_nor_VR(noise: float) -> None:
    # Float32 kernels are off by up to 1e-5, relative.
    h = np.repeat(np.eye(30)[:2], [8, len(STEPS) - 8], axis=0)
    h = normalised(h + noise * np.random.default_rng(0).normal(size=h.shape) / np.sqrt(30))
    found = figures_of(h)
    assert (found.undefined, found.alpha, found.VR, found.drift) == ("frozen", None, None, None)
    assert found.turn_deg == pytest.approx(90, abs=1e-3)
    assert pytest.approx(1, abs=1e-4) == found.N


def test_a_kernel_that_never_moved_is_frozen() -> None:
    found = figures_of(np.tile(np.eye(2)[0], (len(STEPS), 1)))
    assert (found.undefined, found.turn_deg, found.N) == ("frozen", 0, 0)


@pytest.mark.parametrize(("reach_deg", "frozen"), [(0.5, True), (2.0, False)])
def test_frozen_is_less_than_a_hundredth_of_the_turn(reach_deg: float, *, frozen: bool) -> None:
    angles = np.radians(np.where(STEPS < 200, 100 - STEPS / 2, reach_deg * STEPS / TOTAL * 0.7))
    h = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert is_frozen(h @ h.T, late_window(STEPS, EVERY, STRETCH)) == frozen


@pytest.mark.parametrize(
    ("turn", "cone", "N"), [(20.0, 5.0, 0.75), (20.0, 0.0, 1), (5.0, 20.0, 0), (0.0, 0.0, 0)]
)
def test_narrowness(turn: float, cone: float, N: float) -> None:
    assert narrowness(turn, cone) == N


def test_drift_compares_halves() -> None:
    assert drift(np.array([1.0, 1, 1, 9, 2, 2, 2])) == 2
    assert drift(np.array([4.0, 4, 1, 1])) == 0.25
    assert np.isfinite(drift(np.array([0.0, 0, 1, 1])))


VECTORS = arrays(np.float64, (len(STEPS), 5), elements=st.floats(-1, 1, width=32))
FINITE = settings(max_examples=60, deadline=None, derandomize=True)


JITTER = np.random.default_rng(0).uniform(0.1, 1, size=(len(STEPS), 5))


def kernels(vectors: np.ndarray) -> np.ndarray:
    """Return unit kernels that move, no two of them more than 90 degrees apart."""
    return normalised(np.abs(vectors) + JITTER)


@given(VECTORS)
@FINITE
def test_bounds(vectors: np.ndarray) -> None:
    figures = figures_of(kernels(vectors))
    assert figures.N is not None
    assert 0 <= figures.N <= 1
    assert figures.cone_deg is not None
    assert 0 <= figures.cone_deg <= 90
    assert figures.cone_95_deg is not None
    assert 0 <= figures.cone_95_deg <= 90
    assert figures.undefined is None
    assert np.isfinite(list(numbers(figures).values())).all()


@given(VECTORS, arrays(np.float64, len(STEPS), elements=st.floats(1e-3, 1e3)))
@FINITE
def test_the_scale_of_the_kernels_does_not_matter(vectors: np.ndarray, scale: np.ndarray) -> None:
    h = kernels(vectors)
    scaled = normalised(h * scale[:, None])
    # An arccosine of nearly 1 has half the digits.
    expected = pytest.approx(numbers(figures_of(h)), abs=1e-5, rel=1e-5)
    assert numbers(figures_of(scaled)) == expected


@given(VECTORS)
@FINITE
def test_backwards_the_window_has_the_same_cone_and_the_inverse_drift(vectors: np.ndarray) -> None:
    h = kernels(vectors)
    forwards = figures_of(h)
    h[STEPS >= 300] = h[STEPS >= 300][::-1]
    backwards = figures_of(h)
    for name in ("turn_deg", "cone_deg", "cone_95_deg", "N", "alpha", "VR", "floor", "motion"):
        known = getattr(forwards, name)
        assert getattr(backwards, name) == pytest.approx(known, abs=1e-5, rel=1e-5)
    assert forwards.drift is not None
    assert backwards.drift is not None
    assert backwards.drift * forwards.drift == pytest.approx(1, rel=1e-6)
