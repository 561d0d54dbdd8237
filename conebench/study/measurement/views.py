"""Test the kernel again in the view `full`, and with VR instead of α."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from conebench.analysis.study import is_confined
from conebench.study.effects import (
    BlockEffect,
    Cells,
    block_effect,
    cell_effect,
    find_probe_variance,
)
from conebench.study.findings import Finding
from conebench.study.measurement.comparison import Result, compare_intervals
from conebench.study.plan import BLOCKS, CLAIM_BLOCKS
from conebench.study.responses import ALPHA, BY_KEY, CONE, MOTION, TURN, Response

FULL, RATIO = "view full", "VR"


def _in_full(response: Response) -> Response:
    return replace(response, key=f"{response.key}@full", symbol=f"{response.symbol}, full")


# By response: what measures the same, by name.
OTHERWISE: Mapping[str, Mapping[str, Response]] = {
    **{response.key: {FULL: _in_full(response)} for response in (TURN, CONE, MOTION)},
    ALPHA.key: {FULL: _in_full(ALPHA), RATIO: BY_KEY["VR"]},
}


@dataclass(frozen=True)
class ViewTest:
    """A test of the kernel, and the same test with another measure of the response."""

    finding: Finding
    name: str
    response: Response
    other: BlockEffect

    @property
    def result(self) -> Result | None:
        """The second interval, compared with the first. None without both."""
        return compare_intervals(self.finding.effect, self.other.effect)


def view_tests(findings: Sequence[Finding], cells: Cells) -> list[ViewTest]:
    """Test turn, cone angle, α and motion again, each with its other measures."""
    return [
        ViewTest(finding, name, response, _effect(finding, response, cells))
        for finding in findings
        if finding.verdict != "undefined"
        for name, response in OTHERWISE.get(finding.response.key, {}).items()
    ]


def confined_in_full(cells: Cells) -> tuple[int, int]:
    """Count the cells that are confined in the view `full`, and those that can be judged."""
    alpha = OTHERWISE[ALPHA.key][FULL]
    probes = find_probe_variance(cells, alpha)
    names = [name for block in CLAIM_BLOCKS for name in BLOCKS[block] if name in cells]
    judged = [is_confined(cell_effect(cells[name], alpha, probes)) for name in names]
    return judged.count(True), len(judged) - judged.count(None)


def _effect(finding: Finding, response: Response, cells: Cells) -> BlockEffect:
    probes = find_probe_variance(cells, response)
    return block_effect(finding.hypothesis.test, finding.hypothesis, response, cells, probes)
