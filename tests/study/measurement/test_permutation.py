"""Verdicts with p-values by permutation, on simulated cells."""

from simulated_study import simulate

from conebench.study.findings import find_all
from conebench.study.measurement.permutation import permuted_verdicts
from conebench.study.shares import shares
from conebench.study.words.measurement import permutation_sentence


def changed(turn):
    cells = simulate({"turn": turn})
    return permuted_verdicts(find_all(cells), shares(cells))


def test_a_small_effect_beside_a_large_one_is_found_in_every_seed_but_not_by_permutation() -> None:
    def turn(levels) -> float:
        return 40.0 * (levels["batch size"] == 128) + 4.0 * (levels.get("width") == 16)

    found = {(f.hypothesis.row, f.response.key): f for f in changed(turn)}
    assert found["H4b", "turn"].verdict == "not found"
    assert found["H4b", "turn"].adjusted_p > 0.05
    assert ("H3a", "turn") not in found
    text = permutation_sentence(list(found.values()))
    assert text.startswith("With p-values by permutation in block A, ")
    assert "not found: " in text
    assert "H4b turn" in text


def test_without_a_factorial_nothing_differs() -> None:
    cells = simulate(names=["study-center", "study-b-mse"])
    assert permuted_verdicts(find_all(cells), shares(cells)) == []
    assert permutation_sentence([]) == (
        "With p-values by permutation in block A, no verdict would differ."
    )
