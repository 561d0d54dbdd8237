"""Findings of the study as lines of text."""

from collections.abc import Iterator

from conebench.study.claims import claims
from conebench.study.effects import Cells
from conebench.study.exploratory import exploratory_findings
from conebench.study.findings import Finding, find_all
from conebench.study.measurement.recalibrated import recalibrated_tests
from conebench.study.measurement.views import view_tests
from conebench.study.words.claim import claim_sentences
from conebench.study.words.findings import (
    coverage_sentence,
    exploratory_sentence,
    is_told,
    sentence,
    standing_sentence,
)
from conebench.study.words.measurement import (
    decay_sentences,
    recalibrated_sentence,
    recalibrated_sentences,
    view_sentence,
    view_sentences,
)


def finding_lines(cells: Cells, *, every: bool) -> Iterator[str]:
    """Yield what the records cover, the claim, and a sentence per test; all tests if asked."""
    yield coverage_sentence(cells)
    if not cells:
        return
    found = find_all(cells)
    yield from claim_sentences(claims(cells))
    yield standing_sentence(found)
    tested = [finding for finding in found if finding.verdict != "undefined"]
    # Tests that were not predicted and found nothing would bury the others.
    rest = 0
    for finding in tested:
        if every or finding.predicted is not None or finding.verdict == "found":
            yield f"{finding.hypothesis.row}: {sentence(finding)}{_standing(finding)}"
        else:
            rest += 1
    if rest:
        yield f"{rest} more tests: no effect, or not found; --all prints them."
    if len(found) > len(tested):
        yield f"{len(found) - len(tested)} planned tests cannot be made yet."
    yield from _exploratory_lines(cells, every=every)
    yield from decay_sentences(cells)
    otherwise = view_tests(found, cells)
    yield from view_sentences(cells, otherwise)
    for test in otherwise:
        if test.finding.verdict == "found" and test.result not in ("remains", None):
            yield f"{test.finding.hypothesis.row}: {view_sentence(test)}"
    repeated = recalibrated_tests(found, cells)
    yield from recalibrated_sentences(cells, repeated)
    for again in repeated:
        if every or again.result not in ("remains", None):
            yield f"{again.finding.hypothesis.row}: {recalibrated_sentence(again)}"
    yield "docs/study.md explains hypotheses (H1a, ...), blocks (A to F, R) and predictions."


def _exploratory_lines(cells: Cells, *, every: bool) -> Iterator[str]:
    later = exploratory_findings(cells)
    if any(map(is_told, later)):
        yield exploratory_sentence(later)
    for finding in later:
        if is_told(finding) or (every and finding.verdict != "undefined"):
            yield f"{finding.hypothesis.row}: {sentence(finding)}"


def _standing(finding: Finding) -> str:
    return "" if finding.predicted is None else f" {finding.standing.capitalize()}."
