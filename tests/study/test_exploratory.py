"""conebench.study.exploratory: what was asked after the runs."""

import math

import pytest
from simulated_study import Levels, simulate

from conebench.study.exploratory import EXPLORATORY, exploratory_findings
from conebench.study.findings import Finding, find_all
from conebench.study.words.findings import exploratory_sentence, is_told, sentence


def adamw_in_vit(levels: Levels) -> float:
    """10 degrees of turn for AdamW in ViT, 1 in any other network."""
    if levels["optimizer"] != "adamw":
        return 0.0
    return 10.0 if "vit" in str(levels["architecture"]) else 1.0


def doublings_of_batch(levels: Levels) -> float:
    """2 degrees of turn per doubling, where the number of images is the same."""
    images = float(levels["batch size"]) * float(levels["steps"])
    return 2 * math.log2(float(levels["batch size"]) / 64) if images == 64_000 else 0.0


def found(effect, row: str, **more: object) -> Finding:
    cells = simulate({"turn": effect}, **more)
    (finding,) = (
        f
        for f in exploratory_findings(cells)
        if (f.hypothesis.row, f.response.key) == (row, "turn")
    )
    return finding


@pytest.mark.parametrize(
    ("effect", "row", "size"),
    [
        (adamw_in_vit, "X2a", 9.0),
        (adamw_in_vit, "X2b", 0.0),
        (doublings_of_batch, "X1", 2.0),
    ],
)
def test_simulated_effects_are_recovered(effect, row: str, size: float) -> None:
    low, high = found(effect, row).effect.interval()
    assert low < size < high
    assert high - low < 3


def test_an_interaction_needs_all_four_cells() -> None:
    names = ("study-e-vit-adamw", "study-e-vit-sgd", "study-e-resnet8-adamw")
    assert found(adamw_in_vit, "X2a", names=names).effect is None
    whole = found(adamw_in_vit, "X2a", names=(*names, "study-center"))
    assert whole.test.runs == 20
    assert whole.test.pairs == ()


def test_they_are_a_family_of_their_own() -> None:
    cells = simulate({"turn": adamw_in_vit})
    rows = {hypothesis.row for hypothesis in EXPLORATORY}
    assert not rows & {finding.hypothesis.row for finding in find_all(cells)}
    later = exploratory_findings(cells)
    assert {finding.hypothesis.row for finding in later} == rows
    assert len(later) == 24
    assert all(finding.predicted is None for finding in later)


def test_motion_at_an_equal_number_of_images_is_given_undivided() -> None:
    # The interval of the grid is a share of the run, so the sums of learning rates differ.
    later = exploratory_findings(simulate())
    (motion,) = (f for f in later if (f.hypothesis.row, f.response.key) == ("X1", "motion"))
    assert motion.divided
    assert "(per summed learning rate, which differs; S over one interval ×" in sentence(motion)


def test_those_that_say_something_are_counted() -> None:
    later = exploratory_findings(simulate({"turn": adamw_in_vit}))
    told = sum(map(is_told, later))
    assert told > 0
    assert f"Of 24 tests, a family of their own, {told} find" in exploratory_sentence(later)
