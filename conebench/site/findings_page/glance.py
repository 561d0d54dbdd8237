"""One table of what each factor does to each response."""

from collections.abc import Sequence
from dataclasses import dataclass

from conebench.site.findings_page.forest import label_of
from conebench.study.findings import Finding
from conebench.study.responses import ALPHA, BENEFIT, BENEFIT_EARLY, CONE, MOTION, TURN
from conebench.text import joined

COLUMNS = (TURN, CONE, ALPHA, MOTION, BENEFIT_EARLY, BENEFIT)
STANDINGS = {"as predicted": "✓", "against the prediction": "✗", "open": "○"}


@dataclass(frozen=True)
class GlanceCell:
    """One test: a mark, the effect, and both in words."""

    mark: str
    effect: str
    words: str
    standing: str


@dataclass(frozen=True)
class GlanceRow:
    """A factor: a cell for each column, None where nothing is tested, and its other predictions."""

    row: str
    label: str
    cells: tuple[GlanceCell | None, ...]
    others: tuple[GlanceCell, ...]


def glance_rows(findings: Sequence[Finding]) -> list[GlanceRow]:
    """Return a row for each contrast with a test."""
    tested: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.verdict != "undefined":
            tested.setdefault(finding.hypothesis.row, []).append(finding)
    return [_row(row, found) for row, found in tested.items()]


def _row(row: str, found: Sequence[Finding]) -> GlanceRow:
    by_response = {finding.response: finding for finding in found}
    cells = (by_response.get(column) for column in COLUMNS)
    return GlanceRow(
        row,
        label_of(found[0]),
        tuple(_cell(finding) if finding else None for finding in cells),
        tuple(
            _cell(finding, f"{finding.response.symbol} ")
            for finding in found
            if finding.response not in COLUMNS and finding.predicted is not None
        ),
    )


def _cell(finding: Finding, name: str = "") -> GlanceCell:
    mark, words = _mark(finding)
    effect = finding.response.effect_text(finding.effect.value) if finding.effect else ""
    shown = f"{name}{effect if mark in '▲▼△▽' else ''}".strip()
    standing = STANDINGS.get(finding.standing, "")
    spoken = ", ".join(filter(None, (words, finding.standing if standing else "")))
    return GlanceCell(mark, shown, spoken, standing)


def _mark(finding: Finding) -> tuple[str, str]:
    if finding.divided:
        return "÷", "divided by learning rates that differ"
    if finding.verdict == "no effect" or finding.is_within_margin:
        return "≈", "no effect beyond the margin"
    if finding.verdict != "found" or finding.effect is None:
        return "?", "not found"
    is_up, against = finding.effect.value > 0, _against(finding)
    way = "up" if is_up else "down"
    if against:
        return "△" if is_up else "▽", f"{way}, but not in {joined(against)}"
    return "▲" if is_up else "▼", way


def _against(finding: Finding) -> list[str]:
    """Return where an effect is reversed or not found."""
    same, total = finding.test.same_sign or (0, 0)
    blocks = [b.block for b in finding.elsewhere if finding.block(b) in ("reversed", "not found")]
    pairs = [f"{total - same} of {total} pairs of cells"] if same < total else []
    return [*pairs, *(f"block {block}" for block in blocks)]
