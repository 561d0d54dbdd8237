"""Findings in words: one sentence each, negative ones in the same form."""

from collections.abc import Mapping, Sequence

from conebench.analysis.study import Effect, is_equivalent
from conebench.study.claims import CellClaim, claim_counts
from conebench.study.decay import decay_targets
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
from conebench.study.responses import (
    ALPHA,
    BENEFIT,
    CONE,
    INTERVAL_DISTANCE,
    MOTION,
    POINT,
    TURN,
    Response,
)
from conebench.study.views import FULL, RATIO, ViewTest, confined_in_full

# Pairs of cells whose own effects are written.
MOST_PAIRS = 3
SIGNS = {1: "up", -1: "down", 0: "no effect"}
VERDICTS = {
    "found": "",
    "no effect": "no effect within the margin",
    "not found": "not found",
}
OTHERWISE_WORDS = {FULL: "In the view full instead of trace", RATIO: "With VR instead of α"}
# What becomes of findings that are measured otherwise, for one of them and for several.
RESULTS: dict[Result, tuple[str, str]] = {
    "remains": ("remains", "remain"),
    "reversed": ("is reversed", "are reversed"),
    "not found": ("is not found", "are not found"),
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
    unit = finding.hypothesis.unit
    parts = [f"{start} {effect_words(finding.response, effect)}{unit}{_undivided_words(finding)}"]
    if VERDICTS[finding.verdict]:
        parts.append(VERDICTS[finding.verdict])
    elif finding.size is not None and finding.size < 1 and _is_small(finding):
        parts.append("found, but within the margin")
    parts.append(f"block {finding.test.block}, {runs_words(finding.test)}")
    if finding.test.same_sign is not None:
        parts.append("same sign in {} of {} pairs".format(*finding.test.same_sign))
        parts[-1] += _pair_words(finding)
    parts.append(f"adjusted p {p_words(finding.adjusted_p)}")
    return "; ".join([", ".join(parts), *_elsewhere(finding)]) + "."


def _pair_words(finding: Finding) -> str:
    """Write the effect in each pair, where they are few."""
    pairs = finding.test.pairs
    if len(pairs) > MOST_PAIRS:
        return ""
    words = ", ".join(f"{name} {finding.response.effect_text(value)}" for name, value in pairs)
    return f" ({words})"


def _undivided_words(finding: Finding) -> str:
    """Write the effect on S over one interval, for motion between different learning rates."""
    if finding.undivided is None:
        return ""
    words = effect_words(INTERVAL_DISTANCE, finding.undivided)
    return f" (at different learning rates; {INTERVAL_DISTANCE.symbol} {words})"


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
    missing = f", {_missing_words(found)}" if found.missing else ""
    return f"{seeds} seed{'' if seeds == 1 else 's'}, {found.runs} runs{missing}"


def _missing_words(found: BlockEffect) -> str:
    return f"{_cells(len(found.missing))} missing"


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
    blocks, response = finding.replications, finding.response
    if finding.divided:
        blocks, response = finding.undivided_replications, INTERVAL_DISTANCE
    for found in blocks:
        state: str | None = finding.block(found)
        if state in ("holds", "reversed") and finding.verdict != "found" and found.effect:
            # Nothing was found that could hold elsewhere.
            state = "up" if found.effect.value > 0 else "down"
        if state is not None:
            words = effect_words(response, found.effect) if found.effect else ""
            lost = f", {_missing_words(found)}" if found.missing else ""
            said.setdefault(state, []).append(f"{found.block} ({words}{lost})")
    order = ("holds", "reversed", "up", "down", "not found")
    parts = [f"{state} in {_joined(said[state])}" for state in order if state in said]
    if finding.divided:
        return [f"{response.symbol} {', '.join(parts)}"] if parts else []
    if finding.pooled is not None:
        together = effect_words(response, finding.pooled.effect)
        another = response.interval_text(finding.pooled.predicted)
        parts.append(f"together {together}{finding.hypothesis.unit} (another block: {another})")
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


def claim_words(found: Sequence[CellClaim]) -> str:
    """Say in one sentence how often the claim's statements hold."""
    counts = [true for true, _ in claim_counts(found).values()]
    return (
        f"Of {len(found)} cells of the study, the kernel moves in {counts[0]} and is confined in "
        f"{counts[1]}; non-linear training after w adds accuracy in {counts[2]} (95 % intervals)."
    )


def claim_sentences(found: Sequence[CellClaim]) -> list[str]:
    """Say in how many cells each statement of the claim holds, and describe the other cells.

    Empty without cells.
    """
    if not found:
        return []
    counts = claim_counts(found)
    parts = [f"{name} in {true} of {_cells(judged)}" for name, (true, judged) in counts.items()]
    there = {BLOCK_OF[item.cell.spec] for item in found}
    blocks = [block for block in CLAIM_BLOCKS if block in there]
    where = f"block{'' if len(blocks) == 1 else 's'} {_joined(blocks)}"
    return [
        f"The three statements of the cone effect, cell by cell ({where}; intervals are not "
        f"adjusted for the number of cells): {', '.join(parts)}.",
        *_without_two_phases(found),
        *_not_moving(found),
        *_not_confined(found),
        *_not_paying(found),
    ]


def _without_two_phases(found: Sequence[CellClaim]) -> list[str]:
    held = [item for item in found if item.claim.holds]
    without = [
        item.cell.spec
        for item in held
        if all(seed.outcome != "two phases" for seed in item.cell.seeds)
    ]
    if not without:
        return []
    return [f"Of {_cells(len(held))} with all three, {len(without)} have no seed with two phases."]


def _not_moving(found: Sequence[CellClaim]) -> list[str]:
    # Motion is never negative, so an interval that contains 0 may only be wide.
    spread = [
        item
        for item in found
        if item.claim.moves is False
        and all(seed.values.get(MOTION.key, 0.0) > 0 for seed in item.cell.seeds)
    ]
    if not spread:
        return []
    return [
        f"In {_cells(len(spread))} motion is above 0 in every seed, but its interval contains 0."
    ]


def _not_confined(found: Sequence[CellClaim]) -> list[str]:
    alphas = [item.alpha for item in found if item.claim.confined is False]
    ends = [alpha.interval() for alpha in alphas if alpha]
    if not ends:
        return []
    above = sum(end is not None and end[0] > 1 for end in ends)
    counts = _counted({"above 1": above, "open": len(ends) - above})
    return [f"α is not shown to be below 1 in {_cells(len(ends))}: {counts}."]


def _not_paying(found: Sequence[CellClaim]) -> list[str]:
    benefits = [item.benefit for item in found if item.claim.pays is False and item.benefit]
    if not benefits:
        return []
    below = [b for b in benefits if (ends := b.interval()) is not None and ends[1] < 0]
    none = [b for b in benefits if b not in below and is_equivalent(b, POINT)]
    rest = len(benefits) - len(none) - len(below)
    near = f"within {BENEFIT.number(POINT)} points of 0"
    counts = _counted({near: len(none), "below 0": len(below), "open": rest})
    return [f"B(w) is not shown to be above 0 in {_cells(len(benefits))}: {counts}."]


def _counted(counts: Mapping[str, int]) -> str:
    """Write the counts that are not 0."""
    return ", ".join(f"{words} in {count}" for words, count in counts.items() if count)


def _findings(count: int) -> str:
    return f"{count} finding{'' if count == 1 else 's'}"


def _cells(count: int) -> str:
    return f"{count} cell{'' if count == 1 else 's'}"


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
        rest = "rests" if len(found) == 1 else "rest"
        parts.append(
            f"Of {_findings(len(found))} about the kernel that {rest} on them, "
            f"{_result_counts(found)}."
        )
    if others:
        parts.append(
            f"Of {len(others)} other such tests, {others.count('appears')} have an interval that "
            "excludes 0 only with recalibrated statistics."
        )
    if waiting := len(tests) - len(made):
        parts.append(f"{waiting} more test{'' if waiting == 1 else 's'} cannot be made yet.")
    return parts


def decay_sentences(cells: Cells) -> list[str]:
    """Say how much of B(w) under weight decay is harm to the linear arm."""
    found = decay_targets(cells)
    if not found:
        return []
    parts = [
        f"{effect_words(BENEFIT, targets.toward_switch)} instead of "
        f"{effect_words(BENEFIT, targets.toward_zero)} with weight decay {targets.level}"
        for targets in found
    ]
    return [
        "Weights of linear arms decay toward 0, as those of ordinary training do. Where they decay "
        f"toward the weights at the switch (study-decay, exploratory), B(w) is {_joined(parts)}. "
        "The difference is harm to the linear arm, which B(w) in H6a contains."
    ]


def view_sentences(cells: Cells, tests: Sequence[ViewTest]) -> list[str]:
    """Say what becomes of findings about the kernel that are measured otherwise."""
    parts = []
    for name, words in OTHERWISE_WORDS.items():
        found = [
            test.result
            for test in tests
            if test.name == name and test.result is not None and test.finding.verdict == "found"
        ]
        if found:
            parts.append(f"{words}, of {_findings(len(found))} {_result_counts(found)}.")
    confined, judged = confined_in_full(cells)
    if judged:
        parts.append(f"In the view full {confined} of {_cells(judged)} are confined.")
    return parts


def view_sentence(test: ViewTest) -> str:
    """Write a test as registered and measured otherwise."""
    finding, other = test.finding, test.other.effect
    if finding.effect is None or other is None or test.result is None:
        return f"{_beginning(finding)} cannot be tested in another way yet."
    effect = effect_words(finding.response, finding.effect) + finding.hypothesis.unit
    return (
        f"{_beginning(finding)} {effect}, {test.name} {effect_words(test.response, other)}: "
        f"{test.result}."
    )


def _result_counts(found: Sequence[Result | None]) -> str:
    counts = {result: found.count(result) for result in RESULTS}
    return ", ".join(f"{n} {RESULTS[result][n != 1]}" for result, n in counts.items())


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
