"""Words for findings that are measured otherwise."""

from collections.abc import Sequence

from conebench.study.effects import Cells
from conebench.study.findings import Finding
from conebench.study.measurement.comparison import Result
from conebench.study.measurement.decay import decay_targets
from conebench.study.measurement.recalibrated import (
    RecalibratedTest,
    confined_cells,
    recalibrated_change,
    repeated_cells,
)
from conebench.study.measurement.views import FULL, RATIO, ViewTest, confined_in_full
from conebench.study.plan import RECALIBRATED
from conebench.study.responses import ALPHA, BENEFIT, CONE, MOTION, TURN
from conebench.study.words.findings import beginning, effect_words, runs_words
from conebench.text import count_of, joined

OTHERWISE_WORDS = {
    FULL: ("about the kernel", "in the view full"),
    RATIO: ("about α", "with VR instead"),
}
# What becomes of findings, for one of them and for several.
RESULTS: dict[Result, tuple[str, str]] = {
    "remains": ("remains", "remain"),
    "reversed": ("is reversed", "are reversed"),
    "not found": ("is not found", "are not found"),
}


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
            f"Of {count_of('finding', len(found))} about the kernel that {rest} on them, "
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
        f"toward the weights at the switch (study-decay, exploratory), B(w) is {joined(parts)}. "
        "B(w) in H6a includes this difference."
    ]


def permutation_sentence(changed: Sequence[Finding]) -> str:
    """Say which verdicts differ with p-values by permutation."""
    if not changed:
        return "With p-values by permutation in block A, no verdict would differ."
    verdicts: dict[str, list[str]] = {}
    for finding in changed:
        name = f"{finding.hypothesis.row} {finding.response.symbol}"
        verdicts.setdefault(finding.verdict, []).append(name)
    parts = "; ".join(f"{verdict}: {joined(names)}" for verdict, names in verdicts.items())
    number = count_of("verdict", len(changed))
    return f"With p-values by permutation in block A, {number} would differ ({parts})."


def view_sentences(cells: Cells, tests: Sequence[ViewTest]) -> list[str]:
    """Say what becomes of findings about the kernel that are measured otherwise."""
    parts = []
    for name, (subject, how) in OTHERWISE_WORDS.items():
        found = [
            test.result
            for test in tests
            if test.name == name and test.result is not None and test.finding.verdict == "found"
        ]
        if found:
            number = count_of("finding", len(found))
            parts.append(f"Of {number} {subject}, tested again {how}, {_result_counts(found)}.")
    confined, judged = confined_in_full(cells)
    if judged:
        parts.append(f"In the view full, {confined} of {count_of('cell', judged)} are confined.")
    return parts


def view_sentence(test: ViewTest) -> str:
    """Write a test as registered and measured otherwise."""
    finding, other = test.finding, test.other.effect
    if finding.effect is None or other is None or test.result is None:
        return f"{beginning(finding)} cannot be tested in another way yet."
    effect = effect_words(finding.response, finding.effect) + finding.hypothesis.unit
    return (
        f"{beginning(finding)} {effect}, {test.name} {effect_words(test.response, other)}: "
        f"{test.result}."
    )


def _result_counts(found: Sequence[Result | None]) -> str:
    counts = {result: found.count(result) for result in RESULTS}
    return ", ".join(f"{n} {RESULTS[result][n != 1]}" for result, n in counts.items())


def recalibrated_sentence(test: RecalibratedTest) -> str:
    """Write a test with running and with recalibrated statistics."""
    start, unit = beginning(test.finding), test.finding.hypothesis.unit
    response, running, after = test.finding.response, test.running.effect, test.recalibrated.effect
    if running is None or after is None or test.result is None:
        return f"{start} cannot be tested with recalibrated statistics yet."
    change = f", change {effect_words(response, test.change)}" if test.change else ""
    return (
        f"{start} {effect_words(response, running)}{unit} with running statistics, "
        f"{effect_words(response, after)} with recalibrated statistics{change}, "
        f"{runs_words(test.recalibrated)}: {test.result}."
    )
