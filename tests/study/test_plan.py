"""The table of cells and hypotheses, against the specs and docs/study.md."""

import re
import subprocess
from pathlib import Path

import pytest
from simulated_study import study_specs

from conebench.study.levels import levels_of
from conebench.study.plan import (
    A_DESIGN,
    BLOCKS,
    C_DESIGN,
    HYPOTHESES,
    RECALIBRATED,
    REGISTERED,
    Hypothesis,
)

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/study.md").read_text(encoding="utf-8")
BLOCK_FILES = {"study-center": "center"} | {f"study-{block.lower()}": block for block in "ABCDEF"}


def test_every_cell_has_a_spec_and_every_spec_of_the_blocks_a_cell() -> None:
    listed = [name for names in BLOCKS.values() for name in names]
    assert len(listed) == len(set(listed))
    assert {*listed, *RECALIBRATED.values()} == study_specs().keys()


def test_block_r_repeats_the_cells_with_batchnorm_that_tests_rest_on() -> None:
    tests = [hypothesis.test for hypothesis in HYPOTHESES]
    specs = {name: study_specs()[name] for test in tests for name in test.names}
    assert RECALIBRATED.keys() == {
        name for name, spec in specs.items() if levels_of(spec).get("normalization") == "batch"
    }


def test_blocks_have_the_cells_that_the_page_says() -> None:
    rows = re.findall(r"^\| (\w+) \| `(.+?)\.yaml` \| (\d+) \|", PAGE, re.MULTILINE)
    counts: dict[str, int] = {}
    for block, _, cells in rows:
        counts[block] = counts.get(block, 0) + int(cells)
    del counts["rates"], counts["decay"]
    assert counts.pop("R") == len(RECALIBRATED)
    assert counts == {block: len(names) for block, names in BLOCKS.items()}


@pytest.mark.parametrize(
    ("design", "low", "high"),
    [
        (A_DESIGN, ("batch", 0.01, 16, 4), ("none", 0.04, 128, 16)),
        (
            C_DESIGN,
            ("batch", 0.02, 32, "none", 2000),
            ("group", 0.1, 128, "flips and crops 2", 2e4),
        ),
    ],
    ids=["A", "C"],
)
def test_signs_of_the_factorials_are_the_levels_of_the_specs(design, low, high) -> None:
    factors = ("normalization", "learning rate", "batch size", "width")
    if design is C_DESIGN:
        factors = (*factors[:3], "augmentation", "training images")
    for name, signs in design.items():
        levels = levels_of(study_specs()[name])
        expected = [(low, high)[sign > 0][i] for i, sign in enumerate(signs)]
        assert [levels[factor] for factor in factors] == expected


def test_rows_are_those_of_the_page_with_their_sources() -> None:
    rows = re.findall(r"^\| (H\d+\w?) \|(.+)\|$", PAGE, re.MULTILINE)
    assert [hypothesis.row for hypothesis in HYPOTHESES] == [row for row, _ in rows]
    for hypothesis, (_, text) in zip(HYPOTHESES, rows, strict=True):
        _, _, predicted, source = (part.strip() for part in text.split("|"))
        arxiv = re.findall(r"arXiv [\d.]+", source)
        assert all(paper in hypothesis.source for paper in arxiv)
        assert predicted.count("up") == sum(v == 1 for v in hypothesis.predicted.values())
        assert predicted.count("no effect") == (0 in hypothesis.predicted.values())


@pytest.mark.parametrize("hypothesis", HYPOTHESES, ids=lambda hypothesis: hypothesis.row)
def test_contrasts_differ_in_their_factor(hypothesis: Hypothesis) -> None:
    for contrast in (hypothesis.test, *hypothesis.replications):
        levels = {name: levels_of(study_specs()[name]) for name in contrast.names}
        assert len({of_cell.get(hypothesis.factor) for of_cell in levels.values()}) > 1
        if contrast.kind == "pairs":
            for first, second in zip(contrast.first, contrast.second, strict=True):
                changed = {k for k in levels[first] if levels[first][k] != levels[second].get(k)}
                # An optimizer comes with its learning rate and weight decay.
                own = {"optimizer"} & changed and {"learning rate", "weight decay"}
                # Networks of another architecture have no width of a ResNet's.
                other = {"architecture"} & changed and {"normalization", "width", "depth"}
                assert changed - (own or set()) - (other or set()) == {hypothesis.factor}


def test_levels_are_what_the_names_say() -> None:
    specs = study_specs()
    assert levels_of(specs["study-b-output-scale-3"])["output scale"] == 3.0
    assert levels_of(specs["study-b-train-size-180"])["training images"] == 180
    assert levels_of(specs["study-center"])["training images"] == 1437
    assert levels_of(specs["study-b-depth-32"])["depth"] == 32
    assert levels_of(specs["study-b-random-labels"])["labels"] == "random"
    assert levels_of(specs["study-b-crops-1"])["augmentation"] == "crops 1"
    assert "width" not in levels_of(specs["study-e-vit-adamw"])


def test_the_family_has_the_tests_that_the_plan_names() -> None:
    # 16 rows by 8 primary responses, less the 4 of H5b, and 6 secondary ones that are predicted.
    assert sum(len(hypothesis.responses) for hypothesis in HYPOTHESES) == 16 * 8 - 4 + 6


def test_the_plan_was_added_in_the_commit_that_is_named() -> None:
    command = ["git", "log", "--diff-filter=A", "--format=%H", "--", "docs/study.md"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if found.returncode or not found.stdout.strip():
        pytest.skip("no history of docs/study.md here")
    assert found.stdout.split() == [REGISTERED]
