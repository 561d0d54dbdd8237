"""Effects of several centers together."""

import numpy as np
import pytest
from scipy import stats

from conebench.analysis.study import Effect, pool


def centers(values: np.ndarray, errors: np.ndarray) -> list[Effect]:
    pairs = zip(values, errors, strict=True)
    return [Effect(float(value), float(error), 4.0, 5) for value, error in pairs]


def test_the_mean_and_its_error_are_those_of_statsmodels() -> None:
    found = pool(
        centers(np.array([0.40, 0.55, 0.20, 0.31]), np.array([0.010, 0.006, 0.012, 0.004]))
    )
    assert found is not None
    # statsmodels 0.14: combine_effects(..., method_re="iterated", use_t=True), HKSJ.
    assert found.effect.value == pytest.approx(0.372096, abs=2e-6)
    assert found.effect.squared_error == pytest.approx(0.00532665, rel=1e-4)
    assert found.tau**2 == pytest.approx(0.0137695, rel=1e-3)
    assert found.effect.interval() == pytest.approx((0.139829, 0.604363), abs=1e-4)
    assert found.effect.seeds == 20


def test_the_prediction_interval_is_wider_by_tau() -> None:
    found = pool(centers(np.array([0.0, 1.0, 2.0]), np.full(3, 0.01)))
    assert found is not None
    assert found.tau == pytest.approx(np.sqrt(1.0 - 0.01))
    reach = stats.t.ppf(0.975, 1) * np.sqrt(found.tau**2 + 1 / 3)
    assert found.predicted == pytest.approx((1 - reach, 1 + reach))


def test_two_centers_are_not_pooled_nor_one_without_an_error() -> None:
    two = centers(np.array([1.0, 2.0]), np.array([0.1, 0.1]))
    assert pool(two) is None
    assert pool([*two, Effect(1.0, None, 1.0, 1)]) is None


def test_intervals_cover_the_mean_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    covered, predicted, draws = 0, 0, 1000
    for _ in range(draws):
        true = rng.normal(1.0, 0.3, 5)
        samples = rng.normal(true[:4, None], 0.5, (4, 5))
        found = pool(centers(samples.mean(axis=1), samples.var(axis=1, ddof=1) / 5))
        assert found is not None
        low, high = found.effect.interval() or (0.0, 0.0)
        covered += low < 1.0 < high
        predicted += found.predicted[0] < true[4] < found.predicted[1]
    # Four centers with estimated errors: near 95 %, not exact.
    assert covered / draws == pytest.approx(0.95, abs=0.03)
    assert predicted / draws == pytest.approx(0.95, abs=0.04)
