"""Findings in words: one sentence each, negative ones in the same form."""

from collections.abc import Mapping, Sequence

from conebench.analysis.study import Effect
from conebench.study.effects import BlockEffect, Cells
from conebench.study.findings import Finding, strongest
from conebench.study.measurement import (
    RecalibratedTest,
    Result,
    confined_cells,
    recalibrated_change,
    repeated_cells,
)
from conebench.study.plan import BLOCK_OF, BLOCKS, CLAIM_BLOCKS, RECALIBRATED
from conebench.study.responses import ALPHA, CONE, MOTION, TURN, Response

SIGNS = {1: "up", -1: "down", 0: "no effect"}
VERDICTS = {
    "found": "",
    "no effect": "no effect within the margin",
    "not found": "not found",
}
# What becomes of findings with recalibrated statistics, in the plural.
RESULTS: dict[Result, str] = {
    "remains": "remain",
    "reversed": "are reversed",
    "not found": "are not found",
}


def sentence(finding: Finding) -> str:
    """Write a finding as one sentence.

    It has the effect, its interval, the number of runs, the adjusted p, and the blocks where it
    holds and where it does not.
    """
    start = _beginning(finding)
    effect = finding.effect
    if effect is None or finding.adjusted_p is None:
        return f"{start} cannot be tested yet ({_why(finding.test)})."
    # The same parts in the same order, whether found or not.
    parts = [f"{start} {effect_words(finding.response, effect)}{finding.hypothesis.unit}"]
    if VERDICTS[finding.verdict]:
        parts.append(VERDICTS[finding.verdict])
    elif finding.size is not None and finding.size < 1 and _is_small(finding):
        parts.append("found, but within the margin")
    parts.append(f"block {finding.test.block}, {runs_words(finding.test)}")
    parts.append(f"adjusted p {p_words(finding.adjusted_p)}")
    return "; ".join([", ".join(parts), *_elsewhere(finding)]) + "."


def _beginning(finding: Finding) -> str:
    words = finding.hypothesis.subject
    return f"{words[0].upper()}{words[1:]}: {finding.response.symbol}"


def _is_small(finding: Finding) -> bool:
    ends, margin = finding.effect and finding.effect.interval(), finding.margin
    return bool(ends and margin and max(abs(ends[0]), abs(ends[1])) < margin)


def effect_words(response: Response, effect: Effect) -> str:
    """Write an effect with its interval."""
    ends = response.interval_text(effect.interval())
    return f"{response.effect_text(effect.value)}{f' {ends}' if ends else ''}"


def p_words(p: float) -> str:
    """Write a p-value."""
    return "< 0.001" if p < 0.001 else f"{p:.2g}" if p < 0.1 else f"{p:.2f}"


def runs_words(found: BlockEffect) -> str:
    """Write seeds and runs."""
    seeds = found.effect.seeds if found.effect else 0
    lost = len(found.missing)
    missing = f", {lost} cell{'' if lost == 1 else 's'} missing" if lost else ""
    return f"{seeds} seed{'' if seeds == 1 else 's'}, {found.runs} runs{missing}"


def _why(found: BlockEffect) -> str:
    if found.missing:
        return f"no records of {listed(found.missing)}"
    return "undefined, or one seed alone"


def listed(names: Sequence[str], most: int = 3) -> str:
    """Write the first names, and count the rest."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _elsewhere(finding: Finding) -> list[str]:
    """Say where else the effect holds."""
    said: dict[str, list[str]] = {}
    for found in finding.replications:
        state: str | None = finding.block(found)
        if state in ("holds", "reversed") and finding.verdict != "found" and found.effect:
            # Nothing was found that could hold elsewhere.
            state = "up" if found.effect.value > 0 else "down"
        if state is not None:
            said.setdefault(state, []).append(found.block)
    order = ("holds", "reversed", "up", "down", "not found")
    parts = [f"{state} in {_joined(said[state])}" for state in order if state in said]
    if finding.pooled is not None:
        together = effect_words(finding.response, finding.pooled.effect)
        parts.append(f"together {together}{finding.hypothesis.unit}")
    return parts


def _joined(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def strongest_sentences(findings: Sequence[Finding], count: int = 3) -> list[str]:
    """Return the sentences of the strongest findings. Empty without any."""
    return [sentence(finding) for finding in strongest(findings, count)]


def coverage_sentence(cells: Mapping[str, object]) -> str:
    """Say how far the study is."""
    planned = [name for block in BLOCKS.values() for name in block]
    there = [name for name in planned if name in cells]
    blocks = [
        f"{block} {sum(BLOCK_OF[name] == block for name in there)} of {len(names)}"
        for block, names in BLOCKS.items()
    ]
    return f"{len(there)} of {len(planned)} cells have a record ({', '.join(blocks)})."


def standing_sentence(findings: Sequence[Finding]) -> str:
    """Count how predictions fared."""
    predicted = [f for f in findings if f.predicted is not None and f.verdict != "undefined"]
    planned = sum(f.predicted is not None for f in findings)
    counts = {
        name: sum(f.standing == name for f in predicted)
        for name in ("as predicted", "against the prediction", "open")
    }
    parts = ", ".join(f"{count} {name}" for name, count in counts.items())
    return f"Of {planned} predictions {len(predicted)} could be tested: {parts}."


def claim_sentence(counts: Mapping[str, tuple[int, int]]) -> str:
    """Say in how many cells the claim holds. Counts are (true, judged)."""
    parts = [f"{name} in {true} of {judged} cells" for name, (true, judged) in counts.items()]
    blocks = ", ".join(CLAIM_BLOCKS)
    return f"The cone effect’s own claim, cell by cell (blocks {blocks}): {', '.join(parts)}."


def recalibrated_sentences(cells: Cells, tests: Sequence[RecalibratedTest]) -> list[str]:
    """Describe what recalibrated statistics change, by block R. Empty without its records."""
    there, planned = len(repeated_cells(cells)), len(RECALIBRATED)
    if not there:
        return []
    parts = [f"Block R, exploratory: {there} of its {planned} cells have a record."]
    found = [(r, recalibrated_change(cells, r)) for r in (TURN, CONE, ALPHA, MOTION)]
    changes = [f"{r.symbol} {effect_words(r, effect)}" for r, effect in found if effect]
    if changes:
        parts.append(
            "Mean change within seeds, recalibrated minus running statistics: "
            f"{', '.join(changes)}."
        )
    running, recalibrated, judged = confined_cells(cells)
    if judged:
        parts.append(
            f"With running statistics {running} of {judged} cells are confined; with recalibrated "
            f"statistics, {recalibrated}."
        )
    return [*parts, *_test_counts(tests)]


def _test_counts(tests: Sequence[RecalibratedTest]) -> list[str]:
    made = [test for test in tests if test.result is not None]
    found = [test.result for test in made if test.finding.verdict == "found"]
    others = [test.result for test in made if test.finding.verdict != "found"]
    parts = []
    if found:
        counts = ", ".join(f"{found.count(r)} {words}" for r, words in RESULTS.items())
        parts.append(f"Of {len(found)} findings about the kernel that rest on them, {counts}.")
    if others:
        parts.append(
            f"Of {len(others)} other such tests, {others.count('appears')} have an interval that "
            "excludes 0 only with recalibrated statistics."
        )
    if waiting := len(tests) - len(made):
        parts.append(f"{waiting} more test{'' if waiting == 1 else 's'} cannot be made yet.")
    return parts


def recalibrated_sentence(test: RecalibratedTest) -> str:
    """Write a test with running and with recalibrated statistics."""
    start, unit = _beginning(test.finding), test.finding.hypothesis.unit
    response, running, after = test.finding.response, test.running.effect, test.recalibrated.effect
    if running is None or after is None or test.result is None:
        return f"{start} cannot be tested with recalibrated statistics yet."
    change = f", change {effect_words(response, test.change)}" if test.change else ""
    return (
        f"{start} {effect_words(response, running)}{unit} with running statistics, "
        f"{effect_words(response, after)} with recalibrated statistics{change}, "
        f"{runs_words(test.recalibrated)}: {test.result}."
    )
