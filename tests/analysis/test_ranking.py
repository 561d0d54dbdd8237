"""Ranges of ranks against scipy's tests and Holm's procedure, step by step."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from conebench.analysis.ranking import p_values, rank_ranges, rejected, squared_errors

WIDE = (-np.inf, np.inf)


def rows_of(*means: float, spread: float = 1.0, seeds: int = 5) -> list[np.ndarray]:
    """Return rows with exactly these means and this standard deviation."""
    pattern = np.linspace(-1, 1, seeds)
    return [mean + spread * pattern / pattern.std(ddof=1) for mean in means]


@pytest.mark.parametrize("seed", range(5))
def test_few_rows_are_compared_by_welchs_test(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = [rng.normal(i, 1 + i, size=5 + i) for i in range(4)]
    p = p_values(rows, WIDE)
    for i, j in itertools.permutations(range(4), 2):
        test = stats.ttest_ind(rows[i], rows[j], equal_var=False, alternative="greater")
        assert p[i, j] == pytest.approx(test.pvalue)
    np.testing.assert_array_equal(np.diagonal(p), 1)


def test_from_five_rows_on_half_of_a_variance_is_the_boards() -> None:
    rng = np.random.default_rng(0)
    rows = [rng.normal(size=n) * n for n in (5, 6, 7, 8, 9)]
    errors, freedom = squared_errors(rows)
    pooled = sum(((row - row.mean()) ** 2).sum() for row in rows) / sum(len(r) - 1 for r in rows)
    for row, error, own in zip(rows, errors, freedom, strict=True):
        assert error == pytest.approx((row.var(ddof=1) + pooled) / 2 / len(row))
        assert own == 2 * (len(row) - 1)


def holm_by_steps(p: np.ndarray, level: float) -> set[tuple[int, int]]:
    """Return what Holm's procedure rejects, one hypothesis at a time."""
    left = sorted(itertools.permutations(range(len(p)), 2), key=lambda pair: p[pair])
    found = set()
    while left and p[left[0]] <= level / len(left):
        found.add(left.pop(0))
    return found


@pytest.mark.parametrize("seed", range(20))
def test_holms_procedure(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = rng.uniform(size=(5, 5)) ** rng.integers(1, 8)
    expected = np.zeros((5, 5), dtype=bool)
    for pair in holm_by_steps(p, 0.05):
        expected[pair] = True
    np.testing.assert_array_equal(rejected(p, 0.05), expected)


RANKS = {
    "apart": (rows_of(60, 40, 20), [(1, 1), (2, 2), (3, 3)]),
    "in any order": (rows_of(20, 60, 40), [(3, 3), (1, 1), (2, 2)]),
    "alike": (rows_of(40, 40.1, 40.2), [(1, 3), (1, 3), (1, 3)]),
    "two alike": (rows_of(40, 20, 40.1), [(1, 2), (3, 3), (1, 2)]),
    "a wide one": ([*rows_of(40, 20), *rows_of(30, spread=40)], [(1, 2), (2, 3), (1, 3)]),
    "one row": (rows_of(40), [(1, 1)]),
    "four seeds": ([*rows_of(60, 20), *rows_of(40, seeds=4)], [(1, 1), (2, 2), None]),
    "undefined": ([None, *rows_of(40, 20), None], [None, (1, 1), (2, 2), None]),
    "none": ([], []),
    "none ranked": ([None, *rows_of(40, seeds=2)], [None, None]),
    "no spread": (rows_of(40, 20, 40, spread=0.0), [(1, 2), (3, 3), (1, 2)]),
}


@pytest.mark.parametrize(("rows", "ranges"), RANKS.values(), ids=RANKS)
def test_ranges(rows: list[np.ndarray | None], ranges: list[tuple[int, int] | None]) -> None:
    assert rank_ranges(rows) == ranges


def test_what_is_shown_as_0_shares_its_rank() -> None:
    """Beyond a bound there is nothing to tell apart."""
    rows = rows_of(-60, -20, 50, 110, 160)
    assert rank_ranges(rows) == [(5, 5), (4, 4), (3, 3), (2, 2), (1, 1)]
    assert rank_ranges(rows, (0.0, 100.0)) == [(4, 5), (4, 5), (3, 3), (1, 2), (1, 2)]


def test_a_row_next_to_a_bound_must_be_above_it() -> None:
    rows = [*rows_of(-20, spread=1), *rows_of(1, spread=10)]
    assert rank_ranges(rows) == [(2, 2), (1, 1)]
    assert rank_ranges(rows, (0.0, 100.0)) == [(1, 2), (1, 2)]


BOARDS = st.lists(
    st.lists(st.integers(-50, 150), min_size=5, max_size=7).map(lambda row: np.array(row) / 1.0),
    min_size=1,
    max_size=8,
)
QUICK = settings(max_examples=100, deadline=None, derandomize=True)


@given(BOARDS)
@QUICK
def test_ranges_hold_the_order_of_the_means(rows: list[np.ndarray]) -> None:
    """No row may be found above one whose own mean is larger."""
    found = rank_ranges(rows, (0.0, 100.0))
    means = np.array([row.mean() for row in rows])
    for mean, ends in zip(means, found, strict=True):
        assert ends is not None
        above, equal = int((means > mean).sum()), int((means == mean).sum())
        assert 1 <= ends[0] <= above + 1
        assert above + equal <= ends[1] <= len(rows)


@given(BOARDS, st.integers(0, 2**32 - 1))
@QUICK
def test_the_order_of_the_rows_does_not_matter(rows: list[np.ndarray], seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(rows))
    found = rank_ranges(rows, (0.0, 100.0))
    assert rank_ranges([rows[i] for i in order], (0.0, 100.0)) == [found[i] for i in order]


@given(BOARDS)
@QUICK
def test_a_higher_level_never_widens_a_range(rows: list[np.ndarray]) -> None:
    strict, loose = rank_ranges(rows, level=0.01), rank_ranges(rows, level=0.2)
    for narrow, wide in zip(loose, strict, strict=True):
        assert narrow is not None
        assert wide is not None
        assert wide[0] <= narrow[0] <= narrow[1] <= wide[1]
