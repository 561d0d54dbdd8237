"""The family of tests on simulated studies: true effects are found, false ones are not."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from simulated_study import simulate

from conebench.study.effects import block_effect, find_probe_variance
from conebench.study.figures import Cell
from conebench.study.findings import Finding, find_all, strongest
from conebench.study.plan import A_DESIGN, BLOCKS, CENTER, HYPOTHESES
from conebench.study.responses import ALPHA, BY_KEY, CONE, MOTION, TURN
from conebench.study.words.findings import headlines, runs_words, sentence

TRUE = {
    # Without normalization alpha is up by 0.4, with GroupNorm too.
    "alpha": lambda levels: 0.0 if levels.get("normalization", "batch") == "batch" else 0.4,
    # Per doubling of the batch, the cone is narrower by 0.5 degrees, and motion falls by a fifth.
    "cone": lambda levels: -0.5 * math.log2(levels["batch size"] / 64),
    "motion": lambda levels: -0.2 * math.log2(levels["batch size"] / 64),
    "turn": lambda levels: -4.0 * math.log2(levels["output scale"]),
}


@pytest.fixture(scope="module")
def findings() -> dict[tuple[str, str], Finding]:
    return by_row(find_all(simulate(TRUE)))


def by_row(found: tuple[Finding, ...]) -> dict[tuple[str, str], Finding]:
    return {(f.hypothesis.row, f.response.key): f for f in found}


@pytest.mark.parametrize(
    ("row", "key", "size"),
    [
        ("H1a", "alpha", 0.4),
        ("H1b", "alpha", 0.4),
        ("H3a", "cone", -0.5),
        ("H3a", "motion", -0.2),
        ("H3b", "cone", -0.5),
        ("H4a", "turn", -4.0),
    ],
)
def test_true_effects_are_recovered(findings, row: str, key: str, size: float) -> None:
    found = findings[row, key]
    low, high = found.effect.interval()
    assert low < size < high
    assert found.effect.value == pytest.approx(size, rel=0.15)
    assert found.verdict == "found"
    against = row == "H3b"
    assert found.standing == ("against the prediction" if against else "as predicted")


REAL = {
    *(("H1a", "alpha"), ("H1b", "alpha"), ("H3a", "cone"), ("H3a", "motion")),
    *(("H3b", "cone"), ("H3b", "motion"), ("H4a", "turn")),
}


def test_other_tests_say_no_effect(findings) -> None:
    others = [found for key, found in findings.items() if key not in REAL]
    assert sum(found.verdict == "no effect" for found in others) > len(others) / 2


def test_false_findings_stay_at_the_rate_that_is_controlled() -> None:
    shares = []
    for seed in range(10):
        found = {
            key
            for key, f in by_row(find_all(simulate(TRUE, seed=seed))).items()
            if f.verdict == "found"
        }
        assert found >= REAL
        shares.append(len(found - REAL) / len(found))
    # 5 %, with a standard error of about 3 % in ten studies of some 7 findings.
    assert np.mean(shares) < 0.05 + 2 * 0.03


def test_a_study_without_effects_finds_nothing() -> None:
    counts = [
        sum(found.verdict == "found" for found in find_all(simulate(seed=seed)))
        for seed in range(1, 5)
    ]
    # Any false finding in one study of twenty, by Benjamini and Hochberg.
    assert sum(count > 0 for count in counts) <= 1


def test_a_prediction_of_no_effect_is_kept_by_equivalence() -> None:
    found = by_row(find_all(simulate()))
    assert found["H3b", "cone"].standing == "as predicted"
    assert found["H6b", "motion"].standing == "as predicted"
    # One of an effect fails by it.
    assert found["H4a", "turn"].standing == "against the prediction"


def test_replications_are_in_other_blocks_and_pooled_from_three_on(findings) -> None:
    batch = findings["H3a", "cone"]
    assert [found.block for found in batch.replications] == ["B", "C", "D"]
    assert [batch.block(found) for found in batch.replications] == ["holds"] * 3
    assert batch.pooled.effect.value == pytest.approx(-0.5, rel=0.1)
    assert findings["H7", "motion"].pooled is None


def test_all_blocks_measure_the_same_slope(findings) -> None:
    """Levels differ from block to block; per doubling, the effect is the same."""
    motion = findings["H3a", "motion"]
    values = [found.effect.value for found in (motion.test, *motion.replications)]
    assert values == pytest.approx([-0.2] * 4, abs=0.03)


def test_the_strongest_are_by_size_in_margins_one_per_row(findings) -> None:
    found = strongest(list(findings.values()))
    rows = [finding.hypothesis.row for finding in found]
    assert len(set(rows)) == len(rows) == 3
    sizes = [finding.size for finding in found]
    assert sizes == sorted(sizes, reverse=True)
    # 5 doublings of 4 degrees, a margin of 3.
    assert rows[0] == "H4a"
    head = headlines(list(findings.values()))[0]
    assert head.rstrip(".") in sentence(found[0])


def test_a_slope_has_the_margin_of_its_whole_range(findings) -> None:
    found = findings["H4a", "turn"]
    assert found.test.span == pytest.approx(math.log2(10 / 0.3))
    assert found.margin == pytest.approx(3.0 / found.test.span)
    assert findings["H1a", "turn"].margin == 3.0


def test_a_study_of_block_b_alone_tests_what_it_can() -> None:
    cells = simulate(TRUE, names=[*BLOCKS["B"], CENTER])
    found = by_row(find_all(cells))
    assert found["H1a", "alpha"].verdict == "undefined"
    assert set(found["H1a", "alpha"].test.missing) == set(A_DESIGN)
    assert "cannot be tested yet" in sentence(found["H1a", "alpha"])
    assert found["H4a", "turn"].verdict == "found"


def test_an_unfinished_study_adjusts_for_all_planned_tests() -> None:
    full, part = find_all(simulate(TRUE)), find_all(simulate(TRUE, names=[*BLOCKS["B"], CENTER]))
    one, other = by_row(full)["H4a", "turn"], by_row(part)["H4a", "turn"]
    assert one.p == other.p
    assert other.adjusted_p >= one.adjusted_p


def test_an_empty_study_says_so() -> None:
    found = find_all({})
    assert {finding.verdict for finding in found} == {"undefined"}
    assert headlines(found) == []


def test_pairs_of_a_factorial_are_used_where_both_sides_are_there() -> None:
    names = [name for name in A_DESIGN if "-w4" in name]
    cells = simulate(TRUE, names=names)
    found = by_row(find_all(cells))["H3a", "cone"]
    assert found.effect.value == pytest.approx(-0.5, rel=0.1)
    assert found.test.runs == 8 * 5
    assert len(found.test.missing) == 8


def test_undefined_seeds_are_left_out_and_counted() -> None:
    undefined = [("study-b-group-norm", 3, "alpha"), ("study-b-group-norm", 4, "alpha")]
    found = by_row(find_all(simulate(TRUE, undefined=undefined)))["H1b", "alpha"]
    assert (found.effect.seeds, found.test.runs) == (3, 6)
    assert "3 seeds, 6 runs" in sentence(found)


def test_the_variance_between_probe_sets_is_that_of_block_f() -> None:
    cells = simulate()
    probes = find_probe_variance(cells, CONE)
    names = [CENTER, *(f"study-f-probe-seed-{i}" for i in (1, 2, 3))]
    table = np.array([[cells[n].value(s, CONE)[0] for n in names] for s in (0, 1, 2)])
    MS = 3 * table.mean(axis=0).var(ddof=1)
    left = table - table.mean(axis=0) - table.mean(axis=1)[:, None] + table.mean()
    assert probes.variance == pytest.approx(max(0.0, (MS - (left**2).sum() / 6) / 3))
    assert find_probe_variance(cells, BY_KEY["benefit"]) is None
    assert find_probe_variance({}, CONE) is None


def test_it_is_added_only_where_cells_have_their_own_probe_images() -> None:
    shift = {f"study-f-probe-seed-{i}": 4.0 * i for i in (1, 2, 3)}
    cells = simulate()
    for name, change in shift.items():
        cells[name] = _shifted(cells[name], change)
    probes = find_probe_variance(cells, TURN)
    assert probes.variance > 10
    rows = {hypothesis.row: hypothesis for hypothesis in HYPOTHESES}
    for row, wider in (("H4a", False), ("H5a", True), ("H5b", True)):
        with_probes, without = (
            block_effect(rows[row].test, rows[row], TURN, cells, found).effect.squared_error
            for found in (probes, None)
        )
        assert (with_probes > 5 * without) is wider


def _shifted(cell: Cell, change: float) -> Cell:
    seeds = [
        replace(seed, values={**seed.values, "turn": seed.values["turn"] + change})
        for seed in cell.seeds
    ]
    return replace(cell, seeds=tuple(seeds))


def test_an_interval_for_another_block_wider_than_ten_margins_is_open(findings) -> None:
    found = findings["H3a", "cone"]
    assert found.pooled is not None
    ends = {"as wide": (0.0, 10 * found.margin), "wider": (0.0, 10.1 * found.margin)}
    words = {
        name: sentence(replace(found, pooled=replace(found.pooled, predicted=predicted)))
        for name, predicted in ends.items()
    }
    assert words["as wide"].endswith("(another block: [0.00, +3.33]).")
    assert words["wider"].endswith("(another block: open).")


def test_sentences_have_effect_interval_runs_p_and_blocks(findings) -> None:
    text = sentence(findings["H3a", "cone"])
    assert text.startswith("A larger batch: cone angle −0.")
    assert "° [−0." in text
    assert (
        " per doubling, block A, 5 seeds, 80 runs, same sign in 8 of 8 pairs, adjusted p < 0.001;"
        in text
    )
    assert re.search(
        r"; holds in B \(−0\.5.*\), C \(−0\.5.*\) and D \(−0\..*\); together −0\..* "
        r"\(another block: \[−.*\]\)\.$",
        text,
    )
    motion = sentence(findings["H3a", "motion"])
    assert motion.startswith("A larger batch: motion ×0.8")
    negative = next(f for f in findings.values() if f.verdict == "no effect")
    assert "no effect within the margin, block " in sentence(negative)


def test_motion_between_learning_rates_is_given_undivided_and_is_not_among_the_strongest() -> None:
    """Simulated motion quadruples per doubling of the learning rate, while S stays."""
    effects = {"motion": lambda levels: 2 * math.log(levels["learning rate"])}
    found = by_row(find_all(simulate(effects)))
    rows = {row for (row, key), f in found.items() if f.divided}
    assert rows == {"H2", "H3b", "H4a", "H10b"}
    assert {key for (_, key), f in found.items() if f.divided} == {"motion"}
    assert all((f.undivided is not None) is f.divided for f in found.values())
    assert found["H2", "motion"].verdict == "found"
    text = sentence(found["H2", "motion"])
    assert "(per summed learning rate, which differs; S over one interval ×1.0" in text
    # What is said of other blocks is about S too, and nothing is pooled.
    elsewhere = text.split("; ")[-1]
    assert elsewhere.startswith("S over one interval ")
    assert "together" not in text
    assert [f.block for f in found["H2", "motion"].undivided_replications] == ["B", "C", "D"]
    assert not rows & {f.hypothesis.row for f in strongest(list(found.values()))}


def test_pairs_that_disagree_are_counted() -> None:
    """Four of eight pairs go the other way, by less."""
    effects = {
        "turn": lambda levels: {(4.0, 16.0): 9.0, (4.0, 128.0): 5.0, (16.0, 128.0): 9.0}.get(
            (levels.get("width"), levels["batch size"]), 0.0
        )
    }
    found = by_row(find_all(simulate(effects)))["H4b", "turn"]
    assert found.effect.value < 0
    assert found.test.same_sign == (4, 8)
    assert ", 80 runs, same sign in 4 of 8 pairs, adjusted p" in sentence(found)


def test_few_pairs_are_written_each_by_itself() -> None:
    """AdamW turns the ViT's kernel alone."""
    effects = {
        "turn": lambda levels: (
            9.0 * (levels["optimizer"] == "adamw") * ("vit" in levels["architecture"])
        )
    }
    found = by_row(find_all(simulate(effects)))["H10b", "turn"]
    by_name = dict(found.test.pairs)
    assert by_name["study-e-vit-adamw"] > 8
    assert abs(by_name["study-e-resnet8-adamw"]) < 1
    assert "study-e-vit-adamw +" in sentence(found)


def test_of_two_pairs_that_have_a_difference_at_least_is_said() -> None:
    names = ["study-e-mlp-128-adamw", "study-e-mlp-128"]
    found = by_row(find_all(simulate(TRUE, names=names)))["H10b", "turn"]
    assert found.effect is not None
    assert found.test.same_sign is None


@pytest.mark.parametrize("row", ["H1b", "H4a"])
def test_one_pair_and_a_slope_have_no_pairs_to_count(findings, row: str) -> None:
    assert findings[row, "turn"].test.same_sign is None


def test_an_end_that_is_rounded_to_0_keeps_its_side() -> None:
    assert TURN.interval_text((0.01, 0.4)) == "[+0.0, +0.4]"
    assert TURN.interval_text((-0.4, -0.01)) == "[−0.4, −0.0]"
    assert TURN.interval_text((-0.4, 0.0)) == "[−0.4, 0.0]"
    assert MOTION.interval_text((-0.1, 0.001)) == "[×0.905, ×1.00]"


@pytest.mark.parametrize("response", [ALPHA, MOTION])
def test_effects_are_written_on_the_scale_of_the_figure(response) -> None:
    expected = {"alpha": "−0.40", "motion": "×0.670"}[response.key]
    assert response.effect_text(-0.4) == expected


@pytest.mark.parametrize(
    ("missing", "words"),
    [((), ""), (("a",), ", 1 cell missing"), (("a", "b"), ", 2 cells missing")],
)
def test_missing_cells_are_counted(findings, missing: tuple[str, ...], words: str) -> None:
    test = replace(next(iter(findings.values())).test, missing=missing)
    assert runs_words(test).endswith(f" runs{words}")
