"""Shares of the sum of squares, with permutation p-values."""

import itertools

import numpy as np
import pytest

from conebench.analysis.study import complete_seeds, decompose

DESIGN = np.array(list(itertools.product((-1, 1), repeat=3)))
VALUES = np.array(
    [
        [2.041, -2.556, 0.418, -0.568, -0.453, -0.216, -2.02, -0.232],
        [-0.865, 3.323, 0.226, -0.353, -0.281, -0.668, -1.055, -0.391],
        [0.482, -0.239, 0.958, -0.2, 0.024, 1.546, 0.545, -0.505],
        [-0.183, 0.541, 1.935, -0.27, -0.244, 1.002, -0.886, -0.292],
    ]
)
# statsmodels 0.14: anova_lm(ols("y ~ C(seed) + a + b + c + a:b + a:c + b:c")).
SUMS = {(0,): 2.428808, (1,): 1.104098, (2,): 0.016200}
SUMS |= {(0, 1): 0.828185, (0, 2): 3.092584, (1, 2): 0.826898}
REST = 28.528554


def test_shares_are_the_sums_of_squares_of_an_analysis_of_variance() -> None:
    total = sum(SUMS.values()) + REST
    found = decompose(VALUES, DESIGN, resamples=99)
    shares = {effect.factors: effect.share for effect in found.effects}
    assert shares == pytest.approx({name: value / total for name, value in SUMS.items()}, rel=1e-4)
    assert found.rest == pytest.approx(REST / total, rel=1e-4)
    assert [effect.factors for effect in found.effects[:2]] == [(0, 2), (0,)]


def test_an_effect_is_high_minus_low() -> None:
    (found,) = [e for e in decompose(VALUES, DESIGN, 99).effects if e.factors == (1,)]
    per_seed = VALUES[:, DESIGN[:, 1] > 0].mean(axis=1) - VALUES[:, DESIGN[:, 1] < 0].mean(axis=1)
    assert found.effect.value == pytest.approx(per_seed.mean())
    assert found.effect.squared_error == pytest.approx(per_seed.var(ddof=1) / 4)


def test_a_true_effect_is_recovered_and_stands_out() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=(5, 1)) + 2.0 * DESIGN[:, 0] + 0.5 * DESIGN[:, 1] * DESIGN[:, 2]
    found = decompose(y + 0.3 * rng.normal(size=(5, 8)), DESIGN, resamples=999)
    first, second = found.effects[:2]
    assert (first.factors, second.factors) == ((0,), (1, 2))
    assert first.effect.value == pytest.approx(4.0, abs=0.2)
    assert first.share == pytest.approx(4 / (4 + 0.25 + 0.09), abs=0.03)
    assert first.p == 1 / 1000
    assert second.effect.value == pytest.approx(1.0, abs=0.2)


def test_without_effects_p_values_are_small_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    p = [e.p for _ in range(150) for e in decompose(rng.normal(size=(5, 8)), DESIGN, 199).effects]
    # 900 p-values, six of a study not quite independent.
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=0.025)
    assert np.mean(np.array(p) <= 0.5) == pytest.approx(0.5, abs=0.05)


def test_a_constant_offset_of_a_seed_changes_nothing() -> None:
    shifted = VALUES + np.array([[10.0], [-3.0], [0.0], [7.0]])
    first, second = decompose(VALUES, DESIGN, 99), decompose(shifted, DESIGN, 99)
    assert [e.p for e in first.effects] == [e.p for e in second.effects]
    assert first.rest == pytest.approx(second.rest)


def test_no_spread_at_all_has_no_shares() -> None:
    found = decompose(np.ones((2, 8)), DESIGN, 99)
    assert {e.share for e in found.effects} == {0.0}
    assert {e.p for e in found.effects} == {1.0}


def test_seeds_with_an_undefined_cell_are_dropped() -> None:
    values = complete_seeds([[1.0, None, 3.0], [4.0, 5.0, 6.0]])
    assert values.tolist() == [[1.0, 4.0], [3.0, 6.0]]
