"""conebench.seeding: counters give independent draws, subsets are balanced."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from conebench.seeding import balanced_indices, counter_seed


@given(
    labels=st.lists(st.integers(0, 3), min_size=8, max_size=60),
    count=st.integers(1, 40),
    seed=st.integers(0, 2**32 - 1),
)
@settings(deadline=None, max_examples=60)
def test_balanced_subsets(labels: list[int], count: int, seed: int) -> None:
    chosen = balanced_indices(torch.tensor(labels), 4, count, seed, "probe")
    assert len(chosen) == min(count, len(labels))
    assert len(set(chosen.tolist())) == len(chosen)
    available = torch.bincount(torch.tensor(labels), minlength=4)
    taken = torch.bincount(torch.tensor(labels)[chosen], minlength=4)
    # A class may lag behind the fullest by one, or because it has no more images.
    assert all(int(taken[c]) >= int(taken.max()) - 1 or taken[c] == available[c] for c in range(4))


def test_counter_seeds_differ_by_seed_purpose_and_index() -> None:
    seeds = {
        counter_seed(seed, purpose, index)
        for seed in range(5)
        for purpose in ("init", "order", "augment")
        for index in range(5)
    }
    assert len(seeds) == 75
    assert all(0 <= seed < 2**63 for seed in seeds)
