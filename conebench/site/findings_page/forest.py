"""Forest plots: every contrast of the study, one panel per primary response."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from conebench.analysis.study import Effect
from conebench.record.quantities import UNDEFINED
from conebench.site.charts.drawing import Dot, Drawing, Key, Path, Scale, Segment, Tick, compact
from conebench.site.charts.plot import Plot
from conebench.site.charts.table import Table
from conebench.site.findings_page.canvas import Canvas
from conebench.study.findings import Finding
from conebench.study.responses import PRIMARY, Response
from conebench.study.words.findings import p_words

BLOCK_STYLES = {"A": "c0", "B": "c1", "C": "c2", "D": "c3", "E": "c4"}
TOGETHER = "A to D together"
WIDTH, LEFT = 640, 236
MARK, GAP, LETTERS = 13, 9, 34
# Values beyond this many times the largest margin or effect are cut off.
ROOM = 1.3


@dataclass(frozen=True)
class _Mark:
    """One effect in a row of the plot."""

    row: str
    block: str
    effect: Effect
    y: float


def forest_plots(findings: Sequence[Finding]) -> list[Plot]:
    """Return a panel for each primary response."""
    plots = []
    for response in PRIMARY:
        rows = [f for f in findings if f.response is response and _effects(f)]
        if rows:
            plots.append(_forest_plot(response, rows))
    return plots


def _effects(finding: Finding) -> list[tuple[str, Effect]]:
    """Return the effects by block, then that of all together."""
    blocks = (finding.test, *finding.replications)
    found = [(block.block, block.effect) for block in blocks if block.effect]
    pooled = [(TOGETHER, finding.pooled.effect)] if finding.pooled else []
    return sorted(found, key=lambda item: item[0]) + pooled


def _forest_plot(response: Response, rows: Sequence[Finding]) -> Plot:
    return Plot(
        key=f"forest-{response.key}",
        title=f"Effects on {response.symbol}",
        caption="One mark per block with its 95 % interval, cut off at the frame; diamonds: all "
        "blocks together. Short lines: the margin within which an effect counts as none.",
        drawing=_forest_drawing(response, rows),
        table=Table(
            ("Contrast", "Block", "Effect", "95 % interval", "Seeds", "Runs", "p", "adjusted p"),
            tuple(cells for finding in rows for cells in _table_rows(response, finding)),
        ),
    )


def _table_rows(response: Response, finding: Finding) -> Iterator[tuple[str, ...]]:
    runs = {block.block: block.runs for block in (finding.test, *finding.replications)}
    for block, effect in _effects(finding):
        is_test = block == finding.test.block
        p = effect.p_value
        yield (
            f"{finding.hypothesis.row} {label_of(finding)}",
            block,
            response.effect_text(effect.value),
            response.interval_text(effect.interval()) or UNDEFINED,
            str(effect.seeds),
            str(runs[block]) if block in runs else UNDEFINED,
            UNDEFINED if p is None else p_words(p),
            p_words(finding.adjusted_p)
            if is_test and finding.adjusted_p is not None
            else UNDEFINED,
        )


def label_of(finding: Finding) -> str:
    """Return the contrast's label."""
    label = finding.hypothesis.label
    return f"{label}, ×2" if finding.hypothesis.per_doubling else label


def _forest_drawing(response: Response, rows: Sequence[Finding]) -> Drawing:
    marks, ticks, lines, y = [], [], [], 18.0
    for finding in rows:
        effects, top = _effects(finding), y
        for block, effect in effects:
            marks.append(_Mark(finding.hypothesis.row, block, effect, y))
            y += MARK
        ticks.append(Tick((top + y - MARK) / 2, f"{finding.hypothesis.row} {label_of(finding)}"))
        lines.append((finding, top - MARK / 2, y - MARK / 2))
        y += GAP
    canvas = Canvas(WIDTH, round(y) + 46, LEFT)
    x = _scale(response, canvas, rows, marks)
    shown = {mark.block for mark in marks}
    return Drawing(
        width=canvas.width,
        height=canvas.height,
        x_label=f"change of {response.symbol} (×2: per doubling)",
        y_label="",
        x_ticks=_x_ticks(response, x),
        y_ticks=tuple(ticks),
        frame=canvas.frame,
        paths=tuple(_diamond(response, x, mark) for mark in marks if mark.block == TOGETHER),
        segments=(
            Segment(
                "level-full",
                x.at(_shown(response, 0)),
                10,
                x.at(_shown(response, 0)),
                canvas.height - 46,
            ),
            *(s for found in lines for s in _margins(response, x, *found)),
            *(s for mark in marks for s in _interval(response, x, mark)),
        ),
        dots=tuple(
            Dot(BLOCK_STYLES[m.block], x.at(_shown(response, m.effect.value)), m.y)
            for m in marks
            if m.block in BLOCK_STYLES
        ),
        legend=(
            *(Key(f"block {b}", s, "dot") for b, s in BLOCK_STYLES.items() if b in shown),
            *([Key(TOGETHER, "thin", "line")] if TOGETHER in shown else []),
        ),
    )


def _shown(response: Response, value: float) -> float:
    """Return the place of a change on the axis."""
    # Factors are shown as such, on a logarithmic axis.
    return math.exp(value) if response.kind == "log" else value


def _scale(
    response: Response, canvas: Canvas, rows: Sequence[Finding], marks: Sequence[_Mark]
) -> Scale:
    # By effects and margins, not intervals: with three seeds those can be endless.
    sizes = [abs(mark.effect.value) for mark in marks]
    sizes += [finding.margin for finding in rows if finding.margin]
    reach = ROOM * max(sizes)
    ends = (_shown(response, -reach), _shown(response, reach))
    return canvas.x(ends, log=response.kind == "log")


def _x_ticks(response: Response, x: Scale) -> tuple[Tick, ...]:
    if response.kind == "points":
        # Accuracies are fractions everywhere but on the page.
        hundredfold = Scale(100 * x.low, 100 * x.high, x.start, x.end)
        return hundredfold.ticks(compact)
    return x.ticks(lambda value: f"×{value:g}" if response.kind == "log" else compact(value))


def _margins(
    response: Response, x: Scale, finding: Finding, top: float, bottom: float
) -> list[Segment]:
    if not finding.margin:
        return []
    ends = (x.at(_shown(response, sign * finding.margin)) for sign in (-1, 1))
    return [Segment("drop", at, top, at, bottom) for at in ends]


def _interval(response: Response, x: Scale, mark: _Mark) -> list[Segment]:
    ends = mark.effect.interval()
    if ends is None:
        return []
    low, high = (x.at(_shown(response, end)) for end in ends)
    return [Segment(f"bar {BLOCK_STYLES.get(mark.block, 'thin')}", low, mark.y, high, mark.y)]


def _diamond(response: Response, x: Scale, mark: _Mark) -> Path:
    at, y = x.at(_shown(response, mark.effect.value)), mark.y
    return Path("thin", f"M{at - 7:g} {y:g}L{at:g} {y - 5:g}L{at + 7:g} {y:g}L{at:g} {y + 5:g}Z")
