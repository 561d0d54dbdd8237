"""Bars: what share of the spread each factor of a factorial has."""

from collections.abc import Sequence

from conebench.site.charts.drawing import Drawing, Key, Path, Segment, Tick
from conebench.site.charts.plot import Plot
from conebench.site.charts.table import Table
from conebench.site.findings_page.canvas import Canvas
from conebench.study.shares import Shares
from conebench.study.words.findings import p_words

# Colors of heat maps, far apart.
FACTOR_STYLES = ("cell h1", "cell h9", "cell h17", "cell h24", "cell h30")
TWO_WAY = "cell two-way"
ROW, BAR = 26, 16
WIDTH, LEFT = 640, 150


def share_plot(block: str, found: Sequence[Shares]) -> Plot | None:
    """Return the bars of one factorial. None without any decomposed response."""
    known = [shares for shares in found if shares.block == block and shares.found]
    if not known:
        return None
    canvas = Canvas(WIDTH, 10 + ROW * len(known) + 46, LEFT)
    return Plot(
        key=f"shares-{block}",
        title=f"Shares of the sum of squares, block {block}",
        caption="Of the spread between cells within a seed. What is left is noise and "
        "interactions of three or more factors.",
        drawing=_bars(known, canvas),
        table=Table(
            ("Response", "Effect", "share, %", "p by permutation"),
            tuple(row for shares in known for row in _table_rows(shares)),
        ),
    )


def _table_rows(shares: Shares) -> list[tuple[str, ...]]:
    effects = shares.found.effects if shares.found else ()
    return [
        (shares.response.symbol, shares.name(e.factors), f"{100 * e.share:.1f}", p_words(e.p))
        for e in effects
    ]


def _bars(known: Sequence[Shares], canvas: Canvas) -> Drawing:
    x = canvas.x([0, 100])
    paths, ticks = [], []
    for row, shares in enumerate(known):
        top = 10 + ROW * row + (ROW - BAR) / 2
        ticks.append(Tick(top + BAR / 2, shares.response.symbol))
        start = 0.0
        for style, share in _pieces(shares):
            left, right = x.at(100 * start), x.at(100 * (start + share))
            paths.append(Path(style, f"M{left:g} {top:g}H{right:g}V{top + BAR:g}H{left:g}z"))
            start += share
    _, top, _, height = canvas.frame
    grid = [Segment("thin drop", x.at(at), top, x.at(at), top + height) for at in (20, 40, 60, 80)]
    factors = known[0].factors
    keys = [Key(name, style, "cell") for name, style in zip(factors, FACTOR_STYLES, strict=False)]
    return Drawing(
        width=canvas.width,
        height=canvas.height,
        x_label="share, %",
        y_label="",
        x_ticks=x.ticks(lambda value: f"{value:g}"),
        y_ticks=tuple(ticks),
        frame=canvas.frame,
        paths=tuple(paths),
        segments=tuple(grid),
        dots=(),
        legend=(*keys, Key("two-way interactions", TWO_WAY, "cell")),
    )


def _pieces(shares: Shares) -> list[tuple[str, float]]:
    """Return main effects, then all interactions together."""
    effects = shares.found.effects if shares.found else ()
    # One order in all bars, so that colors are found again.
    main = sorted((e for e in effects if len(e.factors) == 1), key=lambda e: e.factors)
    pieces = [(FACTOR_STYLES[e.factors[0]], e.share) for e in main]
    return [*pieces, (TWO_WAY, sum(e.share for e in effects if len(e.factors) > 1))]
