"""Adjusted p-values, equivalence and verdicts, on simulated studies too."""

import numpy as np
import pytest
from scipy import stats

from conebench.analysis.study import (
    Effect,
    adjusted_p_values,
    decide,
    equivalence_p,
    is_equivalent,
    mean_over_seeds,
)


def test_adjusted_p_values_are_those_of_benjamini_and_hochberg() -> None:
    # statsmodels 0.14: multipletests(..., method="fdr_bh").
    found = adjusted_p_values([0.001, 0.2, 0.03, 0.04, 0.5])
    assert found == pytest.approx([0.005, 0.25, 0.2 / 3, 0.2 / 3, 0.5])


def test_tests_that_could_not_be_made_count_as_1() -> None:
    assert adjusted_p_values([0.01, None]) == [0.02, None]
    assert adjusted_p_values([]) == []


def test_equivalence_is_that_of_two_one_sided_t_tests() -> None:
    values = np.array([0.02, -0.03, 0.05, 0.01, 0.0])
    effect = mean_over_seeds([np.array([value]) for value in values])
    assert effect is not None
    sides = (
        stats.ttest_1samp(values, -0.1, alternative="greater").pvalue,
        stats.ttest_1samp(values, 0.1, alternative="less").pvalue,
    )
    assert equivalence_p(effect, 0.1) == pytest.approx(max(sides))
    # statsmodels 0.14: DescrStatsW(...).ttost_mean(-0.1, 0.1).
    assert equivalence_p(effect, 0.1) == pytest.approx(0.00115505, rel=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.02, 0.05, 0.09])
def test_equivalence_is_a_90_percent_interval_within_the_margin(value: float) -> None:
    effect = Effect(value, 0.0004, 4.0, 5)
    low, high = effect.interval(0.9) or (0.0, 0.0)
    assert is_equivalent(effect, 0.08) == (low > -0.08 and high < 0.08)


def test_verdicts() -> None:
    clear, none, vague = (
        Effect(1.0, 0.01, 4.0, 5),
        Effect(0.0, 0.0001, 4.0, 5),
        Effect(0.0, 1.0, 4.0, 5),
    )
    assert decide(clear, 0.001, 0.1) == "found"
    assert decide(none, 0.9, 0.1) == "no effect"
    assert decide(none, 0.9, None) == "not found"
    assert decide(vague, 0.9, 0.1) == "not found"
    assert decide(None, None, 0.1) == "undefined"
    assert decide(Effect(1.0, None, 1.0, 1), None, 0.1) == "undefined"


def test_a_simulated_study_finds_true_effects_and_few_false_ones() -> None:
    """130 tests with five seeds; 20 true effects of 5 standard deviations of a contrast."""
    rng = np.random.default_rng(0)
    found_true, found_false, shares = 0, 0, []
    for _ in range(60):
        values = rng.normal(size=(130, 5))
        values[:20] += 5.0
        p = stats.ttest_1samp(values, 0.0, axis=1).pvalue.tolist()
        found = np.array([q < 0.05 for q in adjusted_p_values(p)])
        found_true += int(found[:20].sum())
        found_false += int(found[20:].sum())
        shares.append(found[20:].sum() / max(1, found.sum()))
    assert found_true / (60 * 20) > 0.95
    assert np.mean(shares) < 0.06
    assert found_false / (60 * 110) < 0.02


def test_no_effect_is_claimed_of_a_true_one_at_the_margin_in_5_percent() -> None:
    rng = np.random.default_rng(1)
    draws = rng.normal(0.1, 0.05, (2000, 5))
    effects = [mean_over_seeds([np.array([value]) for value in row]) for row in draws]
    claimed = np.mean([is_equivalent(effect, 0.1) for effect in effects if effect])
    assert claimed == pytest.approx(0.05, abs=0.015)
