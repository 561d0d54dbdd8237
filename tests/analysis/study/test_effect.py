"""Means over seeds, their intervals and p-values."""

import numpy as np
import pytest
from scipy import stats

from conebench.analysis.study import Effect, mean_over_seeds

VALUES = np.array([0.4, 0.9, 0.1, 0.7, 0.6])


def over(values: np.ndarray) -> Effect:
    found = mean_over_seeds([np.array([value]) for value in values])
    assert found is not None
    return found


def test_interval_and_p_value_are_those_of_the_t_test() -> None:
    expected = stats.ttest_1samp(VALUES, 0.0)
    effect = over(VALUES)
    assert effect.p_value == pytest.approx(expected.pvalue)
    assert effect.interval(0.9) == pytest.approx(tuple(expected.confidence_interval(0.9)))
    assert effect.estimate.seeds == 5


def test_undefined_seeds_are_left_out_and_counted() -> None:
    rows = [*(np.array([value]) for value in VALUES), None]
    assert mean_over_seeds(rows) == over(VALUES)
    assert mean_over_seeds([None, None]) is None


def test_one_seed_has_neither_interval_nor_p_value() -> None:
    effect = over(VALUES[:1])
    assert (effect.interval(), effect.p_value, effect.estimate.low) == (None, None, None)


def test_seeds_that_agree_exactly_have_p_0_or_1() -> None:
    assert over(np.full(3, 0.25)).p_value == 0
    assert over(np.zeros(3)).p_value == 1


def test_values_per_image_have_the_two_level_error() -> None:
    rng = np.random.default_rng(0)
    images = rng.normal(size=200)
    rows = [images + 0.1 * rng.normal(size=200) for _ in range(5)]
    effect = mean_over_seeds(rows)
    assert effect is not None
    # Seeds agree, images differ: the error is that of the mean over images.
    assert effect.squared_error == pytest.approx(images.var(ddof=1) / 200, rel=0.05)
    assert effect.squared_error > 5 * over(np.array([row.mean() for row in rows])).squared_error


def test_scaling_keeps_the_p_value() -> None:
    effect = over(VALUES)
    assert effect.scaled(-100.0).p_value == pytest.approx(effect.p_value)
    assert effect.scaled(-100.0).value == pytest.approx(-54)


def test_widening_adds_variances_with_satterthwaite_degrees_of_freedom() -> None:
    effect = Effect(1.0, 0.03, 4.0, 5).widened(0.01, 3.0)
    assert effect.squared_error == pytest.approx(0.04)
    assert effect.freedom == pytest.approx(0.04**2 / (0.03**2 / 4 + 0.01**2 / 3))
    assert Effect(1.0, None, 1.0, 1).widened(0.01, 3.0).squared_error is None


@pytest.mark.parametrize("seeds", [3, 5])
def test_true_effects_are_found_as_often_as_their_size_says(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    size, draws = 1.5, 2000
    found = np.mean([over(v).p_value < 0.05 for v in rng.normal(size, 1, (draws, seeds))])
    limit = stats.t.ppf(0.975, seeds - 1)
    shift = size * np.sqrt(seeds)
    power = stats.nct.sf(limit, seeds - 1, shift) + stats.nct.cdf(-limit, seeds - 1, shift)
    assert found == pytest.approx(power, abs=4 * np.sqrt(power * (1 - power) / draws))
    false = np.mean([over(v).p_value < 0.05 for v in rng.normal(0, 1, (draws, seeds))])
    assert false == pytest.approx(0.05, abs=0.02)


def test_the_smallest_effects_that_are_found_are_those_of_the_plan() -> None:
    # docs/study.md: 1.24 standard deviations with five seeds, 2.48 with three.
    for seeds, smallest in ((5, 1.24), (3, 2.48)):
        effect = Effect(smallest, 1 / seeds, seeds - 1.0, seeds)
        assert effect.p_value == pytest.approx(0.05, rel=0.02)
