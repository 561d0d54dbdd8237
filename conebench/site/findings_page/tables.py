"""Tables of the Findings page."""

from collections.abc import Callable, Sequence

from conebench.analysis.intervals import Estimate
from conebench.analysis.study import Count, Effect
from conebench.record.quantities import UNDEFINED, distance, interval, percent, two_decimals
from conebench.site.charts.table import Table
from conebench.study.claims import CellClaim
from conebench.study.confront import PaperRow
from conebench.study.effects import Cells, find_probe_variance
from conebench.study.findings import Finding
from conebench.study.measurement.changes import MeasuredChange
from conebench.study.measurement.recalibrated import RecalibratedTest
from conebench.study.measurement.views import ViewTest
from conebench.study.outcomes import OUTCOMES, OutcomeRow
from conebench.study.papers import PAPER_FIGURES
from conebench.study.plan import BLOCK_OF
from conebench.study.responses import Response
from conebench.study.words.findings import SIGNS, effect_words, p_words

MARKS = {True: "yes", False: "no", None: UNDEFINED}


def claim_table(found: Sequence[CellClaim]) -> Table:
    """Return the cone effect's claim cell by cell."""
    return Table(
        ("Cell", "Block", "Motion", "α", "B(w), points", "Moves", "Confined", "Pays"),
        tuple(
            (
                item.cell.spec,
                BLOCK_OF[item.cell.spec],
                _estimate(item.motion, distance),
                _estimate(item.alpha, two_decimals),
                _estimate(item.benefit, percent),
                MARKS[item.claim.moves],
                MARKS[item.claim.confined],
                MARKS[item.claim.pays],
            )
            for item in found
        ),
    )


def _estimate(effect: Effect | None, number: Callable[[float], str]) -> str:
    if effect is None:
        return UNDEFINED
    low, high = effect.interval() or (None, None)
    estimate = Estimate(effect.value, low, high, effect.seeds)
    return f"{number(effect.value)} {interval(number, estimate)}".rstrip()


def prediction_table(findings: Sequence[Finding]) -> Table:
    """Return what was predicted against what was found."""
    predicted = [finding for finding in findings if finding.predicted is not None]
    return Table(
        (
            "Row",
            "Contrast",
            "Response",
            "Predicted",
            "Found",
            "p",
            "adjusted p",
            "Standing",
            "Source",
        ),
        tuple(_prediction_row(finding) for finding in predicted),
    )


def _prediction_row(finding: Finding) -> tuple[str, ...]:
    hypothesis, effect = finding.hypothesis, finding.effect
    found = UNDEFINED
    if effect is not None:
        found = effect_words(finding.response, effect) + hypothesis.unit
    return (
        hypothesis.row,
        hypothesis.subject,
        finding.response.symbol,
        SIGNS[finding.predicted or 0],
        found,
        UNDEFINED if finding.p is None else p_words(finding.p),
        UNDEFINED if finding.adjusted_p is None else p_words(finding.adjusted_p),
        "not tested yet" if finding.verdict == "undefined" else finding.standing,
        hypothesis.source,
    )


def outcome_table(rows: Sequence[OutcomeRow]) -> Table:
    """Return counts of outcomes with exact intervals."""
    return Table(
        (
            "Level or cell",
            "Block",
            "Factor",
            "Seeds",
            *(f"{n[0].upper()}{n[1:]}" for n in OUTCOMES),
        ),
        tuple(
            (
                row.level,
                row.block,
                row.factor or UNDEFINED,
                str(row.counts[OUTCOMES[0]].total),
                # A single cell names itself.
                *(_count(row.counts[n], row.cells[n] if row.factor else None) for n in OUTCOMES),
            )
            for row in rows
        ),
    )


def _count(count: Count, cells: int | None) -> str:
    where = f" in {cells} cell{'' if cells == 1 else 's'}" if cells else ""
    return f"{count.number}{where} [{100 * count.low:.0f}, {100 * count.high:.0f} %]"


def measurement_table(
    changes: Sequence[MeasuredChange],
    findings: Sequence[Finding],
    cells: Cells,
    responses: Sequence[Response],
) -> Table:
    """Return how much other measurements change a figure."""
    names = list(dict.fromkeys(change.cell for change in changes))
    by_cell = {(change.cell, change.response.key): change.effect for change in changes}
    rows = [
        (
            name,
            *(change_text(response, by_cell.get((name, response.key))) for response in responses),
        )
        for name in names
    ]
    spread = ("between probe sets, standard deviation", *(_spread(r, cells) for r in responses))
    largest = ("largest effect of a factor", *(_largest(r, findings) for r in responses))
    head = ("Measured otherwise", *(response.symbol for response in responses))
    return Table(head, (*rows, spread, largest) if rows else ())


def change_text(response: Response, effect: Effect | None) -> str:
    """Write a change with its interval."""
    return UNDEFINED if effect is None else effect_words(response, effect)


def _spread(response: Response, cells: Cells) -> str:
    found = find_probe_variance(cells, response)
    if found is None:
        return UNDEFINED
    text = response.effect_text(found.variance**0.5)
    return text.removeprefix("+")


def _largest(response: Response, findings: Sequence[Finding]) -> str:
    """Write the largest effect over its whole range.

    Motion between different learning rates is left out.
    """
    found = [
        f
        for f in findings
        if f.response is response and f.verdict == "found" and f.effect and not f.divided
    ]
    if not found:
        return "none found"
    largest = max(found, key=lambda f: abs(f.effect.value) * f.test.span if f.effect else 0.0)
    whole = largest.effect.value * largest.test.span if largest.effect else 0.0
    return f"{response.effect_text(whole)} ({largest.hypothesis.label})"


def view_table(tests: Sequence[ViewTest]) -> Table:
    """Return each test of the kernel as registered and measured otherwise."""
    return Table(
        ("Row", "Contrast", "Response", "As registered", "Measured by", "Then", "Result"),
        tuple(
            (
                test.finding.hypothesis.row,
                test.finding.hypothesis.subject + test.finding.hypothesis.unit,
                test.finding.response.symbol,
                change_text(test.finding.response, test.finding.effect),
                test.name,
                change_text(test.response, test.other.effect),
                test.result,
            )
            for test in tests
            if test.result is not None
        ),
    )


def recalibrated_table(tests: Sequence[RecalibratedTest]) -> Table:
    """Return each test with running and with recalibrated statistics."""
    return Table(
        ("Row", "Contrast", "Response", "Running", "Recalibrated", "Change", "Result"),
        tuple(_recalibrated_row(test) for test in tests if test.result is not None),
    )


def _recalibrated_row(test: RecalibratedTest) -> tuple[str, ...]:
    hypothesis, response = test.finding.hypothesis, test.finding.response
    effects = (test.running.effect, test.recalibrated.effect, test.change)
    return (
        hypothesis.row,
        hypothesis.subject + hypothesis.unit,
        response.symbol,
        *(change_text(response, effect) for effect in effects),
        test.result or UNDEFINED,
    )


def reported_table() -> Table:
    """Return the papers' figures alone, for boards without a record in their set-up."""
    networks = ("ResNet-20", "VGG-16")
    return Table(
        ("Quantity", *(f"C2, {name}" for name in networks), "Ours"),
        tuple(
            (f.label, *(f.reported.get(name, UNDEFINED) for name in networks), UNDEFINED)
            for f in PAPER_FIGURES
        ),
    )


def paper_table(rows: Sequence[PaperRow]) -> Table:
    """Return the papers' figures against ours."""
    return Table(
        ("Quantity", "Record", "C2", "Ours, 95 % interval", "Seeds"),
        tuple(
            (
                row.figure.label,
                row.cell.spec,
                row.reported or UNDEFINED,
                _estimate(row.ours, distance),
                str(row.ours.seeds if row.ours else 0),
            )
            for row in rows
        ),
    )
