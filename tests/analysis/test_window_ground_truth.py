"""Window figures, strength, accuracy and ranks of simulations whose answer is known."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ground_truth import accuracy_coverage, window_coverage
from ground_truth.accuracy_coverage import SEEDS_ALONE, WORLDS, World
from ground_truth.known_windows import CASES, SIZE, Case
from ground_truth.rank_simulation import SPREADS, board_quality, told_apart, wrong_boards
from ground_truth.record_stability import (
    SHOWN,
    center_table,
    ces_table,
    change_table,
    left,
    share_table,
    shown,
)
from ground_truth.window_coverage import COVERED
from ground_truth.window_errors import case_named, measure
from ground_truth.window_stability import Way, changes, figures_table, leaves_interval, strength_of

METHOD = Path(__file__).parents[2] / "docs" / "method.md"
WALKS = [case.name for case in CASES if case.name.startswith("memoryless")]
DRIFTS = ["straight drift", "slows down, v ~ 1/t", "slows down, v ~ exp(-10 t/T)"]
FAST = "mean-reverting, memory W/140"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_only_a_frozen_kernel_is_undefined(case: Case) -> None:
    defined = np.isfinite(measure(case)["alpha"])
    assert not defined.any() if case.name == "freezes" else defined.all()


@pytest.mark.parametrize("name", WALKS)
def test_a_memoryless_walk_has_no_strength(name: str) -> None:
    found = measure(case_named(name))
    low_dimension = name.endswith("5 dimensions")
    assert found["alpha"].mean() == pytest.approx(1, abs=0.12 if low_dimension else 0.03)
    assert found["VR"].mean() == pytest.approx(1, abs=0.05)
    assert abs(found["100 N (1 - α)"].mean()) < (11 if low_dimension else 3)


@pytest.mark.parametrize("name", DRIFTS)
def test_a_drift_has_no_strength(name: str) -> None:
    found = measure(case_named(name))
    assert found["alpha"].min() > 1.5
    assert found["100 N (1 - α)"].max() < 0


@pytest.mark.parametrize(
    ("name", "cone_deg", "tolerance"),
    [
        (FAST, SIZE, 0.15),
        ("mean-reverting, 25 degrees wide", 25, 0.6),
        ("mean-reverting, 8 to 10 intervals in W", SIZE, 0.4),
        ("mean-reverting, memory W/10", SIZE, 0.7),
    ],
)
def test_a_mean_reverting_walk_has_its_size(name: str, cone_deg: float, tolerance: float) -> None:
    found = measure(case_named(name))
    assert np.abs(found["cone"] - cone_deg).mean() < tolerance
    assert np.abs(found["turn error"]).max() < 2


@pytest.mark.parametrize(
    "name", [FAST, "mean-reverting, 25 degrees wide", "mean-reverting, 8 to 10 intervals in W"]
)
def test_a_kernel_that_stays_has_all_its_strength(name: str) -> None:
    found = measure(case_named(name))
    assert found["alpha"].mean() == pytest.approx(0, abs=0.02)
    assert found["100 N (1 - α)"].mean() == pytest.approx(found["true CES"].mean(), abs=2)


def test_a_window_of_few_memories_costs_strength() -> None:
    """A known weakness: a walk within a bound looks free until it meets the bound."""
    found = measure(case_named("mean-reverting, memory W/10"))
    assert 0.2 < found["alpha"].mean() < 0.35


def test_a_late_bump_leaves_alpha() -> None:
    bump, calm = (
        measure(case_named(name))
        for name in ("late bump, memory W/10", "mean-reverting, memory W/10")
    )
    assert bump["alpha"].mean() == pytest.approx(calm["alpha"].mean(), abs=0.05)
    assert bump["plain alpha"].mean() < calm["plain alpha"].mean() - 0.2


def test_without_a_turn_there_is_no_strength() -> None:
    assert measure(case_named("never turns, memory W/140"))["100 N (1 - α)"].mean() < 5


@pytest.mark.parametrize(
    ("name", "loser"),
    [
        ("memoryless walk, steps as t^-3/2", "100 N (1 - plain α)"),
        ("memoryless walk, 60 degrees far", "100 N (1 - plain α)"),
        ("turn ends late in W, memory W/140", "100 N (1 - plain α)"),
        ("straight drift", "100 N (1 - VR)"),
        ("mean-reverting, 8 to 10 intervals in W", "100 N (1 - VR)"),
        ("memoryless walk", "100 N (1 - VR)"),
    ],
)
def test_the_chosen_strength_errs_less(name: str, loser: str) -> None:
    found = measure(case_named(name))
    error, theirs = (
        np.sqrt(np.mean((found[candidate] - found["true CES"]) ** 2))
        for candidate in ("100 N (1 - α)", loser)
    )
    assert error < 0.95 * theirs


ALWAYS_DEFINED, SOMETIMES_FROZEN = COVERED[:-1], COVERED[-1]


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("case", ALWAYS_DEFINED, ids=lambda case: case.name)
def test_intervals_over_seeds_hold_the_truth(case: Case, seeds: int) -> None:
    for name, share in window_coverage.coverage(case, seeds, size=1000).items():
        assert share == pytest.approx(0.95, abs=0.035), name


def test_a_frozen_seed_leaves_CES_undefined() -> None:
    """Of five seeds, all move in 0.9^5 = 59 % of runs: no more intervals can hold the truth."""
    found = window_coverage.coverage(SOMETIMES_FROZEN, 5, size=1000)
    assert found["CES"] == pytest.approx(0.95 * 0.9**5, abs=0.06)


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
@pytest.mark.parametrize("seeds", [3, 5])
def test_intervals_over_seeds_and_images_hold_the_truth(world: World, seeds: int) -> None:
    held = accuracy_coverage.coverage(world, seeds, 360)
    for name in ("B", "lazy gap", "Γ"):
        assert 0.92 <= held[name] <= 0.99, name


def test_neither_level_may_be_left_out() -> None:
    differing_images, differing_seeds = WORLDS[2:]
    assert accuracy_coverage.coverage(differing_images, 5, 360, 200)[SEEDS_ALONE] < 0.92
    assert accuracy_coverage.bootstrap_coverage(differing_seeds, 5, 2000, 100) < 0.92


@pytest.mark.parametrize("spreads", SPREADS.values(), ids=SPREADS)
@pytest.mark.parametrize("rows", [2, 5, 12])
def test_equal_rows_are_seldom_told_apart(rows: int, spreads: tuple[float, ...]) -> None:
    # Welch's test of two rows with unequal spreads is known to reject up to 6.5 %.
    assert wrong_boards(rows, 5, spreads, draws=400) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)


def test_rank_ranges_hold_all_true_ranks_of_a_board() -> None:
    _, _, right = board_quality(10, 5, draws=200)
    assert right >= 0.95


def test_five_seeds_tell_25_points_apart_on_a_board_of_ten() -> None:
    assert told_apart(10, 25.0, 5) > 0.8
    assert told_apart(10, 10.0, 5) < 0.5


@pytest.mark.parametrize("view", ["measured", "primary"])
def test_on_the_board_CES_moves_within_its_interval(view: str) -> None:
    """When a run is cut to three quarters, or its grid is halved."""
    # The runs of docs/method.md, so that a further record cannot fail the code's tests.
    trajectories, base = shown(), Way(view)
    moved = []
    for run in SHOWN:
        known = strength_of(trajectories, run, base)
        assert known is not None
        for name in ("T to 3/4 T", "grid halved"):
            found = strength_of(trajectories, run, changes(base)[name][0])
            # A short run may have too few checkpoints on half of its grid.
            if known.CES and found and found.CES:
                moved.append(leaves_interval(known.CES, found.CES))
    assert len(moved) > 10
    assert np.mean(moved) <= 0.1


@pytest.mark.parametrize(
    ("view", "most_turn", "most_cone"), [("measured", 1.02, 1.12), ("primary", 1.03, 1.15)]
)
def test_on_the_board_a_halved_grid_leaves_turn_and_cone(
    view: str, most_turn: float, most_cone: float
) -> None:
    base = Way(view)
    ways = {"grid halved": changes(base)["grid halved"]}
    # Of 21 runs with a kernel every T/50. A coarser grid moves the turn by up to 5 % (the page).
    fine = [t for t in shown() if t.steps[-1] == 50 * t.every]
    assert len(fine) == 105
    row = figures_table(fine, base, ways).splitlines()[2].split("|")
    turn, cone = (float(cell.split("/")[1]) for cell in row[3:5])
    assert turn < most_turn
    assert cone < most_cone


@pytest.mark.parametrize("table", [change_table, ces_table, share_table, center_table])
def test_the_documentation_has_the_stability_of_committed_records(
    table: Callable[[], str],
) -> None:
    assert table() in METHOD.read_text(encoding="utf-8")


def test_the_documentation_counts_the_runs_whose_strength_moves() -> None:
    page = " ".join(METHOD.read_text(encoding="utf-8").split())
    shares = left()
    cut, halved, both = (
        "{} of {}".format(*shares[name]) for name in ("T to 3/4 T", "grid halved", "both")
    )
    assert f"leaves it in {cut} runs when the run is cut, in {halved} when the grid" in page
    assert f"when the grid is halved, in {both} under both" in page
